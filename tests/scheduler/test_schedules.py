"""
Schedules as values, and the questions asked of them: first, next, latest, how many.
"""

import json
import pickle
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from typing import Any, Final

import attrs
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from azoth.clocks import DURATION_MAX, INSTANT_MAX, Instant, datetime_of, instant_of
from azoth_scheduler.cron import DstPolicy, Timetable
from azoth_scheduler.errors import InvalidSchedule
from azoth_scheduler.events import TaskScheduled, registry
from azoth_scheduler.schedules import (
    COUNT_EXACT_MAX,
    INTERVAL_MIN,
    Cron,
    Immediate,
    Interval,
    OneTime,
    Schedule,
    count_occurrences,
    first_occurrence,
    is_recurring,
    latest_occurrence,
    next_occurrence,
)

SECOND: Final = 1_000_000
HOUR: Final = 3_600 * SECOND
START: Final = instant_of(datetime(2026, 3, 28, 12, tzinfo=UTC))


def at(text: str) -> Instant:
    """
    Return the instant of an ISO text in UTC.
    """
    return instant_of(datetime.fromisoformat(text).replace(tzinfo=UTC))


def walk(schedule: Schedule, anchor: Instant, after: int, until: int) -> Iterator[Instant]:
    """
    Yield the occurrences later than *after* up to *until*, one by one.
    """
    found = next_occurrence(schedule, anchor, Instant(after))
    while found is not None and found <= until:
        yield found
        found = next_occurrence(schedule, anchor, found)


def arguments(value: object) -> list[Any]:
    """
    Return a value as the arguments of a call that no type checker looks at.
    """
    return [value]


VALUES: Final[list[Schedule]] = [
    Cron("0 0 9 * * MON-FRI", tz="Europe/Berlin", dst="literal", day_match="and"),
    Interval(300),
    Interval(0.25),
    OneTime(datetime(2026, 1, 1, tzinfo=UTC)),
    Immediate(),
]


@pytest.mark.parametrize("schedule", VALUES, ids=str)
def test_a_schedule_is_a_value(schedule: Schedule) -> None:
    """
    Read back from the log, or from pickle, it is equal and hashes equal.
    """
    scheduled = TaskScheduled(
        task_id="a", generation=1, at=START, task_type="t", schedule=schedule, anchor=START
    )
    written = registry.encode(scheduled)

    again: Schedule = registry.decode(written).schedule

    assert again == schedule
    assert hash(again) == hash(schedule)
    assert pickle.loads(pickle.dumps(schedule)) == schedule
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        schedule.tz = "UTC"  # type: ignore[union-attr, misc]


def test_equal_intervals_are_equal() -> None:
    """
    A number, a float and a timedelta of one length are one interval.
    """
    assert Interval(300) == Interval(300.0) == Interval(timedelta(minutes=5))
    assert str(Interval(300.0)) == "Interval(every=300)"
    assert Interval(0.1).microseconds == 100_000
    assert Interval(timedelta(microseconds=1_500)) == Interval(0.0015)


@pytest.mark.rule("S-42")
@given(st.integers(INTERVAL_MIN, DURATION_MAX))
def test_an_interval_keeps_its_microseconds(micros: int) -> None:
    """
    From a millisecond to a hundred years no microsecond is lost, in the text of a log either.
    """
    interval = Interval(timedelta(microseconds=micros))

    again = Interval(json.loads(json.dumps(interval.every)))

    assert micros == interval.microseconds == again.microseconds
    assert again == interval


def test_only_cron_and_intervals_recur() -> None:
    """
    One-time and immediate schedules fire once.
    """
    assert [is_recurring(value) for value in VALUES] == [True, True, True, False, False]


@pytest.mark.rule("S-46")
@pytest.mark.parametrize(
    ("every", "reason"),
    [
        (0, "zero"),
        (0.0, "zero"),
        (timedelta(), "zero"),
        (-1, "negative"),
        (-0.001, "negative"),
        (timedelta(seconds=-1), "negative"),
        (float("nan"), "no finite number"),
        (float("inf"), "no finite number"),
        (float("-inf"), "no finite number"),
        (0.0009, "shorter than a millisecond"),
        (5e-324, "shorter than a millisecond"),
        (timedelta(microseconds=999), "shorter than a millisecond"),
        (2**64 - 1, "longer than 100 years"),
        (1e300, "longer than 100 years"),
        (10**400, "longer than 100 years"),
        (10**5_000, "longer than 100 years"),
        (timedelta.max, "longer than 100 years"),
    ],
    ids=lambda value: str(value)[:20] if value != 10**5_000 else "10**5000",
)
def test_an_interval_out_of_bounds_is_refused(every: object, reason: str) -> None:
    """
    Negative, zero, NaN, infinite and huge intervals are refused when they are written down.
    """
    with pytest.raises(InvalidSchedule) as caught:
        Interval(*arguments(every))

    assert reason in caught.value.reason
    assert "0.001 s to 100 years" in caught.value.hint
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("every", [None, "5", True, [300], b"1"])
def test_an_interval_of_another_type_is_a_type_error(every: object) -> None:
    """
    A bool is no number of seconds.
    """
    with pytest.raises(TypeError, match="every is a timedelta or a number of seconds"):
        Interval(*arguments(every))


@pytest.mark.parametrize(
    ("when", "reason"),
    [
        (datetime.fromisoformat("2026-01-01"), "no time zone"),
        (datetime(1969, 12, 31, tzinfo=UTC), "outside the years 1970 to 9999"),
        (datetime.min.replace(tzinfo=timezone(timedelta(hours=14))), "outside"),
        (datetime.max.replace(tzinfo=timezone(timedelta(hours=-5))), "outside"),
    ],
    ids=lambda value: str(value)[:26],
)
def test_a_time_that_is_no_instant_is_refused(when: object, reason: str) -> None:
    """
    Naive datetimes, and what lies outside the years 1970 to 9999.
    """
    with pytest.raises(InvalidSchedule) as caught:
        OneTime(*arguments(when))

    assert reason in caught.value.reason
    assert "tzinfo=UTC" in caught.value.hint
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize(
    "when",
    [None, "2026-01-01", True, 1.5, -1, 1_767_225_600, START, 10**5_000],
    ids=lambda value: str(value)[:26] if value != 10**5_000 else "10**5000",
)
def test_a_time_of_another_type_is_a_type_error(when: object) -> None:
    """
    A number could count seconds or microseconds, so none is taken, not even an Instant.
    """
    with pytest.raises(TypeError, match="at is an aware datetime, such as datetime") as caught:
        OneTime(*arguments(when))

    assert type(when).__name__ in str(caught.value)
    assert len(str(caught.value)) < 150


def test_one_time_is_one_instant() -> None:
    """
    The same instant written in two zones is one schedule; it is said in UTC.
    """
    berlin = datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=1)))

    schedule = OneTime(berlin)

    assert schedule == OneTime(datetime(2026, 1, 1, tzinfo=UTC))
    assert str(schedule) == "OneTime(2026-01-01T00:00:00+00:00)"


def test_the_first_occurrence() -> None:
    """
    Cron: the first after the anchor. Interval: one interval later. One-time: its time, past or not.
    """
    noon = at("2026-03-28T12:00")
    past = OneTime(datetime(2020, 1, 1, tzinfo=UTC))

    assert first_occurrence(Cron("0 0 12 * * *"), noon) == at("2026-03-29T12:00")
    assert first_occurrence(Interval(60), noon) == at("2026-03-28T12:01")
    assert first_occurrence(past, noon) == at("2020-01-01")
    assert first_occurrence(Immediate(), noon) == noon


def test_the_next_occurrence_of_an_interval_stays_on_its_grid() -> None:
    """
    Fire k is at anchor + k intervals, k from 1, whenever it is asked.
    """
    interval = Interval(10)

    found = [
        next_occurrence(interval, START, Instant(START + after))
        for after in (-HOUR, 0, 1, 10 * SECOND - 1, 10 * SECOND, 25 * SECOND)
    ]

    expected = [START + k * 10 * SECOND for k in (1, 1, 1, 1, 2, 3)]
    assert expected == found


def test_cron_begins_after_its_anchor() -> None:
    """
    What lies at or before the anchor is no occurrence, whatever is asked.
    """
    cron = Cron("0 0 * * * *")

    assert next_occurrence(cron, START, Instant(START - 5 * HOUR)) == START + HOUR
    assert latest_occurrence(cron, START, Instant(0), Instant(START + HOUR - 1)) is None
    assert count_occurrences(cron, START, Instant(0), Instant(START + HOUR)) == (1, True)


@pytest.mark.parametrize("schedule", [OneTime(datetime_of(START)), Immediate()], ids=str)
def test_what_fires_once_has_no_next(schedule: Schedule) -> None:
    """
    One-shots are never skipped, missed or coalesced, so nothing follows and nothing is owed.
    """
    assert next_occurrence(schedule, START, Instant(0)) is None
    assert latest_occurrence(schedule, START, Instant(0), INSTANT_MAX) is None
    assert count_occurrences(schedule, START, Instant(0), INSTANT_MAX) == (0, True)


def test_time_ends_with_the_year_9999() -> None:
    """
    An interval's grid ends there too.
    """
    last = Instant(INSTANT_MAX - 5 * SECOND)

    assert next_occurrence(Interval(10), last, last) is None
    assert next_occurrence(Interval(5), last, last) == INSTANT_MAX
    assert latest_occurrence(Interval(5), last, last, INSTANT_MAX) == INSTANT_MAX


SCHEDULES: Final = st.one_of(
    st.builds(
        Cron,
        st.sampled_from(
            [
                "* * * * * *",
                "*/7 * * * * *",
                "0 */5 * * * *",
                "0 30 * * * *",
                "0 0 1-3 * * *",
                "20,40 15,45 1,2,3 * * *",
                "0 15 2 * * *",
                "* 30 2 * * *",
                "0 0 0 * * *",
                "0 0 12 * * MON-FRI",
                "0 0 6 1,L * *",
                "0 0 12 13 * 5",
                "0 30 2 29 3,10 *",
            ]
        ),
        st.sampled_from(
            ["UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/Havana", "Africa/Cairo"]
        ),
        st.sampled_from(["cron", "literal", "skip_once"]),
    ),
    st.builds(Interval, st.sampled_from([0.001, 0.75, 1, 300, 86_400, 1e6])),
)
# Around the changes of 2026, to the microsecond.
MOMENTS: Final = st.builds(
    lambda day, micros: Instant(at(day) + micros),
    st.sampled_from(["2026-03-08", "2026-03-29", "2026-04-05", "2026-10-25", "2026-11-01"]),
    st.integers(-4 * HOUR, 4 * HOUR)
    | st.integers(-4, 16).map(lambda quarters: quarters * HOUR // 4),
)
SPANS: Final = st.integers(0, 3 * SECOND) | st.integers(0, 900 * SECOND) | st.integers(0, 72 * HOUR)


@settings(max_examples=4 * settings().max_examples)
@given(SCHEDULES, MOMENTS, SPANS, st.integers(-HOUR, HOUR))
def test_latest_and_count_are_what_walking_finds(
    schedule: Schedule, after: Instant, span: int, anchored: int
) -> None:
    """
    Found without walking, they are the last and the number of what walking finds.
    """
    until = Instant(after + min(span, longest(schedule)))
    anchor = Instant(after - anchored)

    walked = list(walk(schedule, anchor, after, until))

    assert latest_occurrence(schedule, anchor, after, until) == (walked[-1] if walked else None)
    counted = count_occurrences(schedule, anchor, Instant(after + 1), until, limit=100_000)
    assert counted == (len(walked), True)
    assert all(earlier < later for earlier, later in pairwise(walked))


@given(
    day=st.sampled_from(["*", "1", "L", "28-31", "LW", "*/2", "15,L"]),
    month=st.sampled_from(["*", "2", "1,12", "*/5"]),
    weekday=st.sampled_from(["*", "5", "5L", "1#1"]),
    first=st.integers(0, 1_500),
    days=st.integers(0, 1_500),
)
@example(day="15,L", month="*", weekday="*", first=0, days=30)
def test_days_are_counted_by_the_month(
    day: str, month: str, weekday: str, first: int, days: int
) -> None:
    """
    Whatever part of a month a count begins and ends with.
    """
    cron = Cron(f"0 0 12 {day} {month} {weekday}")
    begin = Instant(at("2023-01-01") + first * 24 * HOUR)
    end = Instant(begin + days * 24 * HOUR)

    walked = list(walk(cron, Instant(0), begin, end))

    assert count_occurrences(cron, Instant(0), begin, end) == (len(walked), True)


@pytest.mark.parametrize(
    ("expr", "day", "dst", "count"),
    [
        ("0 0 1-5 * * *", "2026-03-29", "cron", 4),
        ("0 30 1-5 * * *", "2026-03-29", "cron", 5),
        ("0 */30 1-5 * * *", "2026-03-29", "cron", 8),
        ("0 0,30 2 * * *", "2026-03-29", "cron", 1),
        ("0 0 1-5 * * *", "2026-03-29", "skip_once", 4),
        ("0 30 1-5 * * *", "2026-03-29", "skip_once", 4),
        ("0 30 1-5 * * *", "2026-03-29", "literal", 4),
        ("0 0 1-5 * * *", "2026-10-25", "cron", 5),
        ("0 0 1-5 * * *", "2026-10-25", "skip_once", 5),
        ("0 0 1-5 * * *", "2026-10-25", "literal", 6),
        ("0 */30 1-5 * * *", "2026-10-25", "cron", 12),
    ],
)
def test_a_count_over_a_change_of_the_clock(
    expr: str, day: str, dst: DstPolicy, count: int
) -> None:
    """
    What fires together is one occurrence, and what fires twice is two.
    """
    cron = Cron(expr, tz="Europe/Berlin", dst=dst)
    first = Instant(at(day) - HOUR)
    last = Instant(at(day) + 12 * HOUR)

    assert count_occurrences(cron, Instant(0), first, last) == (count, True)


def longest(schedule: Schedule) -> int:
    """
    Return a span in which a schedule fires at most some thousands of times.
    """
    if isinstance(schedule, Interval):
        return 2_000 * schedule.microseconds
    return HOUR if isinstance(schedule, Cron) and schedule.expr[0] == "*" else 10**15


@given(SCHEDULES, MOMENTS, st.integers(0, 20))
def test_both_ends_of_a_count_are_inside(schedule: Schedule, after: Instant, steps: int) -> None:
    """
    From an occurrence to a later one both are counted.
    """
    found = [
        occurrence
        for occurrence, _ in zip(
            walk(schedule, after, after, INSTANT_MAX), range(steps + 1), strict=False
        )
    ]

    assert count_occurrences(schedule, after, found[0], found[-1]) == (len(found), True)
    assert latest_occurrence(schedule, after, after, found[-1]) == found[-1]
    assert count_occurrences(schedule, after, found[-1], found[0])[0] == (len(found) == 1)


def test_a_count_is_exact_up_to_its_limit() -> None:
    """
    10,000 are counted; of more it is only said that there are more.
    """
    every_second = Cron("* * * * * *", tz="Europe/Berlin")
    anchor, first = Instant(START - 1), START
    last = Instant(START + (COUNT_EXACT_MAX - 1) * SECOND)

    for schedule in (every_second, Interval(1)):
        begin = first if schedule is every_second else Instant(first + SECOND)
        begin_last = last if schedule is every_second else Instant(last + SECOND)
        anchored = anchor if schedule is every_second else START
        assert count_occurrences(schedule, anchored, begin, begin_last) == (10_000, True)
        more = Instant(begin_last + SECOND)
        assert count_occurrences(schedule, anchored, begin, more) == (10_000, False)


@pytest.mark.parametrize("tz", ["UTC", "Europe/Berlin"])
def test_the_latest_of_a_long_outage_is_found_by_few_looks(
    tz: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Ten years of every second are not walked.
    """
    cron = Cron("* * * * * *", tz=tz)
    yearly = Cron("0 0 0 1 1 *", tz=tz)
    looks = 0
    original = Timetable.next_second

    def counted(table: Timetable, second: int) -> int | None:
        nonlocal looks
        looks += 1
        return original(table, second)

    monkeypatch.setattr(Timetable, "next_second", counted)
    until = Instant(START + 10 * 366 * 24 * HOUR)

    assert latest_occurrence(cron, START, START, until) == until // SECOND * SECOND
    assert latest_occurrence(yearly, START, START, until) is not None
    assert looks < 100
