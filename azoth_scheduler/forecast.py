"""
What a task will do if nothing happens to it: a forecast, never a promise.
"""

from collections.abc import Iterator
from itertools import islice

from azoth.clocks import Instant
from azoth_scheduler.grid import grid_of
from azoth_scheduler.occurrences import catch_up
from azoth_scheduler.schedules import is_fixed_delay
from azoth_scheduler.task import TaskState, status_of

__all__ = ["forecast"]


def forecast(state: TaskState, count: int, now: Instant) -> tuple[Instant, ...]:
    """
    Return the next nominal times of a task, at most *count*; pure.

    Returns:
        Nothing for a task that is paused, disabled, cancelled or completed. Of what is due at
        *now* only what catch-up runs first. A fixed delay is forecast as if its runs took no time.
    """
    left = state.definition.options.max_runs
    most = count if left is None else min(count, max(0, left - state.runs_started))
    return tuple(islice(_coming(state, now), most))


def _coming(state: TaskState, now: Instant) -> Iterator[Instant]:
    if status_of(state) not in ("scheduled", "running", "retrying"):
        return
    yield from state.buffered
    grid = grid_of(state)
    found = catch_up(state, now)
    started = None if found is None else found.start
    nominal = state.next_nominal_at if started is None else started.nominal_at
    delayed = is_fixed_delay(state.definition.schedule)
    while nominal is not None:
        yield nominal
        following = grid.after_closing(nominal) if delayed else grid.next(nominal)
        nominal = None if following is None else following.nominal_at
