"""
What a cron expression means: its timetable in a zone, in words, and what may be wrong with it.

The dialect and its evaluator are our own. This is the only module that imports croniter, for a
second opinion: its answers change between releases, and ours are written into a log.
"""

from datetime import datetime
from functools import lru_cache
from typing import Final

from attrs import frozen

from azoth.clocks import instant_of
from azoth_scheduler._cron.days import DayMatch, DayRule
from azoth_scheduler._cron.fields import parse
from azoth_scheduler._cron.lint import (
    ClockPolicy,
    of_clock_changes,
    of_day_fields,
    of_steps,
    of_weekdays,
)
from azoth_scheduler._cron.timetable import SEARCH_YEARS_MAX, DstPolicy, Timetable
from azoth_scheduler._cron.words import words
from azoth_scheduler._cron.zones import zone_named
from azoth_scheduler.errors import InvalidSchedule

__all__ = [
    "SEARCH_YEARS_MAX",
    "DayMatch",
    "DstPolicy",
    "Explanation",
    "Timetable",
    "croniter_next",
    "explain",
    "lint",
    "timetable",
]

# The year 2000 began a cycle of the calendar: from here it is tried whether a schedule ever fires.
_CYCLE_START: Final = 946_684_800
_EXPLAINED: Final = 5


@lru_cache(maxsize=4_096)
def timetable(expr: str, tz: str, dst: DstPolicy, day_match: DayMatch | None) -> Timetable:
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
    may_starve = table.zone is not None and not table.fires_after_gap
    if may_starve and table.next_second(_CYCLE_START) is None:
        raise InvalidSchedule(
            given=repr(expr),
            reason=f"each of its times is skipped by a change of the clock in {tz}",
            hint="choose another time of day, or dst='cron'",
        )
    return table


@frozen
class Explanation:
    """
    Hold what an expression means.

    Attributes:
        expr: The expression.
        tz: The zone whose clocks it is read by.
        words: The expression as a sentence without its full stop.
        next_run_times: The next five times, in the zone; fewer where no more follow.
    """

    expr: str
    tz: str
    words: str
    next_run_times: tuple[datetime, ...]

    def __str__(self) -> str:
        times = "".join(f"\n  {when.isoformat()}" for when in self.next_run_times)
        return f"{self.words}, by the clocks of {self.tz}.{times}"


def explain(
    expr: str,
    *,
    now: datetime,
    tz: str = "UTC",
    dst: DstPolicy = "cron",
    day_match: DayMatch | None = None,
) -> Explanation:
    """
    Say an expression in words and list the next five times after *now*.

    Raises:
        InvalidSchedule: The expression or the zone is not one, or the schedule would never fire.

    >>> from datetime import UTC
    >>> print(explain("0 30 9 * * MON-FRI", now=datetime(2026, 1, 2, 12, tzinfo=UTC)).words)
    At 09:30 on Monday to Friday
    """
    table = timetable(expr, tz, dst, day_match)
    times: list[datetime] = []
    when = table.next_datetime(now)
    while when is not None and len(times) < _EXPLAINED:
        times.append(when)
        when = table.next_datetime(when)
    return Explanation(expr, tz, words(table.fields, table.days.combine), tuple(times))


def lint(
    expr: str,
    tz: str = "UTC",
    *,
    since: datetime,
    dst: DstPolicy = "cron",
    day_match: DayMatch | None = None,
) -> tuple[str, ...]:
    """
    Return warnings about an expression that is allowed but perhaps not meant.

    They are about weekdays as numbers, both day fields set, steps that do not divide their field,
    and times that clocks skip or repeat.

    Args:
        expr: The expression.
        tz: The zone whose clocks it is read by.
        since: From where on changes of the clock are looked at, which is now for most callers.
        dst: What a change of the clock does.
        day_match: How the two day fields are combined.

    Raises:
        InvalidSchedule: The expression or the zone is not one, or the schedule would never fire.
    """
    table = timetable(expr, tz, dst, day_match)
    fields = table.fields
    found = [*of_weekdays(fields), *of_day_fields(fields, day_match), *of_steps(fields)]
    if table.zone is not None and not (table.follows_elapsed and fields.begins_with_star(2)):
        policy = ClockPolicy(
            skipped="these times run together, at its end"
            if table.fires_after_gap
            else "these times do not run that day",
            repeated="these times run twice"
            if table.follows_elapsed
            else "these times run once, at their first copy",
        )
        found += of_clock_changes(table.local, table.zone, policy, instant_of(since) // 1_000_000)
    return tuple(found)


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
