"""
From day fields to days: which days of a month an expression names, by the shape of the month.

A month has one of 28 shapes: its length, and the weekday of its first day. That is all a day rule
can depend on, so each shape's answer is computed once and kept.
"""

from datetime import date
from typing import Final, Literal, assert_never

from azoth_scheduler._cron.fields import CronFields

DayMatch = Literal["and", "or"]
"""Whether both day fields must match, or either."""

Combination = Literal["and", "or", "days", "weekdays"]
"""How the two day fields make one answer; `days` and `weekdays` leave the other out."""

_EPOCH_ORDINAL: Final = date(1970, 1, 1).toordinal()
_DAY_LAST: Final = date.max.toordinal() - _EPOCH_ORDINAL
_SUNDAY, _SATURDAY = 0, 6
# Bits 0, 7, 14, 21, 28: multiplying repeats a week's pattern over a month.
_EACH_WEEK: Final = 0x10204081
_LENGTHS: Final = (0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_EVERY_DAY: Final = 0xFFFFFFFE
_EVERY_MONTH: Final = 0x1FFE


class DayRule:
    """
    Find the days that an expression's day-of-month, month and day-of-week fields name.

    Attributes:
        combine: How the two day fields make one answer.
    """

    __slots__ = ("_every_day", "_fields", "_months", "_searched", "_shapes", "combine")

    def __init__(self, fields: CronFields, day_match: DayMatch | None) -> None:
        self._fields = fields
        self._months = fields.months
        self.combine: Combination = _combination(fields, day_match)
        self._every_day = fields.months == _EVERY_MONTH and fields.is_bare(3) and fields.is_bare(5)
        self._shapes: dict[int, int] = {}
        # The months last searched: their first day, the first day after them, and the days named.
        # One tuple, so that threads that share the rule never see half of a change.
        self._searched: tuple[int, int, int] = (0, 0, 0)

    def ever_matches(self) -> bool:
        """
        Return whether any day of the calendar, which repeats after 400 years, is named.

        In those 400 years each month, and February in both its lengths, begins on each weekday.
        """
        return any(
            self._days(weekday, length)
            for month in range(1, 13)
            if self._months >> month & 1
            for length in ((29, 28) if month == 2 else (_LENGTHS[month],))
            for weekday in range(7)
        )

    def first(self, day: int) -> int | None:
        """
        Return the first day named at or after a day, both as days since 1970-01-01.

        Returns:
            A day, or None if the calendar ends before, with the year 9999.
        """
        if self._every_day:
            return day if day <= _DAY_LAST else None
        begin, end, named = self._searched
        if begin <= day < end:
            # Who asks on asks from about the last answer on, and most often finds it here.
            found = named >> day - begin
            if found:
                return day + (found & -found).bit_length() - 1
        return self._search(day)

    def count(self, begin: int, end: int) -> int:
        """
        Count the days named from *begin* up to *end*, itself outside.
        """
        if self._every_day:
            return max(0, end - begin)
        count = 0
        day = self.first(begin)
        while day is not None and day < end:
            start = date.fromordinal(day + _EPOCH_ORDINAL)
            next_month = day - start.day + 1 + _length(start.year, start.month)
            days = self._of_month(day - start.day + 1, start.year, start.month) >> start.day
            if end < next_month:
                days &= (1 << end - day) - 1
            count += days.bit_count()
            day = self.first(next_month)
        return count

    def _search(self, day: int) -> int | None:
        if day > _DAY_LAST:
            return None
        start = date.fromordinal(day + _EPOCH_ORDINAL)
        year, month = start.year, start.month
        begin = month_start = day - start.day + 1
        days = self._of_month(begin, year, month) if self._months >> month & 1 else 0
        found = days >> start.day << start.day
        while not found:
            later = self._months >> (month + 1)
            if later:
                month += (later & -later).bit_length()
            else:
                month = (self._months & -self._months).bit_length() - 1
                year += 1
                if year > date.max.year:
                    return None
            month_start = date(year, month, 1).toordinal() - _EPOCH_ORDINAL
            found = self._of_month(month_start, year, month)
        if month_start != begin:
            days |= found << month_start - begin
        # A month's bits count from 1.
        self._searched = (begin, month_start + _length(year, month), days >> 1)
        return month_start + (found & -found).bit_length() - 2

    def _of_month(self, month_start: int, year: int, month: int) -> int:
        # The epoch was a Thursday, weekday 4.
        return self._days((month_start + 4) % 7, _length(year, month))

    def _days(self, weekday: int, length: int) -> int:
        shape = length * 7 + weekday
        found = self._shapes.get(shape)
        if found is None:
            found = _of_shape(self._fields, self.combine, weekday, length)
            self._shapes[shape] = found
        return found


def _combination(fields: CronFields, day_match: DayMatch | None) -> Combination:
    if day_match == "and":
        return "and"
    if day_match == "or":
        if fields.is_bare(5):
            return "days"
        return "weekdays" if fields.is_bare(3) else "or"
    return "and" if fields.begins_with_star(3) or fields.begins_with_star(5) else "or"


def _length(year: int, month: int) -> int:
    if month == 2 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0):
        return 29
    return _LENGTHS[month]


def _of_shape(fields: CronFields, combine: Combination, weekday: int, length: int) -> int:
    in_month = (2 << length) - 2
    days = _by_day_of_month(fields, weekday, length) & in_month
    weekdays = _by_day_of_week(fields, weekday, length) & in_month
    match combine:
        case "and":
            return days & weekdays
        case "or":
            return days | weekdays
        case "days":
            return days
        case "weekdays":
            return weekdays
        case _ as never:
            assert_never(never)


def _by_day_of_month(fields: CronFields, weekday: int, length: int) -> int:
    days = fields.days
    if fields.last_day:
        days |= 1 << length
    if fields.last_workday:
        last = (weekday + length - 1) % 7
        days |= 1 << length - (1 if last == _SATURDAY else 2 if last == _SUNDAY else 0)
    return days


def _by_day_of_week(fields: CronFields, weekday: int, length: int) -> int:
    days = _first_week(fields.weekdays, weekday) * _EACH_WEEK
    for week, weekdays in enumerate(fields.nth_weekdays):
        days |= _first_week(weekdays, weekday) << 7 * week
    last_week = 0x7F << length - 6
    return days << 1 | _first_week(fields.last_weekdays, weekday) * _EACH_WEEK << 1 & last_week


def _first_week(weekdays: int, weekday: int) -> int:
    """
    Return which of a month's first seven days, bits 0 to 6, fall on the weekdays.
    """
    return (weekdays | weekdays << 7) >> weekday & 0x7F
