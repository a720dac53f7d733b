"""
How each event changes a task's state.

`evolve` is total: it copies fields of the event into the state, never raises on any log that
`decide` can write, and counts one version for each event, also for those it does not understand.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from azoth.clocks import Instant
from azoth_scheduler._copies import changed, with_changes
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
from azoth_scheduler.task import NO_RUN, Definition, OpenRun, TaskState, Totals

__all__ = ["evolve", "skip_event"]

_WithNext: TypeAlias = (
    TaskScheduled
    | TaskRunStarted
    | TaskExecuted
    | TaskRunAbandoned
    | TaskRunSkipped
    | TaskRunBuffered
    | TaskRunCancelRequested
    | TaskResumed
)


def evolve(state: TaskState, event: SchedulerEvent) -> TaskState:
    """
    Return the state after *event*; total.
    """
    changes = _CHANGES[type(event)](state, event)
    changes["version"] = state.version + 1
    changes["updated_at"] = event.at
    return with_changes(state, changes)


def skip_event(state: TaskState) -> TaskState:
    """
    Return the state after an event that this code cannot read: one version on, else unchanged.
    """
    return changed(state, version=state.version + 1)


def _replaced(state: TaskState, run_id: str, run: OpenRun | None) -> tuple[OpenRun, ...]:
    # None takes the run out; a run that is not there is put last. Most tasks have at most one.
    if not state.runs or (len(state.runs) == 1 and state.runs[0].run_id == run_id):
        return () if run is None else (run,)
    others = tuple([one for one in state.runs if one.run_id != run_id])
    if run is None:
        return others
    if len(others) == len(state.runs):
        return (*others, run)
    return tuple([run if one.run_id == run_id else one for one in state.runs])


def _run_of(state: TaskState, run_id: str) -> OpenRun | None:
    for run in state.runs:
        if run.run_id == run_id:
            return run
    return None


def _next(event: _WithNext) -> dict[str, Any]:
    return {"next_nominal_at": event.next_nominal_at, "next_run_at": event.next_run_at}


def _next_if_told(
    state: TaskState, event: TaskRunAbandoned | TaskRunCancelRequested
) -> dict[str, Any]:
    # These move the schedule only where they close a run of a fixed delay.
    told = event.generation == state.generation and event.next_nominal_at is not None
    return _next(event) if told else {}


def _scheduled(state: TaskState, event: TaskScheduled) -> dict[str, Any]:
    definition = Definition(
        task_type=event.task_type,
        schedule=event.schedule,
        payload=event.payload,
        options=event.options,
    )
    return {
        "task_id": event.task_id,
        "generation": event.generation,
        "definition": definition,
        "anchor": event.anchor,
        "runs_started": event.runs_started,
        "triggers": 0,
        # An attempt that runs goes on, a run that was asked for comes; a waiting retry of the
        # schedule is in `next` where it is kept.
        "runs": tuple(
            run
            for run in state.runs
            if run.fence is not None or (run.triggered and not run.attempt)
        ),
        # What was kept is in `next` too: it is decided again, on the new definition.
        "buffered": (),
        "exhausted": None,
        "disabled": False,
        "cancelled": False,
        "reason": state.reason if state.paused else "",
        "created_at": state.created_at or event.at,
        **_next(event),
    }


def _started(state: TaskState, event: TaskRunStarted) -> dict[str, Any]:
    known = _run_of(state, event.run_id)
    # What came before the start and stays: what it was triggered with, and how often it was lost.
    before = known or NO_RUN
    run = with_changes(
        NO_RUN,
        {
            "run_id": event.run_id,
            "generation": event.generation,
            "nominal_at": event.nominal_at,
            "due_at": event.due_at,
            "triggered": event.triggered_run,
            "payload": before.payload,
            "attempt": event.attempt,
            "execution_id": event.execution_id,
            "retry_count": event.retry_count,
            "lost_count": before.lost_count,
            "snoozes": before.snoozes,
            "max_attempts": event.max_attempts,
            "fence": state.version + 1,
            "worker_id": event.worker_id,
            "started_at": event.at,
            "deadline_at": event.deadline_at,
            "lease_until": event.lease_until,
        },
    )
    current = event.generation == state.generation
    begun = known is None and current
    kept = state.buffered
    return {
        "runs": _replaced(state, event.run_id, run),
        "buffered": kept[1:] if begun and kept and kept[0] == event.nominal_at else kept,
        "runs_started": state.runs_started + begun,
        "last_run_at": event.at,
        "last_execution_id": event.execution_id,
        **(_next(event) if current else {}),
    }


def _executed(state: TaskState, event: TaskExecuted) -> dict[str, Any]:
    run = state.with_fence(event.fence)
    if run is None:
        return {}
    closed = event.retry_at is None
    after = None if closed else _waiting(run, event.retry_at, event.retry_count, lost_count=0)
    if after is not None and event.outcome == "snoozed":
        after = changed(after, snoozes=run.snoozes + 1)
    current = event.generation == state.generation
    return {
        "runs": _replaced(state, run.run_id, after),
        "exhausted": _exhausted(state, run, closed=closed and not event.success),
        "retry_count": event.retry_count if current else state.retry_count,
        "last_execution_id": event.execution_id,
        "last_outcome": event.outcome,
        "last_error": event.error,
        "last_error_type": event.error_type,
        "last_completed_at": event.completed_at,
        "last_success_at": event.completed_at if event.success else state.last_success_at,
        "totals": _counted(state.totals, event.outcome, 1),
        **(_next(event) if current else {}),
    }


def _waiting(run: OpenRun, retry_at: Instant | None, retry_count: int, lost_count: int) -> OpenRun:
    return changed(
        run, fence=None, retry_at=retry_at, retry_count=retry_count, lost_count=lost_count
    )


def _exhausted(state: TaskState, run: OpenRun, *, closed: bool) -> OpenRun | None:
    # The run that a `TaskDisabled` behind this event would mean. Once the task is disabled, runs
    # that are triggered come and go without it.
    current = run.generation == state.generation and not state.disabled
    return run if closed and current else state.exhausted


def _counted(totals: Totals, name: str, count: int) -> Totals:
    return changed(totals, **{name: getattr(totals, name, 0) + count})


def _abandoned(state: TaskState, event: TaskRunAbandoned) -> dict[str, Any]:
    run = state.with_fence(event.fence)
    if run is None:
        return {}
    closed = event.retry_at is None
    after = None if closed else _waiting(run, event.retry_at, run.retry_count, event.lost_count)
    return {
        "runs": _replaced(state, run.run_id, after),
        "exhausted": _exhausted(state, run, closed=closed),
        "totals": _counted(state.totals, "abandoned", 1),
        **_next_if_told(state, event),
    }


def _skipped(state: TaskState, event: TaskRunSkipped) -> dict[str, Any]:
    if event.run_id is not None:
        return {
            "runs": _replaced(state, event.run_id, None),
            "totals": _left_out(state.totals, event),
        }
    return {
        # An occurrence is decided once, so those that were kept and are left out have expired.
        "buffered": tuple([at for at in state.buffered if not event.first <= at <= event.last]),
        "totals": _left_out(state.totals, event),
        **(_next(event) if event.generation == state.generation else {}),
    }


def _left_out(totals: Totals, event: TaskRunSkipped) -> Totals:
    exact = totals.skipped_exact and event.exact
    return changed(totals, skipped=totals.skipped + event.count, skipped_exact=exact)


def _buffered(state: TaskState, event: TaskRunBuffered) -> dict[str, Any]:
    return {"buffered": (*state.buffered, *event.nominals), **_next(event)}


def _triggered(state: TaskState, event: TaskTriggered) -> dict[str, Any]:
    run = OpenRun(
        run_id=event.run_id,
        generation=event.generation,
        nominal_at=event.at if event.nominal_at is None else event.nominal_at,
        due_at=event.at,
        triggered=True,
        beside=event.overlap == "allow",
        payload=event.payload,
        retry_at=event.at,
    )
    return {"runs": _replaced(state, run.run_id, run), "triggers": state.triggers + 1}


def _paused(_state: TaskState, event: TaskPaused) -> dict[str, Any]:
    return {"paused": True, "reason": event.reason}


def _resumed(state: TaskState, event: TaskResumed) -> dict[str, Any]:
    runs = tuple(
        run if run.fence is not None else _waiting(run, event.at, 0, 0) for run in state.runs
    )
    again = state.exhausted
    if again is not None and again.execution_id == event.execution_id:
        runs = (*runs, _waiting(again, event.at, 0, 0))
    return {
        "runs": runs,
        "paused": False,
        "disabled": False,
        "reason": event.reason,
        "exhausted": None,
        "retry_count": 0,
        **_next(event),
    }


def _disabled(_state: TaskState, event: TaskDisabled) -> dict[str, Any]:
    return {"disabled": True, "reason": event.reason}


def _cancelled(state: TaskState, event: TaskCancelled) -> dict[str, Any]:
    return {
        "cancelled": True,
        "buffered": (),
        "paused": False,
        "disabled": False,
        "reason": event.reason,
        "runs": tuple(changed(run, cancel=event.reason) for run in state.active),
        "exhausted": None,
        "next_nominal_at": None,
        "next_run_at": None,
    }


def _cancel_requested(state: TaskState, event: TaskRunCancelRequested) -> dict[str, Any]:
    run = _run_of(state, event.run_id)
    if run is None:
        return {}
    after = None if run.fence is None else changed(run, cancel=event.reason)
    return {"runs": _replaced(state, event.run_id, after), **_next_if_told(state, event)}


_CHANGES: Final[Mapping[type, Callable[[TaskState, Any], dict[str, Any]]]] = {
    TaskScheduled: _scheduled,
    TaskRunStarted: _started,
    TaskExecuted: _executed,
    TaskRunAbandoned: _abandoned,
    TaskRunSkipped: _skipped,
    TaskRunBuffered: _buffered,
    TaskTriggered: _triggered,
    TaskPaused: _paused,
    TaskResumed: _resumed,
    TaskDisabled: _disabled,
    TaskCancelled: _cancelled,
    TaskRunCancelRequested: _cancel_requested,
}
