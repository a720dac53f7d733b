"""
What a store object holds in one process: the environment, locks, the queue, and who waits.
"""

from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from azoth.appending import AppendRequest
from azoth.clocks import Clock
from azoth.errors import StoreClosed, StoreFailed
from azoth.events import Event
from azoth.file_locks import FileLock
from azoth.group_commit import GroupCommit, Outcome
from azoth.waiting import Bell
from azoth_lmdb.creating import create_environment
from azoth_lmdb.environment import Environment, open_environment, release_environment
from azoth_lmdb.faults import Faults
from azoth_lmdb.lookout import Lookout
from azoth_lmdb.options import LmdbOptions
from azoth_lmdb.place import LOCK, WORKERS, check_place
from azoth_lmdb.records import load_head
from azoth_lmdb.tables import Transaction
from azoth_lmdb.workers import Workers
from azoth_lmdb.writer import Writer

__all__ = ["Session"]


class Session:
    """
    Hold all that must not cross a fork.

    Args:
        path: The folder of the environment.
        options: Of the store.
        clock: Gives events their time.

    Raises:
        StoreFailed: No environment of ours is or can be made there.
        StoreCorrupt: There is one, and it is damaged.
        StoreBusy: Another process is writing for longer than the busy timeout.
    """

    def __init__(self, path: Path, options: LmdbOptions, clock: Clock) -> None:
        self._faults = Faults(path, options.busy_timeout)
        check_place(path)
        self._lock = _open_lock(path)
        try:
            with self._faults.translated(), self._lock.held(options.busy_timeout):
                self._environment = _open(path, options)
        except OSError as error:
            self._lock.close()
            raise self._faults.after_opening(error) from error
        except BaseException:
            self._lock.close()
            raise
        self._closed = False
        self.writer: Final = Writer(self._environment, self._lock, options, clock, self._faults)
        self.queue: Final = GroupCommit(self._commit)
        self._lookout = Lookout(self._environment)
        self.bell: Final = Bell(self._head, foreign=True)
        self.workers: Final = Workers(path / WORKERS)

    def check(self) -> None:
        """
        Raise again if a sync failed.
        """
        self._faults.check()

    @contextmanager
    def environment(self) -> Generator[Environment, None, None]:
        """
        Lend the environment, and translate its errors.

        Raises:
            StoreClosed: The session was closed.
        """
        if self._closed:
            raise StoreClosed
        with self._faults.translated():
            yield self._environment

    @contextmanager
    def reading(self) -> Generator[Transaction, None, None]:
        """
        Lend a snapshot.

        Raises:
            StoreClosed: The session was closed.
        """
        with self.environment() as environment, environment.reading() as transaction:
            yield transaction

    def restore(self, events: Iterable[Event]) -> None:
        """
        Write *events* into an empty log; the queue's lock is held.
        """
        self.bell.ring(self.writer.restore(events))

    def close(self) -> None:
        """
        Let running calls end, and free everything.
        """
        self.queue.close()
        self.bell.close()
        self._closed = True
        self.workers.close()
        release_environment(self._environment)
        self._lock.close()

    def leave_to_parent(self) -> None:
        """
        Give up everything after a fork; the fork itself gave up the locks and the environment.
        """

    def _commit(self, requests: Sequence[AppendRequest]) -> Sequence[Outcome]:
        outcomes = self.writer.commit(requests)
        self.bell.ring(self.writer.head)
        return outcomes

    def _head(self) -> int:
        with self.environment():
            return self._lookout.head()


def _open_lock(path: Path) -> FileLock:
    try:
        path.mkdir(exist_ok=True)
        return FileLock(path / LOCK)
    except OSError as error:
        raise StoreFailed(
            reason=f"{path / LOCK} cannot be written ({error.strerror}); check the permissions"
        ) from error


def _open(path: Path, options: LmdbOptions) -> Environment:
    create_environment(path, options)
    environment = open_environment(path, options)
    try:
        # It would tell that LMDB took an older snapshot for the last one.
        with environment.reading() as transaction:
            load_head(transaction, transaction.number)
    except BaseException:
        release_environment(environment)
        raise
    return environment
