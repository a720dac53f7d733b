"""
How an attempt is carried out in a simulation: the handler is really called, and time is virtual.
"""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Final, TypeAlias

from attrs import frozen

from azoth.clocks import Clock
from azoth_scheduler.execution import Attempt, Finished, carry_out, carry_out_async
from azoth_scheduler.handlers import is_coroutine_handler
from azoth_scheduler.simulation.looping import run_virtually
from azoth_scheduler.simulation.watching import watched

__all__ = ["Carry", "Virtually", "plainly"]

Carry: TypeAlias = Callable[[Attempt, Clock], tuple[Finished, int]]
"""Calls the handler; returns how it ended, and how many microseconds it has slept."""

_SECOND: Final = 1_000_000


def plainly(attempt: Attempt, clock: Clock) -> tuple[Finished, int]:
    """
    Call a handler that is known to take no time and to ask for none.
    """
    return carry_out(attempt, clock), 0


@frozen
class Virtually:
    """
    Call a user's handler: `ctx.sleep` and `asyncio.sleep` take virtual time.

    Attributes:
        real_time: Whether handlers may read the machine's clock and sleep by it.
    """

    real_time: bool

    def __call__(self, attempt: Attempt, clock: Clock) -> tuple[Finished, int]:
        """
        Call the handler.

        Raises:
            RealTimeUsed: It may not, and did.
        """
        slept = 0.0

        def sleep(seconds: float | None) -> bool:
            nonlocal slept
            slept += seconds or 0.0
            return attempt.context.cancelled

        attempt.context.stop.sleep_by(sleep)
        with nullcontext() if self.real_time else watched(attempt.handler):
            if is_coroutine_handler(attempt.handler):
                finished, elapsed = run_virtually(carry_out_async(attempt, clock))
                slept += elapsed
            else:
                finished = carry_out(attempt, clock)
        return finished, round(slept * _SECOND)
