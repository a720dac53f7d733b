"""
The life of an attempt, as decided: claimed, ended with an outcome, or taken from its worker.
"""

from typing import Final, Literal

from attrs import evolve, frozen

from azoth.clocks import Instant, Microseconds, datetime_of
from azoth_scheduler.commands import AbandonRun, RecordOutcome, StartRun
from azoth_scheduler.events import (
    SchedulerEvent,
    TaskDisabled,
    TaskExecuted,
    TaskRunAbandoned,
    TaskRunCancelRequested,
    TaskRunStarted,
)
from azoth_scheduler.grid import Occurrence, grid_of, times_of
from azoth_scheduler.occurrences import catch_up, delayed_after, expired, overlapped
from azoth_scheduler.schedules import is_recurring
from azoth_scheduler.task import OpenRun, TaskState, is_held, startable

__all__ = [
    "SNOOZES_MAX",
    "abandon_run",
    "ask_run",
    "ask_to_stop",
    "record_outcome",
    "run_id_of",
    "start_run",
]

SNOOZES_MAX: Final = 1_000
"""Of one run: what is put off more often is not waiting for anything."""


def run_id_of(task_id: str, generation: int, nominal_at: Instant) -> str:
    """
    Return the id of the run for an occurrence, the same for each of its attempts.
    """
    nominal = datetime_of(nominal_at)
    precision = "microseconds" if nominal.microsecond else "seconds"
    text = nominal.replace(tzinfo=None).isoformat(timespec=precision)
    return f"{task_id}/{generation}@{text}Z"


def start_run(state: TaskState, command: StartRun) -> tuple[SchedulerEvent, ...]:
    """
    Claim the attempt that is due: of a run that waits, of what was kept, else of what is due now.

    Under `cancel_other` an occurrence that is due first asks the open runs to stop.
    """
    now = max(command.at, state.updated_at)
    if state.cancelled:
        return ()
    waiting = [run for run in startable(state) if run.retry_at is not None and run.retry_at <= now]
    if waiting:
        run = min(waiting, key=lambda one: one.retry_at or now)
        return (_started(state, run, command, now, _next_of(state)),)
    if is_held(state):
        return ()
    overlap = state.definition.options.overlap
    if state.runs and overlap == "cancel_other":
        # What was kept waits for its turn; only what is due by itself makes the run give way.
        is_due = state.next_run_at is not None and state.next_run_at <= now
        gives_way = is_due and not state.buffered
        return ask_to_stop(state, "another run is due", now) if gives_way else ()
    if state.runs and overlap != "allow":
        return ()
    return _take_kept(state, command, now) if state.buffered else _take_due(state, command, now)


def _take_kept(state: TaskState, command: StartRun, now: Instant) -> tuple[SchedulerEvent, ...]:
    gone = expired(state, now)
    if gone is not None:
        # What is left is taken up by the next decision, on the state after this event.
        return (gone,)
    kept = grid_of(state).occurrence(state.buffered[0])
    return (_begun(state, kept, command, now, _next_of(state)),)


def _take_due(state: TaskState, command: StartRun, now: Instant) -> tuple[SchedulerEvent, ...]:
    found = catch_up(state, now)
    if found is None:
        return ()
    if found.start is None:
        return found.before
    started = _begun(state, found.start, command, now, times_of(found.following))
    return (*found.before, started, *found.after)


def ask_to_stop(state: TaskState, reason: str, now: Instant) -> tuple[TaskRunCancelRequested, ...]:
    """
    Ask each open run to stop that was not asked yet.
    """
    return tuple(ask_run(state, run, reason, now) for run in state.runs if run.cancel is None)


def ask_run(state: TaskState, run: OpenRun, reason: str, now: Instant) -> TaskRunCancelRequested:
    """
    Ask a run to stop: one that runs is closed by its outcome, one that waits by this event.
    """
    following = times_of(delayed_after(state, run, now) if run.fence is None else None)
    return TaskRunCancelRequested(
        task_id=state.task_id,
        generation=run.generation,
        at=now,
        reason=reason,
        run_id=run.run_id,
        execution_id=run.execution_id,
        next_nominal_at=following[0],
        next_run_at=following[1],
    )


def _begun(
    state: TaskState,
    occurrence: Occurrence,
    command: StartRun,
    now: Instant,
    following: tuple[Instant | None, Instant | None],
) -> TaskRunStarted:
    run = OpenRun(
        run_id=run_id_of(state.task_id, state.generation, occurrence.nominal_at),
        generation=state.generation,
        nominal_at=occurrence.nominal_at,
        due_at=occurrence.due_at,
    )
    return _started(state, run, command, now, following)


def _next_of(state: TaskState) -> tuple[Instant | None, Instant | None]:
    return state.next_nominal_at, state.next_run_at


def _started(
    state: TaskState,
    run: OpenRun,
    command: StartRun,
    now: Instant,
    following: tuple[Instant | None, Instant | None],
) -> TaskRunStarted:
    deadline = Instant(now + command.timeout)
    attempt = run.attempt + 1
    return TaskRunStarted(
        task_id=state.task_id,
        generation=run.generation,
        at=now,
        run_id=run.run_id,
        execution_id=f"{run.run_id}#{attempt}",
        nominal_at=run.nominal_at,
        due_at=run.due_at,
        attempt=attempt,
        retry_count=run.retry_count,
        # A retry that was promised is made, also where the policy allows fewer by now.
        max_attempts=max(command.max_attempts, run.retry_count + 1),
        worker_id=command.worker_id,
        deadline_at=deadline,
        lease_until=deadline if command.lease is None else Instant(now + command.lease),
        triggered_run=run.triggered,
        next_nominal_at=following[0],
        next_run_at=following[1],
    )


def record_outcome(state: TaskState, command: RecordOutcome) -> tuple[SchedulerEvent, ...]:
    """
    Record how an attempt ended, and what follows: a retry, a disabled task, skipped occurrences.

    A failure of a cancelled run, or of an older generation, is not retried and disables nothing.
    """
    run = state.with_fence(command.fence)
    if run is None:
        return ()
    now = max(command.at, state.updated_at)
    executed = _executed(state, run, _within_limits(run, command), now)
    if executed.retry_at is not None or not _is_current(state, run):
        return (executed,)
    reason = _why_disabled(state, run, executed, command)
    if reason is not None:
        return executed, *_disabled(state, run, reason, now)
    return executed, *overlapped(state, run, now)


def _within_limits(run: OpenRun, command: RecordOutcome) -> RecordOutcome:
    if command.outcome != "snoozed" or run.snoozes < SNOOZES_MAX:
        return command
    said = f"snoozed {SNOOZES_MAX:,} times, which is the limit of a run"
    return evolve(command, outcome="failed", error=said, retry_after=None)


def _executed(state: TaskState, run: OpenRun, command: RecordOutcome, now: Instant) -> TaskExecuted:
    failed = command.outcome in ("failed", "timed_out")
    retry_count = run.retry_count + failed
    completed_at = min(max(command.completed_at, run.started_at), now)
    retry = _retry(state, run, command, retry_count)
    delayed = delayed_after(state, run, now) if retry is None else None
    return TaskExecuted(
        task_id=state.task_id,
        generation=run.generation,
        at=now,
        run_id=run.run_id,
        execution_id=run.execution_id,
        attempt=run.attempt,
        fence=command.fence,
        worker_id=run.worker_id,
        started_at=run.started_at,
        completed_at=completed_at,
        duration=command.duration,
        outcome=command.outcome,
        error=command.error,
        error_type=command.error_type,
        traceback=command.traceback,
        triggered=command.triggered,
        retry_count=retry_count,
        retry_at=None if retry is None else Instant(completed_at + retry.wait + retry.jitter),
        retry_jitter=Microseconds(0) if retry is None else retry.jitter,
        retry_by=None if retry is None else retry.by,
        next_nominal_at=state.next_nominal_at if delayed is None else delayed.nominal_at,
        next_run_at=state.next_run_at if delayed is None else delayed.due_at,
    )


@frozen
class _Retry:
    wait: Microseconds
    jitter: Microseconds
    by: Literal["policy", "handler"]


def _retry(
    state: TaskState, run: OpenRun, command: RecordOutcome, retry_count: int
) -> _Retry | None:
    if not _may_retry(state, run):
        return None
    if command.outcome == "snoozed":
        return _Retry(command.retry_after or Microseconds(0), Microseconds(0), "handler")
    failed = command.outcome in ("failed", "timed_out")
    if not failed or retry_count >= run.max_attempts or command.policy.gives_up(command.raised):
        return None
    if command.retry_after is not None:
        return _Retry(command.retry_after, Microseconds(0), "handler")
    policy = command.policy
    return _Retry(policy.delay(retry_count), policy.jitter_of(run.execution_id), "policy")


def _is_current(state: TaskState, run: OpenRun) -> bool:
    return run.generation == state.generation and not state.cancelled


def _may_retry(state: TaskState, run: OpenRun) -> bool:
    return _is_current(state, run) and run.cancel is None


def _why_disabled(
    state: TaskState, run: OpenRun, executed: TaskExecuted, command: RecordOutcome
) -> str | None:
    if run.cancel is not None:
        return None
    once = _fires_once(state, run)
    if executed.outcome in ("failed", "timed_out"):
        stops = once or command.policy.on_exhausted == "disable"
        return _why_exhausted(run, executed, command) if stops else None
    said = "discarded" if executed.error is None else f"discarded: {executed.error}"
    return said if executed.outcome == "discarded" and once else None


def _fires_once(state: TaskState, run: OpenRun) -> bool:
    # A one-shot that would never run again must not look as if it had been done.
    return not (run.triggered or is_recurring(state.definition.schedule))


def _why_exhausted(run: OpenRun, executed: TaskExecuted, command: RecordOutcome) -> str:
    if executed.retry_count < run.max_attempts and command.policy.gives_up(command.raised):
        return f"exhausted: the retry policy gives up on {executed.error_type}"
    attempts = "attempt" if run.max_attempts == 1 else "attempts"
    return f"exhausted: {executed.retry_count} of {run.max_attempts} {attempts} failed"


def _disabled(
    state: TaskState, run: OpenRun, reason: str, now: Instant
) -> tuple[TaskDisabled, ...]:
    if state.disabled:
        return ()
    return (
        TaskDisabled(
            task_id=state.task_id,
            generation=state.generation,
            at=now,
            reason=reason,
            execution_id=run.execution_id,
        ),
    )


def abandon_run(state: TaskState, command: AbandonRun) -> tuple[SchedulerEvent, ...]:
    """
    Take an attempt from its worker: the run is due again at once, unless it was lost too often.

    A lost attempt is no failure; one that its worker gives back is not even a loss.
    """
    run = state.with_fence(command.fence)
    if run is None:
        return ()
    now = max(command.at, state.updated_at)
    lost = run.lost_count if command.given_back else run.lost_count + 1
    too_often = lost >= command.lost_max and not command.given_back
    again = _may_retry(state, run) and not too_often
    following = times_of(None if again else delayed_after(state, run, now))
    abandoned = TaskRunAbandoned(
        task_id=state.task_id,
        generation=run.generation,
        at=now,
        run_id=run.run_id,
        execution_id=run.execution_id,
        attempt=run.attempt,
        fence=command.fence,
        worker_id=run.worker_id,
        reason=command.reason,
        lost_count=lost,
        lease_until=command.lease_until,
        retry_at=now if again else None,
        next_nominal_at=following[0],
        next_run_at=following[1],
    )
    if again or not _is_current(state, run):
        return (abandoned,)
    stops = _fires_once(state, run) or command.policy.on_exhausted == "disable"
    if run.cancel is None and stops:
        return abandoned, *_disabled(state, run, f"exhausted: lost {lost} times in a row", now)
    return abandoned, *overlapped(state, run, now)
