"""
A task's state: its definition, what comes next, and the runs that are open.
"""

from typing import Final, Literal, TypeAlias

from attrs import frozen

from azoth.clocks import Instant
from azoth_scheduler.events import Options
from azoth_scheduler.schedules import Immediate, Schedule

__all__ = [
    "NO_RUN",
    "NO_TASK",
    "Definition",
    "OpenRun",
    "Status",
    "TaskState",
    "Totals",
    "is_held",
    "startable",
    "status_of",
    "wake_at",
]

Status: TypeAlias = Literal[
    "cancelled", "disabled", "paused", "running", "retrying", "completed", "scheduled"
]
"""What a task is doing; the first of them that holds."""


@frozen(kw_only=True)
class Definition:
    """
    Hold what a generation of a task is, as the caller wrote it.
    """

    task_type: str
    schedule: Schedule
    payload: bytes = b""
    options: Options = Options()


# Not slotted, like Totals and TaskState, so that `changed` can copy them.
@frozen(kw_only=True, slots=False)
class OpenRun:
    """
    Hold a run that is not closed: an attempt runs, or it waits for its next one.

    Attributes:
        fence: The stream version of the active attempt's `TaskRunStarted`; None while it waits.
        retry_at: When the next attempt is due; None while one is active.
        attempt: The number of the latest attempt; 0 for a triggered run before its first.
        cancel: Why it was asked to stop; None if it was not.
        snoozes: How often its handler put it off.
        beside: Whether it was triggered to start also while another run is open.
    """

    run_id: str
    generation: int
    nominal_at: Instant
    due_at: Instant
    triggered: bool = False
    payload: bytes | None = None
    attempt: int = 0
    execution_id: str = ""
    retry_count: int = 0
    lost_count: int = 0
    max_attempts: int = 0
    fence: int | None = None
    worker_id: str = ""
    started_at: Instant = Instant(0)
    deadline_at: Instant = Instant(0)
    lease_until: Instant = Instant(0)
    retry_at: Instant | None = None
    cancel: str | None = None
    snoozes: int = 0
    beside: bool = False


NO_RUN: Final = OpenRun(run_id="", generation=0, nominal_at=Instant(0), due_at=Instant(0))
"""What others are copied from: this takes half of the time of `__init__`."""


@frozen(kw_only=True, slots=False)
class Totals:
    """
    Count the attempts of a task by outcome, those lost, and the occurrences left out.

    Attributes:
        skipped_exact: Whether no more than *skipped* were left out; False where an event had more
            to leave out than is counted, so that there were more.
    """

    succeeded: int = 0
    failed: int = 0
    timed_out: int = 0
    discarded: int = 0
    cancelled: int = 0
    snoozed: int = 0
    abandoned: int = 0
    skipped: int = 0
    skipped_exact: bool = True


@frozen(kw_only=True, slots=False)
class TaskState:
    """
    Be the fold of one task's stream.

    Attributes:
        version: The version of its stream.
        generation: The number of its definition; 0 where no task exists.
        runs: The open runs, in the order in which they were opened.
        buffered: Nominal times that were decided to run, in order, before anything new.
        exhausted: The run that disabled the task, which `resume_task` takes up again.
        triggers: How many runs were triggered in this generation.
    """

    task_id: str = ""
    version: int = 0
    generation: int = 0
    definition: Definition = Definition(task_type="", schedule=Immediate())
    anchor: Instant = Instant(0)
    runs_started: int = 0
    triggers: int = 0
    next_nominal_at: Instant | None = None
    next_run_at: Instant | None = None
    paused: bool = False
    disabled: bool = False
    cancelled: bool = False
    reason: str = ""
    runs: tuple[OpenRun, ...] = ()
    buffered: tuple[Instant, ...] = ()
    exhausted: OpenRun | None = None
    retry_count: int = 0
    last_run_at: Instant | None = None
    last_execution_id: str | None = None
    last_outcome: str | None = None
    last_error: str | None = None
    last_error_type: str | None = None
    last_completed_at: Instant | None = None
    last_success_at: Instant | None = None
    totals: Totals = Totals()
    created_at: Instant = Instant(0)
    updated_at: Instant = Instant(0)

    @property
    def exists(self) -> bool:
        """
        Say whether the task was ever scheduled.
        """
        return self.generation > 0

    @property
    def active(self) -> tuple[OpenRun, ...]:
        """
        Return the runs that have an attempt running.
        """
        return tuple([run for run in self.runs if run.fence is not None]) if self.runs else ()

    def with_fence(self, fence: int) -> OpenRun | None:
        """
        Return the run whose active attempt has this fence.
        """
        for run in self.runs:
            if run.fence == fence:
                return run
        return None


NO_TASK: Final = TaskState()
"""The state before the first event of a stream."""


def status_of(state: TaskState) -> Status:
    """
    Return what the task is doing.
    """
    if state.cancelled:
        return "cancelled"
    if state.disabled:
        return "disabled"
    if state.paused:
        return "paused"
    if state.active:
        return "running"
    if any(run.attempt for run in state.runs):
        return "retrying"
    idle = state.next_run_at is None and not state.runs and not state.buffered
    return "completed" if idle else "scheduled"


def wake_at(state: TaskState) -> Instant | None:
    """
    Return when something of the task is due to be decided; None if nothing will be by itself.

    An attempt of a triggered run starts also while the task is paused or disabled: somebody asked
    for it. An occurrence waits until no run is open, unless its overlap acts at its own time.
    """
    if not state.runs:
        return _scheduled_at(state)
    overlap = state.definition.options.overlap
    waiting = [run.retry_at for run in startable(state) if run.retry_at is not None]
    if overlap == "allow" or (overlap == "cancel_other" and _may_ask_to_stop(state)):
        scheduled = _scheduled_at(state)
        waiting += [] if scheduled is None else [scheduled]
    return min(waiting, default=None)


def is_held(state: TaskState) -> bool:
    """
    Say whether the schedule starts nothing: paused, disabled or cancelled.
    """
    return state.paused or state.disabled or state.cancelled


def startable(state: TaskState) -> tuple[OpenRun, ...]:
    """
    Return the open runs whose next attempt may start as soon as it is due.
    """
    held = state.paused or state.disabled
    alone = state.active and state.definition.options.overlap != "allow"
    return tuple(
        [
            run
            for run in state.runs
            if run.retry_at is not None
            and (run.triggered or not held)
            and (run.beside or not alone)
        ]
    )


def _scheduled_at(state: TaskState) -> Instant | None:
    if is_held(state):
        return None
    # What is buffered was due when it was decided.
    return state.buffered[0] if state.buffered else state.next_run_at


def _may_ask_to_stop(state: TaskState) -> bool:
    # What was kept runs first, each to its end.
    return not state.buffered and any(run.cancel is None for run in state.runs)
