"""
Readings of a wall clock: which of them the six fields name, time zones left aside.

A reading is a whole number of seconds since a local 1970-01-01 00:00.
"""

from typing import Final

from azoth_scheduler._cron.days import DayRule
from azoth_scheduler._cron.fields import CronFields

DAY_SECONDS: Final = 86_400
"""Seconds of a day on a wall clock."""


class LocalTimes:
    """
    Find and count the local readings that an expression names.
    """

    __slots__ = (
        "_days",
        "_first_of_day",
        "_first_of_minute",
        "_last_of_day",
        "_minutes",
        "_seconds",
    )

    def __init__(self, fields: CronFields, days: DayRule) -> None:
        self._days = days
        self._seconds = fields.seconds
        # The minutes of a day that are named, bits 0 to 1,439: one shift finds the next of them.
        self._minutes = sum(
            fields.minutes << 60 * hour for hour in range(24) if fields.hours >> hour & 1
        )
        self._first_of_minute = _lowest(fields.seconds)
        self._first_of_day = _lowest(self._minutes) * 60 + self._first_of_minute
        self._last_of_day = _highest(self._minutes) * 60 + _highest(fields.seconds)

    def first(self, local: int) -> int | None:
        """
        Return the first reading at or after another, or None if the year 9999 has none.
        """
        day, second = divmod(local, DAY_SECONDS)
        if second > self._last_of_day:
            day, second = day + 1, 0
        found = self._days.first(day)
        if found is None:
            return None
        if found > day or second <= self._first_of_day:
            return found * DAY_SECONDS + self._first_of_day
        return day * DAY_SECONDS + self._of_day(second)

    def count(self, begin: int, end: int) -> int:
        """
        Count the readings from *begin* up to *end*, itself outside.
        """
        if begin >= end:
            return 0
        first_day, first_second = divmod(begin, DAY_SECONDS)
        last_day, last_second = divmod(end, DAY_SECONDS)
        count = self._days.count(first_day, last_day) * self._before(DAY_SECONDS)
        if first_second and self._days.first(first_day) == first_day:
            count -= self._before(first_second)
        if last_second and self._days.first(last_day) == last_day:
            count += self._before(last_second)
        return count

    def _of_day(self, second: int) -> int:
        """
        Return the first second of a day at or after one that is not beyond the day's last.
        """
        minute, second_of_minute = divmod(second, 60)
        minutes = self._minutes >> minute
        if minutes & 1:
            seconds = self._seconds >> second_of_minute
            if seconds:
                return second + _lowest(seconds)
            minutes -= 1
        return (minute + _lowest(minutes)) * 60 + self._first_of_minute

    def _before(self, second: int) -> int:
        """
        Count the seconds of a day before one.
        """
        minute, second_of_minute = divmod(second, 60)
        count = _below(self._minutes, minute) * self._seconds.bit_count()
        if self._minutes >> minute & 1:
            count += _below(self._seconds, second_of_minute)
        return count


def _lowest(bits: int) -> int:
    return (bits & -bits).bit_length() - 1


def _highest(bits: int) -> int:
    return bits.bit_length() - 1


def _below(bits: int, number: int) -> int:
    return (bits & (1 << number) - 1).bit_count()
