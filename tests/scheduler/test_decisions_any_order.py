"""
Any commands in any order, at times that also step back: every invariant holds at every event.
"""

from datetime import timedelta
from typing import Final, get_args

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from azoth.clocks import Instant
from azoth_scheduler.events import Outcome, SchedulerEvent, registry
from azoth_scheduler.retries import RetryPolicy
from azoth_scheduler.schedules import Immediate, Interval, OneTime, Schedule
from azoth_scheduler.task import TaskState, status_of, wake_at
from tests.support.task_checker import HOURLY, TaskChecker
from tests.support.task_story import MINUTE, NOON, SECOND, Story

pytestmark = pytest.mark.uncovered

POLICY: Final = RetryPolicy(max_attempts=3, base=timedelta(minutes=1), cap=timedelta(minutes=3))
SCHEDULES: Final[list[Schedule]] = [
    Interval(60),
    Interval(300),
    Interval(0.25),
    HOURLY,
    OneTime(NOON + timedelta(minutes=5)),
    OneTime(NOON - timedelta(days=1)),
    Immediate(),
]
# The moments that matter lie on the grids, and a microsecond beside them.
STEPS: Final = [0, 1, SECOND, MINUTE, MINUTE - 1, 5 * MINUTE, 60 * MINUTE, 26 * 60 * MINUTE]
OUTCOMES: Final = [outcome for outcome in get_args(Outcome) if outcome != "snoozed"]


class AnyOrder(RuleBasedStateMachine):
    """
    Drive `decide` and `evolve` with whatever comes, and a checker behind them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.story = Story()
        self.checker = TaskChecker(POLICY)

    def tell(self, events: tuple[SchedulerEvent, ...]) -> None:
        """
        Check what was decided, each event as the log holds it.
        """
        for event in events:
            assert registry.decode(registry.encode(event)) == event
        self.checker.see(events)

    @rule(step=st.sampled_from(STEPS), times=st.sampled_from([-1, 1, 1, 1, 40]))
    def time_passes(self, step: int, times: int) -> None:
        """
        The clock goes on, or is set back.
        """
        self.story.now = Instant(max(0, self.story.now + step * times))

    @rule()
    def time_passes_until_something_is_due(self) -> None:
        """
        The clock goes on to the very moment.
        """
        wake = wake_at(self.story.state)
        if wake is not None:
            self.story.now = max(self.story.now, wake)

    @rule(schedule=st.sampled_from(SCHEDULES), payload=st.sampled_from([b"", b"new"]))
    def schedule(self, schedule: Schedule, payload: bytes) -> None:
        """
        A definition, perhaps the same again.
        """
        before = self.story.state
        told = self.story.schedule(schedule, payload)

        same = (before.definition.schedule, before.definition.payload) == (schedule, payload)
        living = before.exists and not before.cancelled
        assert bool(told) == (not (same and living)), "the same definition again is a no-op"
        self.tell(told)

    @rule(max_attempts=st.integers(1, 3))
    def start(self, max_attempts: int) -> None:
        """
        A worker claims; it finds something exactly when the table says so.
        """
        wake, now = wake_at(self.story.state), max(self.story.now, self.story.state.updated_at)
        told = self.story.start(max_attempts=max_attempts)

        assert bool(told) == (wake is not None and wake <= now), "the table and the claim disagree"
        self.tell(told)

    @precondition(lambda self: self.story.state.active)
    @rule(outcome=st.sampled_from(OUTCOMES), ran=st.sampled_from([0, SECOND, 7 * MINUTE]))
    def end(self, outcome: Outcome, ran: int) -> None:
        """
        The attempt ends, as its worker's clock has it.
        """
        before = self.story.state
        completed = Instant(self.story.now - ran)
        told = self.story.end(outcome, policy=POLICY, completed_at=completed)

        assert told, "an outcome with the active fence is recorded"
        self.tell(told)
        self._check_old_generation(before)

    @precondition(lambda self: self.story.state.active)
    @rule(given_back=st.booleans())
    def abandon(self, *, given_back: bool) -> None:
        """
        Its worker is gone, or gives it back.
        """
        before = self.story.state
        told = self.story.abandon(given_back=given_back)

        assert told, "an attempt with the active fence is taken"
        self.tell(told)
        self._check_old_generation(before)

    def _check_old_generation(self, before: TaskState) -> None:
        (run,) = before.active
        if run.generation != before.generation:
            after = self.story.state
            moved = ("next_nominal_at", "next_run_at", "disabled", "retry_count", "exhausted")
            for name in moved:
                assert getattr(before, name) == getattr(after, name), f"C11: {name} was moved"

    @rule(fence=st.integers(1, 60))
    def end_late(self, fence: int) -> None:
        """
        An outcome whose fence is gone writes nothing.
        """
        if self.story.state.with_fence(fence) is None:
            assert self.story.end(fence=fence) == ()
            assert self.story.abandon(fence=fence) == ()

    @precondition(lambda self: self.story.state.exists)
    @rule()
    def cancel(self) -> None:
        """
        The task is cancelled.
        """
        self.tell(self.story.cancel())

    @precondition(lambda self: self.story.state.exists and not self.story.state.cancelled)
    @rule()
    def pause(self) -> None:
        """
        The task is paused.
        """
        self.tell(self.story.pause())

    @precondition(lambda self: self.story.state.exists and not self.story.state.cancelled)
    @rule()
    def resume(self) -> None:
        """
        The task is resumed.
        """
        self.tell(self.story.resume())

    @precondition(lambda self: self.story.state.exists and not self.story.state.cancelled)
    @rule()
    def trigger(self) -> None:
        """
        A run is asked for.
        """
        self.tell(self.story.trigger())

    @precondition(lambda self: any(run.attempt for run in self.story.state.runs))
    @rule()
    def cancel_run(self) -> None:
        """
        The run that has begun is stopped.
        """
        run = next(run for run in self.story.state.runs if run.attempt)
        self.tell(self.story.cancel_run(run.execution_id))

    @invariant()
    def state_is_consistent(self) -> None:
        """
        What is shown of the task agrees with itself.
        """
        state = self.story.state
        assert state.version == len(self.story.told)
        assert (state.next_nominal_at is None) == (state.next_run_at is None)
        assert len(state.active) <= 1, "C3: two active attempts"
        assert all((run.fence is None) != (run.retry_at is None) for run in state.runs)
        if status_of(state) == "scheduled":
            assert wake_at(state) is not None, "a scheduled task that never wakes"
        if status_of(state) in ("cancelled", "completed"):
            assert wake_at(state) is None


TestAnyOrder = AnyOrder.TestCase
