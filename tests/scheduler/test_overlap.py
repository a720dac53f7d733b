"""
What becomes of occurrences that fall due while a run is open: five policies, six situations.

The task fires every five minutes from noon on. Its run of 12:05 is closed at 12:21, so those of
12:10, 12:15 and 12:20 fell due meanwhile.
"""

from typing import Any, Final

import pytest
from attrs import frozen

from azoth_scheduler.events import (
    Options,
    Overlap,
    TaskExecuted,
    TaskRunBuffered,
    TaskRunCancelRequested,
    TaskRunSkipped,
    TaskRunStarted,
    TaskTriggered,
)
from azoth_scheduler.schedules import Interval
from azoth_scheduler.task import wake_at
from tests.support.task_story import MINUTE, Story, at

FIVE_MINUTES: Final = Interval(300)


def a_run_from_5_to(minutes: float, options: Options) -> tuple[Story, tuple[Any, ...]]:
    """
    Return the story so far and what happened when the run was closed.
    """
    story = Story()
    story.schedule(FIVE_MINUTES, options=options)
    story.at(minutes=5).start()
    return story, story.at(minutes=minutes).end()


def nominals(story: Story) -> list[float]:
    """
    Return the minutes after noon that first attempts were started for.
    """
    started = [event for event in story.told if isinstance(event, TaskRunStarted)]
    return [(one.nominal_at - at()) / MINUTE for one in started if not one.triggered_run]


def drained(story: Story) -> None:
    """
    Start and end what may start now, one after another, until nothing is left.
    """
    while story.start():
        if story.state.active:
            story.end()


@frozen
class Situation:
    """
    Hold one row of the table.

    Attributes:
        kept: The minutes that are kept when the run is closed.
        left_out: The first and last minute left out then, and how many; None for none.
        started: The minutes started by 12:21, the run of 12:05 included.
    """

    name: str
    options: Options
    kept: tuple[int, ...]
    left_out: tuple[int, int, int] | None
    started: list[float]


SITUATIONS: Final = (
    Situation("skip", Options(), (), (10, 20, 3), [5]),
    Situation("buffer one", Options(overlap="buffer_one"), (10,), (15, 20, 2), [5, 10]),
    Situation("buffer all", Options(overlap="buffer_all"), (10, 15, 20), None, [5, 10, 15, 20]),
    Situation(
        "capped buffer",
        Options(overlap="buffer_all", buffer_limit=2),
        (10, 15),
        (20, 20, 1),
        [5, 10, 15],
    ),
    # These two decide at the occurrence's own time; here nobody looked until the run was closed.
    Situation("cancel other", Options(overlap="cancel_other"), (), None, [5, 20]),
    Situation("allow", Options(overlap="allow"), (), None, [5, 20]),
)


@pytest.mark.parametrize("row", SITUATIONS, ids=lambda row: row.name)
def test_overlap_decides_when_the_run_is_closed(row: Situation) -> None:
    """
    What is kept is buffered, the rest left out, each once; what is kept runs in order.
    """
    story, told = a_run_from_5_to(21, row.options)

    buffered = [event for event in told if isinstance(event, TaskRunBuffered)]
    assert [at(minutes=m) for m in row.kept] == [n for event in buffered for n in event.nominals]
    skipped = [event for event in told if isinstance(event, TaskRunSkipped)]
    told_of = [(one.first, one.last, one.count, one.reason) for one in skipped]
    expected = [] if row.left_out is None else [row.left_out]
    assert told_of == [
        (at(minutes=first), at(minutes=last), count, "overlap") for first, last, count in expected
    ]
    drained(story)
    assert nominals(story) == row.started
    assert wake_at(story.state) == at(minutes=25)


def test_what_falls_due_at_the_closing_itself_is_not_decided_by_it() -> None:
    """
    Strictly before: the occurrence of 12:10 runs when the run is closed at 12:10.
    """
    story, told = a_run_from_5_to(10, Options())

    assert len(told) == 1
    drained(story)
    assert nominals(story) == [5, 10]


def test_a_buffer_of_one_keeps_what_it_holds() -> None:
    """
    The first that is kept runs before anything new, and while it waits nothing else is kept.
    """
    story, _ = a_run_from_5_to(21, Options(overlap="buffer_one"))
    story.at(minutes=22).start()
    told = story.at(minutes=26).end()

    assert nominals(story) == [5, 10]
    assert [event.nominals for event in told if isinstance(event, TaskRunBuffered)] == [
        (at(minutes=25),)
    ]


def test_cancel_other_asks_the_run_to_stop_when_the_next_is_due() -> None:
    """
    Once: the new run starts when the old one has its outcome.
    """
    story = Story()
    story.schedule(FIVE_MINUTES, options=Options(overlap="cancel_other"))
    story.at(minutes=5).start()
    assert wake_at(story.state) == at(minutes=10)

    told = story.at(minutes=10).start()

    assert [type(event) for event in told] == [TaskRunCancelRequested]
    assert story.start() == ()
    assert wake_at(story.state) is None
    story.at(minutes=11).end("cancelled")
    drained(story)
    assert nominals(story) == [5, 10]


def test_cancel_other_closes_a_run_that_waits_for_its_retry() -> None:
    """
    Nothing runs that could be waited for.
    """
    story = Story()
    story.schedule(FIVE_MINUTES, options=Options(overlap="cancel_other"))
    story.at(minutes=9, seconds=50).start()
    story.fail()

    story.at(minutes=10).start()
    story.start()

    assert nominals(story) == [5, 10]
    assert len(story.state.runs) == 1


def test_cancel_other_lets_what_was_kept_run_to_its_end() -> None:
    """
    Only what is due by itself makes a run give way, and it waits for its turn behind what was kept.
    """
    story = Story()
    story.schedule(FIVE_MINUTES, options=Options(overlap="cancel_other", catch_up="all"))
    story.at(minutes=16).start()

    assert wake_at(story.state) is None
    assert story.at(minutes=21).start() == ()
    for minutes in (22, 23):
        story.at(minutes=minutes).end()
        story.start()
    told = story.start()

    assert [type(event) for event in told] == [TaskRunCancelRequested]
    story.at(minutes=24).end("cancelled")
    drained(story)
    assert nominals(story) == [5, 10, 15, 20]


def test_allow_starts_the_next_beside_the_one_that_runs() -> None:
    """
    Each at its own time, and the failure of one is retried beside the others.
    """
    story = Story()
    story.schedule(FIVE_MINUTES, options=Options(overlap="allow"))
    story.at(minutes=5).start()
    story.at(minutes=10).start()

    assert nominals(story) == [5, 10]
    assert len(story.state.active) == 2
    first, second = (run.fence for run in story.state.active)
    story.end("failed", fence=first)
    assert wake_at(story.state) == at(minutes=11)
    story.at(minutes=11).start()
    assert {run.attempt for run in story.state.active} == {1, 2}
    assert [type(event) for event in story.end(fence=second)] == [TaskExecuted]


def test_nothing_is_kept_beyond_the_runs_that_are_left() -> None:
    """
    `max_runs` counts the runs that the schedule starts, those that are kept included.
    """
    story, told = a_run_from_5_to(21, Options(overlap="buffer_all", max_runs=3))

    assert [event.nominals for event in told if isinstance(event, TaskRunBuffered)] == [
        (at(minutes=10), at(minutes=15))
    ]
    drained(story)
    assert nominals(story) == [5, 10, 15]
    assert wake_at(story.state) is None


@pytest.mark.parametrize(
    ("overlap", "told"),
    [
        ("skip", [TaskTriggered, TaskRunSkipped]),
        ("buffer_one", [TaskTriggered]),
        ("buffer_all", [TaskTriggered]),
        ("cancel_other", [TaskTriggered, TaskRunCancelRequested]),
        ("allow", [TaskTriggered]),
    ],
)
@pytest.mark.parametrize("is_asked", [True, False], ids=["asked", "of the task"])
def test_a_trigger_obeys_the_overlap(overlap: Overlap, told: list[type], *, is_asked: bool) -> None:
    """
    The task's own, or the one that is asked for.
    """
    story = Story()
    story.schedule(FIVE_MINUTES, options=Options() if is_asked else Options(overlap=overlap))
    story.at(minutes=5).start()

    events = story.at(minutes=6).trigger(overlap=overlap if is_asked else None)

    assert [type(event) for event in events] == told
    beside = story.start()
    assert bool(beside) == (overlap == "allow")


def test_a_trigger_waits_for_the_run_that_it_is_buffered_behind() -> None:
    """
    A second one does not fit into a buffer of one.
    """
    story = Story()
    story.schedule(FIVE_MINUTES)
    story.at(minutes=5).start()
    story.at(minutes=6).trigger(overlap="buffer_one")

    assert TaskRunSkipped in map(type, story.trigger(overlap="buffer_one"))
    story.at(minutes=7).end()
    (started,) = story.start()
    assert started.run_id == "report/1!1"


def test_an_edit_decides_what_was_kept_anew() -> None:
    """
    The schedule stays, so the first that was kept is what is next.
    """
    story, _ = a_run_from_5_to(21, Options(overlap="buffer_all"))
    story.schedule(FIVE_MINUTES, b"other", Options(overlap="buffer_all"))

    assert story.state.buffered == ()
    assert story.state.next_nominal_at == at(minutes=10)


def test_a_pause_keeps_what_was_kept() -> None:
    """
    It starts when the task is resumed; what fell due meanwhile is not owed.
    """
    story, _ = a_run_from_5_to(21, Options(overlap="buffer_one"))
    story.pause()
    assert wake_at(story.state) is None
    story.at(minutes=61).resume()
    drained(story)

    assert nominals(story) == [5, 10]
    assert story.state.next_nominal_at == at(minutes=65)


def test_a_cancel_drops_what_was_kept() -> None:
    """
    No further runs.
    """
    story, _ = a_run_from_5_to(21, Options(overlap="buffer_all"))
    story.cancel()

    assert story.state.buffered == ()
    assert story.start() == ()
