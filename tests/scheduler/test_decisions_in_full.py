"""
Any commands in any order on tasks with all options of time: the invariants hold, fed by the log.
"""

from typing import Final, get_args

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from azoth.clocks import Instant, Microseconds
from azoth_scheduler.errors import InvalidSchedule
from azoth_scheduler.events import CatchUp, Options, Outcome, Overlap
from azoth_scheduler.retries import RetryPolicy
from azoth_scheduler.schedules import Cron, Immediate, Interval, OneTime, Schedule
from azoth_scheduler.simulation.invariants import assert_sound
from azoth_scheduler.task import wake_at
from tests.support.task_story import MINUTE, NOON, SECOND, Story, at

pytestmark = pytest.mark.uncovered

POLICY: Final = RetryPolicy(max_attempts=3, base=60, jitter=5)
RECURRING: Final[list[Schedule]] = [
    Interval(60),
    Interval(300),
    Interval(60, mode="fixed_delay"),
    Cron("0 */7 * * * *"),
]
ONCE: Final[list[Schedule]] = [Immediate(), OneTime(NOON)]
STEPS: Final = [0, 1, SECOND, MINUTE - 1, MINUTE, 5 * MINUTE, 61 * MINUTE]

micros: Final = st.sampled_from([SECOND, MINUTE, 10 * MINUTE]).map(Microseconds)
repeating: Final = st.builds(
    Options,
    start=st.sampled_from([None, None, at(minutes=-3), at(minutes=30)]),
    end=st.sampled_from([None, None, at(minutes=90)]),
    max_runs=st.sampled_from([None, None, 1, 3]),
    jitter=st.just(Microseconds(0)) | micros,
    expires_after=st.none() | micros,
    catch_up=st.sampled_from(get_args(CatchUp)),
    catch_up_limit=st.sampled_from([1, 3, 100]),
    grace=micros,
    overlap=st.sampled_from(get_args(Overlap)),
    buffer_limit=st.sampled_from([1, 3, 100]),
)
single: Final = st.builds(
    Options,
    expires_after=st.none() | micros,
    overlap=st.sampled_from(get_args(Overlap)),
)


class InFull(RuleBasedStateMachine):
    """
    Drive one task through whatever comes.
    """

    def __init__(self) -> None:
        super().__init__()
        self.story = Story()

    def teardown(self) -> None:
        """
        Check the whole log, each event as it comes back from it.
        """
        assert_sound(self.story.log(), {"generate_report": POLICY})

    @rule(step=st.sampled_from(STEPS), times=st.sampled_from([-1, 1, 1, 1, 20]))
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

    @rule(
        wanted=st.tuples(st.sampled_from(RECURRING), repeating)
        | st.tuples(st.sampled_from(ONCE), single),
        payload=st.sampled_from([b"", b"new"]),
    )
    def schedule(self, wanted: tuple[Schedule, Options], payload: bytes) -> None:
        """
        A definition, perhaps one that never fires.
        """
        try:
            self.story.schedule(wanted[0], payload, wanted[1])
        except InvalidSchedule:
            assert wanted[1].end is not None

    @rule()
    def start(self) -> None:
        """
        A worker claims; it finds something exactly when the table says so, so it never spins.
        """
        wake, now = wake_at(self.story.state), max(self.story.now, self.story.state.updated_at)
        told = self.story.start()

        assert bool(told) == (wake is not None and wake <= now), "the table and the claim disagree"

    @rule()
    def start_all(self) -> None:
        """
        What is due comes to rest in a few decisions.
        """
        for _ in range(300):
            if not self.story.start():
                return
            for run in self.story.state.active:
                self.story.end(fence=run.fence)
        raise AssertionError("it does not come to rest")

    @precondition(lambda self: self.story.state.active)
    @rule(outcome=st.sampled_from(get_args(Outcome)), which=st.integers(0, 9))
    def end(self, outcome: Outcome, which: int) -> None:
        """
        One of the attempts ends.
        """
        active = self.story.state.active
        wait = MINUTE if outcome == "snoozed" else None
        fence = active[which % len(active)].fence
        assert self.story.end(outcome, policy=POLICY, fence=fence, retry_after=wait)

    @precondition(lambda self: self.story.state.active)
    @rule(given_back=st.booleans(), which=st.integers(0, 9))
    def abandon(self, which: int, *, given_back: bool) -> None:
        """
        One of them is lost, or given back.
        """
        active = self.story.state.active
        fence = active[which % len(active)].fence
        assert self.story.abandon(given_back=given_back, fence=fence, policy=POLICY)

    @precondition(lambda self: self.story.state.exists and not self.story.state.cancelled)
    @rule(what=st.sampled_from(["pause", "resume", "cancel"]))
    def hold(self, what: str) -> None:
        """
        Somebody holds the task, or lets it go on.
        """
        getattr(self.story, what)()

    @precondition(lambda self: self.story.state.exists and not self.story.state.cancelled)
    @rule(overlap=st.none() | st.sampled_from(get_args(Overlap)), count=st.integers(0, 3))
    def trigger(self, overlap: Overlap | None, count: int) -> None:
        """
        Somebody asks for a run, or for some times to be filled in.
        """
        nominals = tuple(at(minutes=-n) for n in range(count, 0, -1))
        self.story.trigger(overlap=overlap, nominals=nominals)

    @precondition(lambda self: any(run.attempt for run in self.story.state.runs))
    @rule(which=st.integers(0, 9))
    def cancel_run(self, which: int) -> None:
        """
        One run is stopped.
        """
        begun = [run for run in self.story.state.runs if run.attempt]
        self.story.cancel_run(begun[which % len(begun)].execution_id)


TestInFull = InFull.TestCase
