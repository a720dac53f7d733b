"""
Which occurrences run of those that fell due while nothing could start: four policies.

The task fires every five minutes from noon on; the scheduler was down until 12:33, so 12:05 to
12:30 are due: six of them.
"""

from datetime import timedelta
from typing import Final

import pytest
from attrs import evolve, frozen

from azoth.clocks import Instant, Microseconds
from azoth_scheduler.events import Options, TaskRunSkipped, TaskRunStarted
from azoth_scheduler.schedules import Cron, Immediate, Interval, OneTime, Schedule
from azoth_scheduler.task import status_of, wake_at
from tests.support.task_story import MINUTE, NOON, SECOND, Story, at


def minutes(count: float) -> Microseconds:
    """
    Return so many minutes.
    """
    return Microseconds(int(count * MINUTE))


@frozen
class Downtime:
    """
    Hold one row of the table.

    Attributes:
        started: The minutes that run, in order.
        left_out: The first and last minute, the count and the reason of each event.
    """

    name: str
    options: Options
    started: list[float]
    left_out: list[tuple[int, int, int, str]]


DOWNTIMES: Final = (
    Downtime("latest", Options(), [30], [(5, 25, 5, "coalesced")]),
    Downtime("earliest", Options(catch_up="earliest"), [5], [(10, 30, 5, "coalesced")]),
    Downtime("all", Options(catch_up="all"), [5, 10, 15, 20, 25, 30], []),
    Downtime(
        "all within a window",
        Options(catch_up="all", catch_up_window=minutes(14)),
        [20, 25, 30],
        [(5, 15, 3, "missed")],
    ),
    Downtime(
        "all, the newest two",
        Options(catch_up="all", catch_up_limit=2),
        [25, 30],
        [(5, 20, 4, "missed")],
    ),
    Downtime("skip", Options(catch_up="skip"), [], [(5, 30, 6, "missed")]),
    Downtime(
        "skip, late but not too late",
        Options(catch_up="skip", grace=minutes(3)),
        [30],
        [(5, 25, 5, "missed")],
    ),
    Downtime(
        "skip, two within the grace",
        Options(catch_up="skip", grace=minutes(9)),
        [30],
        [(5, 20, 4, "missed"), (25, 25, 1, "coalesced")],
    ),
    Downtime(
        "expired but for the latest",
        Options(expires_after=minutes(4)),
        [30],
        [(5, 25, 5, "expired")],
    ),
    Downtime("all expired", Options(expires_after=minutes(2)), [], [(5, 30, 6, "expired")]),
    Downtime(
        "expired, and coalesced",
        Options(expires_after=minutes(14)),
        [30],
        [(5, 15, 3, "expired"), (20, 25, 2, "coalesced")],
    ),
    Downtime(
        "the earliest that has not expired",
        Options(catch_up="earliest", expires_after=minutes(14)),
        [20],
        [(5, 15, 3, "expired"), (25, 30, 2, "coalesced")],
    ),
    Downtime(
        "all, as many as are left",
        Options(catch_up="all", max_runs=2),
        [25, 30],
        [(5, 20, 4, "missed")],
    ),
)


def caught_up(story: Story) -> list[float]:
    """
    Run what may start, one after another, and return the minutes of the runs.
    """
    before = len(story.told)
    while story.start():
        if story.state.active:
            story.end()
    started = [event for event in story.told[before:] if isinstance(event, TaskRunStarted)]
    return [(one.nominal_at - at()) / MINUTE for one in started]


@pytest.mark.parametrize("row", DOWNTIMES, ids=lambda row: row.name)
def test_catch_up_decides_all_that_are_due(row: Downtime) -> None:
    """
    Each is in one first attempt or one event that leaves it out, and what is next lies ahead.
    """
    story = Story()
    story.schedule(Interval(300), options=row.options)
    story.at(minutes=33)

    assert caught_up(story) == row.started
    skipped = [event for event in story.told if isinstance(event, TaskRunSkipped)]
    assert [(one.first, one.last, one.count, one.reason) for one in skipped] == [
        (at(minutes=first), at(minutes=last), count, reason)
        for first, last, count, reason in row.left_out
    ]
    spent = row.options.max_runs is not None
    assert wake_at(story.state) == (None if spent else at(minutes=35))


@pytest.mark.parametrize("spare", [0, 1])
def test_late_is_judged_by_the_due_time(spare: int) -> None:
    """
    What starts when its jitter says so is not late at all; a microsecond over the grace is.
    """
    grace = minutes(1 / 6)
    story = Story()
    story.schedule(Interval(300), options=Options(catch_up="skip", grace=grace, jitter=minutes(5)))
    due = story.state.next_run_at
    assert due is not None
    assert due > at(minutes=5, seconds=10), "it would be late by its nominal time"
    story.now = Instant(due + grace + spare)

    told = story.start()

    assert [type(event) for event in told] == [TaskRunSkipped if spare else TaskRunStarted]


@pytest.mark.parametrize("spare", [0, 1])
def test_a_window_reaches_back_by_the_due_time(spare: int) -> None:
    """
    An occurrence that was put off by its jitter is as old as its due time.
    """
    window = minutes(20)
    story = Story()
    story.schedule(
        Interval(300),
        options=Options(catch_up="all", catch_up_window=window, jitter=minutes(5)),
    )
    due = story.state.next_run_at
    assert due is not None
    story.now = Instant(due + window + spare)

    assert caught_up(story)[0] == (10 if spare else 5)


@pytest.mark.parametrize(
    "options", [Options(catch_up="skip", grace=minutes(0)), Options(expires_after=minutes(1))]
)
@pytest.mark.parametrize("schedule", [Interval(300), OneTime(NOON + timedelta(minutes=5))])
def test_a_retry_that_an_edit_has_kept_is_made(schedule: Schedule, options: Options) -> None:
    """
    It was decided when its run began: no policy for what is late or expired cuts it off.
    """
    options = evolve(options, catch_up="latest") if isinstance(schedule, OneTime) else options
    story = Story()
    story.schedule(schedule, options=options)
    story.at(minutes=5).start()
    story.at(minutes=9).fail()
    story.schedule(schedule, b"new", options)

    (started,) = story.at(minutes=16).start()

    assert started.nominal_at == at(minutes=5)
    assert started.due_at == at(minutes=10)
    is_recurring = isinstance(schedule, Interval)
    assert story.state.next_nominal_at == (at(minutes=10) if is_recurring else None)


def test_what_was_kept_expires_while_it_waits() -> None:
    """
    A run that has not begun by then is left out, also when it was to be run.
    """
    options = Options(catch_up="all", expires_after=minutes(14))
    story = Story()
    story.schedule(Interval(300), options=options)
    story.at(minutes=33).start()
    story.at(minutes=40).end()
    (kept,) = story.start()

    assert (kept.first, kept.last, kept.count, kept.reason) == (
        at(minutes=25),
        at(minutes=25),
        1,
        "expired",
    )


def test_a_task_that_is_paused_owes_nothing() -> None:
    """
    Whatever its policy: what fell due in between is not caught up.
    """
    story = Story()
    story.schedule(Interval(300), options=Options(catch_up="all"))
    story.pause()
    story.at(minutes=33).resume()

    assert caught_up(story) == []
    assert wake_at(story.state) == at(minutes=35)


def test_a_year_of_seconds_is_decided_without_walking_there() -> None:
    """
    The newest few of thirty million, and a count that says that there were more.
    """
    story = Story()
    story.schedule(Cron("* * * * * *"), options=Options(catch_up="all", catch_up_limit=3))
    story.at(days=365)

    found = story.start()

    (skipped,) = [event for event in found if isinstance(event, TaskRunSkipped)]
    assert (skipped.count, skipped.exact) == (10_000, False)
    assert skipped.last == at(days=365) - 3 * SECOND


def test_a_one_shot_waits_unless_it_expires() -> None:
    """
    However late, it runs; one that was said to expire is left out, and nothing is left to run.
    """
    waiting, expiring = Story(), Story()
    waiting.schedule(Immediate())
    expiring.schedule(Immediate(), options=Options(expires_after=minutes(1)))

    assert len(waiting.at(days=400).start()) == 1
    (skipped,) = expiring.at(minutes=2).start()
    assert skipped.reason == "expired"
    assert status_of(expiring.state) == "completed"
