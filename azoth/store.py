"""
The port: what the core needs of a store, five methods, and what a store may offer beyond them.

The contract is proved on every store by `azoth.testing.conformance.StoreConformance`:

1. `append` is atomic over all its writes and its checkpoint, durable at the declared level when it
   returns, and linearizable. Nothing of a failed append remains.
2. Positions are 1..head without holes; versions 1..n per stream, in the same order; events get
   positions in the order of the writes.
3. Prefix stability: once anybody has seen head *h*, no event at or below *h* ever appears.
4. `key` is an idempotency key for the whole append: the same key with the same content returns
   the first answer before any other check; with other content it is `IdempotencyConflict`.
5. A `Page` is one snapshot, fully materialised, bounded by `limit` and `PAGE_BYTES_MAX`.
6. `wait` is level-triggered: an append between a read and a wait is never missed.
7. One object serves any number of threads; any number of objects and processes may open one URL.
8. `recorded_at = max(clock.now(), the last recorded_at)` under the write lock, one per append.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from os import PathLike
from types import TracebackType
from typing import Literal, Protocol, Self, TypeAlias, runtime_checkable

from attrs import frozen

from azoth.clocks import Instant
from azoth.events import ALL, Appended, Checkpoint, Event, Page, Query, Write

__all__ = [
    "BackupStore",
    "CheckpointStore",
    "DiagnosableStore",
    "EventStore",
    "Finding",
    "FindingLevel",
    "Lease",
    "LeaseStore",
    "Problem",
    "Progress",
    "RestorableStore",
    "VerifiableStore",
]


@runtime_checkable
class EventStore(Protocol):
    """
    Keep one log of events.
    """

    def append(
        self, *writes: Write, checkpoint: Checkpoint | None = None, key: str | None = None
    ) -> Appended:
        """
        Append all writes and the checkpoint in one commit, or nothing of them.

        Args:
            *writes: At least one, or a checkpoint; a stream stands in at most one of them.
            checkpoint: Moved in the same commit.
            key: Idempotency key of the whole append; none costs nothing.

        Returns:
            The positions and versions given out.

        Raises:
            WrongExpectedVersion: Streams moved; it lists all of them.
            CheckpointConflict: Another runner moved the checkpoint.
            IdempotencyConflict: The key is known with other content.
            StoreBusy: Another process held the store too long; nothing was written.
            OutcomeUnknown: The answer was lost; retry with the key.
            StoreFull: There was no room; nothing was written.
            StoreFailed: The engine failed; after a failed sync, from every later call too.
            StoreClosed: The object was closed.
            ValueError: The writes are over a limit; nothing was done.
        """
        ...

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

        Args:
            query: Which events.
            after: Exclusive; may exceed the head.
            until: Inclusive; None for the head.
            limit: At most so many events, from 1.
            backwards: Newest first; go on with `until = page.events[-1].position - 1`.

        Raises:
            StoreCorrupt: A record does not match its checksum.
            StoreFailed: The engine failed.
            StoreClosed: The object was closed.
        """
        ...

    def wait(self, after: int, timeout: float | None = None) -> int:
        """
        Return the head as soon as it exceeds *after*, or when *timeout* is over.

        Args:
            after: A position already seen.
            timeout: Seconds; 0 looks once, None waits for ever.

        Raises:
            StoreClosed: The object was closed, also while waiting.
        """
        ...

    def checkpoint(self, consumer: str) -> int:
        """
        Return the position that *consumer* saved last; 0 if it never did.
        """
        ...

    def close(self) -> None:
        """
        Let running appends end, wake the waiters, and free everything; twice is fine.
        """
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


@frozen(kw_only=True)
class Problem:
    """
    Name one thing that verification found.

    Attributes:
        position: The event's position, or None where no event is meant.
        reason: What is wrong.
    """

    position: int | None
    reason: str


Progress: TypeAlias = Callable[[str, int, int | None], object]
"""
Be told while something long goes on: what is being looked at, how much of it is done, and how much
there is; None where that is not known. Whatever it raises ends the work.
"""


@runtime_checkable
class VerifiableStore(Protocol):
    """
    Be a store that can check all its records.
    """

    def verify(self, progress: Progress | None = None) -> Sequence[Problem]:
        """
        Return what is damaged, unreachable records too; empty when sound, never raising for it.

        Memory is bounded, however long the log is.

        Args:
            progress: Is told how far it is, in the thread that calls.
        """
        ...


@runtime_checkable
class BackupStore(Protocol):
    """
    Be a store that can copy itself while in use.
    """

    def backup(self, path: str | PathLike[str]) -> None:
        """
        Write a prefix of the log, keys and checkpoints included, to *path*.

        Raises:
            FileExistsError: Something is at *path*.
        """
        ...


@runtime_checkable
class RestorableStore(Protocol):
    """
    Be a store that can take over a log as it is, in as many steps as the log is long.
    """

    def restore(self, events: Iterable[Event]) -> None:
        """
        Write *events*, which go on from the head, with the positions, versions and times they have.

        They are one commit, all or none, as large as an append may be. Keys and checkpoints are not
        carried. `azoth.copying` takes over a log of any length by it.

        Args:
            events: Read before the store is locked.

        Raises:
            ValueError: The events do not go on from the head, or are more than an append may hold.
        """
        ...


@runtime_checkable
class CheckpointStore(Protocol):
    """
    Be a store that can say who keeps a position in it.
    """

    def checkpoints(self) -> Mapping[str, int]:
        """
        Return the position of each consumer that ever saved one.

        Raises:
            StoreCorrupt: A record does not match its checksum.
        """
        ...


@frozen(kw_only=True)
class Lease:
    """
    Say until when a worker vouches for what it has claimed.

    Attributes:
        worker: The worker's id, incarnation included (`web-1/7`).
        until: The end that the worker last wrote, by its own clock.
        dead: Whether its death is proved: its process no longer holds the lock it held.
    """

    worker: str
    until: Instant
    dead: bool = False


@runtime_checkable
class LeaseStore(Protocol):
    """
    Be a store that keeps one lease for each worker in the log's own database; no events.
    """

    def renew(self, worker: str, until: Instant) -> bool:
        """
        Write the worker's lease; the first call takes a lock that only its process holds.

        Returns:
            Whether it is this worker's: False if another live holder has the same id.
        """
        ...

    def leases(self) -> Sequence[Lease]:
        """
        Return the lease of each worker that ever renewed one, in the order of the ids.
        """
        ...


FindingLevel: TypeAlias = Literal["ok", "warning", "problem"]
"""`warning`: it may go wrong one day. `problem`: it is wrong already."""


@frozen(kw_only=True)
class Finding:
    """
    Say one thing about what a store stands on.

    Attributes:
        name: What was looked at, its unit last: `wal_bytes`.
        value: What it is; None where that cannot be told.
        level: Whether it needs attention.
        advice: What to do about it; empty where nothing is to be done.
    """

    name: str
    value: str | int | None
    level: FindingLevel = "ok"
    advice: str = ""


@runtime_checkable
class DiagnosableStore(Protocol):
    """
    Be a store that can say what it stands on.
    """

    def diagnose(self) -> Sequence[Finding]:
        """
        Return what is worth knowing, cheaply and without a change; damage is a finding too.
        """
        ...
