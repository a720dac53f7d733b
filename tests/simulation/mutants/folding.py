"""
Mutants of the fold: what an event makes of a task.
"""

from itertools import count
from typing import Final

from attrs import evolve

from azoth.clocks import Instant
from azoth_scheduler._copies import changed
from azoth_scheduler.events import (
    TaskCancelled,
    TaskExecuted,
    TaskPaused,
    TaskResumed,
    TaskRunAbandoned,
    TaskRunBuffered,
    TaskRunCancelRequested,
    TaskRunStarted,
    TaskScheduled,
    TaskTriggered,
)
from azoth_scheduler.task import TaskState
from tests.simulation.mutants.planting import Change, in_fold

_CLOCK: Final = count(1)


@in_fold(TaskExecuted, killer="R1")
def the_fold_reads_a_clock(change: Change, _: TaskState, event: TaskExecuted) -> Change:
    """
    What is next is counted from when an event is read, not from when it was decided.
    """
    if not change or event.next_run_at is None:
        return change
    return {**change, "next_run_at": Instant(event.next_run_at + next(_CLOCK))}


@in_fold(TaskRunStarted, killer="C9")
def retries_count_as_runs(change: Change, state: TaskState, _: TaskRunStarted) -> Change:
    """
    `max_runs` counts attempts.
    """
    return {**change, "runs_started": state.runs_started + 1}


@in_fold(TaskRunStarted, killer="C8", since=15)
def what_was_kept_stays(change: Change, state: TaskState, _: TaskRunStarted) -> Change:
    """
    An occurrence that was kept is run again and again.
    """
    return {**change, "buffered": state.buffered}


@in_fold(TaskRunBuffered, killer="C2", since=15)
def the_last_that_is_kept_is_lost(
    change: Change, state: TaskState, event: TaskRunBuffered
) -> Change:
    """
    Of the occurrences that are kept the last is forgotten.
    """
    return {**change, "buffered": (*state.buffered, *event.nominals[:-1])}


@in_fold(TaskRunAbandoned, killer="C5")
def a_lost_attempt_is_a_failure(change: Change, _: TaskState, event: TaskRunAbandoned) -> Change:
    """
    Whose worker was killed has failed once more.
    """
    runs = tuple(
        changed(run, retry_count=run.retry_count + 1) if run.run_id == event.run_id else run
        for run in change.get("runs", ())
    )
    return {**change, "runs": runs}


@in_fold(TaskTriggered, killer="C9")
def a_trigger_moves_the_schedule(change: Change, _: TaskState, event: TaskTriggered) -> Change:
    """
    What is next is now, because somebody asked for a run.
    """
    return {**change, "next_nominal_at": event.at, "next_run_at": event.at}


@in_fold(TaskScheduled, killer="C3")
def overlap_is_allowed_by_default(change: Change, _: TaskState, event: TaskScheduled) -> Change:
    """
    A task whose definition says nothing of overlap runs beside itself.
    """
    if event.options.overlap != "skip":
        return change
    definition = change["definition"]
    options = evolve(definition.options, overlap="allow")
    return {**change, "definition": evolve(definition, options=options)}


@in_fold(TaskCancelled, killer="C10")
def a_cancelled_task_starts(change: Change, state: TaskState, event: TaskCancelled) -> Change:
    """
    A cancel is noted, and holds nothing up.
    """
    return {"reason": event.reason}


@in_fold(TaskCancelled, killer="L2", since=445)
def a_cancel_loses_what_runs(change: Change, state: TaskState, event: TaskCancelled) -> Change:
    """
    The row of a cancelled task goes, and with it the attempt that runs.
    """
    return {**change, "runs": ()}


@in_fold(TaskPaused, killer="C13")
def a_pause_is_forgotten(change: Change, state: TaskState, event: TaskPaused) -> Change:
    """
    A paused task goes on.
    """
    return {"reason": event.reason}


@in_fold(TaskResumed, killer="L1", since=485)
def a_resume_leaves_what_waits(change: Change, state: TaskState, event: TaskResumed) -> Change:
    """
    A retry that waited for the resume waits on, for its own time.
    """
    return {**change, "runs": state.runs}


@in_fold(TaskRunCancelRequested, killer="L1", since=10)
def a_stopped_run_is_open_for_ever(
    change: Change, state: TaskState, event: TaskRunCancelRequested
) -> Change:
    """
    A run that waited for its retry and was cancelled keeps its place.
    """
    runs = tuple(
        changed(run, cancel=event.reason, retry_at=None) if run.run_id == event.run_id else run
        for run in state.runs
    )
    return {**change, "runs": runs}


@in_fold(TaskScheduled, killer="C5", since=60)
def an_edit_takes_up_old_runs(change: Change, state: TaskState, event: TaskScheduled) -> Change:
    """
    A retry of the definition before it is made under the new one.
    """
    return {**change, "runs": state.runs}
