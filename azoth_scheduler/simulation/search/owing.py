"""
What is owed to a task by its log: an oracle that knows the events and none of the decisions.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from attrs import evolve, frozen

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
from azoth_scheduler.settings import Settings

__all__ = ["NOTHING_OWED", "Owed", "owed_after"]


@frozen
class _Waiting:
    # A run that waits for its next attempt, or one that was asked for, for its first.
    run_id: str
    since: int
    triggered: bool
    begun: bool


@frozen(kw_only=True)
class Owed:
    """
    Hold what a task's log promises.

    Attributes:
        active: The runs with an attempt that has no end in the log.
        stopping: The runs that were asked to stop.
        waiting: The runs between two attempts.
        triggered: The runs that were asked for.
        kept: Occurrences that were kept to run later.
        due: When the schedule is due next.
    """

    generation: int = 0
    active: tuple[str, ...] = ()
    stopping: tuple[str, ...] = ()
    waiting: tuple[_Waiting, ...] = ()
    triggered: tuple[str, ...] = ()
    kept: tuple[int, ...] = ()
    due: int | None = None
    paused: bool = False
    disabled: bool = False
    cancelled: bool = False

    def is_due(self, now: int) -> bool:
        """
        Say whether something is to be started; not all that is, but nothing that is not.
        """
        if self.active or self.cancelled:
            return False
        held = self.paused or self.disabled
        if self.waiting:
            return any(one.since <= now and (one.triggered or not held) for one in self.waiting)
        return not held and (bool(self.kept) or (self.due is not None and self.due <= now))

    def gives_up(self, event: SchedulerEvent, settings: Settings) -> bool:
        """
        Say whether *event* closes a run that nothing has closed: it is owed another attempt.
        """
        if not isinstance(event, TaskExecuted | TaskRunAbandoned) or event.retry_at is not None:
            return False
        if self.cancelled or event.generation < self.generation or event.run_id in self.stopping:
            return False
        if isinstance(event, TaskRunAbandoned):
            return event.lost_count < settings.max_lost
        failed = event.outcome in ("failed", "timed_out")
        return failed and event.retry_count < settings.retry.max_attempts

    def without(self, run_id: str) -> "Owed":
        """
        Return what is owed once a run is neither active nor waiting.
        """
        return evolve(
            self,
            active=tuple(one for one in self.active if one != run_id),
            waiting=tuple(one for one in self.waiting if one.run_id != run_id),
        )

    def with_waiting(self, run_id: str, since: int, *, begun: bool) -> "Owed":
        """
        Return what is owed once a run waits.
        """
        one = _Waiting(run_id, since, run_id in self.triggered, begun)
        return evolve(self, waiting=(*self.waiting, one))


NOTHING_OWED: Final = Owed()
"""Before the first event."""


def owed_after(owed: Owed, event: SchedulerEvent) -> Owed:
    """
    Return what is owed after one more event.
    """
    return _AFTER[type(event)](owed, event)


def _scheduled(owed: Owed, event: TaskScheduled) -> Owed:
    return evolve(
        owed,
        generation=event.generation,
        waiting=tuple(one for one in owed.waiting if one.triggered and not one.begun),
        kept=(),
        due=event.next_run_at,
        disabled=False,
        cancelled=False,
    )


def _started(owed: Owed, event: TaskRunStarted) -> Owed:
    after = owed.without(event.run_id)
    kept = tuple(at for at in owed.kept if at != event.nominal_at or event.attempt > 1)
    current = event.generation == owed.generation
    due = event.next_run_at if current else owed.due
    return evolve(after, active=(*after.active, event.run_id), kept=kept, due=due)


def _ended(owed: Owed, event: TaskExecuted | TaskRunAbandoned) -> Owed:
    after = owed.without(event.run_id)
    if event.retry_at is not None:
        after = after.with_waiting(event.run_id, event.retry_at, begun=True)
    told = isinstance(event, TaskExecuted) or event.next_run_at is not None
    current = event.generation == owed.generation
    return evolve(after, due=event.next_run_at) if told and current else after


def _skipped(owed: Owed, event: TaskRunSkipped) -> Owed:
    if event.run_id is not None:
        return owed.without(event.run_id)
    kept = tuple(at for at in owed.kept if not event.first <= at <= event.last)
    return evolve(owed, kept=kept, due=event.next_run_at)


def _buffered(owed: Owed, event: TaskRunBuffered) -> Owed:
    return evolve(owed, kept=(*owed.kept, *event.nominals), due=event.next_run_at)


def _triggered(owed: Owed, event: TaskTriggered) -> Owed:
    known = evolve(owed, triggered=(*owed.triggered, event.run_id))
    return known.with_waiting(event.run_id, event.at, begun=False)


def _paused(owed: Owed, _event: TaskPaused) -> Owed:
    return evolve(owed, paused=True)


def _disabled(owed: Owed, _event: TaskDisabled) -> Owed:
    return evolve(owed, disabled=True)


def _cancelled(owed: Owed, _event: TaskCancelled) -> Owed:
    return evolve(owed, cancelled=True, paused=False, disabled=False, waiting=(), kept=())


def _asked_to_stop(owed: Owed, event: TaskRunCancelRequested) -> Owed:
    asked = evolve(owed, stopping=(*owed.stopping, event.run_id))
    after = asked if event.run_id in owed.active else asked.without(event.run_id)
    return after if event.next_run_at is None else evolve(after, due=event.next_run_at)


def _resumed(owed: Owed, event: TaskResumed) -> Owed:
    waiting = tuple(evolve(one, since=event.at) for one in owed.waiting)
    after = evolve(owed, waiting=waiting, paused=False, disabled=False, due=event.next_run_at)
    if event.execution_id is None:
        return after
    return after.with_waiting(event.execution_id.rpartition("#")[0], event.at, begun=True)


_AFTER: Final[Mapping[type, Callable[[Owed, Any], Owed]]] = {
    TaskScheduled: _scheduled,
    TaskRunStarted: _started,
    TaskExecuted: _ended,
    TaskRunAbandoned: _ended,
    TaskRunSkipped: _skipped,
    TaskRunBuffered: _buffered,
    TaskTriggered: _triggered,
    TaskPaused: _paused,
    TaskResumed: _resumed,
    TaskDisabled: _disabled,
    TaskCancelled: _cancelled,
    TaskRunCancelRequested: _asked_to_stop,
}
