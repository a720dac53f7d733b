"""
Times of the past that are to be run again, or for the first time: found on a task's grid.
"""

from typing import Final

from azoth.clocks import Instant, datetime_of
from azoth_scheduler.errors import InvalidTask
from azoth_scheduler.grid import grid_of
from azoth_scheduler.schedules import is_fixed_delay, is_recurring
from azoth_scheduler.task import TaskState

__all__ = ["BACKFILL_MAX", "backfilled"]

BACKFILL_MAX: Final = 1_000
"""Of one call: the runs that wait stand in the task's state."""


_COUNTED_MAX: Final = 1_000_000_000
"""Of what is refused: a count is a division, or with cron a step for each change of the clock."""


def backfilled(state: TaskState, start: Instant, end: Instant, now: Instant) -> tuple[Instant, ...]:
    """
    Return the nominal times of a task from *start* to *end*, both inside; pure.

    Raises:
        InvalidTask: The task names no times, or too many or none of them lie there, or *end* lies
            after *now*: those times come by themselves.
    """
    grid = grid_of(state).reaching(start)
    if not is_recurring(grid.schedule) or is_fixed_delay(grid.schedule):
        raise _refused(state, "its schedule names no times; trigger it instead")
    if end < start:
        raise _refused(state, f"end {datetime_of(end)} lies before start {datetime_of(start)}")
    count, exact = grid.count(start, end, _COUNTED_MAX)
    if count > BACKFILL_MAX:
        said = f"{count:,}" if exact else f"more than {count:,}"
        raise _refused(
            state,
            f"{said} times lie from {datetime_of(start)} to {datetime_of(end)}, and at most "
            f"{BACKFILL_MAX:,} are filled in by one call; fill them in by parts",
        )
    if end > now:
        reason = f"end {datetime_of(end)} is yet to come; times to come run by themselves"
        raise _refused(state, f"{reason}: fill in up to {datetime_of(now)}")
    found: list[Instant] = []
    coming = grid.next(Instant(start - 1))
    while coming is not None and coming.nominal_at <= end:
        found.append(coming.nominal_at)
        coming = grid.next(coming.nominal_at)
    if not found:
        raise _refused(state, "its schedule names no time from start to end; look at `forecast`")
    return tuple(found)


def _refused(state: TaskState, reason: str) -> InvalidTask:
    return InvalidTask(task_id=state.task_id, reason=reason)
