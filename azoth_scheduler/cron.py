"""
When a cron expression fires in a time zone: the next instant after another.

Local time is searched as whole seconds (`LocalTimes`), then turned into UTC by the stretches of
the zone, by one of two rules. Schedules whose minute or hour begins with `*` follow elapsed time:
they fire at each second whose local reading matches. The others fire once for each local reading.

This is the only module that imports croniter: a second opinion for tests, never the answer.
"""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, Literal

from azoth.clocks import Instant
from azoth_scheduler._cron_days import DayMatch, DayRule
from azoth_scheduler._cron_fields import CronFields, parse
from azoth_scheduler._cron_local import DAY_SECONDS, LocalTimes
from azoth_scheduler._cron_zones import SECOND_MAX, Stretch, Zone, zone_named
from azoth_scheduler.errors import InvalidSchedule

__all__ = ["DayMatch", "DstPolicy", "Timetable", "croniter_next", "timetable"]

DstPolicy = Literal["cron", "literal", "skip_once"]
"""
What a change of the clock does.

`cron`: a time inside a gap fires at the first instant after it and a repeated time once, unless the
schedule follows elapsed time. `literal`: gaps are skipped, repeated times fire twice. `skip_once`:
gaps are skipped, repeated times fire once.
"""

SEARCH_YEARS_MAX: Final = 400
"""The calendar repeats after 400 years: what has not fired by then never does."""

_SECOND: Final = 1_000_000
_SEARCH_SECONDS_MAX: Final = 146_097 * DAY_SECONDS
# The year 2000 began a cycle of the calendar: from here it is tried whether a schedule ever fires.
_CYCLE_START: Final = 946_684_800
_EVER: Final = Stretch(-(1 << 62), 1 << 62, 0, -(1 << 62))


@lru_cache(maxsize=4_096)
def timetable(expr: str, tz: str, dst: DstPolicy, day_match: DayMatch | None) -> "Timetable":
    """
    Return the timetable of an expression in a zone.

    Raises:
        InvalidSchedule: The expression or the zone is not one, or the schedule would never fire.
    """
    fields = parse(expr)
    days = DayRule(fields, day_match)
    if not days.ever_matches():
        raise InvalidSchedule(
            given=repr(expr),
            reason=f"no day of {SEARCH_YEARS_MAX} years matches",
            hint="change the day or month fields so that some date has all they ask for",
        )
    table = Timetable(fields, days, zone_named(tz), dst)
    if table.may_starve and table.next_second(_CYCLE_START) is None:
        raise InvalidSchedule(
            given=repr(expr),
            reason=f"each of its times is skipped by a change of the clock in {tz}",
            hint="choose another time of day, or dst='cron'",
        )
    return table


class Timetable:
    """
    Answer when an expression fires in a zone; all its answers are whole seconds.

    Attributes:
        zone: The time zone; None for UTC.
        may_starve: Whether changes of the clock can skip times, and so perhaps all of them.
    """

    __slots__ = ("_fires_after_gap", "_follows_elapsed", "_local", "may_starve", "zone")

    def __init__(
        self, fields: CronFields, days: DayRule, zone: Zone | None, dst: DstPolicy
    ) -> None:
        starred = fields.begins_with_star(1) or fields.begins_with_star(2)
        self._local = LocalTimes(fields, days)
        self._follows_elapsed = zone is None or dst == "literal" or (dst == "cron" and starred)
        self._fires_after_gap = dst == "cron" and not self._follows_elapsed
        self.zone = zone
        self.may_starve = zone is not None and not self._fires_after_gap

    def next_instant(self, after: Instant) -> Instant | None:
        """
        Return the first instant strictly later than another at which the schedule fires.

        Returns:
            An instant, or None if nothing fires within 400 years or to the end of 9999.
        """
        found = self.next_second(after // _SECOND + 1)
        return None if found is None else Instant(found * _SECOND)

    def next_datetime(self, after: Instant) -> datetime | None:
        """
        Return the same as an aware datetime in the schedule's zone.
        """
        found = self.next_second(after // _SECOND + 1)
        if found is None:
            return None
        return datetime.fromtimestamp(found, UTC if self.zone is None else self.zone.tzinfo)

    def last_instant(self, after: Instant, until: Instant) -> Instant | None:
        """
        Return the last instant later than *after* and not later than *until* that fires, or None.

        Looks further and further back from the end, then halves: 60 looks are many.
        """
        low, high = after // _SECOND + 1, until // _SECOND
        last, back = high, 1
        while high >= low:
            look = max(low, last - back)
            found = self.next_second(look)
            if found is not None and found <= high:
                return Instant(self._last_second(found, high) * _SECOND)
            high = look - 1
            back *= 2
        return None

    def count(self, first: Instant, last: Instant, limit: int) -> int:
        """
        Count the instants that fire from *first* to *last*, both inside.

        Returns:
            The number; above *limit* any number that is above it too.
        """
        second, end = -(-first // _SECOND), last // _SECOND + 1
        count = 0
        while second < end and count <= limit:
            stretch = self._stretch(second)
            count += self._count_within(stretch, second, min(end, stretch.end))
            second = stretch.end
        return count

    def next_second(self, second: int) -> int | None:
        """
        Return the first UTC second at or after another at which the schedule fires, or None.
        """
        found = self._by_elapsed(second) if self._follows_elapsed else self._once_each(second)
        return found if found is not None and found <= SECOND_MAX else None

    def _stretch(self, second: int) -> Stretch:
        return _EVER if self.zone is None else self.zone.stretch(second)

    def _by_elapsed(self, second: int) -> int | None:
        give_up = second + _SEARCH_SECONDS_MAX
        while second <= give_up:
            stretch = self._stretch(second)
            local = self._local.first(second + stretch.offset)
            if local is None:
                return None
            if local - stretch.offset < stretch.end:
                return local - stretch.offset
            second = stretch.end
        return None

    def _once_each(self, second: int) -> int | None:
        give_up = second + _SEARCH_SECONDS_MAX
        stretch = self._stretch(second)
        found = self._local.first(_unread(stretch, second))
        while found is not None and found - stretch.offset <= give_up:
            if found - stretch.offset >= stretch.end:
                # No offset is a day, so the stretch of a reading begins less than a day before it.
                stretch = self._stretch(max(stretch.end, found - DAY_SECONDS))
            elif found - stretch.offset >= stretch.start:
                return found - stretch.offset
            elif self._fires_after_gap:
                return stretch.start
            else:
                found = self._local.first(stretch.start + stretch.offset)
        return None

    def _last_second(self, found: int, high: int) -> int:
        while found < high:
            middle = (found + high + 1) // 2
            later = self.next_second(middle)
            if later is None or later > high:
                high = middle - 1
            else:
                found = later
        return found

    def _count_within(self, stretch: Stretch, second: int, end: int) -> int:
        begin = second + stretch.offset
        if self._follows_elapsed:
            return self._local.count(begin, end + stretch.offset)
        unread = _unread(stretch, second)
        count = self._local.count(max(begin, unread), end + stretch.offset)
        if self._fires_after_gap and unread < begin and self._local.first(begin) != begin:
            # The readings of a gap fire together, at its end.
            count += self._local.count(unread, begin) > 0
        return count


def _unread(stretch: Stretch, second: int) -> int:
    """
    Return the first local reading that clocks have not shown before a UTC second.

    At the end of a gap these are the gap's; in repeated time they lie behind it.
    """
    if second == stretch.start:
        return stretch.reached
    return max(stretch.reached, second + stretch.offset)


def croniter_next(expr: str, after: datetime) -> datetime | None:
    """
    Ask croniter for a second opinion, for the tests and for whoever doubts an answer.

    croniter never sees our dialect: only lists of numbers, and a naive time, so no zone.

    Args:
        expr: An expression in our dialect.
        after: A naive time, exclusive.

    Returns:
        The next naive time; None where croniter cannot be asked, for `L`, `LW`, `5L` and `1#2`.
    """
    # The import takes 0.1 s and starts a child process, and no answer of ours needs it.
    from croniter import croniter  # noqa: PLC0415

    fields = parse(expr)
    if fields.last_day or fields.last_workday or fields.last_weekdays or any(fields.nth_weekdays):
        return None
    sets = (
        fields.seconds,
        fields.minutes,
        fields.hours,
        fields.days,
        fields.months,
        fields.weekdays,
    )
    lists = [
        "*" if fields.is_bare(place) else ",".join(str(n) for n in range(60) if bits >> n & 1)
        for place, bits in enumerate(sets)
    ]
    either = not (fields.begins_with_star(3) or fields.begins_with_star(5))
    answers = croniter(" ".join(lists), after, second_at_beginning=True, day_or=either)
    answer: datetime = answers.get_next(datetime)
    return answer
