"""
What was told of each task so far: a fold of the log that is no code of the scheduler's.

It keeps runs while they are open, and drops them when they are closed. It is total: a log that no
scheduler writes makes it wrong, which the checkers say, and never makes it raise.
"""

from collections.abc import Mapping
from typing import Final

from attrs import define, field

from azoth.clocks import Instant
from azoth_scheduler.events import (
    Options,
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
from azoth_scheduler.retries import RetryPolicy
from azoth_scheduler.schedules import Cron, Immediate, Interval, Schedule
from azoth_scheduler.simulation.invariants.entries import Entry

FAILURES: Final = ("failed", "timed_out")
POLICY: Final = RetryPolicy()
"""What a scheduler that is told nothing goes by."""

NO_POLICIES: Final[Mapping[str, RetryPolicy]] = {}
_NO_OPTIONS: Final = Options()
_SECOND: Final = 1_000_000


@define
class Run:
    """
    Be an open run: an attempt is active, or it waits for its next one.

    Attributes:
        attempt: The number of the latest attempt; 0 before the first.
        retry_at: When the next attempt is due; None while one is active.
        asked: Whether it was asked to stop.
        beside: Whether it may start beside others.
    """

    run_id: str
    generation: int
    nominal_at: Instant
    due_at: Instant
    triggered: bool = False
    beside: bool = False
    attempt: int = 0
    retry_count: int = 0
    lost_count: int = 0
    retry_at: Instant | None = None
    asked: bool = False
    fence: int | None = None
    started: TaskRunStarted | None = None


@define
class Task:
    """
    Be what was told of a task.

    Attributes:
        kept: Nominal times that wait to be run, in order.
        runs_started: By the schedule, in this generation.
        last_nominal: Of the latest run that the schedule started in this generation.
        inherited: The nominal time that was next when an edit began this generation, else None.
        exhausted: The run that a disabled task would take up again.
        closed_at: When the last open run was closed; what fell due before that is decided by then.
        last: The latest event.
    """

    generation: int = 0
    task_type: str = ""
    schedule: Schedule = Immediate()
    options: Options = _NO_OPTIONS
    anchor: Instant = Instant(0)
    policy: RetryPolicy = POLICY
    next_nominal_at: Instant | None = None
    next_run_at: Instant | None = None
    paused: bool = False
    disabled: bool = False
    cancelled: bool = False
    open: dict[str, Run] = field(factory=dict[str, Run])
    kept: list[Instant] = field(factory=list[Instant])
    runs_started: int = 0
    triggers: int = 0
    last_nominal: int = -1
    inherited: Instant | None = None
    exhausted: Run | None = None
    closed_at: int = -1
    last: SchedulerEvent | None = None

    @property
    def held(self) -> bool:
        """
        Say whether the schedule may start nothing.
        """
        return self.paused or self.disabled or self.cancelled

    @property
    def recurring(self) -> bool:
        """
        Say whether its schedule may fire more than once.
        """
        return isinstance(self.schedule, Cron | Interval)

    @property
    def gridded(self) -> bool:
        """
        Say whether its schedule has a grid.
        """
        schedule = self.schedule
        return isinstance(schedule, Cron) or (
            isinstance(schedule, Interval) and schedule.mode == "fixed_rate"
        )

    @property
    def spent(self) -> bool:
        """
        Say whether all the runs that its schedule may start were started, or are kept.
        """
        most = self.options.max_runs
        return most is not None and self.runs_started + len(self.kept) >= most

    def active(self) -> list[Run]:
        """
        Return the runs that have an attempt running.
        """
        return [run for run in self.open.values() if run.fence is not None]

    def is_over(self, run: Run) -> bool:
        """
        Say whether nothing may follow the attempt of a run, however it ends.
        """
        return self.cancelled or run.asked or run.generation != self.generation

    def after_closing(self, run: Run, at: Instant) -> Instant | None:
        """
        Return the nominal time that a fixed delay names once a run is closed; None for nothing new.
        """
        schedule, end = self.schedule, self.options.end
        if not isinstance(schedule, Interval) or schedule.mode == "fixed_rate":
            return None
        if run.triggered or run.generation != self.generation or self.cancelled or self.spent:
            return None
        found = Instant(at + round(schedule.every * _SECOND))
        return found if end is None or found <= end else None

    def ready_at(self) -> Instant | None:
        """
        Return when something of it may be started or decided; None if nothing will be by itself.
        """
        if self.cancelled:
            return None
        overlap, found = self.options.overlap, list[Instant]()
        if self.open:
            beside = overlap == "allow" or not self.active()
            found += [
                run.retry_at
                for run in self.open.values()
                if run.retry_at is not None
                and (run.triggered or not self.held)
                and (run.beside or beside)
            ]
        acts = not self.open or overlap == "allow"
        if overlap == "cancel_other" and not self.kept:
            acts = acts or not all(run.asked for run in self.open.values())
        due = self.kept[0] if self.kept else self.next_run_at
        if acts and due is not None and not self.held:
            found.append(due)
        return min(found, default=None)


class Ledger:
    """
    Keep what was told of all tasks.

    Args:
        policies: Of handlers, by their types: they are not in the log.
    """

    def __init__(self, policies: Mapping[str, RetryPolicy] = NO_POLICIES) -> None:
        self._policies = policies
        self.tasks: dict[str, Task] = {}

    def task(self, task_id: str) -> Task:
        """
        Return what is known of a task, which may be nothing.
        """
        found = self.tasks.get(task_id)
        if found is None:
            found = self.tasks[task_id] = Task()
        return found

    def see(self, entry: Entry) -> None:
        """
        Take note of one more event.
        """
        told = entry.told
        if told is None:
            return
        task = self.task(told.task_id)
        match told:
            case TaskRunStarted():
                _started(task, told, entry.event.version)
            case TaskExecuted():
                _executed(task, told)
            case TaskRunAbandoned():
                _abandoned(task, told)
            case TaskRunSkipped():
                _skipped(task, told)
            case TaskScheduled():
                _scheduled(task, told, self._policy_of(told))
            case _:
                _changed(task, told)
        task.last = told

    def _policy_of(self, told: TaskScheduled) -> RetryPolicy:
        if told.options.retry is not None:
            return told.options.retry
        if told.options.max_retries is not None:
            return POLICY
        return self._policies.get(told.task_type, POLICY)


def _changed(
    task: Task,
    told: TaskRunBuffered
    | TaskTriggered
    | TaskPaused
    | TaskResumed
    | TaskDisabled
    | TaskCancelled
    | TaskRunCancelRequested,
) -> None:
    match told:
        case TaskRunBuffered():
            task.kept.extend(told.nominals)
            task.next_nominal_at, task.next_run_at = told.next_nominal_at, told.next_run_at
        case TaskTriggered():
            _triggered(task, told)
        case TaskPaused():
            task.paused = True
        case TaskResumed():
            _resumed(task, told)
        case TaskDisabled():
            task.disabled = True
        case TaskCancelled():
            _cancelled(task)
        case TaskRunCancelRequested():
            _asked(task, told)


def _scheduled(task: Task, told: TaskScheduled, policy: RetryPolicy) -> None:
    edits = task.generation > 0 and not task.cancelled
    task.generation, task.task_type = told.generation, told.task_type
    task.schedule, task.options, task.anchor = told.schedule, told.options, told.anchor
    task.policy = policy
    task.next_nominal_at, task.next_run_at = told.next_nominal_at, told.next_run_at
    task.inherited = told.next_nominal_at if edits else None
    task.disabled = task.cancelled = False
    # An attempt that runs goes on, a run that was asked for comes; all else is in what is next.
    task.open = {
        run_id: run
        for run_id, run in task.open.items()
        if run.fence is not None or (run.triggered and not run.attempt)
    }
    task.kept.clear()
    task.runs_started, task.triggers, task.last_nominal = told.runs_started, 0, -1
    task.exhausted, task.closed_at = None, -1


def _started(task: Task, told: TaskRunStarted, version: int) -> None:
    current = told.generation == task.generation
    run = task.open.get(told.run_id)
    if run is None:
        run = Run(
            told.run_id, told.generation, told.nominal_at, told.due_at, triggered=told.triggered_run
        )
        task.open[told.run_id] = run
        if current:
            task.runs_started += 1
            task.last_nominal = told.nominal_at
            if told.nominal_at in task.kept:
                task.kept.remove(told.nominal_at)
    run.attempt, run.retry_count, run.started = told.attempt, told.retry_count, told
    run.fence, run.retry_at = version, None
    if current:
        task.next_nominal_at, task.next_run_at = told.next_nominal_at, told.next_run_at


def _executed(task: Task, told: TaskExecuted) -> None:
    run = task.open.get(told.run_id)
    if run is not None and run.fence == told.fence:
        _ended(task, run, told, failed=not told.success)
        run.retry_count, run.lost_count = told.retry_count, 0
    if told.generation == task.generation:
        task.next_nominal_at, task.next_run_at = told.next_nominal_at, told.next_run_at


def _abandoned(task: Task, told: TaskRunAbandoned) -> None:
    run = task.open.get(told.run_id)
    if run is not None and run.fence == told.fence:
        _ended(task, run, told, failed=True)
        run.lost_count = told.lost_count
    _move_if_told(task, told)


def _ended(task: Task, run: Run, told: TaskExecuted | TaskRunAbandoned, *, failed: bool) -> None:
    run.fence, run.retry_at = None, told.retry_at
    if told.retry_at is None:
        _closed(task, run, told.at)
        if failed and run.generation == task.generation and not task.disabled:
            task.exhausted = run


def _closed(task: Task, run: Run, at: Instant) -> None:
    del task.open[run.run_id]
    if not task.open and run.generation == task.generation and not task.held:
        task.closed_at = at


def _move_if_told(task: Task, told: TaskRunAbandoned | TaskRunCancelRequested) -> None:
    # These move the schedule only where they close a run of a fixed delay.
    if told.next_nominal_at is not None and told.generation == task.generation:
        task.next_nominal_at, task.next_run_at = told.next_nominal_at, told.next_run_at


def _skipped(task: Task, told: TaskRunSkipped) -> None:
    if told.run_id is not None:
        task.open.pop(told.run_id, None)
        return
    if task.kept:
        task.kept = [at for at in task.kept if not told.first <= at <= told.last]
    if told.generation == task.generation:
        task.next_nominal_at, task.next_run_at = told.next_nominal_at, told.next_run_at


def _triggered(task: Task, told: TaskTriggered) -> None:
    nominal = told.at if told.nominal_at is None else told.nominal_at
    run = Run(told.run_id, told.generation, nominal, told.at, triggered=True, retry_at=told.at)
    run.beside = told.overlap == "allow"
    task.open[told.run_id] = run
    task.triggers += 1


def _resumed(task: Task, told: TaskResumed) -> None:
    again = task.exhausted
    if again is not None and told.execution_id == f"{again.run_id}#{again.attempt}":
        task.open[again.run_id] = again
    for run in task.open.values():
        if run.fence is None:
            run.retry_at, run.retry_count, run.lost_count = told.at, 0, 0
    task.paused = task.disabled = False
    task.exhausted = None
    task.next_nominal_at, task.next_run_at = told.next_nominal_at, told.next_run_at


def _cancelled(task: Task) -> None:
    task.cancelled = True
    task.paused = task.disabled = False
    task.open = {run.run_id: run for run in task.active()}
    for run in task.open.values():
        run.asked = True
    task.kept.clear()
    task.exhausted = task.next_nominal_at = task.next_run_at = None


def _asked(task: Task, told: TaskRunCancelRequested) -> None:
    run = task.open.get(told.run_id)
    if run is not None and run.fence is None:
        _closed(task, run, told.at)
    elif run is not None:
        run.asked = True
    _move_if_told(task, told)
