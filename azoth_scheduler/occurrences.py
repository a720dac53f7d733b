"""
Which occurrences are run and which are left out: the policies for missed ones and for overlap.

An occurrence is decided once. When a slot is free and no run is open, catch-up decides all that
are due. When a run closes, overlap decides those that fell due strictly before its closing event.
"""

from attrs import frozen

from azoth.clocks import Instant, Microseconds
from azoth_scheduler.events import (
    Overlap,
    SchedulerEvent,
    SkipReason,
    TaskRunBuffered,
    TaskRunSkipped,
)
from azoth_scheduler.grid import Grid, Occurrence, grid_of, times_of, upcoming
from azoth_scheduler.schedules import is_fixed_delay, is_recurring
from azoth_scheduler.task import OpenRun, TaskState, is_held

__all__ = ["CaughtUp", "capacity", "catch_up", "delayed_after", "expired", "overlapped"]


@frozen(kw_only=True)
class CaughtUp:
    """
    Answer what to run of the occurrences that are due.

    Attributes:
        before: What stands before the start: occurrences left out, and those that are kept.
        start: The occurrence to run now; None if all were left out.
        after: What stands behind it: those left out that come later.
        following: What is next then; None if nothing is.
    """

    before: tuple[SchedulerEvent, ...]
    start: Occurrence | None
    after: tuple[SchedulerEvent, ...]
    following: Occurrence | None


def catch_up(state: TaskState, now: Instant) -> CaughtUp | None:
    """
    Decide the occurrences due at *now*; None if none is.
    """
    pending = upcoming(state)
    if pending is None or pending.due_at > now:
        return None
    grid, schedule, nominal = grid_of(state), state.definition.schedule, pending.nominal_at
    if pending != grid.occurrence(nominal):
        # A retry that an edit has kept: it was decided before, and overlap decides what is behind.
        following = None if _spent(state, 1) else grid.next(nominal)
        return CaughtUp(before=(), start=pending, after=(), following=following)
    if is_fixed_delay(schedule) or not is_recurring(schedule):
        return _alone(state, pending, now)
    last = grid.latest_due(nominal, now) or nominal
    kept = _kept(state, grid, last, now)
    following = None if _spent(state, len(kept)) else grid.next(last)
    starts = [grid.occurrence(at) for at in kept]
    leaving = _Leaving(state, grid, now, starts[0] if starts else following)
    before: list[SchedulerEvent] = [*leaving.before(nominal, kept[0] if kept else None, last)]
    if len(kept) > 1:
        before.append(_buffered(state, now, tuple(kept), following))
    after: list[SchedulerEvent] = []
    if kept and kept[-1] < last:
        # The earliest is run, so those behind it are left out.
        behind = _Leaving(state, grid, now, following)
        after.append(behind.skip(Instant(kept[-1] + 1), last, "coalesced"))
    start = starts[0] if starts else None
    return CaughtUp(before=tuple(before), start=start, after=tuple(after), following=following)


def _alone(state: TaskState, pending: Occurrence, now: Instant) -> CaughtUp:
    # Nothing is known of a next one, so it waits, however late, unless its caller said otherwise.
    fresh_from = _fresh_from(state, now)
    if fresh_from is None or pending.nominal_at >= fresh_from:
        return CaughtUp(before=(), start=pending, after=(), following=None)
    delayed = is_fixed_delay(state.definition.schedule)
    following = grid_of(state).after_closing(now) if delayed else None
    at = pending.nominal_at
    skipped = _skipped(state, now, (at, at), (1, True), "expired", following)
    return CaughtUp(before=(skipped,), start=None, after=(), following=following)


def _kept(state: TaskState, grid: Grid, last: Instant, now: Instant) -> list[Instant]:
    # The nominal times that are run, in order: from the first that is due up to *last*.
    options, first = state.definition.options, state.next_nominal_at
    assert first is not None, "only what is due is decided"
    since: int = max(first, _fresh_from(state, now) or first)
    match options.catch_up:
        case "latest":
            return [last] if last >= since else []
        case "skip":
            return [last] if last >= max(since, _punctual(grid, first, now, options.grace)) else []
        case "earliest":
            return _walk(grid, Instant(since), last, 1)
        case "all":
            since = max(since, _punctual(grid, first, now, options.catch_up_window))
            limit = min(options.catch_up_limit, _left(state))
            return _newest(grid, Instant(since), last, limit)


def _walk(grid: Grid, since: Instant, last: Instant, limit: int) -> list[Instant]:
    found: list[Instant] = []
    after = Instant(since - 1)
    while len(found) < limit:
        coming = grid.next(after)
        if coming is None or coming.nominal_at > last:
            break
        after = coming.nominal_at
        found.append(after)
    return found


def _newest(grid: Grid, since: Instant, last: Instant, limit: int) -> list[Instant]:
    found: list[Instant] = []
    until = last
    while len(found) < limit:
        before = grid.latest(Instant(since - 1), until)
        if before is None:
            break
        found.append(before)
        until = Instant(before - 1)
    return found[::-1]


def _punctual(grid: Grid, first: Instant, now: Instant, late: Microseconds) -> Instant:
    # From where on nothing is later than *late*: that is judged by the due time, which has the
    # jitter in it, and not by the nominal one.
    too_late = grid.latest_due(Instant(first - 1), Instant(now - late - 1))
    return first if too_late is None else Instant(too_late + 1)


def _fresh_from(state: TaskState, now: Instant) -> Instant | None:
    # What is nominally earlier has expired.
    after = state.definition.options.expires_after
    return None if after is None else Instant(now - after)


def _left(state: TaskState) -> int:
    # How many runs the schedule may still start, those not counted that are kept already.
    return grid_of(state).runs_left(state.runs_started + len(state.buffered))


def _spent(state: TaskState, more: int) -> bool:
    return _left(state) <= more


@frozen
class _Leaving:
    # Leaves out what is due, each with its reason; *upcoming* is what is next after it.
    state: TaskState
    grid: Grid
    at: Instant
    upcoming: Occurrence | None

    def before(self, first: Instant, kept: Instant | None, last: Instant) -> list[TaskRunSkipped]:
        """
        Leave out everything from *first* that is not kept, up to *last*.
        """
        options = self.state.definition.options
        until = last if kept is None else Instant(kept - 1)
        fresh_from = _fresh_from(self.state, self.at)
        reason: SkipReason = "missed" if options.catch_up == "all" else "coalesced"
        bounds: list[tuple[Instant, SkipReason]] = []
        if fresh_from is not None:
            bounds.append((Instant(min(fresh_from - 1, until)), "expired"))
        if options.catch_up == "skip":
            punctual = _punctual(self.grid, first, self.at, options.grace)
            bounds.append((Instant(min(punctual - 1, until)), "missed"))
        bounds.append((until, reason))
        events: list[TaskRunSkipped] = []
        for bound, why in bounds:
            if bound >= first and self.grid.latest(Instant(first - 1), bound) is not None:
                events.append(self.skip(first, bound, why))
                first = Instant(bound + 1)
        return events

    def skip(self, since: Instant, until: Instant, reason: SkipReason) -> TaskRunSkipped:
        """
        Leave out the occurrences from *since* to *until*, of which there is one at least.
        """
        last = self.grid.latest(Instant(since - 1), until)
        first = self.grid.next(Instant(since - 1))
        assert last is not None, "there is one to leave out"
        assert first is not None, "there is one to leave out"
        count = self.grid.count(first.nominal_at, last)
        reach = (first.nominal_at, last)
        return _skipped(self.state, self.at, reach, count, reason, self.upcoming)


def overlapped(
    state: TaskState, closing: OpenRun, closed_at: Instant
) -> tuple[SchedulerEvent, ...]:
    """
    Decide the occurrences that fell due before *closing* is closed at *closed_at*.

    `skip` leaves them out, `buffer_one` keeps the first, `buffer_all` the first so many; `allow`
    and `cancel_other` decide at the occurrence's own time. One-shots wait, and nothing is decided
    while the task is held or another run is open.
    """
    schedule, pending = state.definition.schedule, upcoming(state)
    if pending is None or pending.due_at >= closed_at:
        return ()
    if not is_recurring(schedule) or is_fixed_delay(schedule) or is_held(state):
        return ()
    if state.definition.options.overlap in ("allow", "cancel_other"):
        return ()
    if any(run is not closing for run in state.runs):
        return ()
    grid, nominal = grid_of(state), pending.nominal_at
    last = grid.latest_due(nominal, Instant(closed_at - 1)) or nominal
    room = capacity(state, state.definition.options.overlap)
    kept = _walk(grid, nominal, last, min(room, _left(state)))
    following = None if kept and _spent(state, len(kept)) else grid.next(last)
    events: list[SchedulerEvent] = []
    if kept:
        events.append(_buffered(state, closed_at, tuple(kept), following))
    since = Instant(kept[-1] + 1) if kept else nominal
    if since <= last:
        leaving = _Leaving(state, grid, closed_at, following)
        events.append(leaving.skip(since, last, "overlap"))
    return tuple(events)


def capacity(state: TaskState, overlap: Overlap) -> int:
    """
    Return how many runs more may wait behind one that is open.
    """
    waiting = len(state.buffered) + sum(run.triggered and not run.attempt for run in state.runs)
    match overlap:
        case "buffer_one":
            return max(0, 1 - waiting)
        case "buffer_all":
            return max(0, state.definition.options.buffer_limit - waiting)
        case _:
            return 0


def expired(state: TaskState, now: Instant) -> TaskRunSkipped | None:
    """
    Leave out what was kept and has expired since; None if nothing has.
    """
    fresh_from = _fresh_from(state, now)
    gone = [at for at in state.buffered if fresh_from is not None and at < fresh_from]
    if not gone:
        return None
    reach = (gone[0], gone[-1])
    return _skipped(state, now, reach, (len(gone), True), "expired", upcoming(state))


def delayed_after(state: TaskState, run: OpenRun, closed_at: Instant) -> Occurrence | None:
    """
    Return what a fixed delay names once *run* is closed; None where that names nothing new.

    Of all other schedules what is next is known already.
    """
    delayed = is_fixed_delay(state.definition.schedule) and not run.triggered
    if not delayed or run.generation != state.generation or state.cancelled or _spent(state, 0):
        return None
    return grid_of(state).after_closing(closed_at)


def _buffered(
    state: TaskState, at: Instant, nominals: tuple[Instant, ...], following: Occurrence | None
) -> TaskRunBuffered:
    next_nominal_at, next_run_at = times_of(following)
    return TaskRunBuffered(
        task_id=state.task_id,
        generation=state.generation,
        at=at,
        nominals=nominals,
        next_nominal_at=next_nominal_at,
        next_run_at=next_run_at,
    )


def _skipped(  # noqa: PLR0917 - the fields of the event, in its order
    state: TaskState,
    at: Instant,
    reach: tuple[Instant, Instant],
    count: tuple[int, bool],
    reason: SkipReason,
    following: Occurrence | None,
) -> TaskRunSkipped:
    next_nominal_at, next_run_at = times_of(following)
    return TaskRunSkipped(
        task_id=state.task_id,
        generation=state.generation,
        at=at,
        count=count[0],
        exact=count[1],
        first=reach[0],
        last=reach[1],
        reason=reason,
        next_nominal_at=next_nominal_at,
        next_run_at=next_run_at,
    )
