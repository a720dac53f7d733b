"""
Scheduling: what a new task, the same definition, another one and a cancelled id lead to.
"""

from datetime import UTC, datetime, timedelta

import pytest

from azoth.clocks import Instant, instant_of
from azoth_scheduler.errors import InvalidSchedule
from azoth_scheduler.events import Options, TaskScheduled
from azoth_scheduler.schedules import Cron, Immediate, Interval, OneTime, Schedule
from azoth_scheduler.task import status_of
from tests.support.task_story import NOON, TASK, Story, at


def test_a_new_interval_task_first_runs_one_interval_later() -> None:
    """
    The anchor is the time of scheduling, and the first fire is one interval later.
    """
    story = Story()

    assert story.schedule(Interval(300), b"{}", Options(priority=5)) == (
        TaskScheduled(
            task_id=TASK,
            generation=1,
            at=at(),
            task_type="generate_report",
            schedule=Interval(300),
            payload=b"{}",
            options=Options(priority=5),
            anchor=at(),
            runs_started=0,
            next_nominal_at=at(minutes=5),
            next_run_at=at(minutes=5),
        ),
    )
    assert status_of(story.state) == "scheduled"


@pytest.mark.parametrize(
    ("schedule", "first"),
    [
        (Cron("0 30 12 * * *"), at(minutes=30)),
        (Cron("0 0 12 * * *"), at(days=1)),
        (Interval(0.5), at(seconds=0.5)),
        (OneTime(NOON + timedelta(hours=3)), at(hours=3)),
        (Immediate(), at()),
    ],
    ids=["cron", "cron now", "interval", "one-time", "immediate"],
)
def test_each_kind_of_schedule_begins_when_it_says(schedule: Schedule, first: Instant) -> None:
    """
    A recurring schedule begins strictly later than its scheduling, a one-shot at its time.
    """
    story = Story()
    story.schedule(schedule)

    assert story.state.next_nominal_at == first
    assert story.state.next_run_at == first


@pytest.mark.rule("S-04")
def test_a_one_time_task_in_the_past_is_due_at_once_with_its_own_nominal_time() -> None:
    """
    Once, however late; in the past it runs at once.
    """
    story = Story()
    story.schedule(OneTime(NOON - timedelta(days=2)))

    (started,) = story.start()

    assert started.run_id == "report/1@2025-12-30T12:00:00Z"
    assert started.nominal_at == at(days=-2)
    assert started.due_at == at(days=-2)
    assert started.next_run_at is None


def test_a_schedule_that_never_fires_again_is_refused() -> None:
    """
    A schedule with nothing after now is an error, and leaves nothing in the log.
    """
    story = Story()
    story.now = instant_of(datetime(9999, 6, 1, tzinfo=UTC))

    with pytest.raises(InvalidSchedule, match="never fires"):
        story.schedule(Cron("0 0 0 29 2 *"))
    assert story.told == []


@pytest.mark.rule("S-08")
def test_the_same_definition_again_is_a_no_op() -> None:
    """
    Programs register their tasks at each start-up; nothing is re-run, re-enabled or resumed by it.
    """
    story = Story()
    story.schedule(Immediate())
    story.start()

    assert story.schedule(Immediate()) == ()
    story.end()
    assert status_of(story.state) == "completed"
    assert story.schedule(Immediate()) == ()
    assert status_of(story.state) == "completed"


@pytest.mark.rule("S-08")
def test_the_same_definition_leaves_a_disabled_and_a_paused_task_as_they_are() -> None:
    """
    The same definition again is a no-op, also for a disabled or paused task.
    """
    story = Story()
    story.schedule(Interval(60))
    story.pause()

    assert story.schedule(Interval(60)) == ()
    assert status_of(story.state) == "paused"

    story.resume()
    story.at(minutes=1).start(max_attempts=1)
    story.fail()

    assert story.schedule(Interval(60)) == ()
    assert status_of(story.state) == "disabled"


@pytest.mark.parametrize("every", [300, 300.0, timedelta(minutes=5)])
def test_definitions_are_equal_however_the_interval_is_written(every: timedelta | float) -> None:
    """
    Definitions are compared by what they mean.
    """
    story = Story()
    story.schedule(Interval(300))

    assert story.schedule(Interval(every)) == ()


def test_another_payload_is_an_edit_in_place_that_keeps_the_grid() -> None:
    """
    An edit that leaves the schedule keeps anchor, count of runs and the pending occurrence.
    """
    story = Story()
    story.schedule(Interval(300))
    story.at(minutes=5).start()
    story.end()
    story.at(minutes=7)

    assert story.schedule(Interval(300), b"new") == (
        TaskScheduled(
            task_id=TASK,
            generation=2,
            at=at(minutes=7),
            task_type="generate_report",
            schedule=Interval(300),
            payload=b"new",
            anchor=at(),
            runs_started=1,
            next_nominal_at=at(minutes=10),
            next_run_at=at(minutes=10),
        ),
    )


def test_an_edit_keeps_an_occurrence_that_is_overdue() -> None:
    """
    What is next is kept, also where it is late: an edit drops no occurrence.
    """
    story = Story()
    story.schedule(OneTime(NOON + timedelta(minutes=5)))
    story.at(minutes=9).schedule(OneTime(NOON + timedelta(minutes=5)), b"new")

    (started,) = story.start()

    assert started.run_id == "report/2@2026-01-01T12:05:00Z"


def test_an_edit_keeps_a_waiting_retry_with_nominal_and_due_time() -> None:
    """
    An edit keeps the waiting retry; it becomes the first run of the new generation.
    """
    story = Story()
    story.schedule(OneTime(NOON + timedelta(minutes=5)))
    story.at(minutes=5).start()
    story.fail()

    (scheduled,) = story.at(minutes=5, seconds=30).schedule(
        OneTime(NOON + timedelta(minutes=5)), b"new"
    )

    assert scheduled.next_nominal_at == at(minutes=5)
    assert scheduled.next_run_at == at(minutes=6)
    assert story.state.runs == ()
    assert story.start() == ()
    (started,) = story.at(minutes=6).start()
    assert started.execution_id == "report/2@2026-01-01T12:05:00Z#1"
    assert started.retry_count == 0


def test_an_edit_keeps_the_occurrences_after_a_waiting_retry() -> None:
    """
    The kept retry of a recurring task does not lose the grid behind it.
    """
    story = Story()
    story.schedule(Interval(300))
    story.at(minutes=5).start()
    story.fail()
    story.at(minutes=5, seconds=30).schedule(Interval(300), b"new")

    (started,) = story.at(minutes=6).start()

    assert started.nominal_at == at(minutes=5)
    assert started.next_run_at == at(minutes=10)


def test_another_schedule_starts_afresh_after_now() -> None:
    """
    Another schedule has its own anchor, its own count and its own first occurrence.
    """
    story = Story()
    story.schedule(Interval(300))
    story.at(minutes=5).start()
    story.end()

    (scheduled,) = story.at(minutes=7).schedule(Interval(600))

    assert scheduled.generation == 2
    assert scheduled.anchor == at(minutes=7)
    assert scheduled.runs_started == 0
    assert scheduled.next_run_at == at(minutes=17)


def test_another_schedule_drops_a_waiting_retry() -> None:
    """
    Otherwise it starts afresh after now: the old run is over.
    """
    story = Story()
    story.schedule(Interval(300))
    story.at(minutes=5).start()
    story.fail()
    story.at(minutes=5, seconds=30).schedule(Interval(600))

    assert story.state.runs == ()
    assert story.at(minutes=6).start() == ()


def test_an_edited_one_time_task_that_ran_does_not_run_again() -> None:
    """
    An edit keeps what is next, and after a one-time task has run nothing is.
    """
    story = Story()
    story.schedule(OneTime(NOON + timedelta(minutes=5)))
    story.at(minutes=5).start()
    story.end()

    story.schedule(OneTime(NOON + timedelta(minutes=5)), b"new")

    assert story.state.next_run_at is None
    assert status_of(story.state) == "completed"
    assert story.start() == ()


def test_an_edited_immediate_task_runs_again() -> None:
    """
    An immediate task with another definition is asked for again.
    """
    story = Story()
    story.schedule(Immediate())
    story.start()
    story.end()

    (scheduled,) = story.at(minutes=3).schedule(Immediate(), b"new")

    assert scheduled.next_nominal_at == at(minutes=3)
    (started,) = story.start()
    assert started.execution_id == "report/2@2026-01-01T12:03:00Z#1"


def test_an_edit_enables_a_disabled_task_and_owes_nothing_of_the_meantime() -> None:
    """
    Another definition re-enables; the occurrences of the time when it was disabled are cut off.
    """
    story = Story()
    story.schedule(Interval(300))
    story.at(minutes=5).start(max_attempts=1)
    story.fail()
    assert status_of(story.state) == "disabled"

    (scheduled,) = story.at(minutes=32).schedule(Interval(300), b"fixed")

    assert scheduled.next_run_at == at(minutes=35)
    assert scheduled.anchor == at()
    assert status_of(story.state) == "scheduled"


def test_an_edit_does_not_unpause() -> None:
    """
    Another definition is re-enabled, not unpaused.
    """
    story = Story()
    story.schedule(Interval(300))
    story.pause("maintenance")
    story.schedule(Interval(300), b"new")

    assert status_of(story.state) == "paused"
    assert story.state.reason == "maintenance"
    assert story.at(minutes=5).start() == ()


def test_a_run_that_was_triggered_and_has_not_begun_survives_an_edit() -> None:
    """
    A run that somebody asked for comes, whatever the definition says meanwhile.
    """
    story = Story()
    story.schedule(Interval(300))
    story.trigger()
    story.schedule(Interval(300), b"new")

    (started,) = story.start()

    assert started.run_id == "report/1!1"
    assert started.next_run_at == at(minutes=5)


def test_an_edit_drops_the_waiting_retry_of_a_triggered_run() -> None:
    """
    It was asked for under the old definition and failed there; the schedule is as it was.
    """
    story = Story()
    story.schedule(Interval(300))
    story.trigger()
    story.start()
    story.fail()

    (scheduled,) = story.schedule(Interval(300), b"new")

    assert scheduled.next_nominal_at == scheduled.next_run_at == at(minutes=5)
    assert story.state.runs == ()


@pytest.mark.rule("S-05")
def test_a_cancelled_id_begins_its_next_generation_with_the_same_definition() -> None:
    """
    On a cancelled id even the same definition is a new task, its history kept.
    """
    story = Story()
    story.schedule(Interval(300))
    story.at(minutes=5).start()
    story.end()
    story.cancel()

    (scheduled,) = story.at(minutes=7).schedule(Interval(300))

    assert scheduled.generation == 2
    assert scheduled.anchor == at(minutes=7)
    assert scheduled.next_run_at == at(minutes=12)
    assert status_of(story.state) == "scheduled"
    assert story.state.reason == ""
    assert story.state.totals.succeeded == 1
    assert story.state.created_at == at()


def test_the_next_generation_waits_for_the_cancelled_attempt_that_still_runs() -> None:
    """
    A task has at most one active attempt, also across generations.
    """
    story = Story()
    story.schedule(Immediate())
    story.start()
    story.cancel()
    story.schedule(Immediate())

    assert story.start() == ()
    story.end("cancelled")
    (started,) = story.start()
    assert started.generation == 2


@pytest.mark.rule("S-29")
def test_the_outcome_of_an_old_generation_moves_nothing() -> None:
    """
    A task scheduled anew while its old run is in flight keeps tomorrow's run.
    """
    story = Story()
    story.schedule(Immediate())
    story.start()
    story.at(minutes=1).schedule(OneTime(NOON + timedelta(days=1)))

    (executed,) = story.at(minutes=2).end()

    assert executed.generation == 1
    assert story.state.next_run_at == at(days=1)
    assert status_of(story.state) == "scheduled"


@pytest.mark.rule("S-29")
def test_a_failure_of_an_old_generation_is_not_retried_and_disables_nothing() -> None:
    """
    An old generation's outcome moves nothing and is not retried.
    """
    story = Story()
    story.schedule(Interval(60))
    story.at(minutes=1).start(max_attempts=1)
    story.schedule(Interval(60), b"new")

    (executed,) = story.at(minutes=1, seconds=30).fail()

    assert executed.retry_at is None
    assert status_of(story.state) == "scheduled"
    assert story.state.retry_count == 0
    assert story.state.next_run_at == at(minutes=2)


@pytest.mark.rule("S-43")
def test_the_time_of_a_stream_never_goes_back() -> None:
    """
    A decision takes the later of the clock and the stream's last time.
    """
    story = Story()
    story.at(minutes=10).schedule(Interval(300))

    (scheduled,) = story.at(minutes=2).schedule(Interval(600))

    assert scheduled.at == at(minutes=10)
    assert scheduled.anchor == at(minutes=10)
    assert scheduled.next_run_at == at(minutes=20)
