"""
How commands reach the log: decided on the table as it stands, appended at the version read.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeVar

from attrs import define

from azoth.clocks import Clock, Instant
from azoth.events import SystemWrite, Write
from azoth.store import EventStore
from azoth.streams import WrongExpectedVersion
from azoth_scheduler.bell import Bell
from azoth_scheduler.changes import evolve
from azoth_scheduler.commands import IfExists, ScheduleTask, TaskCommand
from azoth_scheduler.decisions import decide
from azoth_scheduler.events import SchedulerEvent, registry, stream_of
from azoth_scheduler.packing import Parcel, packed, parcel_of
from azoth_scheduler.table import ScheduleTable
from azoth_scheduler.task import Definition, TaskState

__all__ = ["Client", "Command"]

T = TypeVar("T")

Command = Callable[[Instant], TaskCommand]
"""Makes the command for the time at which it is decided."""

_DECISIONS_MAX: Final = 100
"""How often a command is decided anew; another writer has to win each race for it to matter."""


@define
class _Change:
    # What was decided for one task, not yet in the log.
    state: TaskState
    expected: int
    changes: list[tuple[SchedulerEvent, TaskState]]

    def apply(self, command: TaskCommand) -> None:
        for event in decide(self.state, command):
            self.state = evolve(self.state, event)
            self.changes.append((event, self.state))


class Client:
    """
    Change tasks; each change is decided again whenever the log was quicker.
    """

    def __init__(self, store: EventStore, table: ScheduleTable, clock: Clock, bell: Bell) -> None:
        self._store = store
        self._table = table
        self._clock = clock
        self._bell = bell

    def now(self) -> Instant:
        """
        Return the time at which a command would be decided.
        """
        return self._clock.now()

    def change(self, task_id: str, command: Command) -> TaskState:
        """
        Carry out one command; return the task's state after it.
        """

        def decided() -> TaskState:
            change = self._begun([task_id])[task_id]
            change.apply(command(self._clock.now()))
            self._append([(task_id, change)])
            return change.state

        return self._until_won(decided)

    def schedule(
        self,
        wanted: Sequence[tuple[str, Definition]],
        *,
        if_exists: IfExists = "replace",
        expected_version: int | None = None,
    ) -> list[TaskState]:
        """
        Schedule many tasks in few commits; return their states in the order given.
        """

        def decided() -> list[TaskState]:
            # Whoever lost a race decides all again: what has landed is then a no-op.
            changes = self._begun([task_id for task_id, _ in wanted])
            now = self._clock.now()
            states: list[TaskState] = []
            for task_id, definition in wanted:
                change = changes[task_id]
                change.apply(
                    ScheduleTask(
                        at=now,
                        task_id=task_id,
                        definition=definition,
                        if_exists=if_exists,
                        expected_version=expected_version,
                    )
                )
                states.append(change.state)
            self._append(changes.items())
            return states

        return self._until_won(decided)

    def writes_of(self, task_id: str, definition: Definition) -> tuple[SystemWrite, ...]:
        """
        Return what schedules a task as it stands, for somebody else's append; maybe nothing.
        """
        change = self._begun([task_id])[task_id]
        change.apply(ScheduleTask(at=self._clock.now(), task_id=task_id, definition=definition))
        if not change.changes:
            return ()
        events = tuple(registry.encode(event) for event, _ in change.changes)
        return (SystemWrite(stream_of(task_id), events, change.expected),)

    def _begun(self, task_ids: Iterable[str]) -> dict[str, _Change]:
        with self._table.look() as projection:
            states = {task_id: projection.get(task_id) for task_id in task_ids}
        return {task_id: _Change(state, state.version, []) for task_id, state in states.items()}

    def _append(self, changes: Iterable[tuple[str, _Change]]) -> None:
        parcels = [_parcel(*change) for change in changes if change[1].changes]
        for group in packed(parcels):
            self._store.append(*(write for parcel in group for write in parcel.writes))
            for parcel in group:
                self._table.foresee(parcel.writes[-1], parcel.item.changes)
        if parcels:
            self._bell.ring()

    def _until_won(self, decided: Callable[[], T]) -> T:
        for _ in range(_DECISIONS_MAX - 1):
            try:
                return decided()
            except WrongExpectedVersion:
                continue
        return decided()


def _parcel(task_id: str, change: _Change) -> Parcel[_Change]:
    events = tuple(registry.encode(event) for event, _ in change.changes)
    return parcel_of(change, (Write(stream_of(task_id), events, change.expected),))
