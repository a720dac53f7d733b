"""
The history of attempts: one row for each start, folded from the same events as the state.
"""

from datetime import datetime, timedelta
from typing import Any, Final

from attrs import frozen

from azoth.clocks import Instant, Microseconds, datetime_of, timedelta_of
from azoth_scheduler._copies import with_changes
from azoth_scheduler.events import (
    SchedulerEvent,
    TaskExecuted,
    TaskRunAbandoned,
    TaskRunStarted,
)

__all__ = ["NO_ATTEMPT", "AttemptRow", "TaskRun", "evolve_attempt", "execution_of"]


# Not slotted, so that `changed` can copy it.
@frozen(kw_only=True, slots=False)
class AttemptRow:
    """
    Hold one attempt as the log tells it.

    Attributes:
        outcome: None while it runs; `"abandoned"` for one taken from its worker.
        started_position: Of its `TaskRunStarted`, which orders the history.
        ended_position: Of the event that ended it; None while it runs.
        triggered: How many events of the handler stand directly before `ended_position`.
    """

    execution_id: str
    run_id: str
    task_id: str
    generation: int
    attempt: int
    nominal_at: Instant
    due_at: Instant
    started_at: Instant
    deadline_at: Instant
    worker_id: str
    triggered_run: bool
    started_position: int
    ended_position: int | None = None
    completed_at: Instant | None = None
    duration: Microseconds | None = None
    outcome: str | None = None
    error: str | None = None
    error_type: str | None = None
    traceback: str | None = None
    reason: str | None = None
    triggered: int = 0
    retry_count: int = 0
    retry_at: Instant | None = None


NO_ATTEMPT: Final = AttemptRow(
    execution_id="",
    run_id="",
    task_id="",
    generation=0,
    attempt=0,
    nominal_at=Instant(0),
    due_at=Instant(0),
    started_at=Instant(0),
    deadline_at=Instant(0),
    worker_id="",
    triggered_run=False,
    started_position=0,
)
"""What others are copied from: this takes a third of the time of `__init__`."""


_OF_ATTEMPTS: Final = (TaskRunStarted, TaskExecuted, TaskRunAbandoned)


def execution_of(event: SchedulerEvent) -> str | None:
    """
    Return the execution id of the attempt whose row *event* writes; None if it writes none.
    """
    return event.execution_id if isinstance(event, _OF_ATTEMPTS) else None


def evolve_attempt(
    row: AttemptRow | None, event: SchedulerEvent, position: int
) -> AttemptRow | None:
    """
    Return the row after *event*, which stands at *position*; total.
    """
    match event:
        case TaskRunStarted():
            return _started(event, position)
        case TaskExecuted() if row is not None:
            return with_changes(row, _executed(event, position))
        case TaskRunAbandoned() if row is not None:
            return with_changes(row, _abandoned(event, position))
        case _:
            return row


def _started(event: TaskRunStarted, position: int) -> AttemptRow:
    return with_changes(
        NO_ATTEMPT,
        {
            "execution_id": event.execution_id,
            "run_id": event.run_id,
            "task_id": event.task_id,
            "generation": event.generation,
            "attempt": event.attempt,
            "nominal_at": event.nominal_at,
            "due_at": event.due_at,
            "started_at": event.at,
            "deadline_at": event.deadline_at,
            "worker_id": event.worker_id,
            "triggered_run": event.triggered_run,
            "started_position": position,
            "retry_count": event.retry_count,
        },
    )


def _executed(event: TaskExecuted, position: int) -> dict[str, Any]:
    return {
        "ended_position": position,
        "completed_at": event.completed_at,
        "duration": event.duration,
        "outcome": event.outcome,
        "error": event.error,
        "error_type": event.error_type,
        "traceback": event.traceback,
        "triggered": event.triggered,
        "retry_count": event.retry_count,
        "retry_at": event.retry_at,
    }


def _abandoned(event: TaskRunAbandoned, position: int) -> dict[str, Any]:
    return {
        "ended_position": position,
        "completed_at": event.at,
        "outcome": "abandoned",
        "reason": event.reason,
        "retry_at": event.retry_at,
    }


@frozen(kw_only=True)
class TaskRun:
    """
    Show one attempt of a task to its user.

    Attributes:
        run_id: The same for each attempt of the run; the idempotency key for effects outside.
        execution_id: Of this attempt alone.
        scheduled_at: The nominal time of the run.
        attempt: From 1.
        outcome: None while it runs; `"abandoned"` for one that was taken from its worker.
        triggered_positions: Where the handler's own events stand in the log.
    """

    task_id: str
    run_id: str
    execution_id: str
    generation: int
    attempt: int
    scheduled_at: datetime
    started_at: datetime
    completed_at: datetime | None
    duration: timedelta | None
    outcome: str | None
    error: str | None
    error_type: str | None
    traceback: str | None
    reason: str | None
    retry_count: int
    retry_at: datetime | None
    worker_id: str
    triggered_run: bool
    position: int
    triggered_positions: tuple[int, ...]

    @property
    def success(self) -> bool:
        """
        Say whether the attempt succeeded.
        """
        return self.outcome == "succeeded"

    @classmethod
    def of(cls, row: AttemptRow) -> "TaskRun":
        """
        Return a row of the history as its user sees it.
        """
        ended = row.ended_position
        return cls(
            task_id=row.task_id,
            run_id=row.run_id,
            execution_id=row.execution_id,
            generation=row.generation,
            attempt=row.attempt,
            scheduled_at=datetime_of(row.nominal_at),
            started_at=datetime_of(row.started_at),
            completed_at=None if row.completed_at is None else datetime_of(row.completed_at),
            duration=None if row.duration is None else timedelta_of(row.duration),
            outcome=row.outcome,
            error=row.error,
            error_type=row.error_type,
            traceback=row.traceback,
            reason=row.reason,
            retry_count=row.retry_count,
            retry_at=None if row.retry_at is None else datetime_of(row.retry_at),
            worker_id=row.worker_id,
            triggered_run=row.triggered_run,
            position=row.started_position,
            triggered_positions=() if ended is None else tuple(range(ended - row.triggered, ended)),
        )
