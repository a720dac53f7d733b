"""
The times that an expression names in a zone: the next instant, the last one, how many.

Local time is searched as whole seconds (`LocalTimes`), then turned into UTC by the stretches of
the zone, by one of two rules. Schedules whose minute or hour begins with `*` follow elapsed time:
they fire at each second whose local reading matches. The others fire once for each local reading.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, Literal

from azoth.clocks import Instant, instant_of
from azoth_scheduler._cron.days import DayRule
from azoth_scheduler._cron.fields import CronFields
from azoth_scheduler._cron.local import DAY_SECONDS, LocalTimes
from azoth_scheduler._cron.zones import SECOND_MAX, Stretch, Zone

DstPolicy = Literal["cron", "literal", "skip_once"]
"""
What a change of the clock does.

`cron`: a time inside a gap fires at the first instant after it and a repeated time once, unless the
schedule follows elapsed time. `literal`: gaps are skipped, repeated times fire twice. `skip_once`:
gaps are skipped, repeated times fire once.
"""

SEARCH_YEARS_MAX: Final = 400
"""The calendar repeats after 400 years: what has not fired by then never does."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = 1_000_000
_SEARCH_SECONDS_MAX: Final = 146_097 * DAY_SECONDS
_EVER: Final = Stretch(-(1 << 62), 1 << 62, 0, -(1 << 62))


class Timetable:
    """
    Answer when an expression fires in a zone; all its answers are whole seconds.

    Attributes:
        fields: The expression as it was read.
        days: The days that it names.
        local: The local readings that it names.
        zone: The time zone; None for UTC.
        follows_elapsed: Whether it fires at each second whose reading matches.
        fires_after_gap: Whether times that clocks skip fire at the first instant after the gap.
    """

    __slots__ = (
        "_stretch",
        "_tzinfo",
        "days",
        "fields",
        "fires_after_gap",
        "follows_elapsed",
        "local",
        "zone",
    )

    def __init__(
        self, fields: CronFields, days: DayRule, zone: Zone | None, dst: DstPolicy
    ) -> None:
        self.fields = fields
        self.days = days
        starred = fields.begins_with_star(1) or fields.begins_with_star(2)
        self.local = LocalTimes(fields, days)
        self.follows_elapsed = zone is None or dst == "literal" or (dst == "cron" and starred)
        self.fires_after_gap = dst == "cron" and not self.follows_elapsed
        self._tzinfo = UTC if zone is None else zone.tzinfo
        self.zone = zone
        self._stretch: Callable[[int], Stretch] = _always if zone is None else zone.stretch

    def next_instant(self, after: Instant) -> Instant | None:
        """
        Return the first instant strictly later than another at which the schedule fires.

        Returns:
            An instant, or None if nothing fires within 400 years or to the end of 9999.
        """
        found = self.next_second(after // _SECOND + 1)
        return None if found is None else Instant(found * _SECOND)

    def next_datetime(self, after: datetime) -> datetime | None:
        """
        Return the first time strictly later than an aware datetime, in the schedule's zone.

        Raises:
            TypeError: *after* is not a datetime.
            ValueError: *after* is naive or before 1970.
        """
        found = self.next_second(_second_of(after) + 1)
        return None if found is None else datetime.fromtimestamp(found, self._tzinfo)

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
        if self.zone is None:
            return self.local.first(second)
        found = self._by_elapsed(second) if self.follows_elapsed else self._once_each(second)
        return found if found is not None and found <= SECOND_MAX else None

    def _by_elapsed(self, second: int) -> int | None:
        give_up = second + _SEARCH_SECONDS_MAX
        while second <= give_up:
            stretch = self._stretch(second)
            local = self.local.first(second + stretch.offset)
            if local is None:
                return None
            if local - stretch.offset < stretch.end:
                return local - stretch.offset
            second = stretch.end
        return None

    def _once_each(self, second: int) -> int | None:
        give_up = second + _SEARCH_SECONDS_MAX
        stretch = self._stretch(second)
        found = self.local.first(_unread(stretch, second))
        while found is not None and found - stretch.offset <= give_up:
            if found - stretch.offset >= stretch.end:
                # No offset is a day, so the stretch of a reading begins less than a day before it.
                stretch = self._stretch(max(stretch.end, found - DAY_SECONDS))
            elif found - stretch.offset >= stretch.start:
                return found - stretch.offset
            elif self.fires_after_gap:
                return stretch.start
            else:
                found = self.local.first(stretch.start + stretch.offset)
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
        if self.follows_elapsed:
            return self.local.count(begin, end + stretch.offset)
        unread = _unread(stretch, second)
        count = self.local.count(max(begin, unread), end + stretch.offset)
        if self.fires_after_gap and unread < begin and self.local.first(begin) != begin:
            # The readings of a gap fire together, at its end.
            count += self.local.count(unread, begin) > 0
        return count


def _always(_second: int) -> Stretch:
    return _EVER


def _second_of(when: datetime) -> int:
    """
    Return the second since the epoch that an aware datetime lies in.

    It is half of what a call costs, so the datetime is taken apart here; `instant_of` has the words
    for one that is naive or lies before 1970.
    """
    try:
        since = when - _EPOCH
    except TypeError:
        return instant_of(when) // _SECOND
    return since.days * DAY_SECONDS + since.seconds if since.days >= 0 else instant_of(when)


def _unread(stretch: Stretch, second: int) -> int:
    """
    Return the first local reading that clocks have not shown before a UTC second.

    At the end of a gap these are the gap's; in repeated time they lie behind it.
    """
    if second == stretch.start:
        return stretch.reached
    return max(stretch.reached, second + stretch.offset)
