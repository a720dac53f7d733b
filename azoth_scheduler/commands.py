"""
What can be asked of a task: by its users, and by the worker that runs it.

Each command carries *at*, the time at which it is decided; the decision never takes an earlier
time than the stream's last one.
"""

from typing import Literal, TypeAlias

from attrs import frozen

from azoth.clocks import Instant, Microseconds
from azoth_scheduler.events import Outcome, Overlap
from azoth_scheduler.retries import RetryPolicy
from azoth_scheduler.task import Definition

__all__ = [
    "AbandonRun",
    "CancelRun",
    "CancelTask",
    "IfExists",
    "PauseTask",
    "RecordOutcome",
    "ResumeTask",
    "ScheduleTask",
    "StartRun",
    "TaskCommand",
    "TriggerTask",
]


IfExists: TypeAlias = Literal["replace", "ignore", "error"]
"""What becomes of a task that has another definition already."""


@frozen(kw_only=True)
class ScheduleTask:
    """
    Define the task; the same definition again is a no-op, another one is an edit in place.

    Attributes:
        if_exists: Whether a task with another definition is replaced, left alone, or an error.
        expected_version: The version that the task's stream must have; None for any.
    """

    at: Instant
    task_id: str
    definition: Definition
    if_exists: IfExists = "replace"
    expected_version: int | None = None


@frozen(kw_only=True)
class CancelTask:
    """
    End the task, whatever it is doing.
    """

    at: Instant
    task_id: str
    reason: str = ""


@frozen(kw_only=True)
class PauseTask:
    """
    Stop new starts by the schedule.
    """

    at: Instant
    task_id: str
    reason: str = ""


@frozen(kw_only=True)
class ResumeTask:
    """
    Undo a pause and a disable.
    """

    at: Instant
    task_id: str
    reason: str = ""


@frozen(kw_only=True)
class TriggerTask:
    """
    Ask for runs of their own: one now, or one for each time that is filled in later.

    Attributes:
        nominals: The times that are filled in; empty for now.
        overlap: What a run does while another is open; None for what the task says.
    """

    at: Instant
    task_id: str
    payload: bytes | None = None
    nominals: tuple[Instant, ...] = ()
    overlap: Overlap | None = None


@frozen(kw_only=True)
class CancelRun:
    """
    Stop one run: the one that *execution_id* is an attempt of.
    """

    at: Instant
    task_id: str
    execution_id: str
    reason: str = ""


@frozen(kw_only=True)
class StartRun:
    """
    Claim what is due of the task for a worker.

    Attributes:
        timeout: Of this attempt, resolved from request, handler and scheduler.
        max_attempts: How many failures exhaust the run, resolved likewise.
        lease: How long the claim holds without being renewed; None where the store keeps no
            leases, so that it holds to the deadline.
    """

    at: Instant
    worker_id: str
    timeout: Microseconds
    max_attempts: int
    lease: Microseconds | None


@frozen(kw_only=True)
class RecordOutcome:
    """
    Record how the attempt with this fence ended; refused if the fence is gone.

    Attributes:
        policy: Says what a failure leads to, resolved from request, handler and scheduler.
        triggered: How many events of the handler stand directly before the outcome.
        raised: The dotted names of the class of what was raised, and of its bases.
        retry_after: The wait that the handler asked for; None leaves it to the policy.
    """

    at: Instant
    fence: int
    completed_at: Instant
    duration: Microseconds
    outcome: Outcome
    policy: RetryPolicy
    error: str | None = None
    error_type: str | None = None
    traceback: str | None = None
    triggered: int = 0
    raised: tuple[str, ...] = ()
    retry_after: Microseconds | None = None


@frozen(kw_only=True)
class AbandonRun:
    """
    Take the attempt with this fence from its worker.

    Attributes:
        given_back: Whether the worker itself gives it back, which no count remembers.
        lost_max: How many losses in a row exhaust the run.
        policy: Says whether an exhausted run disables the task, resolved as for an outcome.
    """

    at: Instant
    fence: int
    reason: str
    lease_until: Instant
    given_back: bool
    lost_max: int
    policy: RetryPolicy


TaskCommand: TypeAlias = (
    ScheduleTask
    | CancelTask
    | PauseTask
    | ResumeTask
    | TriggerTask
    | CancelRun
    | StartRun
    | RecordOutcome
    | AbandonRun
)
"""Everything that `decide` answers."""
