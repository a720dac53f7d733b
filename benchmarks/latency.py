"""
Ask how soon an idle scheduler starts what is scheduled, from the call to the handler's first line.

The floor is what cannot be left out: two commits with full sync by the raw `sqlite3` driver, one
for the schedule and one for the claim, and two hand-offs between threads.

    python benchmarks/latency.py [SCHEDULES]
"""

import sqlite3
import sys
import tempfile
from collections.abc import Sequence
from queue import SimpleQueue
from threading import Thread
from time import perf_counter, sleep
from typing import Final

from azoth.store import EventStore
from azoth.urls import open_store
from azoth_scheduler import (
    Immediate,
    Scheduler,
    ScheduleTaskRequest,
    TaskContext,
    TaskHandler,
)

SCHEDULES: Final = 300
WARM_UP: Final = 20
QUIET_SECONDS: Final = 0.01
"""Between two schedules, so that nobody is at work when the next one comes."""


class Stamping(TaskHandler):
    """
    Say when it was started.
    """

    task_type = "stamp"

    def __init__(self) -> None:
        self.started: SimpleQueue[float] = SimpleQueue()

    def execute(self, ctx: TaskContext, payload: bytes) -> None:  # noqa: ARG002 - it is the port's
        """
        Note the time.
        """
        self.started.put(perf_counter())


def our_latencies(store: EventStore, count: int) -> list[float]:
    """
    Return the seconds from schedule to start, of tasks that were scheduled one by one.
    """
    handler = Stamping()
    scheduler = Scheduler(store, [handler])
    running = Thread(target=scheduler.run)
    running.start()
    found: list[float] = []
    for number in range(WARM_UP + count):
        sleep(QUIET_SECONDS)
        began = perf_counter()
        scheduler.schedule_task(ScheduleTaskRequest(f"task-{number}", "stamp", Immediate()))
        found.append(handler.started.get(timeout=30) - began)
    scheduler.shutdown()
    running.join()
    scheduler.close()
    return found[WARM_UP:]


def raw_latencies(path: str, count: int) -> list[float]:
    """
    Return the seconds that two commits and two hand-offs take.
    """
    work: SimpleQueue[float | None] = SimpleQueue()
    started: SimpleQueue[float] = SimpleQueue()
    done: SimpleQueue[float] = SimpleQueue()

    def claim() -> None:
        connection = connect(path)
        while (began := work.get()) is not None:
            connection.execute("INSERT INTO events (data) VALUES (zeroblob(300))")
            started.put(began)
        connection.close()

    def handle() -> None:
        for _ in range(count):
            began = started.get()
            done.put(perf_counter() - began)

    connection = connect(path)
    threads = [Thread(target=claim), Thread(target=handle)]
    for thread in threads:
        thread.start()
    found: list[float] = []
    for _ in range(count):
        sleep(QUIET_SECONDS)
        began = perf_counter()
        connection.execute("INSERT INTO events (data) VALUES (zeroblob(300))")
        work.put(began)
        found.append(done.get())
    work.put(None)
    for thread in threads:
        thread.join()
    connection.close()
    return found


def connect(path: str) -> sqlite3.Connection:
    """
    Open the raw driver's file.
    """
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE IF NOT EXISTS events (id INTEGER PRIMARY KEY, data BLOB)")
    return connection


def show(name: str, seconds: Sequence[float]) -> None:
    """
    Print the middle and the tail of some times.
    """
    ordered = sorted(seconds)
    middle, tail = (ordered[int(part * (len(ordered) - 1))] * 1_000 for part in (0.5, 0.99))
    print(f"{name:28} {middle:8.2f} {tail:8.2f} {ordered[-1] * 1_000:8.2f}")


def main(count: int) -> None:
    """
    Print how long each takes.
    """
    print(f"{count} schedules, one by one, in threads; ms    p50      p99      max")
    with tempfile.TemporaryDirectory() as folder:
        show("floor: raw sqlite3, full", raw_latencies(f"{folder}/raw.db", count))
        with open_store(f"sqlite:///{folder}/log.db") as store:
            show("sqlite, full", our_latencies(store, count))
    with open_store("memory://") as store:
        show("memory", our_latencies(store, count))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else SCHEDULES)
