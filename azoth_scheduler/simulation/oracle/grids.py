"""
The nominal times of a schedule: intervals by division, cron by the slow and obvious evaluator.

The *anchor* is what `TaskScheduled` says: an interval's grid is counted from it, and nothing of a
cron schedule lies before it.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from azoth.clocks import INSTANT_MAX, Instant, datetime_of, instant_of
from azoth_scheduler.events import TaskScheduled
from azoth_scheduler.schedules import Cron, Immediate, Interval, OneTime, Schedule
from azoth_scheduler.simulation.oracle.cron import Reference

__all__ = ["count_times", "is_on_grid", "next_time", "times_of"]

_SECOND: Final = 1_000_000
_REMEMBERED: Final = 200_000


def times_of(scheduled: TaskScheduled) -> Iterator[Instant]:
    """
    Yield the nominal times of a generation that begins afresh, up to its end; maybe for ever.

    Of a fixed delay that is the first: the others depend on when runs are closed.
    """
    schedule, end = scheduled.schedule, scheduled.options.end
    at = _first_time(scheduled)
    while at is not None and (end is None or at <= end):
        yield at
        at = next_time(schedule, scheduled.anchor, at)


def _first_time(scheduled: TaskScheduled) -> Instant | None:
    match scheduled.schedule:
        case OneTime(at):
            return at
        case Immediate():
            return scheduled.at
        case _ if scheduled.options.start_now:
            return scheduled.at
        case Interval(mode="fixed_delay") as schedule:
            start = scheduled.options.start
            if start is not None and start > scheduled.at:
                return start
            return Instant(scheduled.at + _every(schedule))
        case schedule:
            return next_time(schedule, scheduled.anchor, scheduled.at)


def next_time(schedule: Schedule, anchor: Instant, after: Instant) -> Instant | None:
    """
    Return the first time on a schedule's grid that is strictly later than *after*.

    Returns:
        An instant, the anchor at the earliest; None if nothing follows, as nothing does where
        there is no grid.
    """
    if isinstance(schedule, Cron):
        since = Instant(max(after, anchor - 1))
        return _cron_after(schedule.expr, schedule.tz, schedule.dst, schedule.day_match, since)
    if not isinstance(schedule, Interval) or schedule.mode == "fixed_delay":
        return None
    every = _every(schedule)
    found = Instant(anchor + max(0, (after - anchor) // every + 1) * every)
    return found if found <= INSTANT_MAX else None


def is_on_grid(schedule: Schedule, anchor: Instant, nominal_at: Instant) -> bool:
    """
    Say whether a schedule names a time; a schedule without a grid may name any.
    """
    match schedule:
        case Interval(mode="fixed_rate") | Cron():
            return next_time(schedule, anchor, Instant(nominal_at - 1)) == nominal_at
        case OneTime(at):
            return nominal_at == at
        case _:
            return True


def count_times(
    schedule: Schedule, anchor: Instant, first: Instant, last: Instant, limit: int
) -> int:
    """
    Count the times on a grid from *first* to *last*, both inside, up to *limit*.
    """
    if isinstance(schedule, Interval) and schedule.mode == "fixed_rate":
        every = _every(schedule)
        count = (last - anchor) // every - (max(first, anchor) - anchor - 1) // every
        return max(0, min(limit, count))
    count = 0
    at = next_time(schedule, anchor, Instant(first - 1))
    while at is not None and at <= last and count < limit:
        count += 1
        at = next_time(schedule, anchor, at)
    return count


def _every(schedule: Interval) -> int:
    return round(schedule.every * _SECOND)


@lru_cache(maxsize=_REMEMBERED)
def _cron_after(
    expr: str, tz: str, dst: str, day_match: str | None, after: Instant
) -> Instant | None:
    found = _reference(expr, tz, dst, day_match).next_after(datetime_of(after))
    return None if found is None else instant_of(found)


@lru_cache(maxsize=10_000)
def _reference(expr: str, tz: str, dst: str, day_match: str | None) -> Reference:
    # Kept, for it remembers the days that it has looked at.
    return Reference(expr, tz, dst, day_match)
