"""
Ask how fast a schedule table is rebuilt from a log, in which memory, and how far the past is.

A scheduler with a virtual clock makes the log: tasks at intervals and by cron, one in twenty runs
failing and tried again. Rates are by the processor's time, so that a busy machine shows the code's
own.

    python benchmarks/rebuild.py [EVENTS] [--log FILE]
"""

import resource
import tempfile
from argparse import ArgumentParser
from collections import deque
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from random import Random
from time import perf_counter, process_time
from typing import Final, TypeVar

from azoth import EventStore, open_store, replay
from azoth.copying import copy_log
from azoth.exporting import export_lines
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


def told(what: str, count: int, ask: Callable[[], T]) -> T:
    """
    Print how many events a second are done, and how much memory that takes at its peak.
    """
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    answer, worked, took = timed(ask)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    rate = f"{count / worked:10,.0f} events/s"
    print(f"{what:16}{rate}  {took:6.1f} s  {grown:+5.0f} MB at its peak", flush=True)
    return answer


def rebuild(store: EventStore, head: int, folder: Path) -> None:
    """
    Print the rates of both tables; the smaller one goes first, for its peak to be seen.
    """
    told("into SQLite", head, lambda: rebuild_table(store, folder / "table.db"))
    with closing(SqliteScheduleProjection(folder / "table.db")) as sqlite:
        table = told("into memory", head, lambda: replay(store, MemoryScheduleProjection()))
        assert sqlite.digest() == table.digest(), "the two tables differ"


def move(store: EventStore, head: int, folder: Path) -> None:
    """
    Print the rates of a copy, which is compared at its end, and of an export.
    """
    with open_store(f"sqlite:///{folder}/copy.db") as other:
        told("copy", head, lambda: copy_log(store, other))
    told("export", head, lambda: deque(export_lines(store), maxlen=0))


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


def main() -> None:
    """
    Print a line for each question.
    """
    parser = ArgumentParser()
    parser.add_argument("events", nargs="?", type=int, default=EVENTS)
    parser.add_argument("--log", type=Path, help="Keep the log here, and take the one that is.")
    arguments = parser.parse_args()
    clock = ManualClock()
    with tempfile.TemporaryDirectory() as name:
        log: Path = arguments.log or Path(name) / "log.db"
        made = log.exists()
        with open_store(f"sqlite:///{log}?durability=normal", clock=clock) as store:
            if not made:
                fill(store, clock, arguments.events)
            head = store.wait(0, 0)
            print(f"{head:,} events of {TASKS:,} tasks")
            rebuild(store, head, Path(name))
            move(store, head, Path(name))
            look(store, head, Path(name))


if __name__ == "__main__":
    main()
