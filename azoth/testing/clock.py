"""
A clock that stands still until it is moved.
"""

from datetime import UTC, datetime, timedelta
from threading import Lock

from azoth.clocks import Instant, Microseconds, datetime_of, instant_of, microseconds_of

__all__ = ["ManualClock"]


class ManualClock:
    """
    Be a clock for tests: time passes when `advance` is called, and only then.

    Args:
        start: The wall-clock time it begins at.

    Example:
        >>> clock = ManualClock()
        >>> before = clock.now()
        >>> clock.advance(1.5)
        >>> clock.now() - before
        1500000
    """

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._lock = Lock()
        self._now = instant_of(start)
        self._monotonic = Microseconds(0)

    def __repr__(self) -> str:
        return f"ManualClock({datetime_of(self._now).isoformat()})"

    def now(self) -> Instant:
        """
        Return the wall-clock time.
        """
        return self._now

    def monotonic(self) -> Microseconds:
        """
        Return the time that passed since the clock was made.
        """
        return self._monotonic

    def advance(self, duration: timedelta | float) -> None:
        """
        Let time pass.
        """
        span = microseconds_of(duration)
        with self._lock:
            self._now = Instant(self._now + span)
            self._monotonic = Microseconds(self._monotonic + span)

    def set(self, when: datetime) -> None:
        """
        Set the wall clock, also back; no time passes, as when an operator corrects a clock.
        """
        with self._lock:
            self._now = instant_of(when)
