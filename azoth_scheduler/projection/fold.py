"""
The fold that every projection shares: from a batch of events to the rows that it leaves.

It is total. An event that this code cannot read changes nothing but its task's version, so one
damaged or foreign event never stops the others.
"""

import logging
from collections.abc import Iterable
from typing import Final, Protocol

from attrs import field, frozen

from azoth.errors import UndecodableEvent
from azoth.events import Event
from azoth_scheduler.changes import evolve, skip_event
from azoth_scheduler.events import CATEGORY, SchedulerEvent, TaskRunStarted, registry, task_of
from azoth_scheduler.history import AttemptRow, evolve_attempt, execution_of
from azoth_scheduler.projection.foreseeing import Foreseen
from azoth_scheduler.task import TaskState

__all__ = ["Folded", "Rows", "UnreadableLog", "fold"]

_log: Final = logging.getLogger("azoth_scheduler")

_PREFIX: Final = f"{CATEGORY}-"


class Rows(Protocol):
    """
    Be the rows as they stand before a batch; a projection can be asked itself.
    """

    def get(self, task_id: str) -> TaskState:
        """
        Return a task's state; `NO_TASK` if it has none.
        """
        ...

    def get_run(self, execution_id: str) -> AttemptRow | None:
        """
        Return one attempt; None if there is none.
        """
        ...


@frozen
class Folded:
    """
    Hold what a batch leaves: each touched row once, and the events that could not be read.

    Attributes:
        states: By task id, in the order in which the batch first touched them.
        attempts: By execution id, likewise.
        unreadable: With the reason.
    """

    states: dict[str, TaskState] = field(factory=dict[str, TaskState])
    attempts: dict[str, AttemptRow] = field(factory=dict[str, AttemptRow])
    unreadable: list[tuple[Event, Exception]] = field(factory=list[tuple[Event, Exception]])


def fold(events: Iterable[Event], rows: Rows, foreseen: Foreseen) -> Folded:
    """
    Return what *events*, in the order of the log, make of *rows*.
    """
    folded = Folded()
    for event in events:
        # A stream without an id belongs to no task.
        if event.stream.startswith(_PREFIX):
            _add(folded, event, rows, foreseen)
    return folded


def _add(folded: Folded, event: Event, rows: Rows, foreseen: Foreseen) -> None:
    task_id = task_of(event.stream)
    known = foreseen.take(event)
    if known is not None:
        _add_attempt(folded, known.change, event.position, rows)
        folded.states[task_id] = known.state
        return
    state = folded.states.get(task_id) or rows.get(task_id)
    try:
        change = _change_of(task_id, event)
        after = evolve(state, change)
        _add_attempt(folded, change, event.position, rows)
    except Exception as error:  # noqa: BLE001 - whatever is wrong with it, all other tasks go on
        after = skip_event(state)
        folded.unreadable.append((event, error))
    folded.states[task_id] = after


def _change_of(task_id: str, event: Event) -> SchedulerEvent:
    change: SchedulerEvent = registry.decode(event)
    if change.task_id != task_id:
        reason = f"it stands in the stream of task {task_id!r} and names task {change.task_id!r}"
        raise UndecodableEvent(position=event.position, type=event.type, reason=reason)
    return change


def _add_attempt(folded: Folded, change: SchedulerEvent, position: int, rows: Rows) -> None:
    execution_id = execution_of(change)
    if execution_id is None:
        return
    known = folded.attempts.get(execution_id)
    # An attempt starts once, so there is no row to look for before its start.
    if known is None and not isinstance(change, TaskRunStarted):
        known = rows.get_run(execution_id)
    attempt = evolve_attempt(known, change, position)
    if attempt is not None:
        folded.attempts[execution_id] = attempt


class UnreadableLog:
    """
    Say once for each type that its events cannot be read.
    """

    def __init__(self) -> None:
        self._said: set[str] = set()

    def report(self, unreadable: Iterable[tuple[Event, Exception]]) -> None:
        """
        Log the first event of each type that was not logged before.
        """
        for event, error in unreadable:
            if event.type not in self._said:
                self._said.add(event.type)
                _log.warning(
                    "events of type %r are passed over: %s",
                    event.type,
                    error,
                    extra={"event_type": event.type, "position": event.position},
                )
