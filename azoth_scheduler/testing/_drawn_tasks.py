"""
Requests and definitions of tasks as a test draws them.
"""

from datetime import datetime, timedelta
from functools import cache
from typing import Final, get_args

from azoth.clocks import INSTANT_MAX, Instant, Microseconds, datetime_of, timedelta_of
from azoth.events import NAME_BYTES_MAX
from azoth.testing._hypothesis import st
from azoth.testing.strategies import durations, names
from azoth_scheduler.events import CATEGORY, CatchUp, Options, Overlap
from azoth_scheduler.requests import PRIORITY_MAX, ScheduleTaskRequest
from azoth_scheduler.retries import ATTEMPTS_MAX, OnExhausted, RetryPolicy
from azoth_scheduler.schedules import (
    Cron,
    Immediate,
    Interval,
    OneTime,
    Schedule,
    is_fixed_delay,
    is_recurring,
)
from azoth_scheduler.task import Definition
from azoth_scheduler.testing._drawn_schedules import schedules

__all__ = ["definitions", "options", "requests", "retry_policies"]

_SECOND: Final = 1_000_000
_MINUTE: Final = 60 * _SECOND
_TYPES: Final = ("report", "Report", "sch\u00f6n", "a b")
_WORDS: Final = ("default", "slow", "schnell \u00fc")
_RAISED: Final = (ValueError, OSError, "builtins.LookupError", "package.module.Error")
_SPANS: Final = [Microseconds(n) for n in (1, _SECOND, _MINUTE, 10 * _MINUTE)]
_USUAL_POLICIES: Final = [
    None,
    RetryPolicy(max_attempts=1),
    RetryPolicy(max_attempts=2, base=30, jitter=5),
    RetryPolicy(max_attempts=4, base=60, cap=timedelta(minutes=3), on_exhausted="continue"),
]
_USUAL_SCHEDULES: Final[list[Schedule]] = [
    Interval(60),
    Interval(300),
    Interval(0.25),
    Interval(60, mode="fixed_delay"),
    Cron("0 */7 * * * *"),
    Cron("0 30 * * * *", tz="Europe/Berlin"),
    Immediate(),
]
"""Few, and of minutes, so that what is done to a task meets what is due."""


_SOME_SPANS: Final = st.sampled_from([None, None, *_SPANS])
_JITTERS: Final = st.sampled_from([Microseconds(0), Microseconds(0), *_SPANS])
_POLICIES: Final = st.sampled_from(_USUAL_POLICIES)
_PRIORITIES: Final = st.sampled_from([0, 0, -5, 7, PRIORITY_MAX])
_QUEUES: Final = st.sampled_from(_WORDS)
_TAGS: Final = st.sampled_from([(), (), _WORDS[:1], _WORDS])
_LIMITS: Final = st.sampled_from([1, 3, 100])
_CATCH_UPS: Final[st.SearchStrategy[CatchUp]] = st.sampled_from(get_args(CatchUp))
_OVERLAPS: Final[st.SearchStrategy[Overlap]] = st.sampled_from(get_args(Overlap))
_RUNS: Final = st.sampled_from([None, None, 1, 3])
_SELDOM: Final = st.sampled_from([False, False, True])
# In minutes from where the test is.
_STARTS: Final = st.sampled_from([None, None, -3, 30])
_ENDS: Final = st.sampled_from([None, None, 45, 90])


@cache
def retry_policies() -> st.SearchStrategy[RetryPolicy]:
    """
    Draw retry policies: from one failure to the most, waits from none to a hundred years.

    >>> from hypothesis import given
    >>> @given(retry_policies())
    ... def no_wait_exceeds_the_cap(policy):
    ...     assert timedelta_of(policy.delay(policy.max_attempts)) <= policy.cap
    >>> no_wait_exceeds_the_cap()
    """
    waits = durations().map(timedelta_of)
    raised = st.lists(st.sampled_from(_RAISED), max_size=2)
    return st.builds(
        RetryPolicy,
        max_attempts=st.integers(1, 5) | st.sampled_from([1, ATTEMPTS_MAX]),
        base=waits,
        factor=st.sampled_from([1.0, 2.0, 1_000.0]) | st.floats(1, 1_000),
        cap=waits,
        on_exhausted=st.sampled_from(get_args(OnExhausted)),
        jitter=waits,
        retry_on=raised,
        give_up_on=raised,
    )


@st.composite
def options(draw: st.DrawFn, schedule: Schedule, around: Instant) -> Options:
    """
    Draw options that go with a schedule, as a caller may write them.

    Args:
        draw: Given by Hypothesis.
        schedule: Of the task.
        around: Starts and ends lie near it; an end before the first occurrence is refused later,
            when the task is scheduled.
    """
    recurring, on_a_grid = is_recurring(schedule), _is_on_a_grid(schedule)
    start = draw(_STARTS) if recurring else None
    end = draw(_ENDS) if recurring else None
    return Options(
        retry=draw(_POLICIES),
        timeout=draw(_SOME_SPANS),
        priority=draw(_PRIORITIES),
        queue=draw(_QUEUES),
        tags=tuple(draw(_TAGS)),
        start=None if start is None else _near(around, start),
        start_now=start is None and isinstance(schedule, Interval) and draw(_SELDOM),
        end=None if end is None else _near(around, end),
        max_runs=draw(_RUNS) if recurring else None,
        jitter=Microseconds(0) if isinstance(schedule, Immediate) else draw(_JITTERS),
        expires_after=draw(_SOME_SPANS),
        catch_up=draw(_CATCH_UPS) if on_a_grid else "latest",
        catch_up_limit=draw(_LIMITS),
        grace=draw(st.sampled_from(_SPANS)),
        overlap=draw(_OVERLAPS),
        buffer_limit=draw(_LIMITS),
    )


def _is_on_a_grid(schedule: Schedule) -> bool:
    return is_recurring(schedule) and not is_fixed_delay(schedule)


def _near(around: Instant, minutes: int) -> Instant:
    return Instant(min(max(0, around + minutes * _MINUTE), INSTANT_MAX))


@st.composite
def definitions(
    draw: st.DrawFn, around: Instant, of: st.SearchStrategy[Schedule] | None = None
) -> Definition:
    """
    Draw definitions of tasks.

    Args:
        draw: Given by Hypothesis.
        around: Their times lie near it.
        of: Their schedules; unless given, a few that fire each hour or more often.
    """
    schedule = _usual(draw, around) if of is None else draw(of)
    return Definition(
        task_type=draw(st.sampled_from(_TYPES)),
        schedule=schedule,
        payload=draw(st.sampled_from([b"", b"new", bytes(range(256))])),
        options=draw(options(schedule, around)),
    )


def _usual(draw: st.DrawFn, around: Instant) -> Schedule:
    found = draw(st.sampled_from([*_USUAL_SCHEDULES, 5, -60]))
    return OneTime(datetime_of(_near(around, found))) if isinstance(found, int) else found


@st.composite
def requests(
    draw: st.DrawFn, around: Instant, of: st.SearchStrategy[Schedule] | None = None
) -> ScheduleTaskRequest:
    """
    Draw requests that are well formed, of ids and types with any characters.

    Args:
        draw: Given by Hypothesis.
        around: Their times lie near it.
        of: Their schedules; `schedules()` unless given.
    """
    schedule = draw(schedules() if of is None else of)
    said = draw(options(schedule, around))
    types = st.sampled_from(_TYPES) | names().map(lambda name: name.replace("-", "_").lstrip("$"))
    task_type = draw(types.filter(bool))
    room = NAME_BYTES_MAX - 1 - max(len(CATEGORY), len(task_type.encode()))
    return ScheduleTaskRequest(
        draw(names().filter(lambda name: len(name.encode()) <= room)) if room else "",
        task_type,
        schedule,
        draw(st.binary(max_size=20)),
        max_retries=draw(st.none() | st.integers(0, 5)) if said.retry is None else None,
        retry=said.retry,
        timeout=None if said.timeout is None else timedelta_of(said.timeout),
        priority=said.priority,
        queue=said.queue,
        tags=said.tags,
        start="now" if said.start_now else _shown(said.start),
        end=_shown(said.end),
        max_runs=said.max_runs,
        jitter=timedelta_of(said.jitter),
        expires_after=None if said.expires_after is None else timedelta_of(said.expires_after),
        catch_up=said.catch_up,
        catch_up_limit=said.catch_up_limit,
        grace=timedelta_of(said.grace),
        overlap=said.overlap,
        buffer_limit=said.buffer_limit,
    )


def _shown(instant: Instant | None) -> datetime | None:
    return None if instant is None else datetime_of(instant)
