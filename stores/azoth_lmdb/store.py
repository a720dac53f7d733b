"""
The store in one LMDB environment, for any number of threads and processes of one machine.

In its folder stand LMDB's file and table of readers (`data.mdb`, `lock.mdb`), a lock file
(`azoth-lock`) and, once leases are renewed, a folder of workers' locks (`azoth-workers`). Copy it
with `backup`: a file that is copied while somebody writes is no snapshot. The file belongs to
machines of one kind, since LMDB writes numbers as the machine does, and never to a network drive
or to containers that do not see each other's processes: LMDB's locks end there.
"""

from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Self

from azoth.appending import check_append
from azoth.clocks import Clock, Instant
from azoth.errors import StoreFailed
from azoth.events import (
    ALL,
    Appended,
    Checkpoint,
    Event,
    Page,
    Query,
    Write,
    check_integer,
    check_name,
)
from azoth.reading import check_read, check_wait
from azoth.restoring import as_batch
from azoth.sessions import Sessions
from azoth.store import Finding, Lease, Problem, Progress
from azoth.urls import StoreUrl, options_of
from azoth_lmdb.backup import back_up
from azoth_lmdb.diagnosing import diagnose
from azoth_lmdb.options import LmdbOptions
from azoth_lmdb.reader import read_page
from azoth_lmdb.records import load_checkpoint, load_checkpoints
from azoth_lmdb.session import Session, open_session
from azoth_lmdb.verifying import verify

__all__ = ["LmdbStore", "open_lmdb"]


def open_lmdb(url: StoreUrl, *, clock: Clock, **options: object) -> "LmdbStore":
    """
    Open the environment in the folder at the URL's path; it is made if it is missing.

    Raises:
        ValueError: The URL names no folder, or an option is unknown or not allowed.
        StoreFailed: The parent is missing or cannot be written, or the folder is not ours.
        StoreCorrupt: The environment is damaged.
    """
    chosen = options_of(LmdbOptions, url, options)
    if url.authority or not url.path:
        raise ValueError(
            f"{url} names no folder; write lmdb:///data/azoth.lmdb, or four slashes for a path "
            "from /"
        )
    return LmdbStore(Path(url.path).absolute(), chosen, clock)


class LmdbStore:
    """
    Keep a log in an LMDB environment.

    Args:
        path: The folder.
        options: Durability, patience, and the map to begin with.
        clock: Gives events their time.
    """

    def __init__(self, path: Path, options: LmdbOptions, clock: Clock) -> None:
        self._sessions = Sessions(lambda: open_session(path, options, clock))

    def append(
        self, *writes: Write, checkpoint: Checkpoint | None = None, key: str | None = None
    ) -> Appended:
        """
        Append all writes and the checkpoint in one commit, or nothing of them.
        """
        request = check_append(writes, checkpoint, key)
        return self._writing().queue.append(request)

    def read(
        self,
        query: Query = ALL,
        *,
        after: int = 0,
        until: int | None = None,
        limit: int = 500,
        backwards: bool = False,
    ) -> Page:
        """
        Return the events of (*after*, *until*] that match, from one snapshot.
        """
        request = check_read(query, after, until, limit, backwards=backwards)
        with self._sessions.current().reading() as transaction:
            return read_page(transaction, request)

    def wait(self, after: int, timeout: float | None = None) -> int:
        """
        Return the head as soon as it exceeds *after*, or when *timeout* is over.
        """
        check_wait(after, timeout)
        return self._sessions.current().bell.wait(after, timeout)

    def checkpoint(self, consumer: str) -> int:
        """
        Return the position that *consumer* saved last; 0 if it never did.
        """
        check_name(consumer, "consumer")
        with self._sessions.current().reading() as transaction:
            return load_checkpoint(transaction, consumer.encode())

    def checkpoints(self) -> Mapping[str, int]:
        """
        Return the position of each consumer that ever saved one.
        """
        with self._sessions.current().reading() as transaction:
            return load_checkpoints(transaction)

    def verify(self, progress: Progress | None = None) -> Sequence[Problem]:
        """
        Return what is damaged, unreachable records too; empty when sound, never raising for it.
        """
        with self._sessions.current().environment() as environment:
            return verify(environment, progress or _told_nobody)

    def diagnose(self) -> Sequence[Finding]:
        """
        Return what is worth knowing, cheaply and without a change; damage is a finding too.
        """
        return diagnose(self._sessions.current())

    def backup(self, path: str | PathLike[str]) -> None:
        """
        Write a prefix of the log, keys, checkpoints and leases included, to the folder *path*.
        """
        with self._sessions.current().environment() as environment:
            back_up(environment, Path(path).absolute())

    def restore(self, events: Iterable[Event]) -> None:
        """
        Write *events*, which go on from the head, as they are; all or none.
        """
        batch = as_batch(events)
        session = self._writing()
        with session.queue.exclusive():
            session.restore(batch)

    def renew(self, worker: str, until: Instant) -> bool:
        """
        Write the worker's lease; the first call takes a lock that only this object holds.

        The lock is freed by `close` or by the end of the process. The lease stays, so that no
        later worker takes the id for a new one.
        """
        check_name(worker, "worker")
        check_integer(until, "until")
        session = self._writing()
        with session.queue.exclusive():
            return session.writer.write(
                lambda transaction, state: session.workers.renew(transaction, state, worker, until)
            )

    def leases(self) -> Sequence[Lease]:
        """
        Return the lease of each worker that ever renewed one, in the order of the ids.
        """
        session = self._writing()
        with session.queue.exclusive():
            return session.writer.write(session.workers.leases)

    def close(self) -> None:
        """
        Let running appends end, wake the waiters, and free everything; twice is fine.
        """
        self._sessions.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _writing(self) -> Session:
        session = self._sessions.current()
        if not isinstance(session, Session):
            raise StoreFailed(
                reason="it was opened with mode=ro, to look at it; open it with mode=rw to write"
            )
        return session


def _told_nobody(_step: str, _done: int, _total: int | None) -> None:
    return None
