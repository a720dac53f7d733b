"""
What a writer knows of the events that it has appended, so that a fold need not read them back.
"""

from typing import Final

from attrs import frozen

from azoth.events import Event
from azoth_scheduler.events import SchedulerEvent
from azoth_scheduler.task import TaskState

__all__ = ["Foreseen", "Known"]

_FORESEEN_MAX: Final = 20_000
"""Of one projection: two of the largest appends; what is dropped is read from the log."""


@frozen
class Known:
    """
    Hold what a writer knows of an event that it has appended: it need not be read back.

    Attributes:
        data: The bytes that were appended; an event with others is another one.
        change: What they were encoded from.
        state: The task's state after it.
    """

    data: bytes
    change: SchedulerEvent
    state: TaskState


class Foreseen:
    """
    Keep what a writer knows until the fold comes there: a hint that saves time, never an answer.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], Known] = {}

    def add(self, stream: str, version: int, known: Known) -> None:
        """
        Remember the event that was appended as *version* of *stream*.
        """
        if len(self._known) >= _FORESEEN_MAX:
            self._known.clear()
        self._known[stream, version] = known

    def take(self, event: Event) -> Known | None:
        """
        Return what is known of *event*, and forget it; None if it has to be read.
        """
        if not self._known:
            return None
        known = self._known.pop((event.stream, event.version), None)
        return known if known is not None and known.data == event.data else None
