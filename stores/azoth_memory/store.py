"""
The store that lives in this process: no durability, and the model that other stores are tested by.

One lock covers the log and the append, so a page is a snapshot and a batch becomes visible whole.
"""

import os
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from threading import Lock
from types import TracebackType
from typing import Self

from attrs import frozen

from azoth.appending import Draft, admit_all, check_append
from azoth.clocks import Clock, Instant
from azoth.errors import StoreClosed, StoreFailed
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
from azoth.records import encode_metadata
from azoth.restoring import as_batch, check_restored
from azoth.store import Finding, Lease
from azoth.urls import StoreUrl, options_of
from azoth.waiting import Bell
from azoth_memory.log import MemoryLog

__all__ = ["MemoryOptions", "MemoryStore", "open_memory"]


@frozen
class MemoryOptions:
    """
    Be empty: a memory store has no options.
    """


def open_memory(url: StoreUrl, *, clock: Clock, **options: object) -> "MemoryStore":
    """
    Return a new, empty store; `memory://` never finds an older one.

    Raises:
        ValueError: The URL names a place, or an option is given.
    """
    if url.authority or url.path:
        raise ValueError(f"{url} names a place, but memory has none; write memory://")
    options_of(MemoryOptions, url, options)
    return MemoryStore(clock)


class MemoryStore:
    """
    Keep a log in this process for as long as the object lives.

    Args:
        clock: Gives events their time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = Lock()
        self._log = MemoryLog()
        self._leases: dict[str, Instant] = {}
        self._bell = Bell(self._head, foreign=False)
        self._closed = False
        self._process = os.getpid()

    def append(
        self, *writes: Write, checkpoint: Checkpoint | None = None, key: str | None = None
    ) -> Appended:
        """
        Append all writes and the checkpoint, or nothing of them.
        """
        request = check_append(writes, checkpoint, key)
        with self._opened() as log:
            draft = Draft(log, self._clock.now())
            (outcome,) = admit_all([request], draft)
            if not isinstance(outcome, Appended):
                raise outcome
            log.apply(draft)
            self._bell.ring(log.head)
        return outcome

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
        Return the events of (*after*, *until*] that match.
        """
        request = check_read(query, after, until, limit, backwards=backwards)
        with self._opened() as log:
            return log.read(request)

    def wait(self, after: int, timeout: float | None = None) -> int:
        """
        Return the head as soon as it exceeds *after*, or when *timeout* is over.
        """
        check_wait(after, timeout)
        self._check_process()
        return self._bell.wait(after, timeout)

    def checkpoint(self, consumer: str) -> int:
        """
        Return the position that *consumer* saved last; 0 if it never did.
        """
        check_name(consumer, "consumer")
        with self._opened() as log:
            return log.checkpoint(consumer)

    def checkpoints(self) -> Mapping[str, int]:
        """
        Return the position of each consumer that ever saved one.
        """
        with self._opened() as log:
            return log.checkpoints()

    def diagnose(self) -> Sequence[Finding]:
        """
        Return what is worth knowing: there is no file, and nothing survives the process.
        """
        with self._opened() as log:
            return [
                Finding(name="engine", value="memory"),
                Finding(name="durability", value="none: the log ends with its process"),
                Finding(name="head", value=log.head),
                Finding(name="streams", value=log.streams),
            ]

    def restore(self, events: Iterable[Event]) -> None:
        """
        Write *events*, which go on from the head, as they are; all or none.
        """
        batch = as_batch(events)
        with self._opened() as log:
            check_restored(batch, log)
            for event in batch:
                log.add(event, len(event.data) + len(encode_metadata(event.metadata)))
            self._bell.ring(log.head)

    def renew(self, worker: str, until: Instant) -> bool:
        """
        Write the worker's lease; no other holder can exist, so it is always this worker's.
        """
        check_name(worker, "worker")
        check_integer(until, "until")
        with self._opened():
            self._leases[worker] = until
        return True

    def leases(self) -> Sequence[Lease]:
        """
        Return the lease of each worker; none is dead, since they share this process.
        """
        with self._opened():
            rows = sorted(self._leases.items())
        return [Lease(worker=worker, until=until) for worker, until in rows]

    def close(self) -> None:
        """
        Let running appends end and wake the waiters; the log lives as long as the object.
        """
        if os.getpid() == self._process:
            with self._lock:
                self._closed = True
            self._bell.close()
        self._closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @contextmanager
    def _opened(self) -> Generator[MemoryLog, None, None]:
        self._check_process()
        with self._lock:
            if self._closed:
                raise StoreClosed
            yield self._log

    def _check_process(self) -> None:
        # The lock may have been held by a thread that the child does not have.
        if os.getpid() != self._process:
            raise StoreFailed(
                reason="a memory store belongs to the process that made it, and this is a fork; "
                "use a store on disk to share a log"
            )

    def _head(self) -> int:
        with self._opened() as log:
            return log.head
