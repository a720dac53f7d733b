"""
The order of the log and of its times: S1 and C1.
"""

from collections.abc import Iterable, Iterator
from typing import Final, get_args

from azoth_scheduler.events import SchedulerEvent, TaskExecuted
from azoth_scheduler.simulation.invariants._ledger import Task
from azoth_scheduler.simulation.invariants._rules import Rule
from azoth_scheduler.simulation.invariants.entries import Checker, Entry


class Density(Checker):
    """
    S1: positions are 1, 2, 3 … in the log, versions in each stream.
    """

    invariant = "S1"

    def __init__(self) -> None:
        self._place = 0
        self._versions: dict[str, int] = {}

    def see(self, entry: Entry) -> Iterable[str]:
        """
        Compare one more event with its place.
        """
        event = entry.event
        self._place += 1
        version = self._versions[event.stream] = self._versions.get(event.stream, 0) + 1
        if event.position == self._place and event.version == version:
            return ()
        return (f"stands at place {self._place}, version {event.version} is {version} there",)


class RecordedTime(Checker):
    """
    C1: `recorded_at` never decreases.
    """

    invariant = "C1"

    def __init__(self) -> None:
        self._recorded = 0

    def see(self, entry: Entry) -> Iterable[str]:
        """
        Compare one more event with the one above it.
        """
        recorded, self._recorded = self._recorded, max(self._recorded, entry.event.recorded_at)
        if entry.event.recorded_at < recorded:
            return (f"recorded {recorded - entry.event.recorded_at} µs before the one above it",)
        return ()


def _decided_in_order(task: Task, entry: Entry) -> Iterator[str]:
    # C1: an event's own time never decreases within its stream.
    told, last = entry.told, task.last
    if told is not None and last is not None and told.at < last.at:
        yield f"decided {last.at - told.at} µs before the one above it in its stream"


def _completed_within(_: Task, entry: Entry) -> Iterator[str]:
    # C1: an attempt is completed after it was started and before that is decided.
    told = entry.told
    if isinstance(told, TaskExecuted) and not told.started_at <= told.completed_at <= told.at:
        yield f"{told.execution_id} was completed at {told.completed_at}, outside its attempt"


ORDER: Final = (
    Rule("C1", _decided_in_order, get_args(SchedulerEvent)),
    Rule("C1", _completed_within, (TaskExecuted,)),
)
