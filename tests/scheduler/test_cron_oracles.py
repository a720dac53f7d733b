"""
Our evaluator against three others: a slow one of our own, croniter and cronsim.

Each run tries some; the test marked `soak` tries 20,000 expressions against the slow one.
"""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from azoth_scheduler.cron import DayMatch, DstPolicy, croniter_next
from azoth_scheduler.errors import InvalidSchedule
from azoth_scheduler.schedules import Cron
from azoth_scheduler.simulation.oracle.cron import Reference, expand
from azoth_scheduler.simulation.oracle.zones import clock_changes, local
from azoth_scheduler.testing._drawn_crons import (
    DAYS,
    HOURS,
    MINUTES,
    MONTHS,
    NIGHT_HOURS,
    SECONDS,
    SPECIAL_DAYS,
    SPECIAL_WEEKDAYS,
    WEEKDAYS,
    joined,
    numbers,
)

pytestmark = pytest.mark.uncovered

# Half-hour and two-hour changes, a missing day, negative DST, changes at midnight, Ramadan's.
ZONES: Final = (
    "UTC", "Europe/Berlin", "Europe/Dublin", "Europe/London", "Europe/Riga", "America/New_York",
    "America/Havana", "America/Sao_Paulo", "America/Santiago", "America/St_Johns",
    "America/Asuncion", "Australia/Lord_Howe", "Pacific/Apia", "Pacific/Chatham",
    "Pacific/Kwajalein", "Pacific/Easter", "Antarctica/Troll", "Antarctica/Casey",
    "Africa/Casablanca", "Africa/Cairo", "Africa/Monrovia", "Asia/Hebron", "Asia/Gaza",
    "Asia/Beirut", "Asia/Tehran", "Asia/Kathmandu",
)  # fmt: skip
# Dates that these zones left out when they crossed the date line.
MISSING_DATES: Final = {
    "Pacific/Apia": date(2011, 12, 30),
    "Pacific/Kwajalein": date(1993, 8, 21),
}
# Whole hours, and never at midnight: in other gaps cronsim answers with times that do not exist.
PLAIN_ZONES: Final = (
    "UTC", "Europe/Berlin", "Europe/Dublin", "Europe/London", "America/New_York",
    "America/Chicago", "Australia/Sydney", "Pacific/Auckland",
)  # fmt: skip
DAY: Final = timedelta(days=1)
FIRST: Final = datetime.fromisoformat("1971-01-01")
LAST: Final = datetime.fromisoformat("2090-01-01")
MICROSECOND: Final = timedelta(microseconds=1)
SECOND: Final = timedelta(seconds=1)
APIA_LEAPS: Final = datetime(2011, 12, 29, 12, tzinfo=UTC)

profile: Final = settings()
# A usual run shall take seconds.
many: Final = settings(max_examples=2 * profile.max_examples)
# On a loaded machine drawing is slow, and no mistake of the test.
soak: Final = settings(max_examples=20_000, suppress_health_check=[HealthCheck.too_slow])


SIX: Final = joined(SECONDS, MINUTES, HOURS, SPECIAL_DAYS, MONTHS, SPECIAL_WEEKDAYS)
OPTIONS: Final = st.fixed_dictionaries(
    {
        "dst": st.sampled_from(["cron", "literal", "skip_once"]),
        "day_match": st.sampled_from([None, None, "and", "or"]),
    }
)


@st.composite
def starts(draw: st.DrawFn, tz: str) -> datetime:
    """
    Draw an instant, most often within hours of a change of the clock.
    """
    changes = clock_changes(tz, 1971, 2050)
    anywhere = st.datetimes(FIRST, LAST, timezones=st.just(UTC))
    if not changes or draw(st.integers(0, 4)) == 0:
        return draw(anywhere)
    seconds = draw(st.integers(-9 * 3_600, 9 * 3_600) | st.integers(-2, 2))
    near = draw(st.sampled_from(changes)) + timedelta(seconds=seconds)
    return near + draw(st.sampled_from([0, 0, -1, 1, 500_000])) * MICROSECOND


@st.composite
def questions(draw: st.DrawFn) -> tuple[str, str, dict[str, Any], datetime]:
    """
    Draw an expression, a zone, the options, and where to start.
    """
    tz = draw(st.sampled_from(ZONES))
    return draw(SIX), tz, draw(OPTIONS), draw(starts(tz))


@many
@given(question=questions())
@example(question=("0 0 0 * * *", "Pacific/Apia", {"dst": "cron"}, APIA_LEAPS))
@example(question=("0 0 12 30 12 *", "Pacific/Apia", {"dst": "cron"}, APIA_LEAPS))
def test_it_agrees_with_the_slow_evaluator(
    question: tuple[str, str, dict[str, Any], datetime],
) -> None:
    """
    Three steps: each strictly later, nothing in between skipped, nothing invented.
    """
    agree(*question)


@pytest.mark.soak
@pytest.mark.timeout(0)
@soak
@given(question=questions())
def test_it_agrees_with_the_slow_evaluator_20_000_times(
    question: tuple[str, str, dict[str, Any], datetime],
) -> None:
    """
    The same, for as many expressions, zones and starts as take minutes.
    """
    agree(*question)


def agree(expr: str, tz: str, options: dict[str, Any], after: datetime) -> None:
    """
    Compare three steps of both evaluators.
    """
    schedule = valid(expr, tz, **options)
    reference = Reference(expr, tz, **options)

    for _ in range(3):
        expected = reference.searched_after(after)
        found = schedule.next_run_time(after)

        assert expected == reference.next_after(after)
        assert expected == (found and found.astimezone(UTC))
        if expected is None:
            break
        assert expected > after
        assert reference.occurs_at(expected)
        after = expected


@given(
    expr=joined(SECONDS, MINUTES, NIGHT_HOURS, st.just("* * *")),
    tz=st.sampled_from(ZONES),
    dst=st.sampled_from(["cron", "literal", "skip_once"]),
    data=st.data(),
)
def test_each_second_around_a_change_fires_or_not(
    expr: str, tz: str, dst: DstPolicy, data: st.DataObject
) -> None:
    """
    Walking through ten minutes meets the seconds that are occurrences when asked one by one.
    """
    schedule = valid(expr, tz, dst)
    reference = Reference(expr, tz, dst)
    begin = data.draw(starts(tz)).replace(microsecond=0)
    seconds = [begin + number * SECOND for number in range(1, 600)]

    found: list[datetime] = []
    following = schedule.next_run_time(begin)
    while following is not None and following.astimezone(UTC) <= seconds[-1]:
        found.append(following.astimezone(UTC))
        following = schedule.next_run_time(following)

    assert [when for when in seconds if reference.occurs_at(when)] == found


@many
@given(
    expr=joined(MINUTES, MINUTES, HOURS, DAYS, MONTHS, WEEKDAYS),
    after=st.datetimes(FIRST, LAST),
)
def test_croniter_agrees_on_lists_of_numbers(expr: str, after: datetime) -> None:
    """
    On naive times, and on what its dialect can say, croniter gives the same answer.
    """
    schedule = valid(expr)

    found = schedule.next_run_time(after.replace(tzinfo=UTC))

    assert found is not None
    assert croniter_next(expr, after) == found.replace(tzinfo=None)


@many
@given(
    expr=joined(MINUTES, HOURS, DAYS, MONTHS, st.just("*") | numbers(0, 7, 6)),
    tz=st.sampled_from(PLAIN_ZONES),
    data=st.data(),
)
def test_cronsim_agrees_in_plain_zones(expr: str, tz: str, data: st.DataObject) -> None:
    """
    It follows Debian's cron, so five fields mean the same under the default policy.
    """
    schedule = valid(expr, tz)
    after = data.draw(starts(tz)).astimezone(ZoneInfo(tz))
    # It forgets the fold, and answers with a time before one in the second copy.
    assume(after.fold == 0)

    expected = next(CronSim(for_cronsim(expr), after))
    found = schedule.next_run_time(after)

    assert found is not None
    assert expected.astimezone(UTC) == found.astimezone(UTC)


@many
@given(
    time=st.tuples(st.integers(0, 59), st.integers(0, 4)),
    tz=st.sampled_from(ZONES),
    data=st.data(),
)
def test_a_fixed_time_runs_once_for_each_local_date(
    time: tuple[int, int], tz: str, data: st.DataObject
) -> None:
    """
    Under `dst="cron"` no local date is left out and none is served twice.

    A date that the zone itself leaves out is served by the midnight after it.
    """
    minute, hour = time
    schedule = Cron(f"0 {minute} {hour} * * *", tz=tz)
    when = data.draw(starts(tz))
    first = local(when, tz).date() - 2 * DAY
    dates = [first + number * DAY for number in range(6)]
    expected = Counter(dates)
    missing = MISSING_DATES.get(tz)
    if missing is not None and missing in expected:
        del expected[missing]
        # The midnight after it is its own time too if the schedule fires at midnight.
        expected[missing + DAY] += 1 if minute or hour else 0

    found: Counter[date] = Counter()
    following = schedule.next_run_time(when - 5 * DAY)
    while following is not None and following.date() <= dates[-1]:
        found[following.date()] += following.date() in dates
        following = schedule.next_run_time(following)

    assert expected == found


def for_cronsim(expr: str) -> str:
    """
    Write all but stars as numbers: cronsim reads `1-1/2` as `1/2`.
    """
    fields = expr.replace("?", "*").upper().split()
    return " ".join(
        ",".join(
            item if item[0] == "*" else ",".join(map(str, sorted(expand(item, place))))
            for item in text.split(",")
        )
        for place, text in enumerate(fields, 1)
    )


def valid(
    expr: str, tz: str = "UTC", dst: DstPolicy = "cron", day_match: DayMatch | None = None
) -> Cron:
    """
    Return a schedule, or give the example up where it is one that never fires.
    """
    try:
        return Cron(expr, tz, dst, day_match)
    except InvalidSchedule as error:
        assume("no day of 400 years" not in error.reason and "is skipped by" not in error.reason)
        raise
