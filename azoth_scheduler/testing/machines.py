"""
One task and whatever comes: commands in any order, at times that also step back.

A machine of Hypothesis decides one command after the other on the state that those before it left,
as the scheduler does, and holds the log to the scheduler's invariants. It needs Hypothesis, which
`azoth-scheduler[testing]` installs.
"""

from collections.abc import Sequence
from typing import Final

from azoth.clocks import Instant, Microseconds
from azoth.events import Event
from azoth.testing._hypothesis import RuleBasedStateMachine, invariant, precondition, rule, st
from azoth_scheduler.changes import evolve
from azoth_scheduler.commands import RecordOutcome, StartRun, TaskCommand
from azoth_scheduler.decisions import decide
from azoth_scheduler.errors import InvalidSchedule
from azoth_scheduler.events import SchedulerEvent, registry
from azoth_scheduler.settings import Settings
from azoth_scheduler.simulation.invariants import assert_sound
from azoth_scheduler.task import NO_TASK, Definition, TaskState, status_of, wake_at
from azoth_scheduler.testing._drawn_commands import BEGIN, STEPS, commands, logged
from azoth_scheduler.testing._drawn_tasks import definitions

__all__ = ["TaskMachine"]

_TASK: Final = "task"
_DECISIONS_MAX: Final = 300
# Until a task has come to rest at one time: what was kept runs one by one, and is at most 100.


class TaskMachine(RuleBasedStateMachine):
    """
    Drive one task with whatever may be asked of it; subclass it to draw your own definitions.

    ```python
    class OurReports(TaskMachine):
        def definitions(self) -> st.SearchStrategy[Definition]:
            return st.sampled_from(OUR_REPORTS)


    TestOurReports = OurReports.TestCase
    ```

    It checks that the whole log keeps the scheduler's invariants, that a claim finds something
    exactly when the table says that there is, so no worker spins, that what is due comes to rest
    in a few decisions, that an outcome is recorded once, and that each event comes back from the
    log as it was decided.

    Attributes:
        settings: Of the scheduler.
        now: The time, as the machine's clock has it; it also steps back.
        state: What the task's stream folds to.
        log: Its stream.
    """

    settings: Settings = Settings()

    def __init__(self) -> None:
        super().__init__()
        self.now: Instant = BEGIN
        self.state: TaskState = NO_TASK
        self.log: list[Event] = []

    def definitions(self) -> st.SearchStrategy[Definition]:
        """
        Return what draws the definitions that are scheduled.
        """
        return definitions(self.now)

    def tell(self, command: TaskCommand) -> Sequence[SchedulerEvent]:
        """
        Decide a command, fold what happened, and return it.
        """
        told = decide(self.state, command)
        for event in told:
            self.state = evolve(self.state, event)
            recorded_at = max(event.at, self.log[-1].recorded_at if self.log else event.at)
            version = self.state.version
            self.log.append(logged(event, _TASK, version, version, recorded_at))
            assert registry.decode(self.log[-1]) == event, "it comes back from the log otherwise"
        return told

    @rule(step=st.sampled_from(STEPS), times=st.sampled_from([1, 1, 1, 20]))
    def time_passes(self, step: int, times: int) -> None:
        """
        Let the clock go on, or back.
        """
        self.now = Instant(max(0, self.now + step * times))

    @rule()
    def time_passes_until_something_is_due(self) -> None:
        """
        Let the clock go on to the very moment.
        """
        wake = wake_at(self.state)
        if wake is not None:
            self.now = max(self.now, wake)

    @rule(data=st.data())
    def ask(self, data: st.DataObject) -> None:
        """
        Ask for whatever may be asked of the task as it stands.
        """
        asked = commands(_TASK, self.state, self.now, settings=self.settings, of=self.definitions())
        command = data.draw(asked, label="command")
        if isinstance(command, StartRun):
            self._claim(command)
            return
        try:
            told = self.tell(command)
        except InvalidSchedule:
            return
        if isinstance(command, RecordOutcome):
            assert told, "C4: an outcome with the active fence is not recorded"
            assert not self.tell(command), "C4: an outcome is recorded twice"

    @rule()
    def work_until_nothing_is_due(self) -> None:
        """
        Claim and end what is due, at one time, until it rests.
        """
        for _ in range(_DECISIONS_MAX):
            if not self._claim(self._start()):
                return
            for run in self.state.active:
                self.tell(self._success(run.fence or 0))
        raise AssertionError("L1: it does not come to rest")

    @precondition(lambda self: self.state.exists)
    @rule(fence=st.integers(1, 60))
    def end_late(self, fence: int) -> None:
        """
        Bring an outcome whose fence is gone: it changes nothing.
        """
        if self.state.with_fence(fence) is None:
            assert not self.tell(self._success(fence)), "C4: a late outcome is recorded"

    @invariant()
    def what_is_shown_agrees(self) -> None:
        """
        Compare what the task shows of itself.
        """
        state = self.state
        assert state.version == len(self.log)
        assert (state.next_nominal_at is None) == (state.next_run_at is None)
        assert all((run.fence is None) != (run.retry_at is None) for run in state.runs)
        if status_of(state) in ("cancelled", "completed"):
            assert wake_at(state) is None, f"it is {status_of(state)}, and wakes"

    def teardown(self) -> None:
        """
        Check the whole log.
        """
        assert_sound(self.log)

    def _claim(self, command: StartRun) -> Sequence[SchedulerEvent]:
        wake, now = wake_at(self.state), max(self.now, self.state.updated_at)
        told = self.tell(command)
        due = wake is not None and wake <= now
        assert bool(told) == due, "C2: the table and the claim disagree about what is due"
        return told

    def _start(self) -> StartRun:
        definition = self.state.definition
        return StartRun(
            at=self.now,
            worker_id="worker-1/1",
            timeout=self.settings.timeout_of(definition),
            max_attempts=self.settings.policy_of(definition).max_attempts,
            lease=self.settings.lease,
        )

    def _success(self, fence: int) -> RecordOutcome:
        return RecordOutcome(
            at=self.now,
            fence=fence,
            completed_at=self.now,
            duration=Microseconds(0),
            outcome="succeeded",
            policy=self.settings.policy_of(self.state.definition),
        )
