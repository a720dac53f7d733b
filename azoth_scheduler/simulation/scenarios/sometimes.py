"""
Rare states: what a good many runs together have to come to, or they prove less than they seem to.

A search that never sees a lost worker proves nothing about lost workers. These are counted in each
run, and a long search fails where one of them was never reached (the `sometimes` assertions of
deterministic simulation testing).
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from azoth_scheduler.events import (
    SchedulerEvent,
    TaskCancelled,
    TaskDisabled,
    TaskExecuted,
    TaskResumed,
    TaskRunAbandoned,
    TaskRunBuffered,
    TaskRunCancelRequested,
    TaskRunSkipped,
    TaskRunStarted,
    TaskScheduled,
)

__all__ = ["SOMETIMES", "reached"]

SOMETIMES: Final = (
    "a cancelled task was scheduled again",
    "a claim was never answered and given back",
    "a handler asked for another task",
    "a handler said when to retry",
    "a lease ran out",
    "a lost run was taken up",
    "a one-shot was discarded",
    "a retry ran",
    "a run was exhausted by failures",
    "a run was exhausted by losses",
    "a run was stopped while it ran",
    "a run was stopped while it waited",
    "a snoozed run went on",
    "a task was cancelled while it ran",
    "a task was edited while it ran",
    "a worker was proved dead",
    "an attempt timed out",
    "an exhausted run was resumed",
    "an old generation's attempt ended",
    "killed in the middle of a pass",
    "lost a race for a task",
    "occurrences were coalesced",
    "occurrences were kept for later",
    "occurrences were missed",
    "occurrences were skipped for overlap",
    "occurrences expired",
    "two attempts of a task ran at once",
)
"""Each by its name."""

_SKIPPED: Final = {
    "coalesced": "occurrences were coalesced",
    "missed": "occurrences were missed",
    "overlap": "occurrences were skipped for overlap",
    "expired": "occurrences expired",
}

_ABANDONED: Final = {
    "its claim was never answered": "a claim was never answered and given back",
    "its lease has run out": "a lease ran out",
    "its worker is dead": "a worker was proved dead",
}


def reached(told: Iterable[SchedulerEvent]) -> Counter[str]:
    """
    Count how often the events of a log came into each rare state.
    """
    counts: Counter[str] = Counter()
    looking = _Looking()
    for event in told:
        counts.update(looking.see(event))
    return counts


class _Looking:
    def __init__(self) -> None:
        self._running: dict[str, set[str]] = {}
        self._generation: dict[str, int] = {}
        self._cancelled: set[str] = set()
        self._ended: dict[str, str] = {}

    def see(self, event: SchedulerEvent) -> Iterator[str]:
        """
        Name the rare states that an event is.
        """
        running = self._running.setdefault(event.task_id, set())
        match event:
            case TaskScheduled():
                yield from self._scheduled(event, running)
            case TaskRunStarted():
                yield from self._started(event, running)
            case TaskExecuted():
                running.discard(event.execution_id)
                yield from self._executed(event)
            case TaskRunAbandoned():
                running.discard(event.execution_id)
                self._ended[event.run_id] = "abandoned"
                if event.reason in _ABANDONED:
                    yield _ABANDONED[event.reason]
            case TaskCancelled():
                self._cancelled.add(event.task_id)
                if running:
                    yield "a task was cancelled while it ran"
            case _:
                yield from self._asked(event, running)

    def _scheduled(self, event: TaskScheduled, running: set[str]) -> Iterator[str]:
        if running and event.generation > 1:
            yield "a task was edited while it ran"
        if event.task_id in self._cancelled:
            self._cancelled.discard(event.task_id)
            yield "a cancelled task was scheduled again"
        if event.task_id == "chained":
            yield "a handler asked for another task"
        self._generation[event.task_id] = event.generation

    def _started(self, event: TaskRunStarted, running: set[str]) -> Iterator[str]:
        if running:
            yield "two attempts of a task ran at once"
        running.add(event.execution_id)
        match self._ended.get(event.run_id):
            case "abandoned":
                yield "a lost run was taken up"
            case "snoozed":
                yield "a snoozed run went on"
            case "failed" | "timed_out":
                yield "a retry ran"
            case _:
                pass

    def _executed(self, event: TaskExecuted) -> Iterator[str]:
        self._ended[event.run_id] = event.outcome
        if event.outcome == "timed_out":
            yield "an attempt timed out"
        if event.outcome == "cancelled":
            yield "a run was stopped while it ran"
        if event.retry_by == "handler" and event.outcome == "failed":
            yield "a handler said when to retry"
        if event.generation < self._generation.get(event.task_id, 0):
            yield "an old generation's attempt ended"

    def _asked(self, event: SchedulerEvent, running: set[str]) -> Iterator[str]:
        match event:
            case TaskDisabled():
                yield _why_disabled(event.reason)
            case TaskResumed() if event.execution_id is not None:
                yield "an exhausted run was resumed"
            case TaskRunBuffered():
                yield "occurrences were kept for later"
            case TaskRunSkipped():
                yield _SKIPPED[event.reason]
            case TaskRunCancelRequested() if event.execution_id not in running:
                yield "a run was stopped while it waited"
            case _:
                pass


def _why_disabled(reason: str) -> str:
    if reason.startswith("discarded"):
        return "a one-shot was discarded"
    lost = "lost" in reason
    return f"a run was exhausted by {'losses' if lost else 'failures'}"
