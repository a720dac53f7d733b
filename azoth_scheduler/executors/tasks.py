"""
Attempts as tasks of an event loop: for handlers that are coroutine functions.
"""

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from functools import partial
from threading import Lock, Thread
from typing import Final

from azoth.clocks import Clock
from azoth_scheduler.execution import Attempt, Dropped, Fence, Finished, carry_out_async, stopped
from azoth_scheduler.executors.base import Report
from azoth_scheduler.executors.threads import ThreadExecutor
from azoth_scheduler.handlers import is_coroutine_handler

__all__ = ["AsyncExecutor"]


class AsyncExecutor:
    """
    Carry out coroutine handlers on an event loop, and plain ones in threads.

    An attempt that is cancelled, times out, or is asked to stop at a shutdown gets a
    `CancelledError` at its next `await`; what it does then is its end. The loop is one of its own,
    in a thread of its own, unless the scheduler runs by `arun`: then it is the application's.
    """

    def __init__(self) -> None:
        self._threads = ThreadExecutor()
        self._lock = Lock()
        self._own: _OwnLoop | None = None
        self._theirs: asyncio.AbstractEventLoop | None = None
        # A loop holds its tasks weakly.
        self._tasks: set[asyncio.Task[Finished]] = set()

    @property
    def slots(self) -> None:
        """
        Return None: the scheduler's `max_concurrent_tasks` is the limit.
        """

    def submit(self, attempt: Attempt, clock: Clock, report: Report) -> None:
        """
        Make *attempt* a task of the loop, or hand it to a thread.
        """
        if not is_coroutine_handler(attempt.handler):
            self._threads.submit(attempt, clock, report)
            return
        with self._lock:
            if self._theirs is None and self._own is None:
                self._own = _OwnLoop()
            loop = self._own.loop if self._theirs is None and self._own else self._theirs
        assert loop is not None, "there is one of its own, or theirs"
        loop.call_soon_threadsafe(self._begin, loop, attempt, clock, report)

    @contextmanager
    def on_loop(self, loop: asyncio.AbstractEventLoop) -> Generator[None, None, None]:
        """
        Carry out attempts on an application's *loop* meanwhile.
        """
        self._theirs = loop
        try:
            yield
        finally:
            self._theirs = None

    def close(self) -> None:
        """
        Take nothing more; the loop ends with the last of its tasks.
        """
        self._threads.close()
        with self._lock:
            own, self._own = self._own, None
        if own is not None:
            own.end()

    def _begin(
        self, loop: asyncio.AbstractEventLoop, attempt: Attempt, clock: Clock, report: Report
    ) -> None:
        if attempt.context.cancelled:
            report(stopped(attempt, clock))
            return
        task = loop.create_task(carry_out_async(attempt, clock), name=attempt.context.execution_id)
        self._tasks.add(task)
        task.add_done_callback(partial(self._done, attempt.fence, report))
        # From whatever thread. A loop that is closed has cancelled its tasks.
        attempt.context.stop.on_set(lambda: _call_soon(loop, task.cancel))

    def _done(self, fence: Fence, report: Report, task: "asyncio.Task[Finished]") -> None:
        self._tasks.discard(task)
        if task.cancelled() or task.exception() is not None:
            report(Dropped(fence=fence, reason="its event loop ended", given_back=True))
        else:
            report(task.result())


class _OwnLoop:
    # A loop in a daemon thread, so that a handler that hangs does not keep the program from ending.

    def __init__(self) -> None:
        self.loop: Final = asyncio.new_event_loop()
        Thread(target=self._run, name="azoth-loop", daemon=True).start()

    def end(self) -> None:
        _call_soon(self.loop, self._end)

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_forever()
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        finally:
            self.loop.close()

    def _end(self) -> None:
        # The last of the tasks, those that handlers began included, stops the loop.
        left = asyncio.all_tasks(self.loop)
        if not left:
            self.loop.stop()
        for task in left:
            task.add_done_callback(lambda _: self.loop.call_soon(self._end))


def _call_soon(loop: asyncio.AbstractEventLoop, call: Callable[[], object]) -> None:
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(call)
