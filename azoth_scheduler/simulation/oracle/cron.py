"""
What a cron expression means, evaluated slowly and obviously.

It shares no code with the rest of the scheduler. Fields are expanded into sets, days are walked one
by one, readings of the clock are tried one by one, and the zone is asked about each of them. Where
no clock is changed for days around, readings and instants are one to one, and nothing is to be
tried. It expects a valid expression.
"""

import calendar
from bisect import bisect_right
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property, lru_cache
from typing import Final

from attrs import define

from azoth_scheduler.simulation.oracle.zones import copies, end_of_gap, is_quiet, local, spread

__all__ = ["Reference", "expand"]

_MONTHS: Final = [
    "JAN",
    "FEB",
    "MAR",
    "APR",
    "MAY",
    "JUN",
    "JUL",
    "AUG",
    "SEP",
    "OCT",
    "NOV",
    "DEC",
]
_WEEKDAYS: Final = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_LOWS: Final = (0, 0, 0, 1, 1, 0)
_HIGHS: Final = (59, 59, 23, 31, 12, 6)
_MACROS: Final = {
    "@hourly": "0 0 * * * *",
    "@daily": "0 0 0 * * *",
    "@midnight": "0 0 0 * * *",
    "@weekly": "0 0 0 * * 0",
    "@monthly": "0 0 0 1 * *",
    "@yearly": "0 0 0 1 1 *",
    "@annually": "0 0 0 1 1 *",
}
_DAY: Final = timedelta(days=1)
_SECOND: Final = timedelta(seconds=1)

_DAYS_MAX: Final = 366 * 45
# 29 February on a given weekday takes 40 years around 2100.

_NEAR_DAYS: Final = 400
# Further away clocks are changed in between, in most zones, so it is of no use to look.

_YEAR_MAX: Final = 9_990
# Near the last year days around it cannot be named.


@define(frozen=True, slots=False)
class Reference:
    """
    Evaluate one expression in one zone.
    """

    expr: str
    tz: str = "UTC"
    dst: str = "cron"
    day_match: str | None = None

    def next_after(self, after: datetime) -> datetime | None:
        """
        Return the first occurrence strictly later than an instant, in UTC.
        """
        return self._in_quiet_times(after) or self.searched_after(after)

    def _in_quiet_times(self, after: datetime) -> datetime | None:
        shown = local(after, self.tz)
        reading = self._reading_after(shown)
        if reading is None or reading.year > _YEAR_MAX:
            return None
        found = after.astimezone(UTC) + (reading - shown)
        return found if is_quiet(self.tz, after, found) else None

    def _reading_after(self, shown: datetime) -> datetime | None:
        # A reading has no fraction of a second, so it is later where its second is.
        today = shown.date()
        second = shown.hour * 3_600 + shown.minute * 60 + shown.second
        for number in range(_NEAR_DAYS):
            day = today + number * _DAY
            if self._is_day(day):
                place = bisect_right(self._seconds, second if number == 0 else -1)
                if place < len(self._seconds):
                    midnight = datetime.combine(day, time())
                    return midnight + timedelta(seconds=self._seconds[place])
        return None

    @cached_property
    def _seconds(self) -> tuple[int, ...]:
        # Of a day, those that match.
        return tuple(
            hour * 3_600 + minute * 60 + second
            for hour in sorted(self._set_of(2))
            for minute in sorted(self._set_of(1))
            for second in sorted(self._set_of(0))
        )

    @cached_property
    def _days(self) -> dict[date, bool]:
        return {}

    def _is_day(self, day: date) -> bool:
        known = self._days.get(day)
        if known is None:
            known = self._days[day] = self._matches_date(day)
        return known

    def searched_after(self, after: datetime) -> datetime | None:
        """
        Return the same, each reading tried: what a change of the clock nearby asks for.
        """
        found: list[datetime] = []
        shown = local(after, self.tz)
        for hour in self._hours_from(shown - spread(shown, self.tz)):
            # Readings come in order, unless clocks are turned back near them, by this at most.
            back = spread(hour, self.tz)
            if found and hour > local(min(found), self.tz) + back:
                break
            for reading in self._readings_in(hour):
                found += [when for when in self._instants_of(reading) if when > after]
                if found and not back:
                    break
        return min(found, default=None)

    def occurs_at(self, instant: datetime) -> bool:
        """
        Return whether an instant is an occurrence.
        """
        reading = local(instant, self.tz)
        if reading.microsecond:
            return False
        if self._follows_elapsed:
            return self._matches(reading)
        if self._matches(reading) and copies(reading, self.tz)[0] == instant:
            return True
        before = local(instant - _SECOND, self.tz) + _SECOND
        skipped = (before + n * _SECOND for n in range((reading - before) // _SECOND))
        return self.dst == "cron" and any(map(self._matches, skipped))

    @cached_property
    def _texts(self) -> list[str]:
        words = _MACROS.get(self.expr.lower(), self.expr).upper().split()
        return [word.replace("?", "*") for word in (["0", *words] if len(words) == 5 else words)]

    @cached_property
    def _follows_elapsed(self) -> bool:
        starred = self._texts[1].startswith("*") or self._texts[2].startswith("*")
        return self.dst == "literal" or (self.dst == "cron" and starred)

    def _instants_of(self, reading: datetime) -> list[datetime]:
        # When a matching reading of the local clock fires.
        shown = copies(reading, self.tz)
        if self._follows_elapsed:
            return shown
        if shown:
            return shown[:1]
        return [end_of_gap(reading, self.tz)] if self.dst == "cron" else []

    def _hours_from(self, reading: datetime) -> Iterator[datetime]:
        first = reading.replace(minute=0, second=0, microsecond=0)
        for number in range(_DAYS_MAX):
            try:
                day = first.date() + number * _DAY
            except OverflowError:
                return
            if self._matches_date(day):
                for hour in sorted(self._set_of(2)):
                    start = datetime.combine(day, time(hour))
                    if start >= first:
                        yield start

    def _readings_in(self, hour: datetime) -> list[datetime]:
        return [
            hour.replace(minute=minute, second=second)
            for minute in sorted(self._set_of(1))
            for second in sorted(self._set_of(0))
        ]

    def _matches(self, reading: datetime) -> bool:
        clock = (reading.second, reading.minute, reading.hour)
        return self._matches_date(reading.date()) and all(
            number in self._set_of(field) for field, number in enumerate(clock)
        )

    def _matches_date(self, day: date) -> bool:
        if day.month not in self._set_of(4):
            return False
        by_day, by_weekday = self._matches_day(day), self._matches_weekday(day)
        day_text, weekday_text = self._texts[3], self._texts[5]
        if self.day_match == "or" and day_text == "*":
            return by_weekday
        if self.day_match == "or" and weekday_text == "*":
            return by_day
        starred = day_text.startswith("*") or weekday_text.startswith("*")
        both = self.day_match == "and" or (self.day_match is None and starred)
        return (by_day and by_weekday) if both else (by_day or by_weekday)

    def _matches_day(self, day: date) -> bool:
        items = self._texts[3].split(",")
        last = date(day.year, day.month, calendar.monthrange(day.year, day.month)[1])
        workday = last
        while workday.isoweekday() > 5:
            workday -= _DAY
        return (
            day.day in self._set_of(3)
            or ("L" in items and day == last)
            or ("LW" in items and day == workday)
        )

    def _matches_weekday(self, day: date) -> bool:
        weekday = day.isoweekday() % 7
        for item in self._texts[5].split(","):
            if item.endswith("L") and _number_of(item[:-1], 5) % 7 == weekday:
                if (day + 7 * _DAY).month != day.month:
                    return True
            elif "#" in item:
                name, nth = item.split("#")
                if _number_of(name, 5) % 7 == weekday and (day.day + 6) // 7 == int(nth):
                    return True
        return weekday in self._set_of(5)

    def _set_of(self, field: int) -> frozenset[int]:
        return expand(self._texts[field], field)


@lru_cache(maxsize=10_000)
def expand(text: str, field: int) -> frozenset[int]:
    """
    Return the numbers of a field, its special forms left out.

    Args:
        text: As it is written, in capitals.
        field: Its place among the six; seconds are 0.
    """
    found: set[int] = set()
    for item in text.split(","):
        if item in {"L", "LW"} or "#" in item or (field == 5 and item.endswith("L")):
            continue
        span, _, step = item.partition("/")
        first, _, last = span.partition("-")
        low = _LOWS[field] if first == "*" else _number_of(first, field)
        end = _HIGHS[field] if first == "*" or step else low
        high = _number_of(last, field) if last else end
        found.update(range(low, high + 1, int(step or 1)))
    return frozenset(number % 7 for number in found) if field == 5 else frozenset(found)


def _number_of(word: str, field: int) -> int:
    if word in _MONTHS and field == 4:
        return _MONTHS.index(word) + 1
    return _WEEKDAYS.index(word) if word in _WEEKDAYS and field == 5 else int(word)
