"""
Cron expressions: what they mean, apart from changes of the clock.
"""

import ast
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest

from azoth_scheduler.cron import DayMatch, croniter_next, timetable
from azoth_scheduler.schedules import Cron

ROOT: Final = Path(__file__).parents[2]
CASES: Final[list[dict[str, Any]]] = json.loads(
    (Path(__file__).parent / "cases" / "cron.json").read_text()
)
NEW_YEAR: Final = datetime(2024, 1, 1, tzinfo=UTC)  # a Monday


def following(schedule: Cron, after: datetime, count: int) -> list[str]:
    """
    Return the next times as ISO text.
    """
    found: list[str] = []
    when: datetime | None = after
    while when is not None and len(found) < count:
        when = schedule.next_run_time(when)
        found += [] if when is None else [when.isoformat()]
    return found


def days(expr: str, count: int = 4, *, day_match: DayMatch | None = None) -> list[str]:
    """
    Return the days of the next times from 1 January 2024 on, the day itself inside.
    """
    schedule = Cron(expr, day_match=day_match)
    return [text[5:10] for text in following(schedule, NEW_YEAR - timedelta(seconds=1), count)]


@pytest.mark.rule("S-47")
@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_a_published_case(case: dict[str, Any]) -> None:
    """
    The public test of another cron says what comes next; ours says the same.
    """
    day_match = None if case["day"] == "vixie" else case["day"]
    schedule = Cron(case["expr"], case["tz"], case["dst"], day_match)
    after = datetime.fromisoformat(case["after"])
    if after.tzinfo is None:
        after = after.replace(tzinfo=ZoneInfo(case["tz"]))

    found = following(schedule, after, len(case["expected"]))

    assert case["expected"] == found


@pytest.mark.rule("S-47")
def test_five_fields_mean_second_zero() -> None:
    """
    The usual crontab has no seconds: it fires at second 0.
    """
    assert following(Cron("0 */5 * * * *"), NEW_YEAR, 9) == following(
        Cron("*/5 * * * *"), NEW_YEAR, 9
    )


@pytest.mark.rule("S-47")
def test_monday_is_1_and_sunday_is_0_and_7() -> None:
    """
    `1-5` is Monday to Friday, as the seed says and its cron library does not.
    """
    assert days("0 0 9 * * 1-5", 6) == ["01-01", "01-02", "01-03", "01-04", "01-05", "01-08"]
    assert days("0 0 9 * * 0") == days("0 0 9 * * 7") == ["01-07", "01-14", "01-21", "01-28"]
    assert days("0 0 9 * * 5-7", 3) == ["01-05", "01-06", "01-07"]
    assert days("0 0 9 * * 0-7", 7) == days("0 0 9 * * *", 7)


def test_names_stand_for_numbers_in_any_case() -> None:
    """
    Three letters name months and weekdays, in ranges, steps and special forms too.
    """
    assert days("0 0 0 * FEB mon-Wed", 3) == ["02-05", "02-06", "02-07"]
    assert days("0 0 0 * jan-mar/2 Sun#1", 2) == days("0 0 0 * 1,3 0#1", 2) == ["01-07", "03-03"]
    assert days("0 0 0 * * friL", 2) == days("0 0 0 * * 5L", 2) == ["01-26", "02-23"]
    assert days("0 0 0 * * MON/2", 4) == ["01-01", "01-03", "01-05", "01-08"]


@pytest.mark.parametrize(
    ("macro", "fields"),
    {
        "@hourly": "0 0 * * * *",
        "@daily": "0 0 0 * * *",
        "@midnight": "0 0 0 * * *",
        "@weekly": "0 0 0 * * 0",
        "@monthly": "0 0 0 1 * *",
        "@yearly": "0 0 0 1 1 *",
        " @ANNUALLY ": "0 0 0 1 1 *",
    }.items(),
)
def test_a_macro_stands_for_six_fields(macro: str, fields: str) -> None:
    """
    A macro fires when its fields fire.
    """
    assert following(Cron(fields), NEW_YEAR, 5) == following(Cron(macro), NEW_YEAR, 5)


@pytest.mark.parametrize(
    ("text", "minutes"),
    {
        "1-1": [1],
        "59/15": [59],
        "5/15": [5, 20, 35, 50],
        "*/25": [0, 25, 50],
        "*/100": [0],
        "10-20/5": [10, 15, 20],
        "10-20/99": [10],
        "3,1,2,1": [1, 2, 3],
        "1,10-11,50/5": [1, 10, 11, 50, 55],
        "05": [5],
        "7,*/30": [0, 7, 30],
    }.items(),
)
def test_lists_ranges_and_steps(text: str, minutes: list[int]) -> None:
    """
    A list holds numbers, ranges and steps; `a/n` runs from a to the end of its field.
    """
    found = following(Cron(f"0 {text} * * * *"), NEW_YEAR - timedelta(seconds=1), len(minutes) + 1)

    assert [*minutes, minutes[0]] == [int(text[14:16]) for text in found]


def test_a_question_mark_is_a_star() -> None:
    """
    `?` alone is `*` in any field, also where a star changes how the day fields combine.
    """
    for stars, marks in {
        "0 0 0 13 * *": "0 0 0 13 ? ?",
        "0 0 0 * * 5": "0 0 0 ? * 5",
        "* * * * * *": "? ? ? ? ? ?",
    }.items():
        assert following(Cron(stars), NEW_YEAR, 5) == following(Cron(marks), NEW_YEAR, 5)


@pytest.mark.parametrize(
    ("expr", "expected"),
    {
        "0 0 0 L * *": ["01-31", "02-29", "03-31", "04-30"],
        "0 0 0 LW * *": ["01-31", "02-29", "03-29", "04-30"],
        "0 0 0 L,15 * *": ["01-15", "01-31", "02-15", "02-29"],
        "0 0 0 LW,L 3,6 *": ["03-29", "03-31", "06-28", "06-30"],
        "0 0 0 * * 5L": ["01-26", "02-23", "03-29", "04-26"],
        "0 0 0 * * 0L,7L,1L": ["01-28", "01-29", "02-25", "02-26"],
        "0 0 0 * * 1#2": ["01-08", "02-12", "03-11", "04-08"],
        "0 0 0 * * 5#5": ["03-29", "05-31", "08-30", "11-29"],
        "0 0 0 * * 3,1#1": ["01-01", "01-03", "01-10", "01-17"],
        "0 0 0 31 * *": ["01-31", "03-31", "05-31", "07-31"],
        "0 0 0 29 2 *": ["02-29", "02-29", "02-29", "02-29"],
    }.items(),
)
def test_special_days(expr: str, expected: list[str]) -> None:
    """
    `L` is the last day, `LW` the last workday, `5L` the last Friday, `1#2` the second Monday.
    """
    assert expected == days(expr)


@pytest.mark.parametrize(
    ("day", "weekday", "day_match", "rule"),
    [
        ("13", "5", None, "or"),
        ("13", "*", None, "days"),
        ("*", "5", None, "weekdays"),
        ("*", "*", None, "all"),
        ("*/2", "5", None, "and"),
        ("13", "*/5", None, "and"),
        ("*,13", "5", None, "weekdays"),
        ("1-31", "5", None, "all"),
        ("L", "5", None, "or"),
        ("13", "5", "and", "and"),
        ("13", "5", "or", "or"),
        ("*/2", "5", "or", "or"),
        ("13", "*/5", "or", "or"),
        ("?", "5", "or", "weekdays"),
        ("13", "*", "or", "days"),
        ("*", "*", "or", "all"),
        ("*", "5", "and", "weekdays"),
    ],
)
def test_how_the_day_fields_combine(
    day: str, weekday: str, day_match: DayMatch | None, rule: str
) -> None:
    """
    Both set: either may match, unless one begins with `*`; `day_match` says it outright.
    """
    year = [NEW_YEAR + timedelta(days=number) for number in range(366)]
    everything = set(year)
    by_day = {
        "13": {when for when in year if when.day == 13},
        "*/2": {when for when in year if when.day % 2 == 1},
        "L": {when for when in year if (when + timedelta(days=1)).day == 1},
    }.get(day, everything)
    by_weekday = {
        "5": {when for when in year if when.isoweekday() == 5},
        "*/5": {when for when in year if when.isoweekday() in {5, 7}},
    }.get(weekday, everything)
    named = {
        "and": by_day & by_weekday,
        "or": by_day | by_weekday,
        "days": by_day,
        "weekdays": by_weekday,
        "all": everything,
    }[rule]
    expected = [when.isoformat()[5:10] for when in sorted(named)]

    assert expected == days(f"0 0 0 {day} * {weekday}", len(expected), day_match=day_match)


def test_the_next_time_is_strictly_later() -> None:
    """
    An occurrence does not follow itself, and a microsecond before it is before it.
    """
    schedule = Cron("0 0 12 * * *")
    noon = datetime(2024, 1, 1, 12, tzinfo=UTC)
    microsecond = timedelta(microseconds=1)

    assert schedule.next_run_time(noon - microsecond) == noon
    assert schedule.next_run_time(noon) == noon + timedelta(days=1)
    assert schedule.next_run_time(noon + microsecond) == noon + timedelta(days=1)


def test_the_answer_is_in_the_schedule_s_zone() -> None:
    """
    Whatever zone the question is in, the answer is in the schedule's.
    """
    asked = datetime(2026, 7, 1, 5, 30, tzinfo=ZoneInfo("Asia/Kathmandu"))

    found = Cron("0 0 9 * * *", tz="America/New_York").next_run_time(asked)

    assert found is not None
    assert found.isoformat() == "2026-07-01T09:00:00-04:00"
    assert found.tzinfo == ZoneInfo("America/New_York")


@pytest.mark.parametrize("tz", ["UTC", "Pacific/Kiritimati", "Pacific/Honolulu", "Europe/Berlin"])
def test_the_calendar_ends_with_the_year_9999(tz: str) -> None:
    """
    What would come after the last second that a datetime can hold is None, not an error.
    """
    last = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)

    assert Cron("0 0 0 1 1 *", tz=tz).next_run_time(last - timedelta(days=2)) is None
    assert Cron("* * * * * *", tz=tz).next_run_time(last) is None


def test_leap_days_follow_the_gregorian_calendar() -> None:
    """
    2100 is no leap year, 2400 is one, and a weekday in one may take 40 years.
    """
    leap_day = Cron("0 0 0 29 2 *")
    monday = Cron("0 0 0 29 2 1", day_match="and")

    assert following(leap_day, datetime(2096, 3, 1, tzinfo=UTC), 1)[0][:4] == "2104"
    assert following(leap_day, datetime(2396, 3, 1, tzinfo=UTC), 1)[0][:4] == "2400"
    assert following(monday, datetime(2072, 3, 1, tzinfo=UTC), 1)[0][:4] == "2112"


@pytest.mark.parametrize(
    "wrong",
    [datetime.fromisoformat("2024-01-01"), datetime(1969, 12, 31, tzinfo=UTC)],
    ids=["naive", "too early"],
)
def test_a_question_needs_an_instant(wrong: datetime) -> None:
    """
    A naive datetime is no instant, and instants begin with 1970.
    """
    with pytest.raises(ValueError, match=r"no time zone|before 1970"):
        Cron("* * * * * *").next_run_time(wrong)


def test_a_parsed_expression_is_kept() -> None:
    """
    Equal schedules share one timetable, so that only the first pays for parsing.
    """
    assert Cron("0 1 2 3 4 *").timetable() is Cron("0 1 2 3 4 *").timetable()
    assert timetable.cache_parameters()["maxsize"] is not None


@pytest.mark.parametrize(
    ("expr", "after"),
    [
        ("0 */7 3 * * 1-5", datetime.fromisoformat("2024-02-28")),
        ("5 0 0 1,31 * 0", datetime.fromisoformat("2024-08-31T12:00")),
    ],
)
def test_croniter_gives_a_second_opinion(expr: str, after: datetime) -> None:
    """
    It is asked with lists of numbers and a naive time, and agrees.
    """
    expected = croniter_next(expr, after)

    assert expected is not None
    assert expected.replace(tzinfo=UTC) == Cron(expr).next_run_time(after.replace(tzinfo=UTC))


@pytest.mark.parametrize("expr", ["0 0 0 L * *", "0 0 0 LW * *", "0 0 0 * * 5L", "0 0 0 * * 1#2"])
def test_croniter_is_not_asked_what_it_cannot_read(expr: str) -> None:
    """
    Special days have no list of numbers.
    """
    assert croniter_next(expr, datetime.fromisoformat("2024-01-01")) is None


def test_only_cron_py_imports_croniter() -> None:
    """
    One module stands between us and a library whose answers change between releases.
    """
    importers = [
        path.relative_to(ROOT).as_posix()
        for package in ("azoth", "azoth_scheduler", "stores")
        for path in sorted((ROOT / package).rglob("*.py"))
        if any(
            (isinstance(node, ast.ImportFrom) and node.module == "croniter")
            or (isinstance(node, ast.Import) and any(a.name == "croniter" for a in node.names))
            for node in ast.walk(ast.parse(path.read_text()))
        )
    ]

    assert importers == ["azoth_scheduler/cron.py"]


@pytest.mark.parametrize(
    "expr",
    ["0 30 9 * * 1-5", "0 0 0 29 2 *", "0 0 0 L * *", "0 0 12 1,31 3,8 *", "0 0 0 * 12 5#5"],
)
def test_an_answer_does_not_depend_on_what_was_asked_before(expr: str) -> None:
    """
    A timetable keeps the days that it found last: a jump back or over years asks anew.
    """
    starts = [NEW_YEAR + timedelta(days=number * 23, hours=number) for number in range(300)]
    expected: list[datetime | None] = []
    for start in starts:
        timetable.cache_clear()
        expected.append(Cron(expr).next_run_time(start))
    questions = list(zip(starts, expected, strict=True))

    schedule = Cron(expr)
    for start, answer in [*questions, *reversed(questions), *sorted(questions, key=by_day)]:
        assert answer == schedule.next_run_time(start)


def by_day(question: tuple[datetime, datetime | None]) -> tuple[int, int]:
    """
    Return a key that puts neighbours far apart.
    """
    return question[0].day, -question[0].year
