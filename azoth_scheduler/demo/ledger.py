"""
The log of a demo, read once from its first event to its last, and what is counted on the way.
"""

from collections import Counter
from collections.abc import Iterable

from attrs import Factory, define, field

from azoth import Event
from azoth_scheduler import (
    SchedulerEvent,
    TaskDisabled,
    TaskExecuted,
    TaskRunAbandoned,
    TaskRunSkipped,
    TaskRunStarted,
    TaskScheduled,
)
from azoth_scheduler.demo.events import LoadNoted, LoadSampled
from azoth_scheduler.demo.events import registry as demo_events
from azoth_scheduler.events import CATEGORY
from azoth_scheduler.events import registry as scheduler_events

__all__ = ["Ledger"]


@define
class Ledger:
    """
    Hold what the events up to some position say; it is right after each of them.

    Attributes:
        events: How many events were read.
        scheduled: The definitions, by task.
        started: The starts, by execution.
        outcomes: The outcomes, by execution; more than one for an attempt would be a fault.
        abandoned: The attempts that were taken from their worker, likewise.
        skipped: The occurrences left out, in order.
        disabled: The tasks that were stopped after a failure.
        crowded: The positions after which a run, or a task, had two attempts at once.
        misplaced: Outcomes that do not stand directly behind the events of their handler.
        emitted: How many events of handlers each execution left in the log.
        samples: The positions of the samples.
        notes: What the event handler answered, in order.
    """

    events: int = 0
    scheduled: dict[str, TaskScheduled] = Factory(dict[str, TaskScheduled])
    started: dict[str, TaskRunStarted] = Factory(dict[str, TaskRunStarted])
    outcomes: dict[str, list[TaskExecuted]] = Factory(dict[str, list[TaskExecuted]])
    abandoned: dict[str, list[TaskRunAbandoned]] = Factory(dict[str, list[TaskRunAbandoned]])
    skipped: list[TaskRunSkipped] = Factory(list[TaskRunSkipped])
    disabled: list[TaskDisabled] = Factory(list[TaskDisabled])
    crowded: list[int] = Factory(list[int])
    misplaced: list[str] = Factory(list[str])
    emitted: Counter[str] = Factory(Counter[str])
    samples: list[int] = Factory(list[int])
    notes: list[LoadNoted] = Factory(list[LoadNoted])
    _active: Counter[str] = field(factory=Counter[str], init=False)
    _before: list[str] = field(factory=list[str], init=False)

    def read(self, events: Iterable[Event]) -> "Ledger":
        """
        Take in *events*, which follow those read before.
        """
        for event in events:
            self.events += 1
            if event.stream.startswith(f"{CATEGORY}-"):
                self._take(scheduler_events.decode(event), event.position)
                self._before.clear()
            else:
                self._take_output(event)
        return self

    def attempts_of(self, run_id: str) -> list[TaskRunStarted]:
        """
        Return the starts of a run, in order.
        """
        return [start for start in self.started.values() if start.run_id == run_id]

    def outcomes_of(self, task_id: str) -> list[TaskExecuted]:
        """
        Return the outcomes of a task, in order.
        """
        return [one for some in self.outcomes.values() for one in some if one.task_id == task_id]

    def _take(self, event: SchedulerEvent, position: int) -> None:
        match event:
            case TaskScheduled():
                self.scheduled[event.task_id] = event
            case TaskRunStarted():
                self._start(event, position)
            case TaskExecuted():
                self._end(event)
                self.outcomes.setdefault(event.execution_id, []).append(event)
                if self._before[-event.triggered :] != event.triggered * [event.execution_id]:
                    self.misplaced.append(event.execution_id)
            case TaskRunAbandoned():
                self._end(event)
                self.abandoned.setdefault(event.execution_id, []).append(event)
            case TaskRunSkipped():
                self.skipped.append(event)
            case TaskDisabled():
                self.disabled.append(event)
            case _:
                pass

    def _start(self, event: TaskRunStarted, position: int) -> None:
        self.started[event.execution_id] = event
        for key in (event.run_id, event.task_id):
            self._active[key] += 1
            if self._active[key] > 1:
                self.crowded.append(position)

    def _end(self, event: TaskExecuted | TaskRunAbandoned) -> None:
        self._active[event.run_id] -= 1
        self._active[event.task_id] -= 1

    def _take_output(self, event: Event) -> None:
        execution_id = event.metadata.get("causation_id")
        if execution_id is not None:
            self.emitted[execution_id] += 1
            self._before.append(execution_id)
        if event.type == demo_events.type_of(LoadSampled):
            self.samples.append(event.position)
        elif event.type == demo_events.type_of(LoadNoted):
            self.notes.append(demo_events.decode(event))
            self._before.clear()
