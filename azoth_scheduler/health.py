"""
How a scheduler is doing, and what of it is wrong.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final

from attrs import frozen

from azoth.clocks import Instant, Microseconds, datetime_of, timedelta_of
from azoth_scheduler.projection.base import ScheduleProjection, Served, TaskFilter
from azoth_scheduler.task import TaskState, wake_at

__all__ = ["LATE_MAX", "Health", "LateTask", "Survey", "surveyed"]

LATE_MAX: Final = 1_000
"""Late tasks that are looked at: whoever has more has one trouble, not a thousand."""


@frozen(kw_only=True)
class LateTask:
    """
    Name a task that should have started by now.

    Attributes:
        task_id: The task.
        task_type: Its type.
        queue: Its queue.
        due_at: Since when it could have started.
        late: How long ago that was.
    """

    task_id: str
    task_type: str
    queue: str
    due_at: datetime
    late: timedelta


@frozen(kw_only=True)
class Health:
    """
    Say how a scheduler is doing.

    Attributes:
        head: The head of the log.
        position: Where its schedule table stands.
        behind: How many positions the table lay behind the head before it was brought up to date
            for this answer.
        running: Attempts that run.
        stuck: Attempts that are timed out and have not come back; each takes a slot.
        overdue: Attempts of anybody that are past their deadline by more than a lease, and that
            nobody has ended.
        late: Tasks that fell due longer ago than the poll interval and a lease, and that nobody
            has started: the most late first, at most `LATE_MAX`.
        disabled: Tasks whose runs are exhausted; those that a handler discarded are not counted.
        late_results: Results that came after their outcome was recorded, and were dropped.
        unreadable: Events of the scheduler that could not be decoded; their tasks go on without.
        unserved: Tasks that would run, of types that this scheduler has no handler for.
        unserved_types: The same by type.
        unserved_queues: Tasks that would run, of queues that it does not serve, by queue.
        clock_behind: How far the clock is behind the last recorded time, where it is more than a
            minute: nothing that lies ahead runs before it has come there.
    """

    head: int
    position: int
    behind: int
    running: int
    stuck: int
    overdue: int
    late: tuple[LateTask, ...]
    disabled: int
    late_results: int
    unreadable: int
    unserved: int
    unserved_types: Mapping[str, int]
    unserved_queues: Mapping[str, int]
    clock_behind: timedelta

    @property
    def problems(self) -> tuple[str, ...]:
        """
        Return what is wrong, a sentence each with what to do; empty where nothing is.
        """
        return tuple(_problems(self))


def _problems(health: Health) -> Iterator[str]:
    if health.late:
        worst = health.late[0]
        count = f"{LATE_MAX:,} or more" if len(health.late) == LATE_MAX else len(health.late)
        yield (
            f"late: {count}, the most late is {worst.task_id!r} of type {worst.task_type!r}, queue "
            f"{worst.queue!r}; start a scheduler that serves them, or give it more slots"
        )
    if health.stuck or health.overdue:
        count = max(health.stuck, health.overdue)
        yield f"stuck: {count} past the deadline; their handlers do not return: restart the worker"
    for what, counts in (("type", health.unserved_types), ("queue", health.unserved_queues)):
        for name, count in counts.items():
            yield f"unserved: {count} of {what} {name!r}; start a scheduler that serves it"
    if health.disabled:
        yield f"disabled: {health.disabled}; mend their handlers, then resume or cancel them"
    if health.unreadable:
        yield (
            f"unreadable: {health.unreadable} events of tasks, perhaps those of a newer version; "
            "update this one"
        )
    if health.clock_behind:
        yield f"the clock is {health.clock_behind} behind the last recorded time; set it right"


@frozen(kw_only=True)
class Survey:
    """
    Hold what the schedule table tells of a scheduler's health.
    """

    overdue: int
    late: tuple[LateTask, ...]
    disabled: int
    unserved_types: Mapping[str, int]
    unserved_queues: Mapping[str, int]


def surveyed(
    projection: ScheduleProjection,
    now: Instant,
    *,
    poll: Microseconds,
    lease: Microseconds,
    served: Served,
) -> Survey:
    """
    Look through the schedule table.

    Args:
        projection: The table.
        now: The time.
        poll: How often a scheduler looks.
        lease: How long it may be silent.
        served: What it serves; without types it has no handlers, so nothing is missed.
    """
    types, queues = _unserved(projection, served)
    return Survey(
        overdue=sum(one.run.deadline_at + lease < now for one in projection.active()),
        late=_late(projection, now, poll + lease),
        disabled=sum(
            state.last_outcome != "discarded"
            for state in projection.list(TaskFilter(status="disabled"))
        ),
        unserved_types=types,
        unserved_queues=queues,
    )


def _late(projection: ScheduleProjection, now: Instant, patience: int) -> tuple[LateTask, ...]:
    before = Instant(max(0, now - patience))
    found = [
        LateTask(
            task_id=state.task_id,
            task_type=state.definition.task_type,
            queue=state.definition.options.queue,
            due_at=datetime_of(since),
            late=timedelta_of(Microseconds(now - since)),
        )
        for state in projection.due(before, LATE_MAX, Served())
        if (since := _startable_since(state)) <= before
    ]
    return tuple(sorted(found, key=lambda one: (one.due_at, one.task_id)))


def _startable_since(state: TaskState) -> Instant:
    wake = wake_at(state)
    assert wake is not None, "what is due is due at some time"
    # What was kept, resumed, or scheduled for the past was due before anybody could start it.
    return wake if state.runs else max(wake, state.updated_at)


def _unserved(
    projection: ScheduleProjection, served: Served
) -> tuple[Mapping[str, int], Mapping[str, int]]:
    types: Counter[str] = Counter()
    queues: Counter[str] = Counter()
    for state in projection.list(TaskFilter(enabled=True)) if served.types else ():
        task_type, queue = state.definition.task_type, state.definition.options.queue
        types.update([task_type] if task_type not in (served.types or ()) else [])
        queues.update([queue] if served.queues is not None and queue not in served.queues else [])
    return dict(sorted(types.items())), dict(sorted(queues.items()))
