"""
What occurrences stand for: C7, C8, and of C9 which of those that are due may start.
"""

from collections.abc import Iterator
from typing import Final

from azoth.clocks import Instant
from azoth_scheduler.events import (
    TaskExecuted,
    TaskResumed,
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
from azoth_scheduler.simulation.oracle import is_on_grid, next_time

_DRAWN_MIN: Final = 1_000_000
"""Microseconds of a jitter that is hardly ever drawn as 0."""


def begins(task: Task, told: object) -> bool:
    """
    Say whether an event is the first attempt of a run that the schedule of a task begins.
    """
    return (
        isinstance(told, TaskRunStarted)
        and told.attempt == 1
        and not told.triggered_run
        and told.run_id not in task.open
    )


def _names_its_time(task: Task, entry: Entry) -> Iterator[str]:
    # C7: every nominal time is one that its schedule names, triggers and fixed delays aside.
    told = entry.told
    match told:
        case TaskRunStarted() if begins(task, told):
            # What an edit has kept was named by the definition before it.
            kept = told.nominal_at == task.inherited
            if not (_is_named(task, told.nominal_at) or (kept and not task.gridded)):
                yield f"{told.run_id} is off its grid"
            if not kept and _is_past_end(task, told.nominal_at):
                yield f"{told.run_id} lies after the end of its schedule"
        case TaskRunBuffered():
            for at in told.nominals:
                if not _is_named(task, at):
                    yield f"{at} of {told.task_id} is kept, and is off its grid"
        case TaskRunSkipped(run_id=None):
            for at in (told.first, told.last):
                if not _is_named(task, at):
                    yield f"{at} of {told.task_id} is skipped, and is off its grid"
        case _:
            pass


def _is_named(task: Task, nominal_at: Instant) -> bool:
    if task.gridded and task.options.start is None and not task.options.start_now:
        # Without a start the anchor is the time of scheduling, and nothing fires at once.
        return nominal_at > task.anchor and is_on_grid(task.schedule, task.anchor, nominal_at)
    return is_on_grid(task.schedule, task.anchor, nominal_at)


def _is_past_end(task: Task, nominal_at: Instant) -> bool:
    return task.options.end is not None and nominal_at > task.options.end


def _due_is_nominal_and_jitter(task: Task, entry: Entry) -> Iterator[str]:
    # C7: what is next is due at its nominal time plus a jitter that the options allow, before the
    # next nominal time; an edit keeps what was drawn, or promised to a retry.
    told = entry.told
    if isinstance(told, TaskScheduled):
        if task.generation and not task.cancelled:
            return
        jitter = told.options.jitter
    else:
        jitter = task.options.jitter
    nominal, due = _next_of(told)
    if (nominal, due) == (task.next_nominal_at, task.next_run_at):
        return
    if nominal is None or due is None:
        if nominal != due:
            yield f"{nominal} is next, due at {due}"
        return
    if not 0 <= due - nominal <= max(0, jitter - 1):
        yield f"{nominal} is due {due - nominal} µs later, the jitter is {jitter}"
    elif due > nominal and task.gridded and not isinstance(told, TaskScheduled):
        following = next_time(task.schedule, task.anchor, nominal)
        if following is not None and due >= following:
            yield f"{nominal} is due at {due}, not before the next one at {following}"
    elif _draws_nothing(task, nominal, due) and jitter >= _DRAWN_MIN:
        yield f"{nominal} is due without its jitter, as the one before it was"


def _draws_nothing(task: Task, nominal: Instant, due: Instant) -> bool:
    # Once is chance, one in a million or less; twice in a row is not.
    return nominal == due and task.next_nominal_at == task.next_run_at is not None


def _next_of(told: object) -> tuple[Instant | None, Instant | None]:
    assert isinstance(
        told,
        TaskScheduled
        | TaskRunStarted
        | TaskExecuted
        | TaskRunAbandoned
        | TaskRunSkipped
        | TaskRunBuffered
        | TaskResumed
        | TaskRunCancelRequested,
    )
    return told.next_nominal_at, told.next_run_at


def _nominal_times_increase(task: Task, entry: Entry) -> Iterator[str]:
    # C8: nominal times of first attempts by the schedule strictly increase within a generation.
    told = entry.told
    assert isinstance(told, TaskRunStarted)
    if begins(task, told) and told.nominal_at <= task.last_nominal:
        yield f"{told.run_id} is no later than {task.last_nominal}, which was started"


def _may_begin(task: Task, entry: Entry) -> Iterator[str]:
    # C9: of what is due a run begins that is not expired, nor too late, nor one too many.
    told = entry.told
    assert isinstance(told, TaskRunStarted)
    if not begins(task, told) or told.nominal_at == task.inherited:
        return
    options = task.options
    if options.max_runs is not None and task.runs_started >= options.max_runs:
        yield f"{told.run_id} is one more than {options.max_runs} runs"
    if options.expires_after is not None and told.at > told.nominal_at + options.expires_after:
        yield f"{told.run_id} began, though it had expired"
    if task.gridded and told.nominal_at not in task.kept:
        yield from _is_caught_up(task, told)


def _is_caught_up(task: Task, told: TaskRunStarted) -> Iterator[str]:
    options = task.options
    late = told.at - told.due_at
    if options.catch_up == "skip" and late > options.grace:
        yield f"{told.run_id} began {late} µs late, its grace is {options.grace}"
    if options.overlap not in ("allow", "cancel_other") and told.due_at < task.closed_at:
        yield f"{told.run_id} began, which fell due before a run was closed at {task.closed_at}"
    # With a jitter the next one may not be due yet.
    if options.catch_up in ("latest", "skip") and not options.jitter:
        following = next_time(task.schedule, task.anchor, told.nominal_at)
        if following is not None and following <= told.at and not _is_past_end(task, following):
            yield f"{told.run_id} began, and the one at {following} was due too"


OCCURRENCES: Final = (
    Rule("C7", _names_its_time, (TaskRunStarted, TaskRunSkipped, TaskRunBuffered)),
    Rule(
        "C7",
        _due_is_nominal_and_jitter,
        (
            *(TaskScheduled, TaskRunStarted, TaskExecuted, TaskRunSkipped),
            *(TaskRunBuffered, TaskResumed),
        ),
    ),
    Rule("C8", _nominal_times_increase, (TaskRunStarted,)),
    Rule("C9", _may_begin, (TaskRunStarted,)),
)
