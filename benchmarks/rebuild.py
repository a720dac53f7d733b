"""
Ask how fast a schedule table is rebuilt from a log, in which memory, and how far the past is.

A scheduler with a virtual clock makes the log: tasks at intervals, one in twenty runs failing and
tried again. Rates are by the processor's time, so that a busy machine shows the code's own.

    python benchmarks/rebuild.py [EVENTS]
"""

import resource
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from random import Random
from time import perf_counter, process_time
from typing import Final, TypeVar

from azoth import EventStore, open_store, replay
from azoth.replay import Snapshots, bisect, state_at
from azoth.testing import ManualClock
from azoth_scheduler import (
    Cron,
    InlineExecutor,
    Interval,
    MemoryScheduleProjection,
    Schedule,
    Scheduler,
    ScheduleTaskRequest,
    SqliteScheduleProjection,
    TaskContext,
    TaskHandler,
    rebuild_table,
)

EVENTS: Final = 100_000
TASKS: Final = 1_000
FAILS_ONE_IN: Final = 20
LOOKS: Final = 10

T = TypeVar("T")


class Report(TaskHandler):
    """
    Do nothing, and fail now and then.
    """

    task_type = "report"

    def __init__(self) -> None:
        self._random = Random(1)

    def execute(self, _ctx: TaskContext, _payload: bytes) -> None:
        """
        Return, or raise one time in twenty.
        """
        if not self._random.randrange(FAILS_ONE_IN):
            raise ValueError("the report has no pages")


def schedule(number: int) -> Schedule:
    """
    Return the schedule of a task: every tenth has a cron expression, the others an interval.
    """
    return Interval(60 + number % 60) if number % 10 else Cron("0 * * * * *")


def fill(store: EventStore, clock: ManualClock, events: int) -> None:
    """
    Let a scheduler run until the log has *events*.
    """
    scheduler = Scheduler(
        store,
        [Report()],
        clock=clock,
        executor=InlineExecutor(100),
        max_concurrent_tasks=100,
    )
    scheduler.schedule_tasks(
        ScheduleTaskRequest(f"task-{n:04}", "report", schedule(n), payload=b"{}")
        for n in range(TASKS)
    )
    while store.wait(0, 0) < events:
        scheduler.run_pending()
        clock.advance(10)
    scheduler.close()


def timed(ask: Callable[[], T]) -> tuple[T, float, float]:
    """
    Return an answer, the seconds of the processor, and those of the wall.
    """
    worked, began = process_time(), perf_counter()
    answer = ask()
    return answer, process_time() - worked, perf_counter() - began


def rebuild(store: EventStore, head: int, folder: Path) -> None:
    """
    Print the rates of both tables.
    """
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    _, worked, took = timed(lambda: rebuild_table(store, folder / "table.db"))
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(
        f"into SQLite  {head / worked:10,.0f} events/s  {took:6.1f} s  {grown:+.0f} MB at its peak"
    )
    table, worked, took = timed(lambda: replay(store, MemoryScheduleProjection()))
    print(f"into memory  {head / worked:10,.0f} events/s  {took:6.1f} s")
    with closing(SqliteScheduleProjection(folder / "table.db")) as sqlite:
        assert sqlite.digest() == table.digest(), "the two tables differ"


def look(store: EventStore, head: int, folder: Path) -> None:
    """
    Print how long a look at the past takes with snapshots, and a search.
    """
    snapshots = Snapshots(folder / "snapshots")
    last, worked, _ = timed(lambda: state_at(store, MemoryScheduleProjection, snapshots=snapshots))
    print(f"first look, which makes the snapshots  {worked:.1f} s")
    look_at = partial(state_at, store, MemoryScheduleProjection, snapshots=snapshots)
    places = Random(2).sample(range(head), LOOKS)
    looks = [timed(partial(look_at, place))[1] for place in places]
    print(f"state_at with snapshots  {sum(looks) / LOOKS:.2f} s, at most {max(looks):.2f} s")

    wanted = last.get("task-0500").totals.succeeded // 2

    def halfway(table: MemoryScheduleProjection) -> bool:
        return table.get("task-0500").totals.succeeded >= wanted

    found, worked, _ = timed(
        lambda: bisect(store, MemoryScheduleProjection, halfway, snapshots=snapshots)
    )
    print(f"bisect to position {found.position:,}  {worked:.1f} s")


def main(events: int = EVENTS) -> None:
    """
    Print a line for each question.
    """
    clock = ManualClock()
    with (
        tempfile.TemporaryDirectory() as name,
        open_store(f"sqlite:///{name}/log.db?durability=normal", clock=clock) as store,
    ):
        _, worked, _ = timed(lambda: fill(store, clock, events))
        head = store.wait(0, 0)
        print(f"{head:,} events of {TASKS:,} tasks, made in {worked:.0f} s")
        rebuild(store, head, Path(name))
        look(store, head, Path(name))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
