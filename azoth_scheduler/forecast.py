"""
What a task will do if nothing happens to it: a forecast, never a promise.
"""

from collections.abc import Iterator
from itertools import islice

from azoth.clocks import Instant
from azoth_scheduler.occurrences import catch_up
from azoth_scheduler.schedules import next_occurrence
from azoth_scheduler.task import TaskState, status_of

__all__ = ["forecast"]


def forecast(state: TaskState, count: int, now: Instant) -> tuple[Instant, ...]:
    """
    Return the next nominal times of a task, at most *count*; pure.

    Returns:
        Nothing for a task that is paused, disabled, cancelled or completed. Of what is due at
        *now* only the latest, which runs for all of them.
    """
    return tuple(islice(_coming(state, now), count))


def _coming(state: TaskState, now: Instant) -> Iterator[Instant]:
    nominal = state.next_nominal_at
    if status_of(state) not in ("scheduled", "running", "retrying"):
        return
    found = catch_up(state, now)
    nominal = nominal if found is None else found.nominal_at
    while nominal is not None:
        yield nominal
        nominal = next_occurrence(state.definition.schedule, state.anchor, nominal)
