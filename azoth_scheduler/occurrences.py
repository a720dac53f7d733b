"""
Which occurrences are run and which are left out: the policies for missed ones and for overlap.

An occurrence is decided once. When a slot is free and no run is open, catch-up decides all that
are due: the latest is run, the others are coalesced. When a run closes, overlap decides those that
fell due strictly before its closing event: they are skipped.
"""

from attrs import frozen

from azoth.clocks import Instant
from azoth_scheduler.events import SkipReason, TaskRunSkipped
from azoth_scheduler.schedules import (
    count_occurrences,
    is_recurring,
    latest_occurrence,
    next_occurrence,
)
from azoth_scheduler.task import OpenRun, TaskState

__all__ = ["CaughtUp", "catch_up", "overlapped"]


@frozen(kw_only=True)
class CaughtUp:
    """
    Answer what to run of the occurrences that are due.

    Attributes:
        nominal_at: The occurrence to run.
        due_at: When it was due.
        next_at: The one after it; None if nothing follows.
        skipped: Those left out, by event; None if there are none.
    """

    nominal_at: Instant
    due_at: Instant
    next_at: Instant | None
    skipped: TaskRunSkipped | None


def catch_up(state: TaskState, now: Instant) -> CaughtUp | None:
    """
    Decide the occurrences due at *now*; None if none is.
    """
    nominal, due = state.next_nominal_at, state.next_run_at
    if nominal is None or due is None or due > now:
        return None
    schedule = state.definition.schedule
    latest = latest_occurrence(schedule, state.anchor, nominal, now)
    if latest is None:
        following = next_occurrence(schedule, state.anchor, nominal)
        return CaughtUp(nominal_at=nominal, due_at=due, next_at=following, skipped=None)
    return CaughtUp(
        nominal_at=latest,
        due_at=latest,
        next_at=next_occurrence(schedule, state.anchor, latest),
        skipped=_skip(state, now, latest, "coalesced"),
    )


def overlapped(
    state: TaskState, closing: OpenRun, closed_at: Instant
) -> tuple[TaskRunSkipped, ...]:
    """
    Leave out the occurrences that fell due before *closing* is closed at *closed_at*.

    One-shots wait, and while the task is held nothing is decided.
    """
    due, schedule = state.next_run_at, state.definition.schedule
    if due is None or due >= closed_at or not is_recurring(schedule):
        return ()
    held = state.paused or state.disabled or state.cancelled
    if held or any(run is not closing for run in state.runs):
        return ()
    following = next_occurrence(schedule, state.anchor, Instant(closed_at - 1))
    return (_skip(state, closed_at, following, "overlap"),)


def _skip(
    state: TaskState, at: Instant, next_at: Instant | None, reason: SkipReason
) -> TaskRunSkipped:
    # From the next occurrence up to, and without, the one that follows the skipped ones.
    first = state.next_nominal_at
    assert first is not None, "only occurrences that are due are skipped"
    schedule, anchor = state.definition.schedule, state.anchor
    until = Instant((next_at if next_at is not None else at + 1) - 1)
    last = latest_occurrence(schedule, anchor, first, until) or first
    count, exact = count_occurrences(schedule, anchor, first, last)
    return TaskRunSkipped(
        task_id=state.task_id,
        generation=state.generation,
        at=at,
        count=count,
        exact=exact,
        first=first,
        last=last,
        reason=reason,
        next_nominal_at=next_at,
        next_run_at=next_at,
    )
