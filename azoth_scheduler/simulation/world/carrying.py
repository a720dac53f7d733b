"""
How an attempt is carried out in a simulation: the handler is really called, and time is virtual.
"""

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from math import ceil
from typing import Final, TypeAlias

from attrs import evolve, frozen

from azoth.clocks import Clock
from azoth_scheduler.execution import Attempt, Finished, carry_out, carry_out_async, stopped
from azoth_scheduler.handlers import TaskHandler, is_coroutine_handler
from azoth_scheduler.simulation.world.looping import Suspended
from azoth_scheduler.simulation.world.watching import name_of, watched

__all__ = ["Carry", "Performance", "Virtually", "plainly"]

Performance: TypeAlias = Generator[int, bool, Finished]
"""A handler at work: yields how many microseconds it sleeps, and is sent whether to stop."""

Carry: TypeAlias = Callable[[Attempt, Clock], Performance]
"""Begins the work of an attempt."""

_SECOND: Final = 1_000_000
_TIMEOUT: Final = "timeout"


def plainly(attempt: Attempt, clock: Clock) -> Performance:
    """
    Call a handler that is known to take no time and to ask for none.
    """
    yield from ()
    finished = carry_out(attempt, clock)
    if finished.traceback is None:
        return finished
    # It names files and lines, and a run is the same on every machine.
    return evolve(finished, traceback=None)


@contextmanager
def _named(handler: TaskHandler) -> Generator[None, None, None]:
    # What a handler raises is in its result; this is about one that never goes on.
    try:
        yield
    except RuntimeError as error:
        raise RuntimeError(
            f"handler {name_of(handler)} of {handler.task_type!r}: {error}"
        ) from error


@frozen
class Virtually:
    """
    Call a user's handler: `ctx.sleep` and `asyncio.sleep` take virtual time.

    A coroutine stops at each `await` that waits, and goes on when its time has come. A plain
    function is called once and cannot be stopped half-way: what it sleeps is added up, at most up
    to its deadline, where it sees that it should stop; and its result waits for so long.

    Attributes:
        real_time: Whether handlers may read the machine's clock and sleep by it.
    """

    real_time: bool

    def __call__(self, attempt: Attempt, clock: Clock) -> Performance:
        """
        Begin an attempt.

        Raises:
            RealTimeUsed: The handler may not, and did.
        """
        if is_coroutine_handler(attempt.handler):
            return self._in_steps(attempt, clock)
        return self._at_once(attempt, clock)

    def _watching(self, attempt: Attempt) -> AbstractContextManager[None]:
        return nullcontext() if self.real_time else watched(attempt.handler)

    def _at_once(self, attempt: Attempt, clock: Clock) -> Performance:
        stop, slept = attempt.context.stop, 0
        left = max(0, attempt.deadline - clock.monotonic())

        def sleep(seconds: float | None) -> bool:
            nonlocal slept
            # Nobody but its deadline ends a wait without an end.
            slept += left if seconds is None else round(seconds * _SECOND)
            if slept >= left:
                slept = left
                stop.set(_TIMEOUT)
            return stop.is_set()

        stop.sleep_by(sleep)
        with self._watching(attempt):
            finished = carry_out(attempt, clock)
        if slept and (yield slept):
            return stopped(attempt, clock)
        return finished

    def _in_steps(self, attempt: Attempt, clock: Clock) -> Performance:
        attempt.context.stop.sleep_by(lambda _: attempt.context.cancelled)
        with Suspended(carry_out_async(attempt, clock)) as suspended:
            while True:
                with self._watching(attempt), _named(attempt.handler):
                    waits = suspended.go_on()
                if waits is None:
                    return suspended.result
                began = clock.monotonic()
                if (yield ceil(waits * _SECOND)):
                    suspended.cancel()
                suspended.pass_time((clock.monotonic() - began) / _SECOND)
