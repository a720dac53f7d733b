"""
Cron where clocks change, as a table: 23 zones, what each policy makes of their gaps and repeats.

The expected times were written down from the zones' own history, not computed by the evaluator.
Gaps of half an hour, an hour, two and a whole day; changes at midnight, in odd minutes, by quarter
hours and seconds; Dublin, whose standard time is summer's; Casablanca, which turns back in Ramadan.
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest

from azoth_scheduler.schedules import Cron
from azoth_scheduler.simulation.oracle import Reference

pytestmark = pytest.mark.uncovered

CASES: Final[list[dict[str, Any]]] = json.loads(
    (Path(__file__).parent / "cases" / "cron_clock_changes.json").read_text()
)
each_case: Final = pytest.mark.parametrize(
    "case",
    CASES,
    ids=[f"{case['tz']} {case['after'][:10]} {case['expr']} {case['dst']}" for case in CASES],
)


@pytest.mark.rule("S-47")
@each_case
def test_a_clock_change(case: dict[str, Any]) -> None:
    """
    The times that follow a start are those of the table, offsets included.
    """
    schedule = Cron(case["expr"], case["tz"], case["dst"])
    when: datetime | None = datetime.fromisoformat(case["after"])
    found: list[str] = []
    for _ in case["expected"]:
        when = schedule.next_run_time(when) if when else None
        found += [when.isoformat()] if when else []

    assert case["expected"] == found


@each_case
def test_the_slow_evaluator_reads_the_table_too(case: dict[str, Any]) -> None:
    """
    The oracle of random schedules is held to the same times, so it is no second copy of a mistake.
    """
    reference = Reference(case["expr"], case["tz"], case["dst"])
    when: datetime | None = datetime.fromisoformat(case["after"]).astimezone(UTC)
    found: list[str] = []
    for _ in case["expected"]:
        when = reference.next_after(when) if when else None
        found += [when.astimezone(ZoneInfo(case["tz"])).isoformat()] if when else []

    assert case["expected"] == found


@each_case
def test_the_table_holds_times_that_clocks_show(case: dict[str, Any]) -> None:
    """
    `zoneinfo` knows the offset of each time in the table: a slip of the pen would be no fact.
    """
    for text in [case["after"], *case["expected"]]:
        shown = datetime.fromisoformat(text).astimezone(ZoneInfo(case["tz"]))

        assert shown.isoformat() == text


def test_the_table_has_the_odd_zones() -> None:
    """
    Twenty zones at least, among them those that have broken other schedulers.
    """
    zones = {case["tz"] for case in CASES}

    assert len(zones) >= 20
    assert zones >= {
        "Africa/Casablanca",
        "America/Havana",
        "Australia/Lord_Howe",
        "Europe/Dublin",
        "Pacific/Apia",
    }
