"""
Ask how many runs a second one scheduler makes, beside the raw `sqlite3` driver in the same run.

Each run is an immediate task that does nothing: a claim and an outcome, both durable. The raw
driver inserts two events of about that size for each run, in two commits for all slots, and decides
nothing.

    python benchmarks/runs.py [RUNS]
"""

import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter, process_time
from typing import Final

from azoth.store import EventStore
from azoth.urls import open_store
from azoth_scheduler import (
    Immediate,
    InlineExecutor,
    Scheduler,
    ScheduleTaskRequest,
    TaskContext,
    TaskHandler,
)

RUNS: Final = 10_000
SLOTS: Final = (1, 10, 100)
DATA: Final = b"x" * 300
"""As large as a claim, and a little smaller than an outcome."""

RAW_TABLE: Final = """
CREATE TABLE events (
    position INTEGER NOT NULL PRIMARY KEY, stream_id INTEGER NOT NULL, version INTEGER NOT NULL,
    type TEXT NOT NULL, schema INTEGER NOT NULL, recorded_at INTEGER NOT NULL,
    metadata BLOB NOT NULL, data BLOB NOT NULL, UNIQUE (stream_id, version)
)
"""
RAW_INSERT: Final = "INSERT INTO events VALUES (?, ?, ?, ?, 1, 1, x'', ?)"


class Nothing(TaskHandler):
    """
    Do nothing.
    """

    task_type = "nothing"

    def execute(self, ctx: TaskContext, payload: bytes) -> None:
        """
        Return at once.
        """


def raw_runs(path: Path, runs: int, slots: int) -> float:
    """
    Return how many runs a second the driver alone records.
    """
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(RAW_TABLE)
    began, position = perf_counter(), 0
    for first in range(0, runs, slots):
        for version, kind in ((1, "TaskRunStarted"), (2, "TaskExecuted")):
            tasks = range(first, min(first + slots, runs))
            rows = [(position + n, task, version, kind, DATA) for n, task in enumerate(tasks)]
            position += len(rows)
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(RAW_INSERT, rows)
            connection.execute("COMMIT")
    rate = runs / (perf_counter() - began)
    connection.close()
    return rate


def our_runs(store: EventStore, runs: int, slots: int) -> tuple[float, float]:
    """
    Return how many runs a second a scheduler makes inline, by the clock and by the processor.

    On a machine that others use too, the second tells what the first would be without them.
    """
    executor = InlineExecutor(slots)
    scheduler = Scheduler(store, [Nothing()], executor=executor, max_concurrent_tasks=slots)
    scheduler.schedule_tasks(
        ScheduleTaskRequest(f"task-{n}", "nothing", Immediate()) for n in range(runs)
    )
    began, worked = perf_counter(), process_time()
    scheduler.run_pending()
    rates = runs / (perf_counter() - began), runs / (process_time() - worked)
    assert scheduler.health().head == 3 * runs, "a run is missing, or came twice"
    scheduler.close()
    return rates


@contextmanager
def sqlite(options: str = "") -> Iterator[EventStore]:
    """
    Open an empty log in a file.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        open_store(f"sqlite:///{folder}/log.db{options}") as store,
    ):
        yield store


def main(runs: int) -> None:
    """
    Print the rates, a row for each number of slots.
    """
    print(f"{runs} runs, inline; runs/s, and in brackets per second of the processor")
    columns = ("raw sqlite3", "sqlite full", "sqlite normal", "memory")
    print(f"{'slots':>6}" + "".join(f"{column:>18}" for column in columns))
    for slots in SLOTS:
        with tempfile.TemporaryDirectory() as folder:
            shown = [f"{raw_runs(Path(folder) / 'raw.db', runs, slots):,.0f}"]
        for options in ("", "?durability=normal"):
            with sqlite(options) as store:
                shown.append("{:,.0f} ({:,.0f})".format(*our_runs(store, runs, slots)))
        with open_store("memory://") as store:
            shown.append("{:,.0f} ({:,.0f})".format(*our_runs(store, runs, slots)))
        print(f"{slots:6}" + "".join(f"{text:>18}" for text in shown))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else RUNS)
