"""
What a handler raises to say how its attempt ends, where a plain failure would say too little.
"""

from datetime import timedelta

from azoth.clocks import Microseconds, microseconds_of

__all__ = ["Discard", "Retry", "Snooze"]


class Retry(Exception):
    """
    Fail, and be tried again after a wait of the handler's choice.

    It counts as a failure. `raise Retry(after=30) from error` keeps the reason.

    Args:
        after: Seconds, or a timedelta.
        reason: What went wrong.

    Raises:
        ValueError: *after* is negative, not finite, or over a hundred years.
        TypeError: It is no duration.
    """

    def __init__(self, after: timedelta | float, reason: str = "") -> None:
        self.after: Microseconds = microseconds_of(after, "after")
        self.reason = reason
        super().__init__(reason or f"to be tried again after {after}")


class Snooze(Exception):
    """
    Put the run off: it is no failure, and the next attempt comes after the wait.

    A run is put off at most `SNOOZES_MAX` times (`azoth_scheduler.attempts`).

    Args:
        after: Seconds, or a timedelta.
        reason: What it waits for.

    Raises:
        ValueError: *after* is negative, not finite, or over a hundred years.
        TypeError: It is no duration.
    """

    def __init__(self, after: timedelta | float, reason: str = "") -> None:
        self.after: Microseconds = microseconds_of(after, "after")
        self.reason = reason
        super().__init__(reason or f"put off for {after}")


class Discard(Exception):
    """
    Give the run up for good: it is neither a success nor tried again.

    A task that fires once is disabled, so that it does not look as if it had been done.

    Args:
        reason: Why it has become pointless.
    """

    def __init__(self, reason: str = "") -> None:
        self.reason = reason
        super().__init__(reason or "discarded")
