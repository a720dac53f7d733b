"""
Time as an argument: instants, durations, and the clock that is injected.

An `Instant` is a whole number of microseconds since the Unix epoch in UTC, so that comparing,
hashing and storing it is exact. The public API takes and returns aware `datetime` and `timedelta`;
a plain number of seconds is accepted wherever a duration is.
"""

import time
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Final, NewType, Protocol, runtime_checkable

__all__ = [
    "DURATION_MAX",
    "INSTANT_MAX",
    "Clock",
    "Instant",
    "Microseconds",
    "SystemClock",
    "datetime_of",
    "instant_of",
    "microseconds_of",
    "timedelta_of",
]

Instant = NewType("Instant", int)
"""Microseconds since 1970-01-01T00:00:00 UTC."""

Microseconds = NewType("Microseconds", int)
"""A span of time in microseconds."""

INSTANT_MAX: Final = Instant(253_402_300_799_999_999)
"""The last microsecond of the year 9999: a `datetime` holds no later one."""

DURATION_MAX: Final = Microseconds(100 * 366 * 86_400 * 1_000_000)
"""A hundred years: longer waits are mistakes, and any sum of two stays a 64-bit number."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


@runtime_checkable
class Clock(Protocol):
    """
    Tell the time; the only source of it in a process.
    """

    def now(self) -> Instant:
        """
        Return the wall-clock time; it may step back.
        """
        ...

    def monotonic(self) -> Microseconds:
        """
        Return a time that never goes back; only differences have a meaning.
        """
        ...


class SystemClock:
    """
    Be the machine's clock.
    """

    def now(self) -> Instant:
        """
        Return the machine's wall-clock time.
        """
        return Instant(time.time_ns() // 1_000)

    def monotonic(self) -> Microseconds:
        """
        Return the machine's monotonic time.
        """
        return Microseconds(time.monotonic_ns() // 1_000)


def instant_of(when: datetime) -> Instant:
    """
    Return the instant of an aware datetime.

    Args:
        when: A datetime with a time zone, from 1970 to 9999.

    Returns:
        Microseconds since the epoch, UTC; exact, the fold respected.

    Raises:
        TypeError: *when* is not a datetime.
        ValueError: *when* is naive or before 1970.
    """
    if not isinstance(when, datetime):
        raise TypeError(f"expected an aware datetime, got {when!r}")
    if when.utcoffset() is None:
        raise ValueError(f"{when!r} has no time zone; write {when!r}.replace(tzinfo=UTC)")
    instant = (when - _EPOCH) // _MICROSECOND
    if instant < 0:
        raise ValueError(f"{when.isoformat()} lies before 1970, where instants begin")
    return Instant(instant)


def datetime_of(instant: Instant) -> datetime:
    """
    Return an instant as a datetime in UTC.
    """
    return _EPOCH + timedelta(microseconds=instant)


def microseconds_of(duration: timedelta | float, what: str = "duration") -> Microseconds:
    """
    Return a duration in microseconds.

    Args:
        duration: A timedelta, or a number of seconds (rounded to a microsecond).
        what: The name that an error gives it.

    Raises:
        TypeError: *duration* is no timedelta and no number; a bool is no number.
        ValueError: It is negative, NaN, infinite, or longer than `DURATION_MAX`.
    """
    if isinstance(duration, bool) or not isinstance(duration, timedelta | int | float):
        raise TypeError(f"{what} is a timedelta or a number of seconds, not {duration!r}")
    if isinstance(duration, float) and not isfinite(duration):
        raise ValueError(f"{what} is {duration}; give a finite number of seconds")
    if isinstance(duration, timedelta):
        micros = duration // _MICROSECOND
    else:
        micros = round(duration * 1_000_000)
    if not 0 <= micros <= DURATION_MAX:
        raise ValueError(
            f"{what} is {duration}; give one from 0 to {DURATION_MAX // 1_000_000} s (100 years)"
        )
    return Microseconds(micros)


def timedelta_of(duration: Microseconds) -> timedelta:
    """
    Return a span in microseconds as a timedelta.
    """
    return timedelta(microseconds=duration)
