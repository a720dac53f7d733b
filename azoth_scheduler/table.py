"""
The schedule table as a program uses it: one projection, caught up before each look, under a lock.
"""

from collections.abc import Generator
from contextlib import contextmanager
from threading import RLock

from azoth.projector import Projector
from azoth.store import EventStore
from azoth_scheduler.projection.base import ScheduleProjection

__all__ = ["ScheduleTable"]


class ScheduleTable:
    """
    Serve the threads of one scheduler with the schedule table.
    """

    def __init__(self, store: EventStore, projection: ScheduleProjection) -> None:
        # Reentrant: a handler that runs inside a step may ask about tasks.
        self._lock = RLock()
        self._projection = projection
        self._projector = Projector(store, projection)

    @contextmanager
    def look(self) -> Generator[ScheduleProjection, None, None]:
        """
        Give the projection, which shows everything that was appended before the call.
        """
        with self._lock:
            self._projector.catch_up()
            yield self._projection

    def close(self) -> None:
        """
        Close the projection.
        """
        with self._lock:
            self._projection.close()
