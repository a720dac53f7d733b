"""
The log as the world sees it, and as each scheduler meets it: the same store, with seams before it.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Final

from attrs import define, field, frozen

from azoth.clocks import Instant
from azoth.errors import StoreBusy
from azoth.events import ALL, Appended, Checkpoint, Page, Query, Write
from azoth.store import EventStore, Lease
from azoth.testing import Fault, FaultyStore
from azoth.wrapping import StoreWrapper
from azoth_scheduler.simulation.world.faults import Faults

__all__ = ["Leases", "Seam", "WatchedLog"]

_BUSY_SECONDS: Final = 5.0

_MEANT: Final = {
    "busy": Fault.BUSY,
    "full": Fault.FULL,
    "failed": Fault.FAILED,
    "conflict": Fault.CONFLICT,
    "lost_answer": Fault.LOST_ANSWER,
    "lost_request": Fault.LOST_REQUEST,
    "crash_before": Fault.CRASH_BEFORE,
    "crash_after": Fault.CRASH_AFTER,
}


class WatchedLog(StoreWrapper):
    """
    Tell of each commit, whether its writer hears of it or not; it stands before the store.
    """

    def __init__(
        self, store: EventStore, committed: Callable[[Sequence[Write], Appended], None]
    ) -> None:
        super().__init__(store)
        self._committed = committed

    def append(
        self, *writes: Write, checkpoint: Checkpoint | None = None, key: str | None = None
    ) -> Appended:
        """
        Append, and tell of it.
        """
        answer = self._store.append(*writes, checkpoint=checkpoint, key=key)
        self._committed(writes, answer)
        return answer

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
        Read what the store holds.
        """
        return self._store.read(query, after=after, until=until, limit=limit, backwards=backwards)


@define
class _Row:
    until: Instant
    is_held: Callable[[], bool]
    changed: list[Instant]


@frozen
class Leases:
    """
    Be the table of leases in the log's database.

    Attributes:
        proves_death: Whether a dead worker is told from a silent one, as on one machine.
        now: Says the true time.
    """

    proves_death: bool
    now: Callable[[], Instant]
    _rows: dict[str, _Row] = field(factory=dict[str, _Row])
    # When each scheduler has looked at the table last.
    _looked: dict[str, Instant] = field(factory=dict[str, Instant])

    def renew(self, worker: str, until: Instant, is_held: Callable[[], bool]) -> bool:
        """
        Write a worker's row; False if another living holder has it.
        """
        row = self._rows.get(worker)
        if row is None:
            self._rows[worker] = _Row(until, is_held, [self.now()])
            return True
        if row.is_held is not is_held and row.is_held():
            return False
        if until != row.until:
            row.changed.append(self.now())
        row.until, row.is_held = until, is_held
        return True

    def stood_still(self, worker: str, span: int) -> bool:
        """
        Say whether a worker's row was the same for so long when somebody looked at it last.
        """
        row = self._rows.get(worker)
        if row is None:
            return True
        spans = (
            look - row.changed[bisect_right(row.changed, look) - 1]
            for look in self._looked.values()
            if look >= row.changed[0]
        )
        return any(stood >= span for stood in spans)

    def seen_by(self, scheduler: str) -> Sequence[Lease]:
        """
        Return a row for each worker that ever was.
        """
        self._looked[scheduler] = self.now()
        return [
            Lease(worker=worker, until=row.until, dead=self.proves_death and not row.is_held())
            for worker, row in sorted(self._rows.items())
        ]


class Seam(FaultyStore):
    """
    Be the store as one process has it open: what strikes is drawn at each call.

    Args:
        log: The log that all share.
        leases: The table of leases that all share.
        faults: Say what strikes.
        scheduler: Whose seam it is.
        is_held: Says whether the process lives; also its lock.
        called: Told of each call, and of what struck.
    """

    def __init__(
        self,
        log: EventStore,
        leases: Leases,
        faults: Faults,
        *,
        scheduler: str,
        is_held: Callable[[], bool],
        called: Callable[[str | None], None],
    ) -> None:
        super().__init__(log, appends=self._at_append, reads=self._at_read)
        self._leases = leases
        self._faults = faults
        self._scheduler = scheduler
        self._is_held = is_held
        self._called = called

    def renew(self, worker: str, until: Instant) -> bool:
        """
        Write the worker's lease, or fail.
        """
        self._at_lease()
        return self._leases.renew(worker, until, self._is_held)

    def leases(self) -> Sequence[Lease]:
        """
        Return the lease of each worker, or fail.
        """
        self._at_lease()
        return self._leases.seen_by(self._scheduler)

    def _at_append(self, _call: int) -> Fault | None:
        return _MEANT.get(self._strike("append"))

    def _at_read(self, _call: int) -> Fault | None:
        return _MEANT.get(self._strike("read"))

    def _at_lease(self) -> None:
        if self._strike("lease"):
            raise StoreBusy(seconds=_BUSY_SECONDS)

    def _strike(self, seam: str) -> str:
        struck = self._faults.strike(seam, self._scheduler)
        self._called(struck)
        return struck or ""
