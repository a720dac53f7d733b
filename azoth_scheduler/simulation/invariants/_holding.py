"""
What holds a task, and what replaces it: C10, C11, C13.
"""

from collections.abc import Iterator
from typing import Final, TypeAlias, get_args

from azoth_scheduler.events import (
    SchedulerEvent,
    TaskExecuted,
    TaskRunAbandoned,
    TaskRunBuffered,
    TaskRunCancelRequested,
    TaskRunSkipped,
    TaskRunStarted,
    TaskScheduled,
)
from azoth_scheduler.simulation.invariants._ledger import Task
from azoth_scheduler.simulation.invariants._rules import Rule
from azoth_scheduler.simulation.invariants.entries import Entry

_OfRuns: TypeAlias = TaskRunStarted | TaskExecuted | TaskRunAbandoned | TaskRunCancelRequested


def _cancelled_means_over(task: Task, entry: Entry) -> Iterator[str]:
    # C10: after a cancel nothing of that generation but the end of the attempts that ran.
    told = entry.told
    if not task.cancelled or told is None or isinstance(told, TaskScheduled):
        return
    if not isinstance(told, TaskExecuted | TaskRunAbandoned):
        yield f"{type(told).__name__} of {told.task_id}, which is cancelled"
        return
    run = task.open.get(told.run_id)
    if run is None or run.fence is None:
        yield f"{told.execution_id} ended, which did not run when its task was cancelled"
    if told.retry_at is not None:
        yield f"{told.run_id} goes on, though its task is cancelled"
    if told.next_nominal_at is not None:
        yield f"{told.execution_id} names what is next, though its task is cancelled"


def _generations_are_kept_apart(task: Task, entry: Entry) -> Iterator[str]:
    # C11: generations are 1, 2, 3 …; what is told of a task is told of the latest, and what is told
    # of a run of its own, which moves nothing of a later one.
    told = entry.told
    assert told is not None
    if isinstance(told, TaskScheduled):
        if told.generation != task.generation + 1:
            yield f"generation {told.generation} follows {task.generation}"
        return
    if told.generation != task.generation:
        run = task.open.get(told.run_id) if isinstance(told, _OfRuns) else None
        if run is None or run.generation != told.generation:
            yield f"{type(told).__name__} of generation {told.generation} in {task.generation}"
        yield from _moves_nothing(task, told)


def _moves_nothing(task: Task, told: SchedulerEvent) -> Iterator[str]:
    moved = False
    if isinstance(told, TaskRunStarted | TaskExecuted):
        following = (told.next_nominal_at, told.next_run_at)
        moved = following != (task.next_nominal_at, task.next_run_at)
    elif isinstance(told, TaskRunAbandoned | TaskRunCancelRequested):
        moved = told.next_nominal_at is not None
    if moved:
        yield f"generation {told.generation} moves what is next of {task.generation}"
    if isinstance(told, TaskExecuted | TaskRunAbandoned) and told.retry_at is not None:
        yield f"{told.run_id} goes on, though its task was replaced"


def _held_means_no_start(task: Task, entry: Entry) -> Iterator[str]:
    # C13: the schedule starts nothing and decides nothing while its task is paused or disabled.
    if not (task.paused or task.disabled):
        return
    told, how = entry.told, "paused" if task.paused else "disabled"
    if isinstance(told, TaskRunStarted) and not told.triggered_run:
        yield f"{told.execution_id} started while {how}"
    if isinstance(told, TaskRunBuffered) or (
        isinstance(told, TaskRunSkipped) and told.run_id is None
    ):
        yield f"occurrences of {told.task_id} were decided while {how}"


HOLDING: Final = (
    Rule("C10", _cancelled_means_over, get_args(SchedulerEvent)),
    Rule("C11", _generations_are_kept_apart, get_args(SchedulerEvent)),
    Rule("C13", _held_means_no_start, (TaskRunStarted, TaskRunSkipped, TaskRunBuffered)),
)
