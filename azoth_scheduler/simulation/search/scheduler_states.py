"""
What one scheduler has in memory, as a value: equal memories are one state of the search.
"""

from collections.abc import Sequence
from typing import Final

from attrs import frozen

from azoth.clocks import Instant
from azoth_scheduler._copies import changed
from azoth_scheduler.execution import Fence, Finished
from azoth_scheduler.plan import Lost, Start, Unit
from azoth_scheduler.unit_parcels import ends_of

__all__ = ["SHUTDOWN", "Lease", "Running", "SchedulerState"]

SHUTDOWN: Final = "shutdown"
"""Why attempts are asked to stop, and then given back."""


@frozen
class Lease:
    """
    Hold the row by which a worker vouches for its claims.

    Attributes:
        until: When it runs out, by the clock of its worker.
        renewed: When it last moved, by the monotonic clock that all share here.
        dead: Whether the lock of the worker's process proves that it is gone.
    """

    worker: str
    until: Instant
    renewed: Instant
    dead: bool = False


# Not slotted, so that `changed` can copy them: a search makes many.
@frozen(kw_only=True, slots=False)
class Running:
    """
    Hold an attempt that an executor has.

    Attributes:
        stopped: Whether it was asked to stop.
        released: Whether that was for no other reason than a shutdown.
        settled: Whether the log has its outcome without it.
        ended: Whether its result waits to be taken in.
    """

    fence: Fence
    started: Instant
    deadline: Instant
    stopped: bool = False
    released: bool = False
    settled: bool = False
    ended: bool = False


@frozen(kw_only=True, slots=False)
class SchedulerState:
    """
    Be what `azoth_scheduler.worker.Worker` keeps between two moves of the world.

    Attributes:
        alive: Whether its process is there.
        claiming: Whether it takes new work.
        back: By how much its clock was set back.
        inbox: Results that were reported and not taken in yet, in the order in which they came.
        unrecorded: Results that were taken in and are not in the log, as far as it knows.
        given_back: Attempts that really stopped, and that it gives back.
        pending: What its pass has decided and not appended; one group is one append.
        taken: How many slots its pass has counted on, that were not freed: an outcome conflicted.
    """

    name: str
    incarnation: int = 1
    alive: bool = True
    claiming: bool = True
    back: int = 0
    until: Instant = Instant(0)
    renewed: Instant = Instant(0)
    running: tuple[Running, ...] = ()
    inbox: tuple[Finished, ...] = ()
    unrecorded: tuple[Finished, ...] = ()
    given_back: tuple[Lost, ...] = ()
    pending: tuple[tuple[Unit, ...], ...] = ()
    taken: int = 0

    @property
    def worker_id(self) -> str:
        """
        Return the name that its claims carry.
        """
        return f"{self.name}/{self.incarnation}"

    @property
    def lease(self) -> Lease:
        """
        Return its row among the leases.
        """
        return Lease(self.worker_id, self.until, self.renewed)

    @property
    def idle(self) -> bool:
        """
        Say whether a crash of it loses nothing.
        """
        return not (self.running or self.unrecorded or self.given_back or self.pending)

    @property
    def untouched(self) -> bool:
        """
        Say whether nothing was done by it or to it.
        """
        fresh = self.idle and self.claiming and not self.back
        return fresh and self.alive and self.incarnation == 1

    @property
    def working(self) -> tuple[Running, ...]:
        """
        Return the attempts that are really carried out at this moment.
        """
        return tuple(one for one in self.running if not one.ended)

    @property
    def in_hand(self) -> tuple[Fence, ...]:
        """
        Return the attempts that it knows of.
        """
        return (
            *(one.fence for one in self.running),
            *(one.fence for one in self.unrecorded),
            *(one.fence for one in self.given_back),
        )

    def with_stop(self, fence: Fence) -> "SchedulerState":
        """
        Ask an attempt to stop.
        """
        return changed(self, running=_with(self.running, (fence,), stopped=True))

    def without_refused(self, fence: Fence) -> "SchedulerState":
        """
        Drop what is known of an attempt whose end the log has.
        """
        return self._settled((fence,), (fence,))

    def landed(self, unit: Unit, now: Instant) -> "SchedulerState":
        """
        Take note that a unit is in the log, and carry out what it claims.
        """
        after = self._settled(unit.settles, ends_of(unit))
        begun = tuple(_launched(start, now) for start in unit.starts)
        return changed(after, running=(*after.running, *begun)) if begun else after

    def _settled(self, recorded: Sequence[Fence], given_back: Sequence[Fence]) -> "SchedulerState":
        return changed(
            self,
            running=_with(self.running, recorded, settled=True),
            unrecorded=tuple(one for one in self.unrecorded if one.fence not in recorded),
            given_back=tuple(one for one in self.given_back if one.fence not in given_back),
        )


def _with(
    running: tuple[Running, ...], fences: Sequence[Fence], **changes: bool
) -> tuple[Running, ...]:
    return tuple(changed(one, **changes) if one.fence in fences else one for one in running)


def _launched(start: Start, now: Instant) -> Running:
    length = start.run.deadline_at - start.run.started_at
    return Running(fence=start.fence, started=now, deadline=Instant(now + length))
