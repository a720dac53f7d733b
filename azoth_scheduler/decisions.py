"""
What follows from a command: `decide`, a pure function from a task's state to the events of it.

The empty tuple means that nothing happened: the command was carried out before, or its moment is
gone. Errors mean that it must not happen.
"""

from typing import Final, assert_never

from azoth.clocks import Instant
from azoth.decider import Decider
from azoth_scheduler.attempts import abandon_run, record_outcome, start_run
from azoth_scheduler.changes import evolve
from azoth_scheduler.commands import (
    AbandonRun,
    CancelRun,
    CancelTask,
    PauseTask,
    RecordOutcome,
    ResumeTask,
    ScheduleTask,
    StartRun,
    TaskCommand,
    TriggerTask,
)
from azoth_scheduler.errors import InvalidSchedule, InvalidTask, RunNotFound, TaskNotFound
from azoth_scheduler.events import (
    SchedulerEvent,
    TaskCancelled,
    TaskPaused,
    TaskResumed,
    TaskRunCancelRequested,
    TaskRunSkipped,
    TaskScheduled,
    TaskTriggered,
)
from azoth_scheduler.occurrences import overlapped
from azoth_scheduler.schedules import (
    Immediate,
    Schedule,
    first_occurrence,
    is_recurring,
    next_occurrence,
)
from azoth_scheduler.task import NO_TASK, TaskState

__all__ = ["decide", "task_decider"]


def decide(state: TaskState, command: TaskCommand) -> tuple[SchedulerEvent, ...]:
    """
    Return what happens when *command* meets *state*; a function of its arguments alone.

    Raises:
        TaskNotFound: The command needs a task and there is none.
        InvalidTask: It cannot be done to the task as it is.
        InvalidSchedule: The schedule never fires.
        RunNotFound: No open run has the execution id.
    """
    match command:
        case ScheduleTask():
            return _schedule(state, command)
        case StartRun():
            return start_run(state, command)
        case RecordOutcome():
            return record_outcome(state, command)
        case AbandonRun():
            return abandon_run(state, command)
        case _:
            if not state.exists:
                raise TaskNotFound(task_id=command.task_id)
            return _change(state, command)


def _change(
    state: TaskState, command: CancelTask | PauseTask | ResumeTask | TriggerTask | CancelRun
) -> tuple[SchedulerEvent, ...]:
    now = max(command.at, state.updated_at)
    match command:
        case CancelTask():
            return _cancel(state, command, now)
        case PauseTask():
            return _pause(state, command, now)
        case ResumeTask():
            return _resume(state, command, now)
        case TriggerTask():
            return _trigger(state, command, now)
        case CancelRun():
            return _cancel_run(state, command, now)
        case _ as never:
            assert_never(never)


def _schedule(state: TaskState, command: ScheduleTask) -> tuple[SchedulerEvent, ...]:
    now, definition = max(command.at, state.updated_at), command.definition
    living = state.exists and not state.cancelled
    if living and definition == state.definition:
        return ()
    kept = living and definition.schedule == state.definition.schedule
    anchor = state.anchor if kept else now
    next_nominal, next_run = _kept(state, now) if kept else _fresh(definition.schedule, now)
    return (
        TaskScheduled(
            task_id=command.task_id,
            generation=state.generation + 1,
            at=now,
            task_type=definition.task_type,
            schedule=definition.schedule,
            payload=definition.payload,
            options=definition.options,
            anchor=anchor,
            runs_started=state.runs_started if kept else 0,
            next_nominal_at=next_nominal,
            next_run_at=next_run,
        ),
    )


def _fresh(schedule: Schedule, now: Instant) -> tuple[Instant, Instant]:
    first = first_occurrence(schedule, now)
    if first is None:
        raise InvalidSchedule(given=str(schedule), reason="it never fires after now")
    return first, first


def _kept(state: TaskState, now: Instant) -> tuple[Instant | None, Instant | None]:
    # The schedule stays as it was, so does what is next: a waiting retry, or the occurrence that
    # is pending. An immediate task that ran runs again: that is what its caller asks for.
    retry = next(
        (run for run in state.runs if run.retry_at is not None and not run.triggered), None
    )
    if retry is not None:
        return retry.nominal_at, retry.retry_at
    if state.next_run_at is None and isinstance(state.definition.schedule, Immediate):
        return now, now
    if state.disabled and is_recurring(state.definition.schedule):
        return _following(state, now)
    return state.next_nominal_at, state.next_run_at


def _following(state: TaskState, now: Instant) -> tuple[Instant | None, Instant | None]:
    # What fell due while the task was held is not owed; an occurrence still ahead is kept.
    if state.next_run_at is not None and state.next_run_at > now:
        return state.next_nominal_at, state.next_run_at
    following = next_occurrence(state.definition.schedule, state.anchor, now)
    return following, following


def _cancel(state: TaskState, command: CancelTask, now: Instant) -> tuple[SchedulerEvent, ...]:
    if state.cancelled:
        return ()
    return (
        TaskCancelled(
            task_id=state.task_id, generation=state.generation, at=now, reason=command.reason
        ),
    )


def _refuse_cancelled(state: TaskState, what: str) -> None:
    if state.cancelled:
        raise InvalidTask(
            task_id=state.task_id,
            reason=f"it is cancelled and cannot be {what}; schedule it again to begin anew",
        )


def _pause(state: TaskState, command: PauseTask, now: Instant) -> tuple[SchedulerEvent, ...]:
    _refuse_cancelled(state, "paused")
    if state.paused:
        return ()
    return (
        TaskPaused(
            task_id=state.task_id, generation=state.generation, at=now, reason=command.reason
        ),
    )


def _resume(state: TaskState, command: ResumeTask, now: Instant) -> tuple[SchedulerEvent, ...]:
    _refuse_cancelled(state, "resumed")
    if not (state.paused or state.disabled):
        return ()
    recurring = is_recurring(state.definition.schedule)
    next_nominal, next_run = (
        _following(state, now) if recurring else (state.next_nominal_at, state.next_run_at)
    )
    taken_up = state.disabled and not recurring and state.exhausted is not None
    return (
        TaskResumed(
            task_id=state.task_id,
            generation=state.generation,
            at=now,
            reason=command.reason,
            execution_id=state.exhausted.execution_id if taken_up and state.exhausted else None,
            next_nominal_at=next_nominal,
            next_run_at=next_run,
        ),
    )


def _trigger(state: TaskState, command: TriggerTask, now: Instant) -> tuple[SchedulerEvent, ...]:
    _refuse_cancelled(state, "triggered")
    run_id = f"{state.task_id}/{state.generation}!{state.triggers + 1}"
    triggered = TaskTriggered(
        task_id=state.task_id,
        generation=state.generation,
        at=now,
        run_id=run_id,
        payload=command.payload,
    )
    if not state.runs:
        return (triggered,)
    skipped = TaskRunSkipped(
        task_id=state.task_id,
        generation=state.generation,
        at=now,
        count=1,
        first=now,
        last=now,
        reason="overlap",
        run_id=run_id,
        next_nominal_at=state.next_nominal_at,
        next_run_at=state.next_run_at,
    )
    return triggered, skipped


def _cancel_run(state: TaskState, command: CancelRun, now: Instant) -> tuple[SchedulerEvent, ...]:
    begun = (run for run in state.runs if run.attempt)
    run = next((one for one in begun if one.execution_id == command.execution_id), None)
    if run is None:
        raise RunNotFound(execution_id=command.execution_id)
    if run.cancel is not None:
        return ()
    requested = TaskRunCancelRequested(
        task_id=state.task_id,
        generation=run.generation,
        at=now,
        reason=command.reason,
        run_id=run.run_id,
        execution_id=run.execution_id,
    )
    # A run that waits is closed by the request itself; one that runs, by its outcome.
    return (requested,) if run.fence is not None else (requested, *overlapped(state, run, now))


task_decider: Final = Decider(initial=NO_TASK, decide=decide, evolve=evolve)
"""The scheduler's decisions as one decider, for `azoth.load` and `azoth.testing.given`."""
