"""
What the children of the scheduler's tests do.
"""

import os
import signal
from pathlib import Path
from random import Random
from threading import Event, Thread

from azoth.urls import open_store
from azoth_scheduler import (
    Immediate,
    Interval,
    RetryPolicy,
    Scheduler,
    ScheduleTaskRequest,
    SqliteScheduleProjection,
    TaskContext,
    TaskEvent,
    TaskHandler,
    ThreadExecutor,
)
from tests.support.children import say

__all__ = ["BATCH", "SLOTS", "Effects", "schedule_and_run", "work"]

BATCH = 5
"""Tasks that are scheduled in one commit."""

BATCHES = 12
"""Batches of one child, if it lives long enough."""

SLOTS = 4
"""Attempts that a worker runs at a time."""


class Effects(TaskHandler):
    """
    Leave a line in a file, and events in the log; fail at first, or wait, as the payload says.
    """

    task_type = "work"

    def __init__(self, folder: Path) -> None:
        self._file = os.open(folder / "effects", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def execute(self, ctx: TaskContext, payload: bytes) -> list[TaskEvent]:
        os.write(self._file, f"{ctx.execution_id}\n".encode())
        if payload == b"fails once" and not ctx.execution_attempt:
            raise ValueError("once")
        if payload == b"takes time":
            ctx.sleep(0.02)
        return [TaskEvent("made", payload), TaskEvent("told", stream=f"news-{ctx.task_id}")]


def schedule_and_run(folder: str, seed: int) -> None:
    """
    Schedule batch after batch, noting each one that the log has taken, and run what is due.
    """
    place = Path(folder)
    with open_store(f"sqlite:///{folder}/log.db") as store:
        scheduler = Scheduler(
            store,
            [Effects(place)],
            projection=SqliteScheduleProjection(place / "table.db"),
            executor=ThreadExecutor(),
            worker_id="worker",
            max_concurrent_tasks=SLOTS,
            max_lost=1_000,
        )
        scheduler.schedule_task(ScheduleTaskRequest("beat", "work", Interval(0.05)))
        Thread(target=_schedule, args=(scheduler, place, seed), daemon=True).start()
        say("up")
        scheduler.run()


def _schedule(scheduler: Scheduler, place: Path, seed: int) -> None:
    noted = os.open(place / "noted", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    random, pause = Random(seed), Event()
    quick = RetryPolicy(max_attempts=3, base=0.02)
    for number in range(BATCHES):
        batch = f"{seed}-{number}"
        payloads = random.choices([b"", b"fails once", b"takes time"], k=BATCH)
        scheduler.schedule_tasks(
            ScheduleTaskRequest(f"{batch}-{n}", "work", Immediate(), payload, retry=quick)
            for n, payload in enumerate(payloads)
        )
        os.write(noted, f"{batch}\n".encode())
        # Spread over the life of the child, which ends at some moment.
        pause.wait(0.01)


def work(folder: str, name: str) -> None:
    """
    Run what is due until asked to end.
    """
    place = Path(folder)
    with open_store(f"sqlite:///{folder}/log.db") as store:
        scheduler = Scheduler(
            store,
            [Effects(place)],
            executor=ThreadExecutor(),
            worker_id=name,
            max_concurrent_tasks=SLOTS,
            max_lost=1_000,
        )
        signal.signal(signal.SIGTERM, lambda *_: scheduler.shutdown(30))
        say("up")
        scheduler.run()
        say("ended")
