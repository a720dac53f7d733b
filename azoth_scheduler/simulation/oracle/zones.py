"""
What clocks in a zone show, found by asking the zone about each instant.
"""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

__all__ = [
    "clock_changes",
    "copies",
    "end_of_gap",
    "is_quiet",
    "local",
    "offset_at",
    "offsets_near",
    "spread",
]

_SECOND: Final = timedelta(seconds=1)
_MINUTE: Final = timedelta(minutes=1)
_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)


def local(instant: datetime, tz: str) -> datetime:
    """
    Return what a clock in the zone shows at an instant, as a naive datetime.
    """
    return instant.astimezone(ZoneInfo(tz)).replace(tzinfo=None, fold=0)


def offset_at(instant: datetime, tz: str) -> timedelta:
    """
    Return how far clocks in the zone are ahead of UTC at an instant.
    """
    return instant.astimezone(ZoneInfo(tz)).utcoffset() or timedelta()


def copies(reading: datetime, tz: str) -> list[datetime]:
    """
    Return the instants, none to two, at which a clock in the zone shows a reading.
    """
    as_utc = reading.replace(tzinfo=UTC)
    offsets = offsets_near(reading, tz)
    return sorted(as_utc - offset for offset in offsets if local(as_utc - offset, tz) == reading)


def spread(reading: datetime, tz: str) -> timedelta:
    """
    Return how far the offsets from UTC around a reading lie apart.
    """
    offsets = offsets_near(reading, tz)
    return max(offsets) - min(offsets)


def offsets_near(reading: datetime, tz: str) -> frozenset[timedelta]:
    """
    Return the offsets from UTC that a zone has around a reading of its clocks.

    Offsets lie from -12 to +14 hours, and no zone has changed its own twice in these 28 hours.
    """
    return _offsets_near(reading.replace(minute=0, second=0, microsecond=0), tz)


@lru_cache(maxsize=100_000)
def _offsets_near(hour: datetime, tz: str) -> frozenset[timedelta]:
    as_utc = hour.replace(tzinfo=UTC)
    return frozenset(offset_at(as_utc + n * _HOUR, tz) for n in (-15, 13))


@lru_cache(maxsize=10_000)
def end_of_gap(reading: datetime, tz: str) -> datetime:
    """
    Return the first instant at which a clock in the zone has passed a reading that it never shows.
    """
    when = reading.replace(tzinfo=UTC) - 26 * _HOUR
    for step in (_HOUR, _MINUTE, _SECOND):
        while local(when + step, tz) < reading:
            when += step
    return when + _SECOND


@lru_cache(maxsize=10_000)
def clock_changes(tz: str, first_year: int, last_year: int) -> tuple[datetime, ...]:
    """
    Return the instants at which a zone's offset from UTC changes, found by looking each third day.

    No zone has changed its own twice within six days.
    """
    found: list[datetime] = []
    when, end = datetime(first_year, 1, 1, tzinfo=UTC), datetime(last_year + 1, 1, 1, tzinfo=UTC)
    offset = offset_at(when, tz)
    while when < end:
        later = when + 3 * _DAY
        if offset_at(later, tz) != offset:
            for step in (_HOUR, _MINUTE, _SECOND):
                while offset_at(when + step, tz) == offset:
                    when += step
            found.append(when + _SECOND)
            offset = offset_at(later, tz)
        when = later
    return tuple(found)


def is_quiet(tz: str, since: datetime, until: datetime) -> bool:
    """
    Say whether clocks in the zone are changed neither between two instants nor two days around.
    """
    return _is_quiet(tz, since.date(), until.date())


@lru_cache(maxsize=10_000)
def _is_quiet(tz: str, first: date, last: date) -> bool:
    begin, end = first - 2 * _DAY, last + 3 * _DAY
    return not any(
        begin <= change.date() <= end
        for year in range(begin.year, end.year + 1)
        for change in clock_changes(tz, year, year)
    )
