"""
Cron in words, the next five times, and warnings of what is probably not meant.
"""

from datetime import UTC, datetime
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azoth_scheduler.cron import DayMatch, DstPolicy, explain, lint
from azoth_scheduler.errors import InvalidSchedule

NOW: Final = datetime(2026, 3, 27, tzinfo=UTC)

SENTENCES: Final = {
    "* * * * * *": "Every second",
    "*/10 * * * * *": "Every 10 seconds",
    "0 * * * * *": "Every minute",
    "* * * * *": "Every minute",
    "0 */5 * * * *": "Every 5 minutes",
    "0 0,15,30,45 * * * *": "Every 15 minutes",
    "0 0 * * * *": "Every hour",
    "@hourly": "Every hour",
    "0 0 */3 * * *": "Every 3 hours",
    "0 0 0,12 * * *": "At 00:00 and 12:00",
    "30 * * * * *": "At second 30 of every minute",
    "0,31 * * * * *": "At seconds 0 and 31 of every minute",
    "0 30 * * * *": "At minute 30 of every hour",
    "0 */7 * * * *": "At minutes 0, 7, 14, 21, 28, 35, … and 56 of every hour",
    "* */5 * * * *": "Every second of every 5th minute",
    "* 5 * * * *": "Every second of minute 5 of every hour",
    "5 */10 * * * *": "At second 5 of every 10th minute",
    "5 * 3 * * *": "At second 5 of every minute of hour 3",
    "*/10 */30 */2 * * *": "Every 10 seconds of every 30th minute of every 2nd hour",
    "* * */8 * * *": "Every second of every 8th hour",
    "0 */20 9-17 * * *": "Every 20 minutes of hours 9 to 17",
    "0 0 0-5,7,9-11 * * *": "At minute 0 of hours 0 to 5, 7 and 9 to 11",
    "0 0,7,9 */3 * * *": "At minutes 0, 7 and 9 of every 3rd hour",
    "0 30 9 * * 1-5": "At 09:30 on Monday to Friday",
    "15 30 9,18 * * *": "At 09:30:15 and 18:30:15",
    "0 0 0 * * 5-7": "At 00:00 on Friday to Sunday",
    "0 0 0 * * 0,6": "At 00:00 on Saturday and Sunday",
    "0 0 0 1 * *": "At 00:00 on day 1 of the month",
    "0 0 0 1,15 * *": "At 00:00 on days 1 and 15 of the month",
    "0 0 0 13 * 5": "At 00:00 on day 13 of the month or on Friday",
    "0 0 0 */15 * 5": "At 00:00 on days 1, 16 and 31 of the month, if that is Friday",
    "0 0 0 L * *": "At 00:00 on the last day of the month",
    "0 0 0 LW,1 1-3,6 *": "At 00:00 on day 1 of the month or the last workday (Monday to Friday) "
    "of the month in January to March and June",
    "0 0 0 * * 5L": "At 00:00 on the last Friday of the month",
    "0 0 0 * * 1#2,0#5,3": "At 00:00 on Wednesday, the second Monday of the month or the fifth "
    "Sunday of the month",
    "0 0 0 29 2 *": "At 00:00 on day 29 of the month in February",
    "0 0 0 1-31 * 0-6": "At 00:00 on any day of the month or on any weekday",
}


@pytest.mark.parametrize(("expr", "words"), SENTENCES.items())
def test_a_sentence(expr: str, words: str) -> None:
    """
    An expression is said as a person would say it.
    """
    assert explain(expr, now=NOW).words == words


@pytest.mark.parametrize(
    ("day_match", "words"),
    [
        ("and", "At 00:00 on day 13 of the month, if that is Friday"),
        ("or", "At 00:00 on day 13 of the month or on Friday"),
    ],
)
def test_a_sentence_says_how_days_combine(day_match: DayMatch, words: str) -> None:
    """
    `day_match` is heard in the words.
    """
    assert explain("0 0 0 13 * 5", now=NOW, day_match=day_match).words == words


def test_an_explanation_lists_the_next_five_times() -> None:
    """
    In the zone asked for, its changes of the clock included.
    """
    explanation = explain("0 30 2 * * *", tz="Europe/Berlin", now=NOW)

    assert [when.isoformat() for when in explanation.next_run_times] == [
        "2026-03-27T02:30:00+01:00",
        "2026-03-28T02:30:00+01:00",
        "2026-03-29T03:00:00+02:00",
        "2026-03-30T02:30:00+02:00",
        "2026-03-31T02:30:00+02:00",
    ]
    assert str(explanation).splitlines()[0] == "At 02:30, by the clocks of Europe/Berlin."
    assert str(explanation).splitlines()[1] == "  2026-03-27T02:30:00+01:00"


def test_an_explanation_ends_with_the_calendar() -> None:
    """
    Near the year 9999 fewer than five times follow.
    """
    explanation = explain("0 0 0 1 1 *", now=datetime(9996, 6, 1, tzinfo=UTC))

    assert [when.year for when in explanation.next_run_times] == [9997, 9998, 9999]


def test_what_is_no_expression_is_not_explained() -> None:
    """
    It is refused as everywhere.
    """
    with pytest.raises(InvalidSchedule):
        explain("0 0 0 * * FRI-SUN", now=NOW)


@given(
    st.tuples(
        st.sampled_from(["0", "*", "*/7", "5", "1,2,9"]),
        st.sampled_from(["0", "*", "*/5", "30", "1-9,50"]),
        st.sampled_from(["0", "*", "*/5", "9-17", "2"]),
        st.sampled_from(["*", "1", "*/2", "L", "LW,3"]),
        st.sampled_from(["*", "1", "2-4", "*/5"]),
        st.sampled_from(["*", "1-5", "5L", "1#1,3", "*/2"]),
    )
)
def test_every_expression_has_words(fields: tuple[str, ...]) -> None:
    """
    The sentence begins with a capital and has no loose ends.
    """
    words = explain(" ".join(fields), now=NOW).words

    assert words[0].isupper()
    assert "  " not in words
    assert not words.endswith((",", " ", "of"))


SINCE: Final = datetime(2030, 1, 1, tzinfo=UTC)
QUIET: Final = ["0 0 9 * * MON-FRI", "0 */5 * * * *", "@daily", "0 0 12 L * *", "0 0 */2 * * *"]


@pytest.mark.parametrize("expr", QUIET)
def test_nothing_is_said_of_what_is_clear(expr: str) -> None:
    """
    A linter that cries wolf is switched off.
    """
    assert lint(expr, "Europe/Berlin", since=SINCE) == ()


@pytest.mark.parametrize(
    ("expr", "written"),
    {
        "0 0 9 * * 1-5": "MON-FRI cannot",
        "0 0 9 * * 0": "SUN cannot",
        "0 0 9 * * MON,5": "FRI cannot",
        "0 0 9 * * 1#2": "MON#2 cannot",
        "0 0 9 * * 5L": "FRIL cannot",
        "0 0 9 * * 1-5/2": "MON-FRI/2 cannot",
        "0 0 9 * * 5-7": "a list of names cannot",
    }.items(),
)
def test_numbers_of_weekdays_are_named(expr: str, written: str) -> None:
    """
    Other schedulers count from Sunday = 1; the warning says how to write it with names.
    """
    (warning,) = lint(expr, since=SINCE)

    assert "counts from Sunday = 0 here" in warning
    assert written in warning


@pytest.mark.parametrize(
    ("expr", "rule"),
    [
        ("0 0 0 13 * FRI", "either may match"),
        ("0 0 0 */2 * FRI", "both must match, for one begins with *"),
    ],
)
def test_two_day_fields_are_pointed_out(expr: str, rule: str) -> None:
    """
    Which rule combines them is said, unless the schedule says it itself.
    """
    (warning,) = lint(expr, since=SINCE)

    assert rule in warning
    assert lint(expr, day_match="and", since=SINCE) == ()


def test_an_uneven_step_is_pointed_out() -> None:
    """
    Every 7 minutes is not what `*/7` does at the end of the hour, and `*/90` is hourly.
    """
    assert lint("0 */7 * * * *", since=SINCE)[0].startswith(
        "*/7 in minute starts again at 0, 4 after 56"
    )
    assert lint("0 */90 * * * *", since=SINCE)[0].startswith(
        "*/90 in minute starts again at 0, 60 after 0"
    )


SKIP: Final = "clocks in Europe/Berlin skip 2030-03-31 02:00 to 03:00: these times "
REPEAT: Final = "clocks in Europe/Berlin repeat 2030-10-27 02:00 to 03:00: these times "
SKIP_ONCE: Final = "clocks in Europe/Berlin skip 2037-03-29 02:00 to 03:00: these times "
HALF_AN_HOUR: Final = "clocks in Australia/Lord_Howe repeat 2030-04-07 01:30 to 02:00: these times "
TOGETHER: Final = "run together, at its end"
NOT_AT_ALL: Final = "do not run that day"
TWICE: Final = "run twice"
FIRST: Final = "run once, at their first copy"


@pytest.mark.parametrize(
    ("tz", "expr", "dst", "warnings"),
    [
        ("Europe/Berlin", "0 30 2 * * *", "cron", (SKIP + TOGETHER, REPEAT + FIRST)),
        ("Europe/Berlin", "0 30 2 * * *", "literal", (SKIP + NOT_AT_ALL, REPEAT + TWICE)),
        ("Europe/Berlin", "0 30 2 * * *", "skip_once", (SKIP + NOT_AT_ALL, REPEAT + FIRST)),
        ("Europe/Berlin", "0 * 2 29 3 *", "cron", (SKIP_ONCE + NOT_AT_ALL,)),
        ("Australia/Lord_Howe", "0 45 1 * * *", "cron", (HALF_AN_HOUR + FIRST,)),
        ("Europe/Berlin", "0 30 4 * * *", "cron", ()),
        ("Asia/Tokyo", "0 30 2 * * *", "cron", ()),
        ("UTC", "0 30 2 * * *", "cron", ()),
    ],
)
def test_times_that_clocks_skip_or_repeat(
    tz: str, expr: str, dst: DstPolicy, warnings: tuple[str, ...]
) -> None:
    """
    When it happens is said, and what the policy makes of it.
    """
    assert lint(expr, tz, dst=dst, since=SINCE) == warnings


def test_changes_of_the_clock_are_looked_at_from_a_time_on() -> None:
    """
    Brazil gave up its summer time in 2019.
    """
    assert lint("0 30 0 * * *", "America/Sao_Paulo", since=SINCE) == ()
    assert lint("0 30 0 * * *", "America/Sao_Paulo", since=datetime(2018, 1, 1, tzinfo=UTC))
