"""
What follows from a command: `decide`, a pure function from a task's state to the events of it.

The empty tuple means that nothing happened: the command was carried out before, or its moment is
gone. Errors mean that it must not happen.
"""

from typing import Final, TypeAlias, assert_never

from azoth.clocks import Instant, datetime_of
from azoth.decider import Decider
from azoth_scheduler.attempts import abandon_run, ask_run, ask_to_stop, record_outcome, start_run
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
from azoth_scheduler.errors import (
    InvalidSchedule,
    InvalidTask,
    RunNotFound,
    TaskChanged,
    TaskExists,
    TaskNotFound,
)
from azoth_scheduler.events import (
    Options,
    Overlap,
    SchedulerEvent,
    TaskCancelled,
    TaskPaused,
    TaskResumed,
    TaskRunSkipped,
    TaskScheduled,
    TaskTriggered,
)
from azoth_scheduler.grid import Grid, grid_for, grid_of, times_of
from azoth_scheduler.occurrences import capacity, overlapped
from azoth_scheduler.schedules import Immediate, is_fixed_delay, is_recurring
from azoth_scheduler.task import NO_TASK, Definition, TaskState

__all__ = ["decide", "task_decider"]

_Next: TypeAlias = tuple[Instant | None, Instant | None]
# What is next: nominal and due time; both None where nothing follows.


def decide(state: TaskState, command: TaskCommand) -> tuple[SchedulerEvent, ...]:
    """
    Return what happens when *command* meets *state*; a function of its arguments alone.

    Raises:
        TaskNotFound: The command needs a task and there is none.
        TaskExists: The task has another definition, and was not to be replaced.
        TaskChanged: The task is not at the version that was expected.
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
    if command.expected_version not in (None, state.version):
        raise TaskChanged(
            task_id=command.task_id, expected=command.expected_version or 0, actual=state.version
        )
    if living and definition == state.definition:
        return ()
    if living and command.if_exists == "error":
        raise TaskExists(task_id=command.task_id)
    if living and command.if_exists == "ignore":
        return ()
    kept = living and _same_times(definition, state.definition)
    anchor = state.anchor if kept else _anchor(definition.options, now)
    grid = grid_for(command.task_id, definition, anchor)
    following = _kept(state, grid, now) if kept else _fresh(grid, now)
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
            next_nominal_at=following[0],
            next_run_at=following[1],
        ),
    )


def _same_times(new: Definition, old: Definition) -> bool:
    now, then = new.options, old.options
    starts = now.start == then.start and now.start_now == then.start_now
    return new.schedule == old.schedule and starts


def _anchor(options: Options, now: Instant) -> Instant:
    return now if options.start is None else options.start


def _fresh(grid: Grid, now: Instant) -> _Next:
    first = grid.first(now)
    if first is None:
        ends = (
            "" if grid.options.end is None else f", and it ends at {datetime_of(grid.options.end)}"
        )
        raise InvalidSchedule(given=str(grid.schedule), reason=f"it never fires after now{ends}")
    return times_of(first)


def _kept(state: TaskState, grid: Grid, now: Instant) -> _Next:
    # The schedule stays as it was, so does what is next: a waiting retry, what was kept to be run,
    # or the occurrence that is pending. An immediate task that ran runs again: that is what its
    # caller asks for.
    retry = next(
        (run for run in state.runs if run.retry_at is not None and not run.triggered), None
    )
    if retry is not None:
        return retry.nominal_at, retry.retry_at
    if is_recurring(grid.schedule):
        return _pending(state, grid, now)
    if state.next_run_at is None and isinstance(grid.schedule, Immediate):
        return now, now
    return state.next_nominal_at, state.next_run_at


def _pending(state: TaskState, grid: Grid, now: Instant) -> _Next:
    if not grid.runs_left(state.runs_started):
        return None, None
    if state.buffered:
        return times_of(grid.occurrence(state.buffered[0]))
    end, nominal = grid.options.end, state.next_nominal_at
    if end is not None and nominal is not None and nominal > end:
        return None, None
    if state.disabled or nominal is None:
        return _following(state, grid, now)
    return nominal, state.next_run_at


def _following(state: TaskState, grid: Grid, now: Instant) -> _Next:
    # What fell due while the task was held is not owed; an occurrence still ahead is kept.
    if state.next_run_at is not None and state.next_run_at > now:
        return state.next_nominal_at, state.next_run_at
    # What is kept is started yet, and counts.
    if not grid.runs_left(state.runs_started + len(state.buffered)):
        return None, None
    if is_fixed_delay(grid.schedule):
        found = grid.after_closing(now)
    else:
        # Its nominal time may have passed: what its jitter puts off is ahead as well.
        found = grid.ahead(state.next_nominal_at or now, now)
    return times_of(found)


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
        _resumed(state, now) if recurring else (state.next_nominal_at, state.next_run_at)
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


def _resumed(state: TaskState, now: Instant) -> _Next:
    # A run of a fixed delay that is open says what is next when it is closed.
    if is_fixed_delay(state.definition.schedule) and state.runs:
        return state.next_nominal_at, state.next_run_at
    return _following(state, grid_of(state), now)


def _trigger(state: TaskState, command: TriggerTask, now: Instant) -> tuple[SchedulerEvent, ...]:
    _refuse_cancelled(state, "triggered")
    overlap = command.overlap or state.definition.options.overlap
    if command.nominals:
        # Each is wanted, so they wait for each other.
        return tuple(
            _triggered(state, command, now, place, "buffer_all")
            for place in range(len(command.nominals))
        )
    triggered = _triggered(state, command, now, 0, command.overlap)
    if not state.runs or overlap == "allow":
        return (triggered,)
    if overlap == "cancel_other":
        return (triggered, *ask_to_stop(state, "another run was triggered", now))
    if capacity(state, overlap) > 0:
        return (triggered,)
    skipped = TaskRunSkipped(
        task_id=state.task_id,
        generation=state.generation,
        at=now,
        count=1,
        first=now,
        last=now,
        reason="overlap",
        run_id=triggered.run_id,
        next_nominal_at=state.next_nominal_at,
        next_run_at=state.next_run_at,
    )
    return triggered, skipped


def _triggered(
    state: TaskState, command: TriggerTask, now: Instant, place: int, overlap: Overlap | None
) -> TaskTriggered:
    return TaskTriggered(
        task_id=state.task_id,
        generation=state.generation,
        at=now,
        run_id=f"{state.task_id}/{state.generation}!{state.triggers + place + 1}",
        nominal_at=command.nominals[place] if command.nominals else None,
        overlap=overlap,
        payload=command.payload,
    )


def _cancel_run(state: TaskState, command: CancelRun, now: Instant) -> tuple[SchedulerEvent, ...]:
    begun = (run for run in state.runs if run.attempt)
    run = next((one for one in begun if one.execution_id == command.execution_id), None)
    if run is None:
        raise RunNotFound(execution_id=command.execution_id)
    if run.cancel is not None:
        return ()
    requested = ask_run(state, run, command.reason, now)
    return (requested,) if run.fence is not None else (requested, *overlapped(state, run, now))


task_decider: Final = Decider(initial=NO_TASK, decide=decide, evolve=evolve)
"""The scheduler's decisions as one decider, for `azoth.load` and `azoth.testing.given`."""
