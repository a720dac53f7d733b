"""
The life of an attempt, as decided: claimed, ended with an outcome, or taken from its worker.
"""

from azoth.clocks import Instant, datetime_of
from azoth_scheduler.commands import AbandonRun, RecordOutcome, StartRun
from azoth_scheduler.events import (
    SchedulerEvent,
    TaskDisabled,
    TaskExecuted,
    TaskRunAbandoned,
    TaskRunStarted,
)
from azoth_scheduler.occurrences import CaughtUp, catch_up, overlapped
from azoth_scheduler.schedules import is_recurring
from azoth_scheduler.task import OpenRun, TaskState, startable

__all__ = ["abandon_run", "record_outcome", "run_id_of", "start_run"]


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
    Claim the attempt that is due: of a run that waits, else of the occurrences that are due.
    """
    now = max(command.at, state.updated_at)
    if state.active or state.cancelled:
        return ()
    waiting = [run for run in startable(state) if run.retry_at is not None and run.retry_at <= now]
    if waiting:
        run = min(waiting, key=lambda one: one.retry_at or now)
        following = (state.next_nominal_at, state.next_run_at)
        return (_started(state, run, command, now, following),)
    if state.runs or state.paused or state.disabled:
        return ()
    found = catch_up(state, now)
    return () if found is None else _begun(state, found, command, now)


def _begun(
    state: TaskState, found: CaughtUp, command: StartRun, now: Instant
) -> tuple[SchedulerEvent, ...]:
    run = OpenRun(
        run_id=run_id_of(state.task_id, state.generation, found.nominal_at),
        generation=state.generation,
        nominal_at=found.nominal_at,
        due_at=found.due_at,
    )
    started = _started(state, run, command, now, (found.next_at, found.next_at))
    return (started,) if found.skipped is None else (found.skipped, started)


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
    executed = _executed(state, run, command, now)
    if executed.retry_at is not None or not _is_current(state, run):
        return (executed,)
    reason = _why_disabled(state, run, executed, command)
    if reason is not None:
        return executed, *_disabled(state, run, reason, now)
    return executed, *overlapped(state, run, now)


def _executed(state: TaskState, run: OpenRun, command: RecordOutcome, now: Instant) -> TaskExecuted:
    failed = command.outcome in ("failed", "timed_out")
    retry_count = run.retry_count + failed
    completed_at = min(max(command.completed_at, run.started_at), now)
    again = failed and retry_count < run.max_attempts and _may_retry(state, run)
    retry_at = Instant(completed_at + command.policy.delay(retry_count)) if again else None
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
        retry_at=retry_at,
        retry_by="policy" if again else None,
        next_nominal_at=state.next_nominal_at,
        next_run_at=state.next_run_at,
    )


def _is_current(state: TaskState, run: OpenRun) -> bool:
    return run.generation == state.generation and not state.cancelled


def _may_retry(state: TaskState, run: OpenRun) -> bool:
    return _is_current(state, run) and run.cancel is None


def _why_disabled(
    state: TaskState, run: OpenRun, executed: TaskExecuted, command: RecordOutcome
) -> str | None:
    if run.cancel is not None:
        return None
    if executed.outcome in ("failed", "timed_out"):
        stops = command.policy.on_exhausted == "disable"
        attempts = "attempt" if run.max_attempts == 1 else "attempts"
        said = f"exhausted: {executed.retry_count} of {run.max_attempts} {attempts} failed"
        return said if stops else None
    # A one-shot that would never run again must not look as if it had been done.
    once = not (run.triggered or is_recurring(state.definition.schedule))
    said = "discarded" if executed.error is None else f"discarded: {executed.error}"
    return said if executed.outcome == "discarded" and once else None


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
    )
    if again or not _is_current(state, run):
        return (abandoned,)
    if run.cancel is None and command.policy.on_exhausted == "disable":
        return abandoned, *_disabled(state, run, f"exhausted: lost {lost} times in a row", now)
    return abandoned, *overlapped(state, run, now)
