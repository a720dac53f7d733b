"""
How attempts end, and what follows: C4, C5, C6, C12, C14.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from azoth.events import Event
from azoth_scheduler.events import (
    SchedulerEvent,
    TaskDisabled,
    TaskExecuted,
    TaskResumed,
    TaskRunAbandoned,
)
from azoth_scheduler.retries import RetryPolicy
from azoth_scheduler.simulation.invariants._ledger import FAILURES, Ledger, Run, Task
from azoth_scheduler.simulation.invariants._rules import Rule
from azoth_scheduler.simulation.invariants.entries import Checker, Entry

_SECOND: Final = 1_000_000
_RAN_OUT: Final = "its lease has run out"
_DEAD: Final = "its worker is dead"
_GIVEN_BACK: Final = ("shutdown", "its claim was never answered")


def _outcomes_carry_the_active_fence(task: Task, entry: Entry) -> Iterator[str]:
    # C4: an outcome names the version of the claim that it ends, which nothing has ended before.
    told = entry.told
    assert isinstance(told, TaskExecuted | TaskRunAbandoned)
    run = task.open.get(told.run_id)
    begun = None if run is None or run.fence is None else run.started
    if run is None or begun is None:
        yield f"{told.execution_id} ended by fence {told.fence}, and is not active"
    elif run.fence != told.fence:
        yield f"{told.execution_id} ended by fence {told.fence}, its own is {run.fence}"
    elif (told.execution_id, told.attempt, told.worker_id, told.generation) != (
        begun.execution_id,
        begun.attempt,
        begun.worker_id,
        begun.generation,
    ):
        yield f"{told.execution_id} ended, {begun.execution_id} of {begun.worker_id} was active"
    elif isinstance(told, TaskExecuted) and told.started_at != begun.at:
        yield f"{told.execution_id} started at {begun.at}, not at {told.started_at}"


def _ending(task: Task, told: SchedulerEvent | None) -> Run | None:
    # The run whose active attempt an event ends; that there is one is another rule.
    if not isinstance(told, TaskExecuted | TaskRunAbandoned):
        return None
    run = task.open.get(told.run_id)
    return run if run is not None and run.fence == told.fence else None


def _failures_are_counted(task: Task, entry: Entry) -> Iterator[str]:
    # C5: only failures count, each once; a run goes on until the policy has enough, no longer.
    told, run = entry.told, _ending(task, entry.told)
    if run is None or run.started is None or not isinstance(told, TaskExecuted):
        return
    most, failed = run.started.max_attempts, told.outcome in FAILURES
    if told.retry_count != run.retry_count + failed:
        yield f"{told.execution_id} counts {told.retry_count} failures after {run.retry_count}"
    goes_on = told.retry_at is not None
    if goes_on and task.is_over(run):
        yield f"{told.run_id} goes on, though it was to stop"
    if goes_on and told.retry_count >= most:
        yield f"{told.run_id} goes on, exhausted"
    if goes_on and told.outcome not in (*FAILURES, "snoozed"):
        yield f"{told.run_id} goes on, though it {told.outcome}"
    policy = task.policy
    picky = bool(policy.retry_on or policy.give_up_on)
    if failed and not goes_on and told.retry_count < most and not picky and not task.is_over(run):
        yield f"{told.run_id} is given up after {told.retry_count} of {most} failures"


class Disabling(Checker):
    """
    C5: a task is disabled by the event that follows its last failure or loss, and by no other.

    A task that fires once is disabled by its discard too; one that goes on when it is exhausted
    is not disabled by that.
    """

    invariant = "C5"

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._due: dict[str, tuple[int, str]] = {}

    def see(self, entry: Entry) -> Iterable[str]:
        """
        See whether one more event disables a task that is to be disabled, or lets it go on.
        """
        told = entry.told
        if told is None:
            return
        due = self._due.pop(told.task_id, None) if self._due else None
        if isinstance(told, TaskDisabled):
            if due != (entry.position - 1, told.execution_id):
                yield f"{told.task_id} is disabled by {told.execution_id}, without a cause"
        elif due is not None:
            yield f"{due[1]} at {due[0]} was to disable {told.task_id}, and did not"
        if isinstance(told, TaskExecuted | TaskRunAbandoned):
            task = self._ledger.task(told.task_id)
            if _disables(task, told):
                self._due[told.task_id] = entry.position, told.execution_id

    def end(self) -> Iterable[tuple[int, str]]:
        """
        Name the tasks that were to be disabled, and are not.
        """
        for task_id, (position, execution_id) in self._due.items():
            yield position, f"{execution_id} was to disable {task_id}, and did not"


def _disables(task: Task, told: TaskExecuted | TaskRunAbandoned) -> bool:
    run = _ending(task, told)
    if run is None or told.retry_at is not None or task.disabled or task.is_over(run):
        return False
    once = not (run.triggered or task.recurring)
    if isinstance(told, TaskExecuted) and told.outcome not in FAILURES:
        return once and told.outcome == "discarded"
    return once or task.policy.on_exhausted == "disable"


def _takes_up_what_disabled_it(task: Task, entry: Entry) -> Iterator[str]:
    # C5: a resume takes up the run that disabled its task, and no other.
    told = entry.told
    assert isinstance(told, TaskResumed)
    again = task.exhausted
    if told.execution_id is not None and (
        again is None or told.execution_id != f"{again.run_id}#{again.attempt}" or task.recurring
    ):
        yield f"{told.execution_id} is taken up again, which did not disable {told.task_id}"


def _retries_wait_as_the_policy_says(task: Task, entry: Entry) -> Iterator[str]:
    # C6: retry time = completion + min(cap, base * factor ** (k - 1)) + recorded jitter.
    told = entry.told
    assert isinstance(told, TaskExecuted)
    if (told.retry_by is None) != (told.retry_at is None):
        yield f"{told.execution_id} does not say who wants its retry"
    if told.retry_at is None:
        return
    if told.retry_at < told.completed_at:
        yield f"{told.execution_id} is tried again before it was completed"
    if told.retry_by != "policy":
        return
    wait = told.retry_at - told.completed_at - told.retry_jitter
    expected = _wait(task.policy, told.retry_count)
    # A power of a float is good to a microsecond.
    if abs(wait - expected) > 1:
        yield f"{told.execution_id} waits {wait} µs, not {expected}"
    jitter = task.policy.jitter.total_seconds() * _SECOND
    if not 0 <= told.retry_jitter <= max(0, jitter - 1):
        yield f"{told.execution_id} draws a jitter of {told.retry_jitter} µs"


def _wait(policy: RetryPolicy, failures: int) -> int:
    cap = policy.cap.total_seconds()
    try:
        wait = policy.base.total_seconds() * policy.factor ** (failures - 1)
    except OverflowError:
        wait = cap
    return round(min(wait, cap) * _SECOND)


def _attempts_are_taken_rightly(task: Task, entry: Entry) -> Iterator[str]:
    # C12: abandoned only when its lease has run out, its worker is proved dead, or gives it back.
    told, run = entry.told, _ending(task, entry.told)
    assert isinstance(told, TaskRunAbandoned)
    by_others = told.reason in (_RAN_OUT, _DEAD)
    if told.reason == _RAN_OUT and told.at < told.lease_until:
        yield f"{told.execution_id} taken {told.lease_until - told.at} µs before its lease ends"
    if run is None or run.started is None:
        return
    if by_others and told.lease_until < run.started.lease_until:
        yield f"{told.execution_id} taken by a lease that is older than its claim"
    losses = told.lost_count - run.lost_count
    # What an executor has dropped may be either.
    expected = (1,) if by_others else (0,) if told.reason in _GIVEN_BACK else (0, 1)
    if losses not in expected:
        yield f"{told.execution_id} counts {told.lost_count} losses after {run.lost_count}"
    if told.retry_at is not None and told.retry_at != told.at:
        yield f"{told.run_id} is not due again at once"
    if told.retry_at is not None and task.is_over(run):
        yield f"{told.run_id} goes on, though it was to stop"
    if told.retry_at is None and not losses and not task.is_over(run):
        yield f"{told.run_id} is over, though its attempt was given back"


def _deadlines_hold(task: Task, entry: Entry) -> Iterator[str]:
    # C12: an attempt is timed out when it has taken its time, and never ends otherwise after it.
    told, run = entry.told, _ending(task, entry.told)
    if run is None or run.started is None or not isinstance(told, TaskExecuted):
        return
    timeout = run.started.deadline_at - run.started.at
    if told.outcome == "timed_out" and told.duration < timeout:
        yield f"{told.execution_id} timed out {timeout - told.duration} µs early"
    if told.outcome != "timed_out" and told.duration >= timeout:
        yield f"{told.execution_id} {told.outcome} {told.duration - timeout} µs after its deadline"


class Output(Checker):
    """
    C14: a handler's events stand directly before the success of its attempt, all or none.
    """

    invariant = "C14"

    def __init__(self) -> None:
        self._waiting: list[Event] = []

    def see(self, entry: Entry) -> Iterable[str]:
        """
        Hold one more event against the events of a handler that wait for their outcome.
        """
        event, told = entry.event, entry.told
        if len(event.metadata) and "causation_id" in event.metadata:
            self._waiting.append(event)
            return ()
        if not self._waiting and not isinstance(told, TaskExecuted):
            return ()
        waiting, self._waiting = self._waiting, []
        return self._judged(waiting, entry)

    def _judged(self, waiting: list[Event], entry: Entry) -> Iterator[str]:
        told = entry.told
        caused = [one.metadata["causation_id"] for one in waiting]
        if not isinstance(told, TaskExecuted):
            yield f"no outcome, though {sorted(set(caused))} wrote before it"
            return
        if caused != [told.execution_id] * told.triggered:
            yield f"{told.execution_id} follows {len(caused)} events, tells {told.triggered}"
        if waiting and not told.success:
            yield f"{told.execution_id} {told.outcome}, and its handler's events are there"
        if any(one.recorded_at != entry.event.recorded_at for one in waiting):
            yield f"{told.execution_id} was appended apart from its handler's events"

    def end(self) -> Iterable[tuple[int, str]]:
        """
        Name the events of a handler that no outcome followed.
        """
        for event in self._waiting[:1]:
            yield event.position, "events of a handler without their outcome"


OUTCOMES: Final = (
    Rule("C4", _outcomes_carry_the_active_fence, (TaskExecuted, TaskRunAbandoned)),
    Rule("C5", _failures_are_counted, (TaskExecuted,)),
    Rule("C5", _takes_up_what_disabled_it, (TaskResumed,)),
    Rule("C6", _retries_wait_as_the_policy_says, (TaskExecuted,)),
    Rule("C12", _attempts_are_taken_rightly, (TaskRunAbandoned,)),
    Rule("C12", _deadlines_hold, (TaskExecuted,)),
)
