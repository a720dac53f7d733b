"""
Attempts in threads: the default, for handlers that wait for the world.
"""

from queue import SimpleQueue
from threading import Lock, Thread
from typing import TypeAlias

from azoth.clocks import Clock
from azoth_scheduler.execution import Attempt, carry_out
from azoth_scheduler.executors.base import Report

__all__ = ["ThreadExecutor"]

_Job: TypeAlias = tuple[Attempt, Clock, Report]


class ThreadExecutor:
    """
    Carry out attempts in daemon threads, which are kept for the next ones.

    A thread cannot be killed: past its deadline an attempt is told through its context, and its
    slot stays taken until it returns. The threads are daemons, so that a handler that hangs does
    not keep the program from ending; the pools of `concurrent.futures` would.
    """

    def __init__(self) -> None:
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._lock = Lock()
        self._threads = 0
        self._busy = 0

    @property
    def slots(self) -> None:
        """
        Return None: the scheduler's `max_concurrent_tasks` is the limit.
        """

    def submit(self, attempt: Attempt, clock: Clock, report: Report) -> None:
        """
        Hand *attempt* to an idle thread, or to a new one.
        """
        with self._lock:
            # Started first: where there is no room for a thread, nobody may find the attempt later.
            if self._busy >= self._threads:
                Thread(target=self._work, name="azoth-handler", daemon=True).start()
                self._threads += 1
            self._busy += 1
        self._jobs.put((attempt, clock, report))

    def close(self) -> None:
        """
        Let the threads end as soon as they are idle.
        """
        for _ in range(self._threads):
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            attempt, clock, report = job
            finished = carry_out(attempt, clock)
            with self._lock:
                self._busy -= 1
            report(finished)
