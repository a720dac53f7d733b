"""
The port for executors: where an attempt runs, and how it is asked to stop.
"""

from collections.abc import Callable
from typing import Protocol, TypeAlias

from azoth.clocks import Clock
from azoth_scheduler.execution import Attempt, Ended

__all__ = ["Executor", "Report"]

Report: TypeAlias = Callable[[Ended], None]
"""Where an executor hands in how an attempt ended; it may be called from any thread."""


class Executor(Protocol):
    """
    Carry out attempts.
    """

    @property
    def slots(self) -> int | None:
        """
        Return how many attempts it takes at a time; None for any number.
        """
        ...

    def submit(self, attempt: Attempt, clock: Clock, report: Report) -> None:
        """
        Carry out *attempt* and report how it ended, exactly once, now or later.
        """
        ...

    def close(self) -> None:
        """
        Take nothing more and free what is idle; what runs is not waited for.
        """
        ...
