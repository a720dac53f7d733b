"""
What users do to a task: cancel, pause, resume, trigger, and stop one of its runs.
"""

from collections.abc import Callable
from datetime import timedelta

import pytest

from azoth_scheduler.errors import InvalidTask, RunNotFound, TaskNotFound
from azoth_scheduler.events import (
    TaskCancelled,
    TaskPaused,
    TaskResumed,
    TaskRunCancelRequested,
    TaskRunSkipped,
    TaskTriggered,
)
from azoth_scheduler.schedules import Immediate, Interval, OneTime
from azoth_scheduler.task import status_of, wake_at
from tests.support.task_story import NOON, TASK, Story, at

RUN = "report/1@2026-01-01T12:05:00Z"

ORDERS: list[Callable[[Story], object]] = [
    Story.cancel,
    Story.pause,
    Story.resume,
    Story.trigger,
    lambda story: story.cancel_run(f"{RUN}#1"),
]
NAMES = ["cancel", "pause", "resume", "trigger", "cancel run"]


@pytest.fixture
def story() -> Story:
    """
    A task that runs every five minutes.
    """
    story = Story()
    story.schedule(Interval(300))
    return story


# Cancel


@pytest.mark.rule("S-30")
@pytest.mark.parametrize("order", ORDERS, ids=NAMES)
def test_an_unknown_id_is_an_error(order: Callable[[Story], object]) -> None:
    """
    A typo in an id is told, and nothing is written.
    """
    story = Story()

    with pytest.raises(TaskNotFound, match="report"):
        order(story)
    assert story.told == []


def test_a_cancelled_task_never_runs_again(story: Story) -> None:
    """
    No further runs; the reason is kept.
    """
    assert story.at(minutes=1).cancel("moved to the new system") == (
        TaskCancelled(
            task_id=TASK, generation=1, at=at(minutes=1), reason="moved to the new system"
        ),
    )
    assert status_of(story.state) == "cancelled"
    assert story.state.reason == "moved to the new system"
    assert story.state.next_run_at is None
    assert wake_at(story.state) is None
    assert story.at(days=1).start() == ()


def test_cancelling_twice_is_one_event(story: Story) -> None:
    """
    Twice: no second event; the first reason stays.
    """
    story.cancel("first")

    assert story.cancel("second") == ()
    assert story.state.reason == "first"


@pytest.mark.rule("S-05")
def test_a_task_that_has_run_can_be_cancelled_and_keeps_its_history(story: Story) -> None:
    """
    Cancel works in every state and deletes nothing.
    """
    story.at(minutes=5).start()
    story.end()
    story.cancel()

    assert status_of(story.state) == "cancelled"
    assert story.state.last_execution_id == f"{RUN}#1"
    assert story.state.totals.succeeded == 1


@pytest.mark.rule("S-27")
def test_cancelling_a_running_task_asks_its_attempt_to_stop(story: Story) -> None:
    """
    The running attempt is asked to stop, and its outcome is recorded.
    """
    story.at(minutes=5).start()
    story.cancel("enough")

    assert story.state.active[0].cancel == "enough"
    (executed,) = story.end("cancelled")
    assert executed.outcome == "cancelled"
    assert story.state.runs == ()


def test_cancelling_a_task_that_waits_for_a_retry_closes_its_run(story: Story) -> None:
    """
    A waiting run is over with the cancel itself.
    """
    story.at(minutes=5).start()
    story.fail()
    story.cancel()

    assert story.state.runs == ()
    assert story.at(minutes=6).start() == ()


def test_a_paused_and_a_disabled_task_can_be_cancelled(story: Story) -> None:
    """
    `cancelled` is the first status that holds.
    """
    story.at(minutes=5).start(max_attempts=1)
    story.fail()
    story.pause()
    story.cancel()

    assert status_of(story.state) == "cancelled"


@pytest.mark.parametrize("order", [Story.pause, Story.resume, Story.trigger])
def test_a_cancelled_task_cannot_be_changed(story: Story, order: Callable[[Story], object]) -> None:
    """
    C10: after a cancel nothing of that generation but its last outcome or abandonment.
    """
    story.cancel()

    with pytest.raises(InvalidTask, match="schedule it again"):
        order(story)


# Pause and resume


def test_a_pause_and_a_resume_are_one_event_each(story: Story) -> None:
    """
    Each is recorded once, with its reason and what comes next.
    """
    assert story.at(minutes=1).pause("maintenance") == (
        TaskPaused(task_id=TASK, generation=1, at=at(minutes=1), reason="maintenance"),
    )
    assert status_of(story.state) == "paused"
    assert story.state.reason == "maintenance"
    assert story.pause("again") == ()

    assert story.at(minutes=2).resume("done") == (
        TaskResumed(
            task_id=TASK,
            generation=1,
            at=at(minutes=2),
            reason="done",
            execution_id=None,
            next_nominal_at=at(minutes=5),
            next_run_at=at(minutes=5),
        ),
    )
    assert status_of(story.state) == "scheduled"
    assert story.resume() == ()


def test_what_fell_due_during_a_pause_is_not_owed(story: Story) -> None:
    """
    It goes on with the first occurrence after now, without a skip.
    """
    story.pause()

    (resumed,) = story.at(minutes=21).resume()

    assert resumed.next_run_at == at(minutes=25)
    assert story.start() == ()
    assert story.state.totals.skipped == 0


def test_an_occurrence_at_the_moment_of_the_resumption_is_not_owed(story: Story) -> None:
    """
    The first one after now: strictly after.
    """
    story.pause()

    (resumed,) = story.at(minutes=5).resume()

    assert resumed.next_run_at == at(minutes=10)


def test_a_running_attempt_ends_as_usual_during_a_pause(story: Story) -> None:
    """
    Pause stops new starts, not what runs.
    """
    story.at(minutes=5).start()
    story.pause()
    assert status_of(story.state) == "paused"

    (executed,) = story.at(minutes=6).end()

    assert executed.outcome == "succeeded"
    assert story.at(minutes=10).start() == ()


def test_a_waiting_retry_is_taken_up_at_once_by_resume(story: Story) -> None:
    """
    Resume takes up a waiting retry at once, its count back at 0.
    """
    story.at(minutes=5).start()
    story.fail()
    story.pause()
    story.at(minutes=5, seconds=30).resume()

    (started,) = story.start()

    assert started.execution_id == f"{RUN}#2"
    assert started.retry_count == 0
    assert story.state.retry_count == 0


def test_an_overdue_one_time_task_runs_at_once_when_it_is_resumed() -> None:
    """
    One-shots wait, also through a pause.
    """
    story = Story()
    story.schedule(OneTime(NOON + timedelta(minutes=5)))
    story.pause()
    assert story.at(minutes=30).start() == ()
    story.resume()

    (started,) = story.start()

    assert started.nominal_at == at(minutes=5)


@pytest.mark.rule("S-17")
def test_a_disabled_recurring_task_goes_on_after_now_when_it_is_resumed(story: Story) -> None:
    """
    Resume undoes a disable; the exhausted run of a recurring task is over.
    """
    story.at(minutes=5).start(max_attempts=1)
    story.fail()

    (resumed,) = story.at(minutes=21).resume()

    assert resumed.execution_id is None
    assert resumed.next_run_at == at(minutes=25)
    assert status_of(story.state) == "scheduled"
    assert story.state.retry_count == 0


def test_a_disabled_one_shot_goes_on_in_the_same_run_when_it_is_resumed() -> None:
    """
    A resumed one-shot goes on in the same run, attempt numbers and all, count 0.
    """
    story = Story()
    story.schedule(Immediate())
    story.start(max_attempts=1)
    story.fail()
    run = "report/1@2026-01-01T12:00:00Z"

    (resumed,) = story.at(minutes=9).resume("fixed")

    assert resumed.execution_id == f"{run}#1"
    assert wake_at(story.state) == at(minutes=9)
    (started,) = story.start(max_attempts=2)
    assert started.execution_id == f"{run}#2"
    assert started.retry_count == 0
    (executed,) = story.fail()
    assert executed.retry_count == 1
    assert executed.retry_at == at(minutes=10)


def test_a_one_shot_that_was_lost_too_often_goes_on_when_it_is_resumed() -> None:
    """
    Whatever exhausted the run, resume takes it up, with no losses to its name.
    """
    story = Story()
    story.schedule(Immediate())
    story.start()
    story.abandon(lost_max=1)

    story.resume()

    (started,) = story.start()
    assert started.attempt == 2
    (abandoned,) = story.abandon()
    assert abandoned.lost_count == 1


def test_a_failed_triggered_run_does_not_hide_the_run_that_disabled_the_task() -> None:
    """
    Resume takes up the exhausted run, whatever was triggered since.
    """
    story = Story()
    story.schedule(Immediate())
    story.start(max_attempts=1)
    story.fail()
    story.at(minutes=1).trigger()
    story.start(max_attempts=1)
    story.fail()

    (resumed,) = story.at(minutes=2).resume()

    assert resumed.execution_id == "report/1@2026-01-01T12:00:00Z#1"
    (started,) = story.start()
    assert started.execution_id == "report/1@2026-01-01T12:00:00Z#2"


def test_a_triggered_run_that_is_exhausted_does_not_disable_a_disabled_task_again() -> None:
    """
    The first disable stays, with its reason and its run.
    """
    story = Story()
    story.schedule(Immediate())
    story.start(max_attempts=1)
    story.fail()
    story.trigger()
    story.start(max_attempts=1)

    (executed,) = story.fail()

    assert executed.retry_at is None
    assert status_of(story.state) == "disabled"


def test_a_one_shot_that_was_stopped_does_not_come_back_with_a_resume() -> None:
    """
    Resume takes up what was exhausted, not what somebody stopped.
    """
    story = Story()
    story.schedule(Immediate())
    story.start()
    story.cancel_run("report/1@2026-01-01T12:00:00Z#1")
    story.end("cancelled")
    story.pause()

    (resumed,) = story.resume()

    assert resumed.execution_id is None
    assert story.start() == ()


def test_one_resume_undoes_pause_and_disable_together(story: Story) -> None:
    """
    `resume_task` undoes both with one `TaskResumed`.
    """
    story.at(minutes=5).start(max_attempts=1)
    story.fail()
    story.pause()

    assert len(story.resume()) == 1
    assert status_of(story.state) == "scheduled"


# Trigger


def test_a_triggered_run_is_a_run_of_its_own(story: Story) -> None:
    """
    Nominal time now, its own numbers, and the schedule is not moved.
    """
    assert story.at(minutes=2).trigger(b"once") == (
        TaskTriggered(
            task_id=TASK,
            generation=1,
            at=at(minutes=2),
            run_id="report/1!1",
            overlap=None,
            payload=b"once",
        ),
    )
    assert wake_at(story.state) == at(minutes=2)

    (started,) = story.at(minutes=2, seconds=1).start()

    assert started.run_id == "report/1!1"
    assert started.execution_id == "report/1!1#1"
    assert started.triggered_run
    assert started.nominal_at == at(minutes=2)
    assert started.next_run_at == at(minutes=5)
    assert story.state.active[0].payload == b"once"
    assert story.state.runs_started == 0


def test_triggered_runs_are_numbered(story: Story) -> None:
    """
    The k-th triggered run is `<task>/<generation>!<k>`.
    """
    story.trigger()
    story.start()
    story.end()
    (triggered,) = story.trigger()

    assert triggered.run_id == "report/1!2"
    story.start()
    story.end()
    story.schedule(Interval(600))
    (triggered,) = story.trigger()
    assert triggered.run_id == "report/2!1"


def test_a_trigger_is_skipped_while_a_run_is_open(story: Story) -> None:
    """
    `TaskTriggered` and `TaskRunSkipped` in one append: asked for, and left out.
    """
    story.at(minutes=5).start()

    triggered, skipped = story.at(minutes=6).trigger()

    assert triggered.run_id == "report/1!1"
    assert skipped == TaskRunSkipped(
        task_id=TASK,
        generation=1,
        at=at(minutes=6),
        count=1,
        exact=True,
        first=at(minutes=6),
        last=at(minutes=6),
        reason="overlap",
        run_id="report/1!1",
        next_nominal_at=at(minutes=10),
        next_run_at=at(minutes=10),
    )
    assert [run.run_id for run in story.state.runs] == [RUN]
    assert story.state.totals.skipped == 1


def test_a_trigger_is_skipped_while_a_retry_waits(story: Story) -> None:
    """
    The waits between attempts are part of the open run.
    """
    story.at(minutes=5).start()
    story.fail()

    assert len(story.trigger()) == 2


def test_a_triggered_run_holds_back_the_schedule_until_it_is_closed(story: Story) -> None:
    """
    It counts as an open run.
    """
    story.at(minutes=4).trigger()
    story.start()
    assert story.at(minutes=5).start() == ()

    _, skipped = story.at(minutes=6).end()

    assert (skipped.first, skipped.reason) == (at(minutes=5), "overlap")


@pytest.mark.parametrize("held", ["paused", "disabled", "completed"])
def test_a_task_that_does_not_run_by_itself_can_be_triggered(held: str) -> None:
    """
    Trigger works on paused, disabled and completed tasks, and changes none of that.
    """
    story = Story()
    story.schedule(Immediate())
    if held == "paused":
        story.pause()
    else:
        story.start(max_attempts=1)
        story.end("succeeded" if held == "completed" else "failed")
    assert status_of(story.state) == held

    story.at(minutes=1).trigger()

    (started,) = story.start()
    assert started.run_id == "report/1!1"
    story.end()
    assert status_of(story.state) == held


def test_a_triggered_run_is_retried_also_while_the_task_is_paused(story: Story) -> None:
    """
    Somebody asked for it.
    """
    story.pause()
    story.trigger()
    story.start()
    story.fail()

    assert wake_at(story.state) == at(minutes=1)
    (started,) = story.at(minutes=1).start()
    assert started.execution_id == "report/1!1#2"
    assert started.triggered_run


# Cancel one run


def test_a_running_attempt_is_asked_to_stop_and_the_task_goes_on(story: Story) -> None:
    """
    `cancel_run` stops one run; a cancelled run is not retried.
    """
    story.at(minutes=5).start()

    assert story.at(minutes=6).cancel_run(f"{RUN}#1", "wrong data") == (
        TaskRunCancelRequested(
            task_id=TASK,
            generation=1,
            at=at(minutes=6),
            reason="wrong data",
            run_id=RUN,
            execution_id=f"{RUN}#1",
        ),
    )
    assert story.state.active[0].cancel == "wrong data"
    assert story.cancel_run(f"{RUN}#1") == ()
    (executed,) = story.fail()
    assert executed.retry_at is None
    assert status_of(story.state) == "scheduled"


def test_a_run_that_waits_for_its_retry_is_closed_by_the_request_itself(story: Story) -> None:
    """
    Nothing runs, so nothing has to be asked.
    """
    story.at(minutes=5).start()
    story.fail()

    story.at(minutes=5, seconds=30).cancel_run(f"{RUN}#1")

    assert story.state.runs == ()
    assert status_of(story.state) == "scheduled"
    assert wake_at(story.state) == at(minutes=10)


def test_closing_a_waiting_run_decides_what_fell_due_before(story: Story) -> None:
    """
    When a run closes, overlap decides those that fell due strictly before its closing event.
    """
    story.at(minutes=5).start()
    story.at(minutes=9, seconds=30).fail()

    _, skipped = story.at(minutes=10, seconds=10).cancel_run(f"{RUN}#1")

    assert (skipped.count, skipped.first, skipped.reason) == (1, at(minutes=10), "overlap")
    assert story.state.next_run_at == at(minutes=15)


@pytest.mark.parametrize("execution_id", [f"{RUN}#1", "", "no such attempt"])
def test_a_run_that_is_not_open_cannot_be_stopped(story: Story, execution_id: str) -> None:
    """
    The id must be that of an attempt of an open run.
    """
    story.at(minutes=5).start()
    story.end()
    story.trigger()

    with pytest.raises(RunNotFound):
        story.cancel_run(execution_id)


def test_cancelling_a_run_of_a_cancelled_task_changes_nothing(story: Story) -> None:
    """
    It was asked to stop already.
    """
    story.at(minutes=5).start()
    story.cancel()

    assert story.cancel_run(f"{RUN}#1") == ()
