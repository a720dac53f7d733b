"""
Attempts in the scheduler's own thread: nothing runs beside anything, so a run can be repeated.
"""

from azoth.clocks import Clock
from azoth.events import check_integer
from azoth_scheduler.execution import Attempt, carry_out
from azoth_scheduler.executors.base import Report

__all__ = ["InlineExecutor"]


class InlineExecutor:
    """
    Carry out each attempt within the scheduler's step, one after the other.

    Args:
        slots: How many attempts one step claims at a time: 1 keeps the log strictly in order,
            more share a commit.

    Raises:
        ValueError: *slots* is below 1.
    """

    def __init__(self, slots: int = 1) -> None:
        self._slots = check_integer(slots, "slots", low=1)

    @property
    def slots(self) -> int:
        """
        Return how many attempts it takes at a time.
        """
        return self._slots

    def submit(self, attempt: Attempt, clock: Clock, report: Report) -> None:
        """
        Carry out *attempt* before returning.
        """
        report(carry_out(attempt, clock))

    def close(self) -> None:
        """
        Do nothing: nothing is left running.
        """
