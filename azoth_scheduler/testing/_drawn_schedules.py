"""
Schedules as a test draws them, and the moments at which their answers are delicate.
"""

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Final, get_args

from azoth.clocks import DURATION_MAX, Instant, datetime_of, instant_of
from azoth.testing._hypothesis import st
from azoth_scheduler.cron import DayMatch, DstPolicy
from azoth_scheduler.errors import InvalidSchedule
from azoth_scheduler.schedules import (
    INTERVAL_MIN,
    Cron,
    Immediate,
    Interval,
    IntervalMode,
    OneTime,
    Schedule,
)
from azoth_scheduler.simulation.oracle.zones import clock_changes
from azoth_scheduler.testing._drawn_crons import cron_text

__all__ = [
    "ZONES",
    "crons",
    "intervals",
    "moments",
    "occasions",
    "one_times",
    "schedules",
]

ZONES: Final = (
    "UTC", "Europe/Berlin", "Europe/Dublin", "Europe/London", "Europe/Riga", "America/New_York",
    "America/Havana", "America/Sao_Paulo", "America/Santiago", "America/St_Johns",
    "America/Asuncion", "Australia/Lord_Howe", "Pacific/Apia", "Pacific/Chatham",
    "Pacific/Kwajalein", "Pacific/Easter", "Antarctica/Troll", "Antarctica/Casey",
    "Africa/Casablanca", "Africa/Cairo", "Africa/Monrovia", "Asia/Hebron", "Asia/Gaza",
    "Asia/Beirut", "Asia/Tehran", "Asia/Kathmandu",
)  # fmt: skip
"""Half-hour and two-hour changes, a missing day, negative DST, changes at midnight, Ramadan's."""

_SECOND: Final = 1_000_000
_HOUR: Final = 3_600 * _SECOND
_FIRST: Final = datetime(1971, 1, 1, tzinfo=UTC)
_LAST: Final = datetime(2090, 1, 1, tzinfo=UTC)
_LEAP_DAYS: Final = [instant_of(datetime(year, 2, 29, tzinfo=UTC)) for year in range(1972, 2090, 4)]
_MONTH_ENDS: Final = [
    instant_of(datetime(year, month, 1, tzinfo=UTC))
    for year in (1972, 2000, 2023, 2024, 2026, 2100)
    for month in range(1, 13)
]


@cache
def moments(tz: str = "UTC") -> st.SearchStrategy[Instant]:
    """
    Draw instants, most of them within hours of a change of the clock or the end of a month.

    >>> from hypothesis import find
    >>> changes = clock_changes("Europe/Berlin", 1971, 2050)
    >>> found = find(moments("Europe/Berlin"), lambda at: datetime_of(Instant(at + 1)) in changes)
    >>> found % 1_000_000
    999999
    """
    anywhere = st.integers(instant_of(_FIRST), instant_of(_LAST)).map(Instant)
    changes = [instant_of(change) for change in clock_changes(tz, 1971, 2050)]
    edges = [changes, changes, _LEAP_DAYS, _MONTH_ENDS]
    seconds = st.integers(-2, 2) | st.integers(-9 * 3_600, 9 * 3_600)
    micros = st.sampled_from([0, 0, -1, 1, 500_000])
    near = [st.builds(_beside, st.sampled_from(few), seconds, micros) for few in edges if few]
    return st.one_of(*near, anywhere)


def _beside(edge: Instant, seconds: int, micros: int) -> Instant:
    return Instant(edge + seconds * _SECOND + micros)


@cache
def crons(zones: tuple[str, ...] = ZONES) -> st.SearchStrategy[Cron]:
    """
    Draw cron schedules in any of *zones* under any rule for changes of the clock.
    """
    drawn = st.builds(
        _cron,
        cron_text(),
        st.sampled_from(zones),
        st.sampled_from(get_args(DstPolicy)),
        st.sampled_from([None, None, *get_args(DayMatch)]),
    )
    return drawn.flatmap(lambda cron: st.nothing() if cron is None else st.just(cron))


def _cron(text: str, tz: str, dst: DstPolicy, day_match: DayMatch | None) -> Cron | None:
    try:
        return Cron(text, tz, dst, day_match)
    except InvalidSchedule:
        # Valid in itself, it never fires under this rule.
        return None


@cache
def intervals() -> st.SearchStrategy[Interval]:
    """
    Draw intervals from a millisecond to a hundred years, on a grid or with a fixed delay.
    """
    usual = st.sampled_from([0.25, 1, 60, 300, 3_600, 86_400])
    micros = st.integers(INTERVAL_MIN, 90 * _SECOND) | st.integers(INTERVAL_MIN, DURATION_MAX)
    edges = st.sampled_from([INTERVAL_MIN, DURATION_MAX])
    every = usual | (micros | edges).map(lambda span: timedelta(microseconds=span))
    return st.builds(Interval, every, st.sampled_from(get_args(IntervalMode)))


@cache
def one_times() -> st.SearchStrategy[OneTime]:
    """
    Draw one-time schedules at `moments` of any zone.
    """
    anywhere = st.sampled_from(ZONES).flatmap(moments)
    return anywhere.map(lambda instant: OneTime(datetime_of(instant)))


@cache
def schedules() -> st.SearchStrategy[Schedule]:
    """
    Draw schedules of every kind.

    >>> from azoth_scheduler.schedules import first_occurrence
    >>> from hypothesis import given
    >>> @given(schedules(), moments())
    ... def has_a_first_occurrence(schedule, now):
    ...     assert first_occurrence(schedule, now) is not None
    >>> has_a_first_occurrence()
    """
    return st.one_of(crons(), intervals(), one_times(), st.just(Immediate()))


@st.composite
def occasions(
    draw: st.DrawFn, of: st.SearchStrategy[Schedule] | None = None
) -> tuple[Schedule, Instant]:
    """
    Draw a schedule and a moment at which its answer is delicate: of its own zone.

    Args:
        draw: Given by Hypothesis.
        of: The schedules; `schedules()` unless given.
    """
    schedule = draw(schedules() if of is None else of)
    tz = schedule.tz if isinstance(schedule, Cron) else "UTC"
    return schedule, draw(moments(tz))
