"""
The process that is killed: `python -m azoth_scheduler.demo.worker URL TABLE`.

It is an ordinary worker: a scheduler with handlers, and beside it an event processor. SIGTERM lets
it end what runs; so does the end of its standard input, which comes when whoever started it dies.
"""

import os
import signal
import sys
from threading import Event, Thread
from typing import Final

from azoth import EventProcessor, EventStore, open_store
from azoth_scheduler import Scheduler, SqliteScheduleProjection
from azoth_scheduler.demo.handlers import demo_handlers
from azoth_scheduler.demo.samples import CONSUMER, NoteLoad

__all__ = ["GRACE_SECONDS", "SLOTS", "main", "work"]

GRACE_SECONDS: Final = 10.0
"""So long may what runs go on after the worker was asked to end."""

SLOTS: Final = 8
"""Attempts at a time: so many can be running when the worker is killed."""

_STDIN: Final = 0


def main(arguments: list[str]) -> None:
    """
    Work on a log until a signal or the end of the input.

    Args:
        arguments: The log's URL, and the file of the schedule table.
    """
    url, table = arguments
    with (
        open_store(url) as store,
        Scheduler(
            store,
            demo_handlers(),
            projection=SqliteScheduleProjection(table),
            worker_id="demo",
            max_concurrent_tasks=SLOTS,
        ) as scheduler,
    ):
        signal.signal(signal.SIGTERM, lambda _number, _frame: scheduler.shutdown(GRACE_SECONDS))
        Thread(target=_end_with_input, args=(scheduler,), daemon=True).start()
        work(store, scheduler)


def work(store: EventStore, scheduler: Scheduler) -> None:
    """
    Run *scheduler* until it is shut down, and answer the samples meanwhile; none stays unanswered.
    """
    processor, stop = EventProcessor(store, [NoteLoad(store)], name=CONSUMER), Event()
    noting = Thread(target=processor.run, args=(stop,), name="azoth-demo-notes", daemon=True)
    noting.start()
    scheduler.run()
    stop.set()
    noting.join()
    processor.catch_up()


def _end_with_input(scheduler: Scheduler) -> None:
    # Not through `sys.stdin`: its lock, held by a daemon thread, would crash the interpreter's end.
    while os.read(_STDIN, 1024):
        pass
    scheduler.shutdown(GRACE_SECONDS)


if __name__ == "__main__":
    main(sys.argv[1:])
