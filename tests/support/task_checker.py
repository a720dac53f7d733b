"""
The scheduler's invariants for one task, checked event by event on its stream alone.

Grids are computed here by division, apart from the code that is checked.
"""

from typing import Final

from azoth.clocks import Instant
from azoth_scheduler.events import (
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
from azoth_scheduler.schedules import Cron, Interval, Schedule

HOURLY: Final = Cron("0 0 * * * *")
_HOUR: Final = 3_600_000_000
_COUNT_MAX: Final = 10_000


class TaskChecker:
    """
    Fail on the first event that breaks an invariant, and name it.

    Args:
        policy: What every failure of the stream is judged by.
    """

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy
        self._version = 0
        self._at = Instant(0)
        self._generation = 0
        self._schedule: Schedule | None = None
        self._anchor = Instant(0)
        self._expected: Instant | None = None
        self._due: Instant | None = None
        self._last_nominal = -1
        self._paused = False
        self._disabled = False
        self._cancelled = False
        self._active: dict[int, TaskRunStarted] = {}
        self._attempts: dict[str, int] = {}
        self._waiting: dict[str, Instant] = {}
        self._triggered: dict[str, None] = {}
        self._cancelled_runs: dict[str, None] = {}
        self._executions: dict[str, None] = {}

    def see(self, events: tuple[SchedulerEvent, ...]) -> None:
        """
        Check what one decision led to.
        """
        for place, event in enumerate(events):
            self._version += 1
            following = events[place + 1] if place + 1 < len(events) else None
            assert event.at >= self._at, "C1: time went back"
            self._at = event.at
            self._see(event, following)

    def _see(self, event: SchedulerEvent, following: SchedulerEvent | None) -> None:
        if self._cancelled:
            allowed = TaskExecuted | TaskRunAbandoned | TaskScheduled
            assert isinstance(event, allowed), f"C10: {event} after a cancel"
        match event:
            case TaskScheduled():
                self._scheduled(event)
            case TaskRunStarted():
                self._started(event)
            case TaskExecuted():
                self._executed(event, following)
            case TaskRunAbandoned():
                self._abandoned(event, following)
            case TaskRunSkipped():
                self._skipped(event)
            case TaskResumed():
                self._resumed(event)
            case TaskRunBuffered():
                raise AssertionError("nothing is kept where the overlap is `skip`")
            case _:
                self._asked(event)

    def _asked(
        self,
        event: TaskTriggered | TaskPaused | TaskDisabled | TaskCancelled | TaskRunCancelRequested,
    ) -> None:
        match event:
            case TaskTriggered():
                assert event.run_id not in self._triggered, "a run id is given out twice"
                self._triggered[event.run_id] = None
                self._waiting[event.run_id] = event.at
            case TaskPaused():
                assert not self._paused, "paused twice"
                self._paused = True
            case TaskDisabled():
                assert not self._disabled, "disabled twice"
                self._disabled = True
            case TaskCancelled():
                self._cancelled, self._paused, self._disabled = True, False, False
                self._waiting.clear()
                self._expect(None, None)
            case TaskRunCancelRequested():
                self._cancelled_runs[event.run_id] = None
                self._waiting.pop(event.run_id, None)

    def _expect(self, nominal: Instant | None, due: Instant | None) -> None:
        self._expected, self._due = nominal, due

    def _scheduled(self, event: TaskScheduled) -> None:
        assert event.generation == self._generation + 1, "generations have no holes"
        self._generation = event.generation
        self._schedule, self._anchor = event.schedule, event.anchor
        self._cancelled = self._disabled = False
        self._last_nominal = -1
        # Of the runs that wait, only those that were asked for and have not begun go on.
        self._waiting = {
            run_id: at for run_id, at in self._waiting.items() if run_id not in self._attempts
        }
        self._expect(event.next_nominal_at, event.next_run_at)

    def _started(self, event: TaskRunStarted) -> None:
        assert not self._active, "C3: two active attempts"
        assert event.attempt == self._attempts.get(event.run_id, 0) + 1, "C5: attempts have a hole"
        assert event.execution_id == f"{event.run_id}#{event.attempt}"
        assert event.execution_id not in self._executions, "an execution id is given out twice"
        assert event.retry_count < event.max_attempts, "C5: more attempts than the policy has"
        held = self._paused or self._disabled
        assert event.triggered_run or not held, "C13: a start while paused or disabled"
        assert event.triggered_run == (event.run_id in self._triggered)
        if event.run_id in self._waiting:
            assert event.at >= self._waiting.pop(event.run_id), "C2: a retry before its time"
        else:
            self._begun(event)
        self._executions[event.execution_id] = None
        self._attempts[event.run_id] = event.attempt
        self._active[self._version] = event

    def _begun(self, event: TaskRunStarted) -> None:
        assert not event.triggered_run
        assert not self._waiting, "an occurrence begins while a run is open"
        assert event.generation == self._generation, "C11: an old generation begins a run"
        assert self._due is not None, "nothing was due"
        assert event.at >= self._due, "C2: before its time"
        assert event.nominal_at == self._expected, "C9: an occurrence is left out"
        assert event.nominal_at > self._last_nominal, "C8: nominal times do not increase"
        assert self._on_grid(event.nominal_at), "C7: off the grid"
        self._last_nominal = event.nominal_at
        self._move(self._after(event.nominal_at), event)

    def _executed(self, event: TaskExecuted, following: SchedulerEvent | None) -> None:
        started = self._end(event)
        failed = event.outcome in ("failed", "timed_out")
        assert event.retry_count == started.retry_count + failed, "C5: a failure counts once"
        assert event.retry_count <= started.max_attempts, "C5: over the policy"
        assert started.at <= event.completed_at <= event.at, "C1: completed outside its attempt"
        stopped = self._cancelled or event.run_id in self._cancelled_runs
        current = started.generation == self._generation and not stopped
        exhausted = failed and event.retry_count >= started.max_attempts
        if failed and current and not exhausted:
            assert event.retry_at is not None, "a failure is not retried"
            delay = self._policy.delay(event.retry_count) + event.retry_jitter
            assert event.retry_at == event.completed_at + delay, "C6: the wait is not the policy's"
            self._waiting[event.run_id] = event.retry_at
        else:
            assert event.retry_at is None, "retried, though it must not be"
        discarded = event.outcome == "discarded" and not self._recurring
        discarded = discarded and event.run_id not in self._triggered
        disables = current and not self._disabled and (exhausted or discarded)
        self._check_disabled(event, following, disables=disables)

    def _abandoned(self, event: TaskRunAbandoned, following: SchedulerEvent | None) -> None:
        started = self._end(event)
        stopped = self._cancelled or event.run_id in self._cancelled_runs
        current = started.generation == self._generation and not stopped
        if event.retry_at is not None:
            assert current, "a run that is over goes on"
            self._waiting[event.run_id] = event.retry_at
        disables = current and not self._disabled and event.retry_at is None
        self._check_disabled(event, following, disables=disables)

    def _end(self, event: TaskExecuted | TaskRunAbandoned) -> TaskRunStarted:
        assert event.fence in self._active, "C4: the fence is gone"
        started = self._active.pop(event.fence)
        assert (event.execution_id, event.worker_id) == (started.execution_id, started.worker_id)
        return started

    def _check_disabled(
        self,
        event: TaskExecuted | TaskRunAbandoned,
        following: SchedulerEvent | None,
        *,
        disables: bool,
    ) -> None:
        found = isinstance(following, TaskDisabled)
        assert found == disables, "C5: disabled iff exhausted or a discarded one-shot"
        if isinstance(following, TaskDisabled):
            assert following.execution_id == event.execution_id

    def _skipped(self, event: TaskRunSkipped) -> None:
        if event.run_id is not None:
            assert self._waiting.pop(event.run_id) == event.at
            return
        assert self._recurring, "a one-shot is skipped"
        assert not self._waiting, "skipped while a run is open"
        assert not self._active, "skipped while an attempt runs"
        assert event.first == self._expected, "C9: an occurrence is left out"
        assert self._on_grid(event.first), "C7: off the grid"
        assert self._on_grid(event.last), "C7: off the grid"
        count = (event.last - event.first) // self._grid[1] + 1
        assert event.count == min(count, _COUNT_MAX), "C9: the count is wrong"
        assert event.exact == (count <= _COUNT_MAX)
        assert event.last < event.at, "skipped before its time"
        self._move(self._after(event.last), event)

    def _move(self, following: Instant | None, event: TaskRunStarted | TaskRunSkipped) -> None:
        assert event.next_nominal_at == following, "C9: the next occurrence is another one"
        self._expect(following, event.next_run_at)

    def _resumed(self, event: TaskResumed) -> None:
        assert self._paused or self._disabled, "resumed without need"
        self._paused = self._disabled = False
        self._waiting = dict.fromkeys(self._waiting, event.at)
        if event.execution_id is not None:
            assert not self._recurring, "only a one-shot goes on in the same run"
            self._waiting[event.execution_id.rpartition("#")[0]] = event.at
        if self._recurring and event.next_run_at is not None:
            assert event.next_run_at > event.at, "what fell due while it was held is owed"
        self._expect(event.next_nominal_at, event.next_run_at)

    @property
    def _recurring(self) -> bool:
        return isinstance(self._schedule, Interval | Cron)

    @property
    def _grid(self) -> tuple[int, int]:
        if isinstance(self._schedule, Interval):
            return self._anchor, self._schedule.microseconds
        assert self._schedule == HOURLY, "the checker knows one cron schedule"
        return 0, _HOUR

    def _on_grid(self, nominal: Instant) -> bool:
        if not self._recurring:
            return True
        origin, every = self._grid
        return nominal > self._anchor and (nominal - origin) % every == 0

    def _after(self, nominal: Instant) -> Instant | None:
        return Instant(nominal + self._grid[1]) if self._recurring else None
