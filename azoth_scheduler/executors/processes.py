"""
Attempts in processes: for handlers that compute, or that have to be killed.
"""

import os
import pickle
import signal
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from logging import getLogger
from multiprocessing import get_context
from multiprocessing.connection import wait
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Final, TypeAlias

from attrs import evolve, fields

from azoth.clocks import Clock, Microseconds, microseconds_of
from azoth.events import check_integer
from azoth_scheduler.context import TaskContext
from azoth_scheduler.errors import InvalidTask
from azoth_scheduler.execution import Attempt, Dropped, Ended, Finished, failed, stopped
from azoth_scheduler.executors.base import Report
from azoth_scheduler.executors.child import Job, StopAsked, serve
from azoth_scheduler.handlers import Handlers

__all__ = ["ProcessExecutor"]

_logger: Final = getLogger("azoth_scheduler")

_Job: TypeAlias = tuple[Attempt, Clock, Report]

# A fork copies locks that another thread may hold; a spawned process begins with nothing.
_SPAWN: Final = get_context("spawn")

_FACTS: Final = tuple(one.name for one in fields(TaskContext) if one.name not in ("logger", "stop"))


class ProcessExecutor:
    """
    Carry out attempts in worker processes, which are kept for the next ones.

    At its deadline an attempt is killed, with what it has started. One that is cancelled, or asked
    to stop at a shutdown, has *grace* to end by itself before it is. A process that dies of
    something else is a lost attempt, not a failed one. Handlers, payloads and results cross as
    bytes: a handler is pickled, so its class stands in a module, and a program that is run as a
    script guards its start by `if __name__ == "__main__":`.

    Args:
        processes: How many there are at most; one for each processor where nothing is said.
        grace: Seconds that a handler has to end by itself.
        initializer: Called first in each process, as to set logging up there.

    Raises:
        ValueError: *processes* is below 1, or *grace* is negative.
    """

    def __init__(
        self,
        processes: int | None = None,
        *,
        grace: timedelta | float = 5.0,
        initializer: Callable[[], object] | None = None,
    ) -> None:
        most = os.cpu_count() or 1 if processes is None else processes
        self._slots = check_integer(most, "processes", low=1)
        self._grace = microseconds_of(grace, "grace") / 1_000_000
        self._initializer = initializer
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._lock = Lock()
        self._threads = 0
        self._busy = 0

    @property
    def slots(self) -> int:
        """
        Return how many attempts it takes at a time.
        """
        return self._slots

    def check_handlers(self, handlers: Handlers) -> None:
        """
        Refuse a handler that cannot cross into a process, or the middleware around it.

        Raises:
            InvalidTask: It cannot be pickled.
        """
        for task_type, handler in handlers.items():
            try:
                pickle.dumps((handler, handlers.middleware))
            except Exception as error:
                raise InvalidTask(
                    reason=f"the handler of {task_type!r} cannot cross into a process: {error}; "
                    "define its class in a module and let it open what it needs in execute, or "
                    "give the scheduler another executor"
                ) from error

    def submit(self, attempt: Attempt, clock: Clock, report: Report) -> None:
        """
        Hand *attempt* to an idle process, or to a new one.
        """
        with self._lock:
            # Started first, as in `ThreadExecutor`: a thread stands for each process here.
            if self._busy >= self._threads:
                Thread(target=self._work, name="azoth-process", daemon=True).start()
                self._threads += 1
            self._busy += 1
        self._jobs.put((attempt, clock, report))

    def close(self) -> None:
        """
        Let the processes end as soon as they are idle.
        """
        for _ in range(self._threads):
            self._jobs.put(None)

    def _work(self) -> None:
        child: _Child | None = None
        while (job := self._jobs.get()) is not None:
            attempt, clock, report = job
            try:
                if child is None or child.gone:
                    child = _Child(self._initializer)
                ended = child.carry_out(attempt, clock, self._grace)
            except Exception as error:
                _logger.exception("attempt not carried out")
                reason = f"no process carried it out: {error!r:.200}"
                ended = Dropped(fence=attempt.fence, reason=reason, given_back=False)
            with self._lock:
                self._busy -= 1
            report(ended)
        if child is not None:
            child.kill()


class _Child:
    # One process, as the thread sees it that waits for it.

    def __init__(self, initializer: Callable[[], object] | None) -> None:
        self.gone = False
        self._ringing = Lock()
        self._bell, self._button = _SPAWN.Pipe(duplex=False)
        self._line, theirs = _SPAWN.Pipe()
        # At the end of the program those that are left are ended, not waited for.
        self._process = _SPAWN.Process(target=serve, args=(theirs, initializer), daemon=True)
        self._process.start()
        theirs.close()
        self._is_up = False

    def carry_out(self, attempt: Attempt, clock: Clock, grace: float) -> Ended:
        try:
            job = pickle.dumps(_job(attempt))
        except Exception as error:  # noqa: BLE001 - what a handler holds now is its own affair
            return failed(attempt.fence, clock, attempt.started, error)
        attempt.context.stop.on_set(self._ring)
        self._is_up = self._is_up or self._hear(attempt, clock, grace) is not None
        if self._is_up and attempt.context.cancelled:
            return stopped(attempt, clock)
        told = self._hear(attempt, clock, grace) if self._is_up and self._tell(job) else None
        if told is not None:
            return _timed(pickle.loads(told), attempt, clock)  # noqa: S301 - our child's
        self.kill()
        if attempt.context.cancelled:
            return stopped(attempt, clock)
        return Dropped(fence=attempt.fence, reason=self._last_words(), given_back=False)

    def kill(self) -> None:
        self.gone = True
        assert self._process.pid is not None, "it was started"
        # Before it is reaped: until then its number is nobody else's.
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        self._process.join()
        with self._ringing:
            for end in (self._bell, self._button, self._line):
                end.close()

    def _ring(self) -> None:
        # From whatever thread, and perhaps long after the attempt.
        with self._ringing, suppress(OSError):
            self._button.send_bytes(b"")

    def _tell(self, message: bytes) -> bool:
        try:
            self._line.send_bytes(message)
        except OSError:
            return False
        return True

    def _hear(self, attempt: Attempt, clock: Clock, grace: float) -> bytes | None:
        """
        Return what the process says; None if it is gone, or has to go.
        """
        left: float | None = None
        while True:
            ready = wait([self._line, self._bell, self._process.sentinel], left)
            if self._line in ready:
                try:
                    return self._line.recv_bytes()
                except (EOFError, OSError):
                    return None
            if self._bell in ready:
                # An attempt that is over may have rung it.
                self._bell.recv_bytes()
            elif attempt.context.cancelled or self._process.sentinel in ready:
                return None
            if attempt.context.cancelled and left is None:
                if clock.monotonic() >= attempt.deadline:
                    return None
                self._tell(pickle.dumps(StopAsked(attempt.context.stop.reason)))
                left = grace

    def _last_words(self) -> str:
        code = self._process.exitcode or 0
        if code >= 0:
            return f"its process ended with exit code {code}"
        return f"its process was killed by {signal.Signals(-code).name}"


def _job(attempt: Attempt) -> Job:
    return Job(
        fence=attempt.fence,
        task_type=attempt.handler.task_type,
        handler=pickle.dumps((attempt.handler, attempt.middleware)),
        facts={name: getattr(attempt.context, name) for name in _FACTS},
        payload=attempt.payload,
    )


def _timed(finished: Finished, attempt: Attempt, clock: Clock) -> Finished:
    # By the scheduler's own clock, which need not be the one that a process has.
    duration = Microseconds(clock.monotonic() - attempt.started)
    return evolve(finished, completed_at=clock.now(), duration=duration)
