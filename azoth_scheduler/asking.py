"""
Questions about one task's past: why it is as it is, and what a command would have led to.
"""

from collections.abc import Sequence
from datetime import datetime
from itertools import islice

from attrs import evolve

from azoth.clocks import instant_of
from azoth.events import Event, check_name
from azoth.replay import Explanation, Step, Supposed
from azoth.replay import what_if as what_if_of
from azoth.replay import why as why_of
from azoth.store import EventStore
from azoth_scheduler.commands import ScheduleTask, TaskCommand
from azoth_scheduler.decisions import task_decider
from azoth_scheduler.errors import TaskNotFound
from azoth_scheduler.events import (
    SchedulerEvent,
    TaskDisabled,
    TaskExecuted,
    TaskResumed,
    TaskRunAbandoned,
    TaskRunCancelRequested,
    TaskRunStarted,
    TaskTriggered,
    registry,
    stream_of,
)
from azoth_scheduler.requests import ScheduleTaskRequest
from azoth_scheduler.task import TaskState

__all__ = ["what_if", "why"]


def why(
    store: EventStore, task_id: str, at: int | datetime | None = None
) -> Explanation[TaskState]:
    """
    Return the events that made a task as it was, what each changed, and what it was caused by.

    The cause of an outcome is the start of its attempt, that of a retry the outcome before it, that
    of a triggered run the trigger, that of any other run what set the time of its schedule.

    Args:
        store: The log.
        task_id: The task.
        at: The position, or a time; None for the head.

    Raises:
        TaskNotFound: There was no such task.
        PositionBeyondHead: The log ends before it.
        BeforeFirstEvent: Nothing had been recorded at that time.
    """
    stream = stream_of(check_name(task_id, "task id"))
    told = why_of(store, stream, task_decider, registry, at=at, causes_of=_causes_of)
    if not told.steps:
        raise TaskNotFound(task_id=task_id)
    return told


def what_if(
    store: EventStore,
    asked: TaskCommand | ScheduleTaskRequest,
    task_id: str | None = None,
    *,
    now: datetime,
    at: int | datetime | None = None,
) -> Supposed[TaskState, SchedulerEvent]:
    """
    Decide a command or a request on a task as it was, and write nothing.

    Args:
        store: The log.
        asked: The command, or a request to schedule; the time in a command is replaced by *now*.
        task_id: The task; needed for a command of a worker, which does not name one.
        now: The time at which it would be decided.
        at: The position, or a time, of the state that it meets; None for the head.

    Raises:
        SchedulerError: Whatever the decision refuses.
        PositionBeyondHead: The log ends before it.
        BeforeFirstEvent: Nothing had been recorded at that time.
        ValueError: It is not known which task is meant.
    """
    command = _command(asked, now)
    named = getattr(command, "task_id", task_id)
    if named is None or task_id not in (None, named):
        raise ValueError(f"the command is for task {named!r}; task_id is {task_id!r}")
    return what_if_of(store, stream_of(named), command, task_decider, registry, at=at)


def _command(asked: TaskCommand | ScheduleTaskRequest, now: datetime) -> TaskCommand:
    if isinstance(asked, ScheduleTaskRequest):
        return ScheduleTask(at=instant_of(now), task_id=asked.task_id, definition=asked.definition)
    return evolve(asked, at=instant_of(now))


def _causes_of(steps: Sequence[Step], event: Event) -> Sequence[Event]:
    change = registry.decode(event) if event.type in registry else None
    causes = (step for step in reversed(steps) if _is_cause(step, change))
    return [step.event for step in islice(causes, 1)]


def _is_cause(step: Step, change: object) -> bool:
    match change:
        case TaskExecuted() | TaskRunAbandoned():
            return step.event.version == change.fence
        case TaskDisabled() | TaskResumed(execution_id=str()):
            ended = isinstance(step.change, TaskExecuted | TaskRunAbandoned)
            return ended and getattr(step.change, "execution_id", None) == change.execution_id
        case TaskRunCancelRequested():
            started = isinstance(step.change, TaskRunStarted)
            return started and getattr(step.change, "execution_id", None) == change.execution_id
        case TaskRunStarted():
            return _led_to(step, change)
        case _:
            return False


def _led_to(step: Step, start: TaskRunStarted) -> bool:
    match step.change:
        case TaskExecuted() | TaskRunAbandoned():
            # The attempt before, which left a retry; or the end of a run that set the next time.
            retried = step.change.run_id == start.run_id
        case TaskTriggered():
            return step.change.run_id == start.run_id
        case _:
            retried = False
    named = getattr(step.change, "next_nominal_at", None) == start.nominal_at
    return retried or (named and not start.triggered_run)
