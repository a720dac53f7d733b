"""
What a cron expression means, evaluated slowly and obviously: the oracle of the tests.

It shares no code with `azoth_scheduler`. Fields are expanded into sets, days are walked one by one,
readings of the clock are tried one by one, and the zone is asked about each of them.
It expects a valid expression; what is refused is tested elsewhere.
"""

import calendar
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property, lru_cache
from zoneinfo import ZoneInfo

from attrs import define

MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
WEEKDAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
LOWS = (0, 0, 0, 1, 1, 0)
HIGHS = (59, 59, 23, 31, 12, 6)
MACROS = {
    "@hourly": "0 0 * * * *",
    "@daily": "0 0 0 * * *",
    "@midnight": "0 0 0 * * *",
    "@weekly": "0 0 0 * * 0",
    "@monthly": "0 0 0 1 * *",
    "@yearly": "0 0 0 1 1 *",
    "@annually": "0 0 0 1 1 *",
}
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
# 29 February on a given weekday takes 40 years around 2100.
DAYS_MAX = 366 * 45


@define(frozen=True, slots=False)
class Reference:
    """
    Evaluate one expression in one zone.
    """

    expr: str
    tz: str = "UTC"
    dst: str = "cron"
    day_match: str | None = None

    @cached_property
    def texts(self) -> list[str]:
        words = MACROS.get(self.expr.lower(), self.expr).upper().split()
        return [word.replace("?", "*") for word in (["0", *words] if len(words) == 5 else words)]

    @cached_property
    def follows_elapsed(self) -> bool:
        starred = self.texts[1].startswith("*") or self.texts[2].startswith("*")
        return self.dst == "literal" or (self.dst == "cron" and starred)

    def next_after(self, after: datetime) -> datetime | None:
        """
        Return the first occurrence strictly later than an instant, in UTC.
        """
        found: list[datetime] = []
        shown = local(after, self.tz)
        for hour in self.hours_from(shown - spread(shown, self.tz)):
            # Readings come in order, unless clocks are turned back near them, by this at most.
            back = spread(hour, self.tz)
            if found and hour > local(min(found), self.tz) + back:
                break
            for reading in self.readings_in(hour):
                found += [when for when in self.instants_of(reading) if when > after]
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
        if self.follows_elapsed:
            return self.matches(reading)
        if self.matches(reading) and copies(reading, self.tz)[0] == instant:
            return True
        before = local(instant - SECOND, self.tz) + SECOND
        skipped = (before + n * SECOND for n in range((reading - before) // SECOND))
        return self.dst == "cron" and any(map(self.matches, skipped))

    def instants_of(self, reading: datetime) -> list[datetime]:
        """
        Return when a matching reading of the local clock fires.
        """
        shown = copies(reading, self.tz)
        if self.follows_elapsed:
            return shown
        if shown:
            return shown[:1]
        return [end_of_gap(reading, self.tz)] if self.dst == "cron" else []

    def hours_from(self, reading: datetime) -> Iterator[datetime]:
        first = reading.replace(minute=0, second=0, microsecond=0)
        for number in range(DAYS_MAX):
            try:
                day = first.date() + number * DAY
            except OverflowError:
                return
            if self.matches_date(day):
                for hour in sorted(self.set_of(2)):
                    start = datetime.combine(day, time(hour))
                    if start >= first:
                        yield start

    def readings_in(self, hour: datetime) -> list[datetime]:
        return [
            hour.replace(minute=minute, second=second)
            for minute in sorted(self.set_of(1))
            for second in sorted(self.set_of(0))
        ]

    def matches(self, reading: datetime) -> bool:
        clock = (reading.second, reading.minute, reading.hour)
        return self.matches_date(reading.date()) and all(
            number in self.set_of(field) for field, number in enumerate(clock)
        )

    def matches_date(self, day: date) -> bool:
        if day.month not in self.set_of(4):
            return False
        by_day, by_weekday = self.matches_day(day), self.matches_weekday(day)
        day_text, weekday_text = self.texts[3], self.texts[5]
        if self.day_match == "or" and day_text == "*":
            return by_weekday
        if self.day_match == "or" and weekday_text == "*":
            return by_day
        starred = day_text.startswith("*") or weekday_text.startswith("*")
        both = self.day_match == "and" or (self.day_match is None and starred)
        return (by_day and by_weekday) if both else (by_day or by_weekday)

    def matches_day(self, day: date) -> bool:
        items = self.texts[3].split(",")
        last = date(day.year, day.month, calendar.monthrange(day.year, day.month)[1])
        workday = last
        while workday.isoweekday() > 5:
            workday -= DAY
        return (
            day.day in self.set_of(3)
            or ("L" in items and day == last)
            or ("LW" in items and day == workday)
        )

    def matches_weekday(self, day: date) -> bool:
        weekday = day.isoweekday() % 7
        for item in self.texts[5].split(","):
            if item.endswith("L") and number_of(item[:-1], 5) % 7 == weekday:
                if (day + 7 * DAY).month != day.month:
                    return True
            elif "#" in item:
                name, nth = item.split("#")
                if number_of(name, 5) % 7 == weekday and (day.day + 6) // 7 == int(nth):
                    return True
        return weekday in self.set_of(5)

    def set_of(self, field: int) -> frozenset[int]:
        return expand(self.texts[field], field)


@lru_cache(maxsize=10_000)
def expand(text: str, field: int) -> frozenset[int]:
    """
    Return the numbers of a field, its special forms left out.
    """
    found: set[int] = set()
    for item in text.split(","):
        if item in {"L", "LW"} or "#" in item or (field == 5 and item.endswith("L")):
            continue
        span, _, step = item.partition("/")
        first, _, last = span.partition("-")
        low = LOWS[field] if first == "*" else number_of(first, field)
        end = HIGHS[field] if first == "*" or step else low
        high = number_of(last, field) if last else end
        found.update(range(low, high + 1, int(step or 1)))
    return frozenset(number % 7 for number in found) if field == 5 else frozenset(found)


def number_of(word: str, field: int) -> int:
    """
    Return the number that a word of a field means.
    """
    if word in MONTHS and field == 4:
        return MONTHS.index(word) + 1
    return WEEKDAYS.index(word) if word in WEEKDAYS and field == 5 else int(word)


def local(instant: datetime, tz: str) -> datetime:
    """
    Return what a clock in the zone shows at an instant, as a naive datetime.
    """
    return instant.astimezone(ZoneInfo(tz)).replace(tzinfo=None, fold=0)


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
    return frozenset(offset_at(as_utc + n * HOUR, tz) for n in (-15, 13))


@lru_cache(maxsize=10_000)
def end_of_gap(reading: datetime, tz: str) -> datetime:
    """
    Return the first instant at which a clock in the zone has passed a reading that it never shows.
    """
    when = reading.replace(tzinfo=UTC) - 26 * HOUR
    for step in (HOUR, timedelta(minutes=1), SECOND):
        while local(when + step, tz) < reading:
            when += step
    return when + SECOND


@lru_cache(maxsize=1_000)
def clock_changes(tz: str, first_year: int, last_year: int) -> tuple[datetime, ...]:
    """
    Return the instants at which a zone's offset from UTC changes, found by looking each third day.

    No zone has changed its own twice within six days.
    """
    found: list[datetime] = []
    when, end = datetime(first_year, 1, 1, tzinfo=UTC), datetime(last_year + 1, 1, 1, tzinfo=UTC)
    offset = offset_at(when, tz)
    while when < end:
        later = when + 3 * DAY
        if offset_at(later, tz) != offset:
            for step in (HOUR, timedelta(minutes=1), SECOND):
                while offset_at(when + step, tz) == offset:
                    when += step
            found.append(when + SECOND)
            offset = offset_at(later, tz)
        when = later
    return tuple(found)


def offset_at(instant: datetime, tz: str) -> timedelta:
    """
    Return how far clocks in the zone are ahead of UTC at an instant.
    """
    return instant.astimezone(ZoneInfo(tz)).utcoffset() or timedelta()
