"""
Schedules as values, and the four questions that are asked of them: first, next, latest, how many.

A schedule knows no clock: each answer depends on the instants given. The *anchor* is the instant
that the grid of an interval starts from, and the one after which a cron schedule begins.
"""

from datetime import datetime, timedelta
from difflib import get_close_matches
from math import inf
from typing import Final, Literal, TypeAlias, assert_never, get_args

from attrs import field, frozen

from azoth.clocks import (
    DURATION_MAX,
    INSTANT_MAX,
    Instant,
    Microseconds,
    datetime_of,
    instant_of,
)
from azoth_scheduler.cron import DayMatch, DstPolicy, Timetable, timetable
from azoth_scheduler.errors import InvalidSchedule

__all__ = [
    "COUNT_EXACT_MAX",
    "INTERVAL_MIN",
    "Cron",
    "Immediate",
    "Interval",
    "IntervalMode",
    "OneTime",
    "Schedule",
    "count_occurrences",
    "first_occurrence",
    "is_fixed_delay",
    "is_recurring",
    "latest_occurrence",
    "next_occurrence",
]

INTERVAL_MIN: Final = Microseconds(1_000)
"""A millisecond: below it a pass of the scheduler takes longer than the interval."""

COUNT_EXACT_MAX: Final = 10_000
"""Occurrences that are counted exactly; nobody acts differently on the ten thousand and first."""

IntervalMode: TypeAlias = Literal["fixed_rate", "fixed_delay"]
"""What an interval is measured from: a grid, or the end of the run before."""

_SECOND: Final = 1_000_000
_MICROSECOND: Final = timedelta(microseconds=1)
_EXAMPLE: Final = "datetime(2026, 1, 1, tzinfo=UTC)"


@frozen
class Cron:
    """
    Fire when local time matches a cron expression.

    Six fields, seconds first (`second minute hour day-of-month month day-of-week`), or five, which
    mean second 0. Sunday is 0 and 7, Monday is 1. `azoth_scheduler.explain` says one in words.

    Attributes:
        expr: The expression.
        tz: An IANA time zone name.
        dst: What a change of the clock does: `cron` fires a time inside a gap at the first instant
            after it and a repeated time once, unless minute or hour begin with `*`; `literal` skips
            gaps and fires twice; `skip_once` skips gaps and fires once.
        day_match: Whether both day fields must match (`and`) or either (`or`); None is the rule of
            Vixie cron, either, unless one of them begins with `*`.

    Raises:
        InvalidSchedule: The expression, the zone or an option is not one, or it never fires.
        TypeError: An argument is not text.

    >>> from datetime import UTC, datetime
    >>> Cron("0 30 9 * * MON-FRI").next_run_time(datetime(2026, 1, 3, tzinfo=UTC)).isoformat()
    '2026-01-05T09:30:00+00:00'
    """

    expr: str
    tz: str = "UTC"
    dst: DstPolicy = "cron"
    day_match: DayMatch | None = None

    def __attrs_post_init__(self) -> None:
        _check_text("expr", self.expr)
        _check_text("tz", self.tz)
        _check_word("dst", self.dst, get_args(DstPolicy))
        if self.day_match is not None:
            _check_word("day_match", self.day_match, get_args(DayMatch))
        self.timetable()

    def timetable(self) -> Timetable:
        """
        Return the compiled form, which is kept for the expressions used last.
        """
        return timetable(self.expr, self.tz, self.dst, self.day_match)

    def next_run_time(self, after: datetime) -> datetime | None:
        """
        Return the first time strictly later than *after*.

        Args:
            after: An aware datetime from 1970 on.

        Returns:
            A datetime in the schedule's zone; None if nothing follows within 400 years or by 9999.

        Raises:
            TypeError: *after* is not a datetime.
            ValueError: *after* is naive or before 1970.
        """
        return self.timetable().next_datetime(after)


def _every(value: timedelta | float) -> float:
    """
    Return an interval in seconds, an int where it is whole, so that equal intervals are equal.
    """
    if isinstance(value, bool) or not isinstance(value, timedelta | int | float):
        raise TypeError(f"every is a timedelta or a number of seconds, not {value!r}")
    fault = _fault_of(value.total_seconds() if isinstance(value, timedelta) else value)
    if fault:
        raise InvalidSchedule(
            given=f"Interval({_shown(value)})",
            reason=fault,
            hint="write seconds or a timedelta, from 0.001 s to 100 years",
        )
    micros = value // _MICROSECOND if isinstance(value, timedelta) else round(value * _SECOND)
    seconds, rest = divmod(micros, _SECOND)
    return micros / _SECOND if rest else seconds


def _fault_of(seconds: float) -> str:
    if not -inf < seconds < inf:
        return "it is no finite number of seconds"
    if seconds <= 0:
        return "it is negative" if seconds else "it is zero"
    if seconds < INTERVAL_MIN / _SECOND:
        return "it is shorter than a millisecond"
    return "it is longer than 100 years" if seconds > DURATION_MAX // _SECOND else ""


@frozen
class Interval:
    """
    Fire on a fixed grid: at `anchor + every`, `anchor + 2 * every` and so on, however runs go.

    Attributes:
        every: Seconds; a timedelta is accepted. From a millisecond to a hundred years, rounded to
            a microsecond.
        mode: `fixed_rate` is that grid. `fixed_delay` has none: the next time is *every* after the
            run before it is closed, and is known only then.

    Raises:
        InvalidSchedule: *every* is negative, zero, too short, too long, or no finite number, or
            there is no such mode.
        TypeError: *every* is neither a number nor a timedelta.

    >>> Interval(timedelta(minutes=5)) == Interval(300)
    True
    """

    every: float = field(converter=_every)
    mode: IntervalMode = "fixed_rate"

    def __attrs_post_init__(self) -> None:
        _check_word("mode", self.mode, get_args(IntervalMode))

    def __str__(self) -> str:
        mode = "" if self.mode == "fixed_rate" else f", mode={self.mode!r}"
        return f"Interval(every={self.every}{mode})"

    @property
    def microseconds(self) -> Microseconds:
        """
        The interval in microseconds; up to a hundred years a float of seconds holds each of them.
        """
        return Microseconds(round(self.every * _SECOND))


def _at(value: datetime) -> Instant:
    """
    Return a time as an instant.
    """
    # A number could be seconds, or milliseconds, or an Instant: nobody is to guess.
    if not isinstance(value, datetime):
        raise TypeError(
            f"at is an aware datetime, such as {_EXAMPLE}, not {_shown(value):.40} "
            f"({type(value).__name__})"
        )
    fault = "it lies outside the years 1970 to 9999"
    try:
        instant = instant_of(value)
        if instant <= INSTANT_MAX:
            return instant
    except ValueError:
        if value.utcoffset() is None:
            fault = "it has no time zone"
    raise InvalidSchedule(
        given=f"OneTime({value})",
        reason=fault,
        hint=f"write an aware datetime, such as {_EXAMPLE}",
    )


@frozen
class OneTime:
    """
    Fire once, at a time; in the past it fires at once.

    Attributes:
        at: Given as an aware datetime, kept as its instant.

    Raises:
        InvalidSchedule: *at* is naive or outside the years 1970 to 9999.
        TypeError: *at* is no datetime; numbers are refused, for their unit would be a guess.
    """

    at: Instant = field(converter=_at)

    def __str__(self) -> str:
        return f"OneTime({datetime_of(self.at).isoformat()})"


@frozen
class Immediate:
    """
    Fire once, as soon as there is a free slot.
    """


Schedule: TypeAlias = Cron | Interval | OneTime | Immediate
"""What says when a task runs."""


def is_recurring(schedule: Schedule) -> bool:
    """
    Return whether a schedule may fire more than once.
    """
    return isinstance(schedule, Cron | Interval)


def is_fixed_delay(schedule: Schedule) -> bool:
    """
    Return whether a schedule has no grid: its next time is known when the run before is closed.
    """
    return isinstance(schedule, Interval) and schedule.mode == "fixed_delay"


def first_occurrence(schedule: Schedule, anchor: Instant) -> Instant | None:
    """
    Return the first occurrence of a schedule that begins at the anchor.

    Returns:
        For cron and intervals the first one later than the anchor; for a one-time schedule its
        time, past or not; for an immediate one the anchor. None if nothing follows.
    """
    match schedule:
        case Interval(mode="fixed_delay"):
            return _later(anchor, schedule.microseconds)
        case Cron() | Interval():
            return next_occurrence(schedule, anchor, anchor)
        case OneTime(at):
            return at
        case Immediate():
            return anchor
        case _ as never:
            assert_never(never)


def next_occurrence(schedule: Schedule, anchor: Instant, after: Instant) -> Instant | None:
    """
    Return the first occurrence strictly later than *after* of a recurring schedule.

    Returns:
        An instant; None if nothing follows, as nothing does with schedules that fire once.
    """
    match schedule:
        case Cron():
            return schedule.timetable().next_instant(Instant(max(anchor, after)))
        case Interval(mode="fixed_rate"):
            every = schedule.microseconds
            return _later(anchor, max(1, (after - anchor) // every + 1) * every)
        case Interval() | OneTime() | Immediate():
            return None
        case _ as never:
            assert_never(never)


def latest_occurrence(
    schedule: Schedule, anchor: Instant, after: Instant, until: Instant
) -> Instant | None:
    """
    Return the last occurrence later than *after* and not later than *until*, without walking there.
    """
    match schedule:
        case Cron():
            return schedule.timetable().last_instant(Instant(max(anchor, after)), until)
        case Interval(mode="fixed_rate"):
            every = schedule.microseconds
            found = Instant(anchor + (until - anchor) // every * every)
            return found if found > max(anchor, after) else None
        case Interval() | OneTime() | Immediate():
            return None
        case _ as never:
            assert_never(never)


def count_occurrences(
    schedule: Schedule,
    anchor: Instant,
    first: Instant,
    last: Instant,
    limit: int = COUNT_EXACT_MAX,
) -> tuple[int, bool]:
    """
    Count a recurring schedule's occurrences from *first* to *last*, both inside.

    Returns:
        The number and True; the limit and False if there are more than the limit.
    """
    count = 0
    match schedule:
        case Cron():
            count = schedule.timetable().count(Instant(max(anchor + 1, first)), last, limit)
        case Interval(mode="fixed_rate"):
            every = schedule.microseconds
            grid_first = max(1, -((anchor - first) // every))
            count = max(0, (last - anchor) // every - grid_first + 1)
        case Interval() | OneTime() | Immediate():
            pass
        case _ as never:
            assert_never(never)
    return (count, True) if count <= limit else (limit, False)


def _later(anchor: Instant, by: int) -> Instant | None:
    return Instant(anchor + by) if anchor + by <= INSTANT_MAX else None


def _shown(value: object) -> str:
    if isinstance(value, int) and value.bit_length() > 64:
        return f"an integer of {value.bit_length():,} bits"
    return str(value)


def _check_text(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{name} is text, not {value!r}")


def _check_word(name: str, value: object, allowed: tuple[str, ...]) -> None:
    _check_text(name, value)
    if value not in allowed:
        close = get_close_matches(str(value)[:40], allowed, 1)
        raise InvalidSchedule(
            given=f"{name}={str(value)[:40]!r}",
            reason=f"it is not one of {', '.join(repr(word) for word in allowed)}",
            hint=f"perhaps {close[0]!r}" if close else "",
        )
