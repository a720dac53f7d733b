"""
The inside of a worker process: attempts come in as bytes and go out as bytes, one after the other.
"""

import os
import pickle
import signal
from collections.abc import Callable, Mapping
from logging import LoggerAdapter, getLogger
from multiprocessing.connection import Connection
from queue import SimpleQueue
from threading import Thread
from typing import Any, Final, TypeAlias, cast

from attrs import frozen

from azoth.clocks import Clock, SystemClock
from azoth_scheduler.context import StopSignal, TaskContext
from azoth_scheduler.execution import Attempt, Fence, carry_out, failed
from azoth_scheduler.handlers import TaskHandler
from azoth_scheduler.middleware import Middleware

__all__ = ["Job", "StopAsked", "serve"]


@frozen(kw_only=True)
class Job:
    """
    Hold an attempt as it crosses into a process.

    Attributes:
        handler: The handler and its middleware, pickled; the same bytes as before are the same
            objects inside.
        facts: The fields of the context that are plain values.
    """

    fence: Fence
    task_type: str
    handler: bytes
    facts: Mapping[str, Any]
    payload: bytes


@frozen
class StopAsked:
    """
    Ask the attempt that is under way to stop.
    """

    reason: str


_Told: TypeAlias = Job | StopAsked
_Loaded: TypeAlias = tuple[TaskHandler, tuple[Middleware, ...]]

_logger: Final = getLogger("azoth_scheduler")


def serve(connection: "Connection[bytes, bytes]", initializer: Callable[[], object] | None) -> None:
    """
    Carry out what comes, until nobody is at the other end.
    """
    # A group of its own: Ctrl-C is for the scheduler, and a kill takes what handlers started too.
    os.setpgrp()
    inside = _Inside(connection)
    if initializer is not None:
        initializer()
    Thread(target=inside.listen, name="azoth-listener", daemon=True).start()
    inside.work()


class _Inside:
    def __init__(self, connection: "Connection[bytes, bytes]") -> None:
        self._connection = connection
        self._jobs: SimpleQueue[tuple[Job, StopSignal]] = SimpleQueue()
        self._clock: Final[Clock] = SystemClock()
        # Of each type the latest: a handler keeps what it has loaded from one attempt to the next.
        self._handlers: dict[str, tuple[bytes, _Loaded]] = {}

    def listen(self) -> None:
        stop = StopSignal()
        while True:
            try:
                told: _Told = pickle.loads(self._connection.recv_bytes())  # noqa: S301 - our parent's
            except (EOFError, OSError):
                # Whoever would record the outcome is gone, so nothing here may go on.
                os.killpg(0, signal.SIGKILL)
                return
            if isinstance(told, StopAsked):
                stop.set(told.reason)
            else:
                stop = StopSignal()
                self._jobs.put((told, stop))

    def work(self) -> None:
        self._connection.send_bytes(b"")
        while True:
            job, stop = self._jobs.get()
            self._connection.send_bytes(self._carried_out(job, stop))

    def _carried_out(self, job: Job, stop: StopSignal) -> bytes:
        began = self._clock.monotonic()
        try:
            handler, middleware = self._loaded(job)
            attempt = Attempt(
                fence=job.fence,
                handler=handler,
                middleware=middleware,
                context=_context(job, stop),
                payload=job.payload,
                started=began,
            )
            return pickle.dumps(carry_out(attempt, self._clock))
        except BaseException as error:  # noqa: BLE001 - no operator can reach this process
            return pickle.dumps(failed(job.fence, self._clock, began, error))

    def _loaded(self, job: Job) -> _Loaded:
        known = self._handlers.get(job.task_type)
        if known is None or known[0] != job.handler:
            known = job.handler, cast("_Loaded", pickle.loads(job.handler))  # noqa: S301 - likewise
            self._handlers[job.task_type] = known
        return known[1]


def _context(job: Job, stop: StopSignal) -> TaskContext:
    names = ("task_id", "run_id", "execution_id")
    ids = {name: job.facts[name] for name in names}
    return TaskContext(**job.facts, logger=LoggerAdapter(_logger, ids), stop=stop)
