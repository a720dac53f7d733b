"""
What happened to a task: the events of the category `$task`, one stream for each task.

Whatever depended on the outside (the next time, the retry time, the end of the lease) was computed
once, when the command was decided, and stands here as a field; a fold only copies it. Every event
carries the task's id, the generation of its definition, and the time at which it was decided.
`next_nominal_at` and `next_run_at` are None when nothing follows; `retry_at` None closes the run.
Of `TaskRunAbandoned` and `TaskRunCancelRequested` None moves nothing: only where they close a run
of a fixed delay do they say what is next.
"""

from typing import Any, Final, Literal, TypeAlias

from attrs import frozen

from azoth.clocks import Instant, Microseconds, datetime_of
from azoth.codec import Registry
from azoth_scheduler.retries import RetryPolicy
from azoth_scheduler.schedules import Cron, Immediate, Interval, OneTime, Schedule

__all__ = [
    "CATEGORY",
    "CatchUp",
    "Options",
    "Outcome",
    "Overlap",
    "SchedulerEvent",
    "SkipReason",
    "TaskCancelled",
    "TaskChange",
    "TaskDisabled",
    "TaskExecuted",
    "TaskPaused",
    "TaskResumed",
    "TaskRunAbandoned",
    "TaskRunBuffered",
    "TaskRunCancelRequested",
    "TaskRunSkipped",
    "TaskRunStarted",
    "TaskScheduled",
    "TaskTriggered",
    "registry",
    "stream_of",
    "task_of",
]

CATEGORY: Final = "$task"
"""The category of all streams of the scheduler; no handler may write to it."""

Outcome: TypeAlias = Literal[
    "succeeded", "failed", "timed_out", "discarded", "cancelled", "snoozed"
]
"""How an attempt ended."""

SkipReason: TypeAlias = Literal["overlap", "missed", "coalesced", "expired"]
"""Why occurrences were left out."""

CatchUp: TypeAlias = Literal["latest", "earliest", "all", "skip"]
"""Which occurrences are run of those that fell due while nothing could start."""

Overlap: TypeAlias = Literal["skip", "buffer_one", "buffer_all", "cancel_other", "allow"]
"""What becomes of occurrences that fall due while a run is open."""

registry: Final = Registry()
"""The types of the scheduler's events."""


def _read_one_time(data: Any, _: object) -> OneTime:  # noqa: ANN401 - JSON is anything
    # In the log it is an instant; the class takes no number, which could have any unit.
    return OneTime(datetime_of(Instant(registry.converter.structure(data["at"], int))))


registry.converter.register_structure_hook(OneTime, _read_one_time)
registry.tagged({"cron": Cron, "interval": Interval, "one_time": OneTime, "immediate": Immediate})


def stream_of(task_id: str) -> str:
    """
    Return the name of a task's stream.
    """
    return f"{CATEGORY}-{task_id}"


def task_of(stream: str) -> str:
    """
    Return the task that a stream of the category belongs to.
    """
    return stream[len(CATEGORY) + 1 :]


@frozen(kw_only=True)
class Options:
    """
    Hold what the caller of `schedule_task` wrote; None is what was left out.

    What was left out is taken at each claim from the handler, then from the scheduler, so a new
    default is no edit. `azoth_scheduler.ScheduleTaskRequest` says what each field means.
    """

    max_retries: int | None = None
    retry: RetryPolicy | None = None
    timeout: Microseconds | None = None
    priority: int = 0
    queue: str = "default"
    tags: tuple[str, ...] = ()
    start: Instant | None = None
    start_now: bool = False
    end: Instant | None = None
    max_runs: int | None = None
    jitter: Microseconds = Microseconds(0)
    expires_after: Microseconds | None = None
    catch_up: CatchUp = "latest"
    catch_up_window: Microseconds = Microseconds(24 * 3_600_000_000)
    catch_up_limit: int = 100
    grace: Microseconds = Microseconds(60_000_000)
    overlap: Overlap = "skip"
    buffer_limit: int = 1_000


@frozen(kw_only=True)
class TaskChange:
    """
    Be the fields that every event of a task has.
    """

    task_id: str
    generation: int
    at: Instant


@registry.event("TaskScheduled")
@frozen(kw_only=True)
class TaskScheduled(TaskChange):
    """
    Begin a generation: a new task, another definition, or a cancelled id scheduled again.
    """

    task_type: str
    schedule: Schedule
    payload: bytes = b""
    options: Options = Options()
    anchor: Instant
    runs_started: int = 0
    next_nominal_at: Instant | None = None
    next_run_at: Instant | None = None


@registry.event("TaskRunStarted")
@frozen(kw_only=True)
class TaskRunStarted(TaskChange):
    """
    Claim one attempt for one worker; the event's stream version is the attempt's fence.
    """

    run_id: str
    execution_id: str
    nominal_at: Instant
    due_at: Instant
    attempt: int
    retry_count: int = 0
    max_attempts: int
    worker_id: str
    deadline_at: Instant
    lease_until: Instant
    triggered_run: bool = False
    next_nominal_at: Instant | None = None
    next_run_at: Instant | None = None


@registry.event("TaskExecuted")
@frozen(kw_only=True)
class TaskExecuted(TaskChange):
    """
    Record the outcome of an attempt; the handler's own events stand directly before it.
    """

    run_id: str
    execution_id: str
    attempt: int
    fence: int
    worker_id: str
    started_at: Instant
    completed_at: Instant
    duration: Microseconds
    outcome: Outcome
    error: str | None = None
    error_type: str | None = None
    traceback: str | None = None
    triggered: int = 0
    retry_count: int = 0
    retry_at: Instant | None = None
    retry_jitter: Microseconds = Microseconds(0)
    retry_by: Literal["policy", "handler"] | None = None
    next_nominal_at: Instant | None = None
    next_run_at: Instant | None = None

    @property
    def success(self) -> bool:
        """
        Say whether the attempt succeeded.
        """
        return self.outcome == "succeeded"


@registry.event("TaskRunAbandoned")
@frozen(kw_only=True)
class TaskRunAbandoned(TaskChange):
    """
    Take an attempt from a worker that is gone, or that gives it back; this is no failure.
    """

    run_id: str
    execution_id: str
    attempt: int
    fence: int
    worker_id: str
    reason: str
    lost_count: int
    lease_until: Instant
    retry_at: Instant | None = None
    next_nominal_at: Instant | None = None
    next_run_at: Instant | None = None


@registry.event("TaskRunSkipped")
@frozen(kw_only=True)
class TaskRunSkipped(TaskChange):
    """
    Leave out occurrences: *count* of them, from *first* to *last*; or one triggered run.
    """

    count: int
    exact: bool = True
    first: Instant
    last: Instant
    reason: SkipReason
    run_id: str | None = None
    next_nominal_at: Instant | None = None
    next_run_at: Instant | None = None


@registry.event("TaskRunBuffered")
@frozen(kw_only=True)
class TaskRunBuffered(TaskChange):
    """
    Keep occurrences that were decided to run: in this order, before anything new.
    """

    nominals: tuple[Instant, ...]
    next_nominal_at: Instant | None = None
    next_run_at: Instant | None = None


@registry.event("TaskTriggered")
@frozen(kw_only=True)
class TaskTriggered(TaskChange):
    """
    Ask for a run of its own; it never moves the schedule.

    Attributes:
        nominal_at: The time that it stands for, where it is filled in later; None for now.
        overlap: What it does while a run is open; None for what the task says.
    """

    run_id: str
    nominal_at: Instant | None = None
    overlap: Overlap | None = None
    payload: bytes | None = None


@registry.event("TaskPaused")
@frozen(kw_only=True)
class TaskPaused(TaskChange):
    """
    Stop new starts by the schedule, retries too.
    """

    reason: str = ""


@registry.event("TaskResumed")
@frozen(kw_only=True)
class TaskResumed(TaskChange):
    """
    Undo a pause and a disable; *execution_id* names the attempt whose run is taken up again.
    """

    reason: str = ""
    execution_id: str | None = None
    next_nominal_at: Instant | None = None
    next_run_at: Instant | None = None


@registry.event("TaskDisabled")
@frozen(kw_only=True)
class TaskDisabled(TaskChange):
    """
    Stop the schedule: the run of *execution_id* was exhausted.
    """

    reason: str
    execution_id: str


@registry.event("TaskCancelled")
@frozen(kw_only=True)
class TaskCancelled(TaskChange):
    """
    End the task: no further runs; a running attempt is asked to stop.
    """

    reason: str = ""


@registry.event("TaskRunCancelRequested")
@frozen(kw_only=True)
class TaskRunCancelRequested(TaskChange):
    """
    Ask one run to stop; a run that waits for its retry is closed by this event itself.
    """

    reason: str = ""
    run_id: str
    execution_id: str
    next_nominal_at: Instant | None = None
    next_run_at: Instant | None = None


SchedulerEvent: TypeAlias = (
    TaskScheduled
    | TaskRunStarted
    | TaskExecuted
    | TaskRunAbandoned
    | TaskRunSkipped
    | TaskRunBuffered
    | TaskTriggered
    | TaskPaused
    | TaskResumed
    | TaskDisabled
    | TaskCancelled
    | TaskRunCancelRequested
)
"""Every event of a task."""
