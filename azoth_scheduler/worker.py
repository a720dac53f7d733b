"""
One pass of a scheduler in the world: gather, plan, act; each touches only its own side.
"""

from collections import deque
from collections.abc import Generator, Sequence
from logging import getLogger
from typing import Final, Literal, TypeAlias, cast

from attrs import define

from azoth.clocks import Instant, Microseconds
from azoth.errors import OutcomeUnknown, StoreBusy, StoreError, StoreFull
from azoth.streams import WrongExpectedVersion
from azoth_scheduler.chains import looked_at
from azoth_scheduler.context import StopSignal
from azoth_scheduler.events import TaskExecuted, TaskRunAbandoned
from azoth_scheduler.execution import Dropped, Ended, Fence, Finished
from azoth_scheduler.leases import Survey
from azoth_scheduler.packing import Parcel, packed
from azoth_scheduler.plan import Gathered, Lost, Overdue, Plan, Start, Unit, plan
from azoth_scheduler.projection.base import ScheduleProjection, Served
from azoth_scheduler.starting import attempt_of
from azoth_scheduler.task import startable, wake_at
from azoth_scheduler.unit_parcels import ends_of, stale_in, unit_parcel, without_claims
from azoth_scheduler.workshop import Workshop

__all__ = ["Phase", "Worker"]

Phase: TypeAlias = Literal["gathered", "appended", "refused"]
"""How far a pass has come: it knows what to decide on, its events are in the log, they are not."""

_logger: Final = getLogger("azoth_scheduler")

_SHUTDOWN: Final = "shutdown"
_BACKOFF_FIRST: Final = Microseconds(50_000)
_BACKOFF_MAX: Final = Microseconds(5_000_000)


@define
class _Running:
    # An attempt that an executor has; settled once the log has its outcome without it, released
    # once it was asked to stop for no other reason than that the scheduler shuts down. One that
    # makes way is asked to stop by the next occurrence of its task.
    stop: StopSignal
    started: Microseconds
    deadline: Microseconds
    makes_way: bool
    settled: bool = False
    released: bool = False


class Worker:
    """
    Run what is due.

    Attributes:
        claiming: Whether it takes new work.
        late_results: How many results came after their outcome was recorded, and were dropped.
    """

    def __init__(self, shop: Workshop) -> None:
        self.claiming = True
        self.late_results = 0
        self._shop = shop
        self._clock = shop.clock
        self._inbox: deque[Ended] = deque()
        self._running: dict[Fence, _Running] = {}
        self._unrecorded: dict[Fence, Finished] = {}
        self._given_back: dict[Fence, Lost] = {}
        self._doubted: set[Fence] = set()
        # Claims that are in the log, or may be, and that nobody carries out: a survey tells.
        self._dangling: set[Fence] = set()
        self._said: set[str] = set()
        self._surveyed: Microseconds | None = None
        self._backoff = _BACKOFF_FIRST
        self._held_until: Microseconds | None = None
        self._again = False
        self._wrote = False

    @property
    def busy(self) -> bool:
        """
        Say whether an attempt runs, or waits for its outcome to be recorded.
        """
        return bool(self._inbox or self._unrecorded or self._given_back or self.running)

    @property
    def running(self) -> int:
        """
        Return how many attempts run that the log knows of.
        """
        return sum(not one.settled for one in tuple(self._running.values()))

    @property
    def stuck(self) -> int:
        """
        Return how many attempts are timed out but have not come back; each takes a slot.
        """
        return sum(one.settled for one in tuple(self._running.values()))

    @property
    def holds(self) -> bool:
        """
        Say whether a handler is at work on an attempt that the log knows of.
        """
        ended = {one.fence for one in tuple(self._inbox)}
        running = tuple(self._running.items())
        return any(not one.settled and fence not in ended for fence, one in running)

    def step(self) -> Instant | None:
        """
        Make one pass, all its phases at once; return when to look again: None if nothing is known.
        """
        phases = self.phases()
        while True:
            try:
                next(phases)
            except StopIteration as ended:
                return cast("Instant | None", ended.value)

    def phases(self) -> Generator[Phase, None, Instant | None]:
        """
        Make one pass, and stop wherever others may act before it goes on; close it for a crash.

        While the store is busy or full, or loses answers, passes are put off with growing waits.
        What ended is kept meanwhile, and its handler does not run again; claims are planned anew.
        """
        now, monotonic = self._clock.now(), self._clock.monotonic()
        if self._held_until is not None and monotonic < self._held_until:
            return Instant(now + self._held_until - monotonic)
        self._again = self._wrote = False
        try:
            self._shop.keeper.renew()
            gathered = self._gather(now)
            if not gathered.is_empty:
                yield "gathered"
                yield from self._act(plan(gathered, now))
            looks_at = self._next_look()
        except (StoreBusy, StoreFull, OutcomeUnknown) as error:
            return Instant(self._clock.now() + self._hold(error))
        self._held_until, self._backoff = None, _BACKOFF_FIRST
        self._doubted.clear()
        return looks_at

    def ask_to_stop(self) -> None:
        """
        Ask every running attempt to stop, because the scheduler shuts down.
        """
        for running in tuple(self._running.values()):
            running.released |= not running.stop.is_set()
            running.stop.set(_SHUTDOWN)

    # Gather: reads only.

    def _gather(self, now: Instant) -> Gathered:
        self._take_finished()
        with self._shop.table.look() as projection:
            survey, orphans = self._look_after_others(projection, now)
            free = self._free(len(orphans))
            due = projection.due(now, free, self._shop.served) if free else ()
            overdue = (*self._overdue(), *survey.overdue)
            lost = (*self._given_back.values(), *survey.lost, *orphans)
            finished = tuple(self._unrecorded.values())
            running = self._unsettled()
            states = {state.task_id: state for state in due}
            if finished or overdue or lost or running:
                named = {
                    *(one.fence[0] for one in finished),
                    *(one.fence[0] for one in overdue),
                    *(one.fence[0] for one in lost),
                    *(request.task_id for one in finished for request in one.requests),
                    *(fence[0] for fence in running),
                }
                states |= {task_id: projection.get(task_id) for task_id in sorted(named)}
        claims = bool(due or finished or lost or overdue)
        return Gathered(
            worker_id=self._shop.keeper.worker_id if claims else "",
            settings=self._shop.settings,
            free=free,
            finished=finished,
            overdue=overdue,
            lost=lost,
            running=running,
            due=tuple(due),
            states=states,
        )

    def _free(self, given_back: int = 0) -> int:
        taken = len(self._running) + len(self._dangling) - given_back
        return max(0, self._shop.slots - taken) if self.claiming else 0

    def _take_finished(self) -> None:
        while self._inbox:
            ended = self._inbox.popleft()
            running = self._running.pop(ended.fence, None)
            if running is None or running.settled:
                self._refuse(ended)
            elif isinstance(ended, Dropped):
                self._give_back(ended)
            elif ended.outcome == "cancelled" and running.released:
                self._give_back(Dropped(fence=ended.fence, reason=_SHUTDOWN, given_back=True))
            else:
                self._unrecorded[ended.fence] = looked_at(ended, self._shop.handlers)

    def _give_back(self, dropped: Dropped) -> None:
        self._given_back[dropped.fence] = Lost(
            fence=dropped.fence,
            reason=dropped.reason,
            lease_until=self._clock.now(),
            given_back=dropped.given_back,
        )

    def _overdue(self) -> Sequence[Overdue]:
        now = self._clock.monotonic()
        return [
            Overdue(fence=fence, ran=Microseconds(now - running.started))
            for fence, running in self._running.items()
            if not running.settled and now >= running.deadline
        ]

    def _unsettled(self) -> tuple[Fence, ...]:
        return tuple(fence for fence, running in self._running.items() if not running.settled)

    def _look_after_others(
        self, projection: ScheduleProjection, now: Instant
    ) -> tuple[Survey, Sequence[Lost]]:
        monotonic = self._clock.monotonic()
        if self._surveyed is not None and monotonic - self._surveyed < self._shop.survey_every:
            return Survey(), ()
        self._surveyed = monotonic
        self._say_unserved(projection, now)
        active = projection.active()
        mine = self._shop.keeper.taken
        others = [one for one in active if one.run.worker_id != mine]
        orphans = [
            Lost(
                fence=(one.task_id, one.run.fence or 0),
                reason="its claim was never answered",
                lease_until=one.run.lease_until,
                given_back=True,
            )
            for one in active
            if one.run.worker_id == mine and not self._knows((one.task_id, one.run.fence or 0))
        ]
        self._dangling = {orphan.fence for orphan in orphans}
        return self._shop.watch.survey(others, now), orphans

    def _say_unserved(self, projection: ScheduleProjection, now: Instant) -> None:
        # Nothing is wrong where another scheduler serves the type, so each is said once.
        everybody = Served(queues=self._shop.served.queues)
        for state in (
            projection.due(now, self._shop.slots, everybody) if self._shop.handlers else ()
        ):
            task_type = state.definition.task_type
            if task_type not in self._shop.handlers and task_type not in self._said:
                self._said.add(task_type)
                _logger.warning("no handler serves task type %r", task_type)

    def _knows(self, fence: Fence) -> bool:
        return fence in self._running or fence in self._unrecorded or fence in self._given_back

    # Act: append, then carry out what has landed.

    def _act(self, planned: Plan) -> Generator[Phase, None, None]:
        for stop in planned.stops:
            if running := self._running.get(stop.fence):
                running.stop.set(stop.reason)
        for fence in planned.refused:
            self._drop(fence)
        taken = 0
        for group in packed(unit_parcel(unit) for unit in planned.units):
            taken = yield from self._append(group, taken)

    def _append(self, group: list[Parcel[Unit]], taken: int) -> Generator[Phase, None, int]:
        # *taken* slots were to be freed by outcomes that conflicted: in the log they are not free.
        while group:
            group, taken = without_claims(group, taken)
            writes = [write for parcel in group for write in parcel.writes]
            try:
                if group:
                    self._wrote = True
                    self._shop.store.append(*writes)
            except WrongExpectedVersion as error:
                stale, group = stale_in(group, {one.stream for one in error.failures})
                taken += sum(self._frees(parcel.item) for parcel in stale)
                self._again = True
                yield "refused"
            except OutcomeUnknown:
                self._dangling.update(start.fence for one in group for start in one.item.starts)
                self._surveyed = None
                raise
            else:
                for parcel in group:
                    self._shop.table.foresee(parcel.writes[-1], parcel.item.changes)
                yield "appended"
                self._land([parcel.item for parcel in group])
                break
        return taken

    def _drop(self, fence: Fence) -> None:
        # The log has an end of this attempt; where an answer was lost, it is the one told here.
        self._given_back.pop(fence, None)
        if running := self._running.get(fence):
            running.settled = True
        finished = self._unrecorded.pop(fence, None)
        if finished is not None and fence not in self._doubted:
            self._refuse(finished)

    def _frees(self, unit: Unit) -> bool:
        mine = self._shop.keeper.taken
        return not unit.starts and any(
            isinstance(event, TaskExecuted | TaskRunAbandoned) and event.worker_id == mine
            for event, _ in unit.changes
        )

    def _land(self, units: Sequence[Unit]) -> None:
        for unit in units:
            self._again = self._again or unit.asks_to_stop
            for fence in unit.settles:
                self._unrecorded.pop(fence, None)
                if running := self._running.get(fence):
                    running.settled = True
            for fence in ends_of(unit):
                self._given_back.pop(fence, None)
                self._dangling.discard(fence)
        starts = [start for unit in units for start in unit.starts]
        self._dangling.update(start.fence for start in starts)
        for start in starts:
            self._launch(start)

    def _hold(self, error: StoreError) -> Microseconds:
        if isinstance(error, OutcomeUnknown):
            self._doubted.update(self._unrecorded)
        wait, self._backoff = self._backoff, Microseconds(min(2 * self._backoff, _BACKOFF_MAX))
        self._held_until = Microseconds(self._clock.monotonic() + wait)
        _logger.warning("pass put off", extra={"error": str(error), "wait_us": wait})
        return wait

    def _launch(self, start: Start) -> None:
        attempt = attempt_of(start, self._shop.handlers, self._clock.monotonic())
        self._running[start.fence] = _Running(
            stop=attempt.context.stop,
            started=attempt.started,
            deadline=attempt.deadline,
            makes_way=start.state.definition.options.overlap == "cancel_other",
        )
        try:
            self._shop.executor.submit(attempt, self._clock, self._report)
            self._dangling.discard(start.fence)
        except BaseException as error:
            # Nobody carries it out, so a survey finds its claim and gives it back.
            self._running.pop(start.fence, None)
            if not isinstance(error, Exception):
                raise
            _logger.exception("attempt not begun", extra={"execution_id": start.run.execution_id})

    def _report(self, ended: Ended) -> None:
        # Called by the executor, from any thread.
        self._inbox.append(ended)
        self._shop.bell.ring()

    def _refuse(self, ended: Ended) -> None:
        if isinstance(ended, Dropped) or ended.outcome == "cancelled":
            # It was asked to stop and did: that is no result.
            return
        self.late_results, fence = self.late_results + 1, ended.fence
        _logger.warning("late result refused", extra={"task_id": fence[0], "fence": fence[1]})

    def _next_look(self) -> Instant | None:
        now, monotonic = self._clock.now(), self._clock.monotonic()
        if self._again or self._inbox or self._unrecorded or self._given_back:
            return now
        running = [one for one in self._running.values() if not one.settled]
        looks = [Instant(now + max(0, one.deadline - monotonic)) for one in running]
        return min([*looks, *self._wakes(now)], default=None)

    def _wakes(self, now: Instant) -> list[Instant]:
        # A retry waits for a slot like everything else; to ask a run to stop takes none.
        making_way = [
            fence[0] for fence, one in self._running.items() if one.makes_way and not one.settled
        ]
        if not (self._free() or making_way):
            return []
        # What others appended since has rung the bell.
        table = self._shop.table
        with table.look() if self._wrote else table.glance() as projection:
            states = [projection.get(task_id) for task_id in making_way]
            wakes = [wake_at(state) for state in states if not startable(state)]
            if self._free():
                wakes.append(projection.next_wake(self._shop.served))
        return [Instant(max(wake, now)) for wake in wakes if wake is not None]
