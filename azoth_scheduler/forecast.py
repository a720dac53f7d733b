"""
What a task will do if nothing happens to it: a forecast, never a promise.
"""

from collections.abc import Iterator
from itertools import islice

from azoth.clocks import Instant, Microseconds
from azoth_scheduler.grid import Grid, Occurrence, grid_of, upcoming
from azoth_scheduler.occurrences import catch_up
from azoth_scheduler.schedules import Interval, is_fixed_delay
from azoth_scheduler.task import TaskState, status_of

__all__ = ["busy", "forecast"]


def forecast(state: TaskState, count: int, now: Instant) -> tuple[Instant, ...]:
    """
    Return the next nominal times of a task, at most *count*; pure.

    Returns:
        Nothing for a task that is paused, disabled, cancelled or completed. Of what is due at
        *now* only what catch-up runs first. A fixed delay is forecast as if its runs took no time.
    """
    left = grid_of(state).runs_left(state.runs_started)
    return tuple(islice(_coming(state, now), min(count, left)))


def busy(state: TaskState, now: Instant, width: Microseconds, count: int) -> tuple[bool, ...]:
    """
    Say for each of *count* stretches of *width* from *now* whether a run is due in it; pure.

    It costs a few steps for a stretch, however often the task runs in it.
    """
    marks = [False] * count
    grid = grid_of(state)
    left = grid.runs_left(state.runs_started)
    if _is_living(state) and state.buffered and left:
        marks[0], left = True, left - len(state.buffered)
    coming = _first(state, now) if _is_living(state) else None
    while coming is not None and left > 0 and coming.due_at < now + width * count:
        place = max(0, coming.due_at - now) // width
        marks[place] = True
        last, count_to_it = _last_before(grid, coming.nominal_at, now + (place + 1) * width)
        left -= max(1, count_to_it)
        coming = _next(grid, coming, now) if last is None else grid.occurrence(last)
    return tuple(marks)


def _is_living(state: TaskState) -> bool:
    return status_of(state) in ("scheduled", "running", "retrying")


def _coming(state: TaskState, now: Instant) -> Iterator[Instant]:
    if not _is_living(state):
        return
    yield from state.buffered
    grid, coming = grid_of(state), _first(state, now)
    while coming is not None:
        yield coming.nominal_at
        coming = _next(grid, coming, now)


def _first(state: TaskState, now: Instant) -> Occurrence | None:
    found = catch_up(state, now)
    if found is not None:
        return found.following if found.start is None else found.start
    return upcoming(state)


def _next(grid: Grid, coming: Occurrence, now: Instant) -> Occurrence | None:
    if is_fixed_delay(grid.schedule):
        # One that is late runs now, and the delay is counted from there.
        return grid.after_closing(max(coming.nominal_at, now))
    return grid.next(coming.nominal_at)


def _last_before(grid: Grid, nominal_at: Instant, end: int) -> tuple[Instant | None, int]:
    """
    Return the last time between a nominal time and *end*, and how many lie up to it.
    """
    until = Instant(min(end - 1, grid.options.end or end))
    if isinstance(grid.schedule, Interval) and is_fixed_delay(grid.schedule):
        steps = max(0, until - nominal_at) // grid.schedule.microseconds
        found = Instant(nominal_at + steps * grid.schedule.microseconds)
        return (found, steps) if steps else (None, 0)
    last = grid.latest(nominal_at, until)
    return last, 0 if last is None else grid.count(Instant(nominal_at + 1), last)[0]
