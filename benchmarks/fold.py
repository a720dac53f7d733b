"""
Ask how many of the scheduler's events a second a schedule table takes in, and where the time goes.

The log is realistic: tasks that are scheduled, started and executed, one append after the other.
Each table folds it in pages of a thousand, as a projector does.

    python benchmarks/fold.py [TASKS]
"""

import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from time import process_time
from typing import Final

from azoth.clocks import Instant, Microseconds
from azoth.events import Event
from azoth.following import PAGE_SIZE
from azoth.streams import Position, Version
from azoth_scheduler.changes import evolve
from azoth_scheduler.commands import RecordOutcome, ScheduleTask, StartRun, TaskCommand
from azoth_scheduler.decisions import decide
from azoth_scheduler.events import Options, registry, stream_of
from azoth_scheduler.history import AttemptRow, evolve_attempt, execution_of
from azoth_scheduler.projection import (
    MemoryScheduleProjection,
    ScheduleProjection,
    SqliteScheduleProjection,
)
from azoth_scheduler.retries import RetryPolicy
from azoth_scheduler.schedules import Interval
from azoth_scheduler.task import NO_TASK, Definition, TaskState

ROUNDS: Final = 5
START: Final = Instant(1_767_268_800_000_000)
RUNS_PER_TASK: Final = 4
SECOND: Final = 1_000_000


class Log:
    """
    Write a log by deciding commands.
    """

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._states: dict[str, TaskState] = {}

    def add(self, task_id: str, command: TaskCommand) -> None:
        """
        Decide *command* and append what follows.
        """
        state = self._states.get(task_id, NO_TASK)
        for change in decide(state, command):
            state = evolve(state, change)
            new = registry.encode(change)
            self.events.append(
                Event(
                    Position(len(self.events) + 1),
                    stream_of(task_id),
                    Version(state.version),
                    new.type,
                    new.data,
                    new.metadata,
                    new.schema,
                    change.at,
                )
            )
        self._states[task_id] = state

    def fence(self, task_id: str) -> int:
        """
        Return the fence of the attempt that runs.
        """
        return self._states[task_id].active[0].fence or 0


def a_log(tasks: int) -> Sequence[Event]:
    """
    Return a log in which each task is scheduled and runs a few times, all tasks side by side.
    """
    log = Log()
    ids = [f"report-{number:06}" for number in range(tasks)]
    for task_id in ids:
        definition = Definition(
            task_type="generate_report",
            schedule=Interval(300),
            payload=b'{"customer":"42","format":"pdf"}',
            options=Options(tags=("nightly",)),
        )
        log.add(task_id, ScheduleTask(at=START, task_id=task_id, definition=definition))
    for number in range(1, RUNS_PER_TASK + 1):
        for task_id in ids:
            at = Instant(START + number * 300 * SECOND)
            log.add(task_id, start(at))
            log.add(task_id, end(Instant(at + SECOND), log.fence(task_id)))
    return log.events


def start(at: Instant) -> StartRun:
    """
    Return a claim.
    """
    return StartRun(
        at=at,
        worker_id="web-1/7",
        timeout=Microseconds(300 * SECOND),
        max_attempts=3,
        lease=Microseconds(30 * SECOND),
    )


def end(at: Instant, fence: int) -> RecordOutcome:
    """
    Return a success.
    """
    return RecordOutcome(
        at=at,
        fence=fence,
        completed_at=at,
        duration=Microseconds(SECOND),
        outcome="succeeded",
        policy=RetryPolicy(),
    )


def folded(make: Callable[[], ScheduleProjection], events: Sequence[Event]) -> float:
    """
    Return the seconds that a new table takes for the log.
    """
    projection = make()
    started = process_time()
    for first in range(0, len(events), PAGE_SIZE):
        page = events[first : first + PAGE_SIZE]
        projection.apply(page, page[-1].position)
    seconds = process_time() - started
    projection.close()
    return seconds


def decoded(events: Sequence[Event]) -> float:
    """
    Return the seconds for reading the events alone.
    """
    started = process_time()
    for event in events:
        registry.decode(event)
    return process_time() - started


def evolved(events: Sequence[Event]) -> float:
    """
    Return the seconds for states and attempts alone.
    """
    changes = [(event, registry.decode(event)) for event in events]
    states: dict[str, TaskState] = {}
    attempts: dict[str, AttemptRow | None] = {}
    started = process_time()
    for event, change in changes:
        states[event.stream] = evolve(states.get(event.stream, NO_TASK), change)
        execution_id = execution_of(change)
        if execution_id is not None:
            known = attempts.get(execution_id)
            attempts[execution_id] = evolve_attempt(known, change, event.position)
    return process_time() - started


def main(tasks: int = 5_000) -> None:
    """
    Print a line for each question.
    """
    events = a_log(tasks)
    size = sum(len(event.data) for event in events) / len(events)
    print(f"{len(events):,} events of {tasks:,} tasks, {size:.0f} bytes each")
    with tempfile.TemporaryDirectory() as folder:
        paths = (Path(folder) / f"table-{number}" for number in range(ROUNDS))
        questions: dict[str, Callable[[], float]] = {
            "decode alone": lambda: decoded(events),
            "evolve alone": lambda: evolved(events),
            "memory": lambda: folded(MemoryScheduleProjection, events),
            "SQLite in memory": lambda: folded(SqliteScheduleProjection, events),
            "SQLite in a file": lambda: folded(
                lambda: SqliteScheduleProjection(next(paths)), events
            ),
        }
        for name, ask in questions.items():
            seconds = median(ask() for _ in range(ROUNDS))
            rate = len(events) / seconds
            print(f"{name:<18} {rate:>10,.0f} events/s  {seconds / len(events) * 1e6:6.2f} µs each")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
