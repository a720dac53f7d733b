"""
One pass of a scheduler in the search: what it gathers, what the real plan makes of it, what lands.

What is read and asked is what `azoth_scheduler.worker.Worker` reads and asks; every pass looks
after the workers of other attempts.
"""

from collections.abc import Iterable

from attrs import frozen

from azoth.clocks import Instant, Microseconds
from azoth_scheduler._copies import changed
from azoth_scheduler.events import TaskExecuted, TaskRunAbandoned
from azoth_scheduler.execution import Fence
from azoth_scheduler.packing import Parcel
from azoth_scheduler.plan import Gathered, Lost, Overdue, Plan, Unit, plan
from azoth_scheduler.settings import Settings
from azoth_scheduler.simulation.invariants import Breach
from azoth_scheduler.simulation.search.scheduler_states import SHUTDOWN, Lease, SchedulerState
from azoth_scheduler.simulation.search.scopes import Scope
from azoth_scheduler.simulation.search.task_logs import TaskLog
from azoth_scheduler.task import OpenRun, TaskState
from azoth_scheduler.unit_parcels import ends_of, without_claims

__all__ = ["Reading", "is_stale", "landing", "read", "without_stale"]


@frozen(kw_only=True)
class Reading:
    """
    Hold what a scheduler sees when it reads.

    Attributes:
        log: Of the tasks that a pass has to look at.
        at: The true time.
        leases: Of the workers that have claims, save its own.
    """

    log: tuple[TaskLog, ...]
    at: Instant
    leases: tuple[Lease, ...]


@frozen(kw_only=True)
class _Survey:
    lost: tuple[Lost, ...]
    overdue: tuple[Overdue, ...]


def read(
    scope: Scope, scheduler: SchedulerState, reading: Reading
) -> tuple[SchedulerState, Breach | None]:
    """
    Gather and plan; return what the scheduler has in memory then, and what is wrong with its plan.
    """
    now = Instant(reading.at - scheduler.back)
    taken = _renewed(_taken_in(scheduler, now), reading.at, scope.settings)
    gathered = _gathered(scope, taken, reading, now)
    planned = plan(gathered, now)
    for stop in planned.stops:
        taken = taken.with_stop(stop.fence)
    for fence in planned.refused:
        taken = taken.without_refused(fence)
    breach = _neglected(gathered, planned, reading, now)
    size = scope.units_per_append
    groups = range(0, len(planned.units), size)
    pending = tuple(planned.units[first : first + size] for first in groups)
    return changed(taken, pending=pending), breach


def _taken_in(scheduler: SchedulerState, now: Instant) -> SchedulerState:
    if not scheduler.inbox:
        return scheduler
    running = {one.fence: one for one in scheduler.running}
    unrecorded, given_back = list(scheduler.unrecorded), list(scheduler.given_back)
    for ended in scheduler.inbox:
        one = running.pop(ended.fence)
        if one.settled:
            continue
        if ended.outcome == "cancelled" and one.released:
            fence = ended.fence
            given_back.append(Lost(fence=fence, reason=SHUTDOWN, lease_until=now, given_back=True))
        else:
            unrecorded.append(ended)
    return changed(
        scheduler,
        inbox=(),
        running=tuple(running.values()),
        unrecorded=tuple(unrecorded),
        given_back=tuple(given_back),
    )


def _renewed(scheduler: SchedulerState, at: Instant, settings: Settings) -> SchedulerState:
    lease = settings.lease or 0
    if at - scheduler.renewed < lease // 3:
        return scheduler
    return changed(scheduler, until=Instant(at - scheduler.back + lease), renewed=at)


def _gathered(scope: Scope, scheduler: SchedulerState, reading: Reading, now: Instant) -> Gathered:
    free = max(0, scope.slots - len(scheduler.running)) if scheduler.claiming else 0
    survey = _survey(scope, scheduler, reading, now)
    own = (
        Overdue(fence=one.fence, ran=Microseconds(reading.at - one.started))
        for one in scheduler.running
        if not one.settled and reading.at >= one.deadline
    )
    states = {one.task_id: one.state for one in reading.log}
    return Gathered(
        worker_id=scheduler.worker_id,
        settings=scope.settings,
        free=free,
        finished=scheduler.unrecorded,
        overdue=(*own, *survey.overdue),
        lost=(*scheduler.given_back, *survey.lost),
        running=tuple(one.fence for one in scheduler.running if not one.settled),
        due=_due(reading.log, now, free, scope.settings),
        states=states,
    )


def _due(
    logs: Iterable[TaskLog], now: Instant, limit: int, settings: Settings
) -> tuple[TaskState, ...]:
    # As a projection answers: by priority, due time, id.
    due = [
        (log.state.definition.options.priority, log.wake, log.task_id, log.state)
        for log in logs
        if log.wake is not None and log.wake <= now and settings.serves(log.state.definition)
    ]
    return tuple(one[3] for one in sorted(due, key=lambda one: one[:3])[:limit])


def _survey(scope: Scope, scheduler: SchedulerState, reading: Reading, now: Instant) -> _Survey:
    lost: list[Lost] = []
    overdue: list[Overdue] = []
    leases = {lease.worker: lease for lease in reading.leases}
    span = scope.settings.lease or 0
    for log in reading.log:
        for run in log.state.active:
            fence = (log.task_id, run.fence or 0)
            lease = leases.get(run.worker_id)
            if lease is None:
                if fence not in scheduler.in_hand:
                    lost.append(_orphan(fence, run))
            elif found := _lost(fence, run, lease, now, reading.at - span):
                lost.append(found)
            elif now >= run.deadline_at + span:
                overdue.append(Overdue(fence=fence, ran=Microseconds(now - run.started_at)))
    return _Survey(lost=tuple(lost), overdue=tuple(overdue))


def _orphan(fence: Fence, run: OpenRun) -> Lost:
    reason = "its claim was never answered"
    return Lost(fence=fence, reason=reason, lease_until=run.lease_until, given_back=True)


def _lost(fence: Fence, run: OpenRun, lease: Lease, now: Instant, stood_since: int) -> Lost | None:
    # That an observer has watched the row for a lease is left out: it may have, if it is so old.
    until = max(run.lease_until, lease.until)
    if lease.dead:
        return Lost(fence=fence, reason="its worker is dead", lease_until=until)
    if now >= until and lease.renewed <= stood_since:
        return Lost(fence=fence, reason="its lease has run out", lease_until=until)
    return None


def _neglected(gathered: Gathered, planned: Plan, reading: Reading, now: Instant) -> Breach | None:
    ends = {fence for unit in planned.units for fence in ends_of(unit)}
    over = [*(one.fence for one in gathered.lost), *(one.fence for one in gathered.overdue)]
    active = {claim.fence for log in reading.log for claim in log.claims}
    for fence in over:
        if fence in active and fence not in ends:
            return Breach("L2", 0, f"nobody ends the attempt of fence {fence}")
    due = [log.task_id for log in reading.log if log.owed.is_due(now)]
    if due and gathered.free and not planned.units:
        return Breach("L1", 0, f"{due[0]} is due, a slot is free, and nothing is written")
    return None


def landing(scheduler: SchedulerState, log: tuple[TaskLog, ...]) -> tuple[tuple[Unit, ...], int]:
    """
    Return which units of the next append land on *log*, and how many claims are to be left out.
    """
    group = [Parcel(unit, (), 0, 0) for unit in scheduler.pending[0]]
    taken = scheduler.taken
    while group:
        group, taken = without_claims(group, taken)
        stale = [one for one in group if is_stale(one.item, log)]
        if not stale:
            break
        group = [one for one in group if one not in stale]
        taken += sum(_frees(one.item, scheduler.worker_id) for one in stale)
    return tuple(one.item for one in group), taken


def is_stale(unit: Unit, log: tuple[TaskLog, ...]) -> bool:
    """
    Say whether somebody has written to the unit's task since it was decided.
    """
    versions = {one.task_id: one.state.version for one in log}
    return versions[unit.task_id] != unit.expected


def without_stale(scheduler: SchedulerState, log: tuple[TaskLog, ...]) -> SchedulerState:
    """
    Return a scheduler that is through with its pass, if nothing of it can land any more.

    What it would append conflicts, now and later, and then it reads again: that it may do at once.
    """
    units = [unit for group in scheduler.pending for unit in group]
    if all(is_stale(unit, log) for unit in units):
        return changed(scheduler, pending=(), taken=0)
    return scheduler


def _frees(unit: Unit, worker_id: str) -> bool:
    return not unit.starts and any(
        isinstance(event, TaskExecuted | TaskRunAbandoned) and event.worker_id == worker_id
        for event, _ in unit.changes
    )
