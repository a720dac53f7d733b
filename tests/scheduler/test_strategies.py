"""
Strategies for tasks: what is valid is taken, what is not is refused, and edges come often.
"""

import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final, TypeVar, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from azoth import Event, open_store
from azoth.clocks import Instant, datetime_of, instant_of
from azoth.testing import ManualClock
from azoth_scheduler import Cron, InvalidSchedule, Scheduler, ScheduleTaskRequest
from azoth_scheduler.events import SchedulerEvent
from azoth_scheduler.schedules import Immediate, Interval, OneTime, Schedule
from azoth_scheduler.simulation.invariants import assert_sound
from azoth_scheduler.simulation.oracle.zones import clock_changes
from azoth_scheduler.testing import strategies as drawn
from azoth_scheduler.testing.strategies import CronFlaw, InvalidCron
from tests.support.samples import sample

pytestmark = pytest.mark.uncovered

T = TypeVar("T")

HOUR: Final = 3_600_000_000
BEGIN: Final = instant_of(clock_changes("Europe/Berlin", 2026, 2026)[0])


def share(values: Sequence[T], chosen: Callable[[T], object]) -> float:
    """
    Return which part of the values is chosen.
    """
    return sum(map(bool, map(chosen, values))) / len(values)


def is_near_a_change(occasion: tuple[Schedule, Instant]) -> bool:
    """
    Say whether the moment lies within nine hours of a change of the schedule's clock.
    """
    schedule, moment = occasion
    tz = schedule.tz if isinstance(schedule, Cron) else "UTC"
    changes = map(instant_of, clock_changes(tz, 1971, 2050))
    return any(abs(moment - change) <= 9 * HOUR for change in changes)


def test_leap_days_month_ends_and_nights_come_often() -> None:
    """
    Each is at least one in twelve of the texts.
    """
    fields = [text.upper().split() for text in sample(drawn.cron_text())]
    usual = [field for field in fields if len(field) == 6]

    assert share(usual, lambda field: "29" in field[3] and field[4] != "*") > 1 / 12
    assert share(usual, lambda field: "L" in field[3] or "31" in field[3]) > 1 / 12
    assert share(usual, lambda field: field[2] in ("0", "1", "2", "0-3")) > 1 / 12


def test_moments_lie_where_clocks_change() -> None:
    """
    Of schedules in zones that change their clocks, more than a quarter; and on leap days too.
    """
    found = sample(drawn.occasions(drawn.crons()), 150)
    zones = {schedule.tz for schedule, _ in found if isinstance(schedule, Cron)}

    assert share(found, is_near_a_change) > 1 / 4
    assert share(found, lambda one: f"{datetime_of(one[1]):%m-%d}" in ("02-28", "02-29")) > 1 / 50
    assert len(zones) > 20


def test_schedules_are_of_every_kind() -> None:
    """
    None is left out.
    """
    kinds = Counter(type(schedule) for schedule in sample(drawn.schedules(), 50))

    assert set(kinds) == {Cron, Interval, OneTime, Immediate}


@given(drawn.cron_text())
def test_valid_text_is_a_schedule(text: str) -> None:
    """
    The real parser takes it, whatever its case and blanks.
    """
    assert Cron(text).expr == text


@given(drawn.invalid_cron_text())
def test_invalid_text_is_refused_for_its_flaw(wrong: InvalidCron) -> None:
    """
    Not just refused: for the reason that was drawn.
    """
    with pytest.raises(InvalidSchedule) as caught:
        Cron(wrong.text)

    assert wrong.flaw.value in caught.value.reason


def test_every_flaw_is_drawn() -> None:
    """
    Sixteen of them, a few hundred texts.
    """
    assert {wrong.flaw for wrong in sample(drawn.invalid_cron_text(), 300)} == set(CronFlaw)


@given(drawn.requests(BEGIN))
def test_requests_are_taken(request: ScheduleTaskRequest) -> None:
    """
    By a scheduler that has no handlers; only an end before the first occurrence is refused.
    """
    clock = ManualClock(datetime_of(BEGIN))
    with open_store("memory://", clock=clock) as store:
        scheduler = Scheduler(store, handlers=[], clock=clock)
        try:
            task = scheduler.schedule_task(request)
        except InvalidSchedule:
            assert request.end is not None
            return

    assert task.schedule == request.schedule


@settings(max_examples=20)
@given(drawn.task_logs())
def test_logs_of_tasks_are_sound(log: Sequence[Event]) -> None:
    """
    Every invariant holds of them, for each event was decided.
    """
    assert_sound(log)


def test_logs_of_tasks_have_every_event() -> None:
    """
    What a log can hold, some hold.
    """
    logs = sample(drawn.task_logs(tasks=2, steps=60), 80)
    kinds = {event.type for log in logs for event in log}

    assert kinds == {kind.__name__ for kind in get_args(SchedulerEvent)}
    assert max(len({event.stream for event in log}) for log in logs) == 2


@given(st.lists(st.integers(0, 4), max_size=4), st.data())
def test_each_actor_takes_its_steps(steps: list[int], data: st.DataObject) -> None:
    """
    As many as it has, in any order.
    """
    order = data.draw(drawn.interleavings(*steps))

    assert [order.count(actor) for actor in range(len(steps))] == steps
    assert len(order) == sum(steps)


def test_every_order_is_drawn() -> None:
    """
    Two actors of two steps have six orders.
    """
    assert len(set(sample(drawn.interleavings(2, 2), 100))) == 6


def test_without_hypothesis_the_error_says_what_to_install() -> None:
    """
    The package itself is there all the same.
    """
    program = """
import importlib, sys
sys.modules["hypothesis"] = None
import azoth_scheduler.testing
for name in ("strategies", "machines"):
    try:
        importlib.import_module(f"azoth_scheduler.testing.{name}")
    except ImportError as error:
        print(error)
"""
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert ran.stdout.count('pip install "azoth-scheduler[testing]"') == 2
