"""
The schedule table as a program uses it: one projection, caught up before each look, under a lock.
"""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from threading import RLock

from azoth.events import Write
from azoth.observing import NOBODY, Observers
from azoth.projector import Projector
from azoth.store import EventStore
from azoth_scheduler.events import SchedulerEvent
from azoth_scheduler.projection.base import ScheduleProjection
from azoth_scheduler.projection.foreseeing import Known
from azoth_scheduler.task import TaskState

__all__ = ["ScheduleTable"]


class ScheduleTable:
    """
    Serve the threads of one scheduler with the schedule table.

    Args:
        store: The log.
        projection: The table.
        observers: Are told of each catching up.
    """

    def __init__(
        self,
        store: EventStore,
        projection: ScheduleProjection,
        observers: Observers = NOBODY,
    ) -> None:
        # Reentrant: a handler that runs inside a step may ask about tasks.
        self._lock = RLock()
        self._projection = projection
        self._projector = Projector(store, projection)
        self._observers = observers

    @contextmanager
    def look(self) -> Generator[ScheduleProjection, None, None]:
        """
        Give the projection, which shows everything that was appended before the call.
        """
        with self._lock:
            self._catch_up()
            yield self._projection

    @contextmanager
    def glance(self) -> Generator[ScheduleProjection, None, None]:
        """
        Give the projection as the last look left it.
        """
        with self._lock:
            yield self._projection

    def _catch_up(self) -> None:
        if not self._observers:
            self._projector.catch_up()
            return
        before = self._projector.position
        with self._observers.around("catch_up", {}) as tally:
            tally.count = self._projector.catch_up() - before

    def behind(self) -> int:
        """
        Return how many positions lie between the projection and the head.
        """
        with self._lock:
            return self._projector.lag()

    def foresee(self, write: Write, changes: Sequence[tuple[SchedulerEvent, TaskState]]) -> None:
        """
        Remember the events of a task that were appended as *write*, each with the state after it.

        The fold then need not read them back. The write named an exact version, so they stand at
        the versions after it.
        """
        assert isinstance(write.expected, int), "a task is written at the version read"
        for offset, (event, (change, state)) in enumerate(zip(write.events, changes, strict=True)):
            known = Known(event.data, change, state)
            self._projection.foresee(write.stream, write.expected + offset + 1, known)

    def close(self) -> None:
        """
        Close the projection.
        """
        with self._lock:
            self._projection.close()
