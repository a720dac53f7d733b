"""
What happened to tasks, an event a line: for logs, and for whoever watches.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from attrs import frozen

from azoth import CodecError, Event, Instant, datetime_of
from azoth_scheduler import (
    SchedulerEvent,
    TaskCancelled,
    TaskDisabled,
    TaskExecuted,
    TaskPaused,
    TaskResumed,
    TaskRunAbandoned,
    TaskRunBuffered,
    TaskRunCancelRequested,
    TaskRunSkipped,
    TaskRunStarted,
    TaskScheduled,
    TaskTriggered,
)
from azoth_scheduler.cli.words import counted, schedule_in_words, shortened, span
from azoth_scheduler.events import SkipReason, registry

__all__ = ["Line", "line_of"]

_ERROR_WIDTH: Final = 80
_SKIPPED: Final[Mapping[SkipReason, str]] = {
    "coalesced": "a later one runs for them all",
    "overlap": "an earlier run was still open",
    "missed": "it was too late for them",
    "expired": "they were worth nothing any more",
}


@frozen(kw_only=True)
class Line:
    """
    Say one thing that happened.

    Attributes:
        at: When it was decided.
        task_id: To which task.
        text: What.
        kind: An outcome or a status, by which it is coloured; empty for no colour.
    """

    at: Instant
    task_id: str
    text: str
    kind: str = ""


def line_of(event: Event) -> Line | None:
    """
    Return what an event of the scheduler says; None for what cannot be read.
    """
    try:
        change: SchedulerEvent = registry.decode(event)
    except CodecError:
        return None
    text, kind = _told(change)
    return Line(at=change.at, task_id=change.task_id, text=text, kind=kind)


def _told(change: SchedulerEvent) -> tuple[str, str]:
    match change:
        case TaskRunStarted(attempt=attempt):
            return f"attempt {attempt} started", ""
        case TaskExecuted():
            return _executed(change), change.outcome
        case TaskRunAbandoned(attempt=attempt, reason=reason):
            again = "; due again at once" if change.retry_at is not None else ""
            return f"attempt {attempt} abandoned: {reason}{again}", "abandoned"
        case TaskRunSkipped() | TaskRunBuffered():
            return _put_aside(change)
        case TaskScheduled():
            return f"scheduled: {_schedule(change)}", ""
        case _:
            return _controlled(change)


def _put_aside(change: TaskRunSkipped | TaskRunBuffered) -> tuple[str, str]:
    if isinstance(change, TaskRunBuffered):
        return f"{counted(len(change.nominals), 'occurrence')} kept to run, one after another", ""
    more = "" if change.exact else "more than "
    times = "time" if change.count == 1 else "times"
    return f"{more}{change.count} {times} left out: {_SKIPPED[change.reason]}", "abandoned"


def _executed(change: TaskExecuted) -> str:
    outcome = change.outcome.replace("_", " ")
    text = f"attempt {change.attempt} {outcome} in {_span(change.duration)}"
    if change.error is not None and change.outcome != "timed_out":
        kind = (change.error_type or "").rpartition(".")[2]
        text += f": {kind}: {shortened(change.error, _ERROR_WIDTH)}"
    if change.retry_at is not None:
        text += f"; again after {_span(change.retry_at - change.completed_at)}"
    return text


def _schedule(change: TaskScheduled) -> str:
    return schedule_in_words(change.schedule, datetime_of(change.at))


def _controlled(change: SchedulerEvent) -> tuple[str, str]:
    match change:
        case TaskTriggered(run_id=run_id):
            return f"triggered as {run_id}", ""
        case TaskPaused(reason=reason) | TaskResumed(reason=reason):
            word = "paused" if isinstance(change, TaskPaused) else "resumed"
            return _because(word, reason), "paused"
        case TaskDisabled(reason=reason):
            return _because("disabled", reason), "disabled"
        case TaskCancelled(reason=reason):
            return _because("cancelled", reason), "cancelled"
        case TaskRunCancelRequested(reason=reason):
            return _because("its run was asked to stop", reason), "cancelled"
        case _:
            return type(change).__name__, ""


def _because(what: str, reason: str) -> str:
    return f"{what}: {reason}" if reason else what


def _span(micros: int) -> str:
    return span(timedelta(microseconds=micros))
