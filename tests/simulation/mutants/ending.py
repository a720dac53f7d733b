"""
Mutants of the end of an attempt: outcomes, retries, losses, and what follows from them.
"""

from collections.abc import Callable
from typing import Final

from attrs import evolve

from azoth.clocks import Instant, Microseconds
from azoth.store import Lease
from azoth_scheduler._copies import changed
from azoth_scheduler.commands import AbandonRun, RecordOutcome
from azoth_scheduler.events import TaskDisabled, TaskExecuted, TaskRunAbandoned
from azoth_scheduler.execution import Finished
from azoth_scheduler.grid import grid_of, times_of
from azoth_scheduler.leases import LeaseWatch
from azoth_scheduler.packing import Parcel
from azoth_scheduler.plan import Lost, Unit
from azoth_scheduler.projection.base import ActiveRun
from azoth_scheduler.retries import RetryPolicy
from azoth_scheduler.schedules import is_fixed_delay, is_recurring
from azoth_scheduler.task import OpenRun, TaskState
from tests.simulation.mutants.planting import Events, at, retold

_OUTCOME: Final = "azoth_scheduler.decisions.record_outcome"
_LOSS: Final = "azoth_scheduler.decisions.abandon_run"


@at("azoth_scheduler.retries.RetryPolicy.delay", killer="C6")
def backoff_is_off_by_one(
    sound: Callable[[RetryPolicy, int], Microseconds], policy: RetryPolicy, failures: int
) -> Microseconds:
    """
    The first failure waits as long as the second: 2, 4, 8 minutes.
    """
    return sound(policy, failures + 1)


@at(_OUTCOME, killer="C5")
def a_failure_counts_twice(
    sound: Callable[..., Events], state: TaskState, command: RecordOutcome
) -> Events:
    """
    One failure burns two attempts of the policy.
    """
    events = sound(state, command)
    failed = command.outcome in ("failed", "timed_out")
    counts = [one.retry_count for one in events if isinstance(one, TaskExecuted)]
    return retold(events, TaskExecuted, retry_count=counts[0] + failed) if counts else events


@at("azoth_scheduler.attempts._retry", killer="C5")
def exhausted_one_too_late(
    sound: Callable[..., object], state: TaskState, run: OpenRun, *rest: object
) -> object:
    """
    A run is given one failure more than its policy says.
    """
    return sound(state, changed(run, max_attempts=run.max_attempts + 1), *rest)


@at("azoth_scheduler.attempts._retry", killer="C5")
def exhausted_one_too_early(
    sound: Callable[..., object], state: TaskState, run: OpenRun, *rest: object
) -> object:
    """
    A run is given one failure less than its policy says.
    """
    return sound(state, changed(run, max_attempts=run.max_attempts - 1), *rest)


@at(_OUTCOME, killer="C5")
def a_task_is_disabled_by_success(
    sound: Callable[..., Events], state: TaskState, command: RecordOutcome
) -> Events:
    """
    A one-shot that has succeeded is disabled.
    """
    events, run = sound(state, command), state.with_fence(command.fence)
    if run is None or command.outcome != "succeeded" or is_recurring(state.definition.schedule):
        return events
    disabled = TaskDisabled(
        task_id=state.task_id,
        generation=state.generation,
        at=events[0].at,
        reason="done",
        execution_id=run.execution_id,
    )
    return events[0], disabled


@at(_OUTCOME, killer="C5")
def an_exhausted_task_is_not_disabled(
    sound: Callable[..., Events], state: TaskState, command: RecordOutcome
) -> Events:
    """
    A task that has failed for good goes on as if nothing were.
    """
    return tuple(one for one in sound(state, command) if not isinstance(one, TaskDisabled))


@at("azoth_scheduler.task.TaskState.with_fence", killer="C4")
def a_late_result_is_accepted(
    sound: Callable[[TaskState, int], OpenRun | None], state: TaskState, fence: int
) -> OpenRun | None:
    """
    The outcome of an attempt that was taken from its worker is recorded.
    """
    return sound(state, fence) or next(iter(state.runs), None)


@at("azoth_scheduler.attempts._is_current", killer="C11", since=40)
def an_old_generation_goes_on(*_: object) -> bool:
    """
    What an attempt of an older definition did is retried.
    """
    return True


@at("azoth_scheduler.attempts._executed", killer="C9")
def an_old_run_moves_next_back(
    sound: Callable[..., TaskExecuted], state: TaskState, run: OpenRun, *rest: object
) -> TaskExecuted:
    """
    The end of a run names what follows its own occurrence.
    """
    executed, schedule = sound(state, run, *rest), state.definition.schedule
    if not is_recurring(schedule) or is_fixed_delay(schedule) or run.triggered:
        return executed
    nominal, due = times_of(grid_of(state).next(run.nominal_at))
    return evolve(executed, next_nominal_at=nominal, next_run_at=due)


@at("azoth_scheduler.attempts._executed", killer="C9")
def a_retry_burns_the_next_occurrence(
    sound: Callable[..., TaskExecuted], state: TaskState, run: OpenRun, *rest: object
) -> TaskExecuted:
    """
    A retry stands in for the next occurrence, which is passed over.
    """
    executed = sound(state, run, *rest)
    if executed.retry_at is None or state.next_nominal_at is None:
        return executed
    nominal, due = times_of(grid_of(state).next(state.next_nominal_at))
    return evolve(executed, next_nominal_at=nominal, next_run_at=due)


@at(_OUTCOME, killer="C9")
def a_one_shot_comes_again(
    sound: Callable[..., Events], state: TaskState, command: RecordOutcome
) -> Events:
    """
    What is done and fires once is due again at once.
    """
    events = sound(state, command)
    if not events or is_recurring(state.definition.schedule):
        return events
    return retold(events, TaskExecuted, next_nominal_at=events[0].at, next_run_at=events[0].at)


@at("azoth_scheduler.attempts._executed", killer="C5")
def a_snooze_is_a_failure(
    sound: Callable[..., TaskExecuted], state: TaskState, run: OpenRun, *rest: object
) -> TaskExecuted:
    """
    What is put off counts as one that failed.
    """
    executed = sound(state, run, *rest)
    return evolve(executed, retry_count=executed.retry_count + (executed.outcome == "snoozed"))


@at(_OUTCOME, killer="C1")
def an_outcome_has_its_workers_time(
    sound: Callable[..., Events], state: TaskState, command: RecordOutcome
) -> Events:
    """
    Time goes back in a stream where a worker's clock is behind.
    """
    return sound(changed(state, updated_at=Instant(0)), command)


@at("azoth_scheduler.plan._in_time", killer="C12", since=540)
def a_deadline_is_not_looked_at(
    _: Callable[..., Finished], finished: Finished, __: OpenRun
) -> Finished:
    """
    A handler that came back too late has succeeded.
    """
    return finished


@at("azoth_scheduler.worker.unit_parcel", killer="C14")
def an_outcome_without_its_events(
    sound: Callable[[Unit], Parcel[Unit]], unit: Unit
) -> Parcel[Unit]:
    """
    The outcome of a handler is recorded, and its events are not.
    """
    return sound(evolve(unit, output=()))


@at(_LOSS, killer="C12")
def what_is_given_back_is_lost(
    sound: Callable[..., Events], state: TaskState, command: AbandonRun
) -> Events:
    """
    An attempt that its worker gives back counts as lost.
    """
    return sound(state, evolve(command, given_back=False))


@at(_LOSS, killer="C5", since=15)
def a_lost_run_is_over(
    sound: Callable[..., Events], state: TaskState, command: AbandonRun
) -> Events:
    """
    A run whose worker is gone is closed, and nobody is told.
    """
    return retold(sound(state, command), TaskRunAbandoned, retry_at=None)


@at(_LOSS, killer="C12")
def a_lost_run_waits_like_a_failure(
    sound: Callable[..., Events], state: TaskState, command: AbandonRun
) -> Events:
    """
    A run whose worker is gone is due a minute later.
    """
    events = sound(state, command)
    if not events or not isinstance(events[0], TaskRunAbandoned) or events[0].retry_at is None:
        return events
    return retold(events, TaskRunAbandoned, retry_at=Instant(events[0].retry_at + 60_000_000))


@at("azoth_scheduler.leases.LeaseWatch._lost", killer="C12")
def a_lease_is_not_waited_for(
    sound: Callable[..., Lost | None],
    watch: LeaseWatch,
    one: ActiveRun,
    lease: Lease | None,
    now: Instant,
) -> Lost | None:
    """
    An attempt is taken before the lease of its worker has run out.
    """
    return sound(watch, one, lease, Instant(now + 3_600_000_000))


@at("azoth_scheduler.leases.LeaseWatch._lost", killer="C12", since=15)
def a_lease_need_not_stand_still(
    sound: Callable[..., Lost | None],
    watch: LeaseWatch,
    one: ActiveRun,
    lease: Lease | None,
    now: Instant,
) -> Lost | None:
    """
    The clock of another machine says when a lease is over.
    """
    fence = (one.task_id, one.run.fence)
    watch._sightings[fence] = evolve(watch._sightings[fence], since=Microseconds(-(10**12)))
    return sound(watch, one, lease, now)
