"""
The fold of the log, kept beside all schedule tables: each is compared with it at every prefix.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress

from azoth.errors import CodecError
from azoth.events import Event
from azoth_scheduler.changes import evolve, skip_event
from azoth_scheduler.events import (
    CATEGORY,
    SchedulerEvent,
    TaskExecuted,
    TaskRunAbandoned,
    TaskRunStarted,
    registry,
    task_of,
)
from azoth_scheduler.projection import ScheduleProjection
from azoth_scheduler.task import NO_TASK, TaskState

__all__ = ["Reference"]

_PREFIX = f"{CATEGORY}-"


class Reference:
    """
    Fold the log event by event, each read from its bytes.

    Attributes:
        told: What the scheduler's events say, by position.
        active: How many attempts are active, by the worker that claimed them.
    """

    def __init__(self) -> None:
        self.told: dict[int, SchedulerEvent] = {}
        self.active: Counter[str] = Counter()
        self._states: dict[str, TaskState] = {}
        self._changed: list[str] = []
        self._compared: dict[str, int] = {}
        self._position = 0

    @property
    def states(self) -> Mapping[str, TaskState]:
        """
        Return the state of each task.
        """
        return self._states

    def see(self, event: Event) -> SchedulerEvent | None:
        """
        Fold the next event; return what it says, where it is one of the scheduler's.
        """
        if not event.stream.startswith(_PREFIX):
            return None
        task_id = task_of(event.stream)
        state = self._states.get(task_id, NO_TASK)
        told: SchedulerEvent | None = None
        with suppress(CodecError):
            told = registry.decode(event)
        if told is not None:
            self.told[event.position] = told
        after = skip_event(state) if told is None else evolve(state, told)
        if isinstance(told, TaskRunStarted):
            self.active[told.worker_id] += 1
        elif isinstance(told, TaskExecuted | TaskRunAbandoned):
            self._ended(told.worker_id)
        self._states[task_id] = after
        self._changed.append(task_id)
        self._position = event.position
        return told

    def _ended(self, worker_id: str) -> None:
        self.active[worker_id] -= 1
        if not self.active[worker_id]:
            del self.active[worker_id]

    def differences(self, reader: str, table: ScheduleProjection) -> Iterator[str]:
        """
        Compare what has changed since the same reader was compared last: R1.

        A table that is behind is not compared: its reader could not read.
        """
        if table.position < self._position:
            return
        since, self._compared[reader] = self._compared.get(reader, 0), len(self._changed)
        for task_id in dict.fromkeys(self._changed[since:]):
            if table.get(task_id) != self._states[task_id]:
                yield f"the table of {reader} shows task {task_id!r} otherwise than the log"
