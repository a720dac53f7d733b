"""
Lost workers: an attempt is taken from one that is gone, or given back, and that is no failure.
"""

import pytest

from azoth_scheduler.events import TaskDisabled, TaskRunAbandoned
from azoth_scheduler.retries import RetryPolicy
from azoth_scheduler.schedules import Immediate, Interval
from azoth_scheduler.task import status_of, wake_at
from tests.support.task_story import TASK, Story, at

RUN = "report/1@2026-01-01T12:05:00Z"


@pytest.fixture
def story() -> Story:
    """
    A task that runs every five minutes, its first attempt started on time.
    """
    story = Story()
    story.schedule(Interval(300))
    story.at(minutes=5).start()
    return story


@pytest.mark.rule("S-23")
def test_an_abandoned_attempt_is_recorded_and_due_again_at_once(story: Story) -> None:
    """
    The run is due again at once; the attempt stays in the history.
    """
    assert story.at(minutes=6).abandon() == (
        TaskRunAbandoned(
            task_id=TASK,
            generation=1,
            at=at(minutes=6),
            run_id=RUN,
            execution_id=f"{RUN}#1",
            attempt=1,
            fence=2,
            worker_id="worker-1",
            reason="lease expired",
            lost_count=1,
            lease_until=at(minutes=6),
            retry_at=at(minutes=6),
        ),
    )
    assert wake_at(story.state) == at(minutes=6)
    (started,) = story.start("worker-2")
    assert started.execution_id == f"{RUN}#2"
    assert started.retry_count == 0
    assert started.nominal_at == at(minutes=5)


def test_a_lost_attempt_is_no_failure(story: Story) -> None:
    """
    A loss counts as such and leaves `retry_count` alone.
    """
    story.abandon()

    assert story.state.retry_count == 0
    assert story.state.runs[0].lost_count == 1
    assert story.state.totals.abandoned == 1
    assert story.state.totals.failed == 0


def test_losses_in_a_row_exhaust_the_run(story: Story) -> None:
    """
    After `max_lost=3` in a row it is exhausted, and its task disabled.
    """
    story.abandon()
    story.start()
    story.abandon()
    story.start()

    abandoned, disabled = story.abandon()

    assert abandoned.lost_count == 3
    assert abandoned.retry_at is None
    assert disabled == TaskDisabled(
        task_id=TASK,
        generation=1,
        at=at(minutes=5),
        reason="exhausted: lost 3 times in a row",
        execution_id=f"{RUN}#3",
    )
    assert status_of(story.state) == "disabled"


def test_a_recurring_task_may_go_on_after_too_many_losses(story: Story) -> None:
    """
    `on_exhausted="continue"` holds however a run was exhausted.

    Overlap decides what fell due meanwhile, and the task goes on with its next occurrence.
    """
    policy = RetryPolicy(on_exhausted="continue")

    abandoned, skipped = story.at(minutes=17).abandon(lost_max=1, policy=policy)

    assert abandoned.retry_at is None
    assert (skipped.reason, skipped.count, skipped.last) == ("overlap", 2, at(minutes=15))
    assert status_of(story.state) == "scheduled"
    (started,) = story.at(minutes=20).start()
    assert started.nominal_at == at(minutes=20)


def test_an_outcome_in_between_ends_the_row_of_losses(story: Story) -> None:
    """
    In a row: an attempt that came to an end starts the count anew.
    """
    story.abandon()
    story.start()
    story.abandon()
    story.start()
    story.fail()
    story.at(minutes=6).start()

    (abandoned,) = story.abandon()

    assert abandoned.lost_count == 1


def test_an_attempt_that_is_given_back_moves_no_count(story: Story) -> None:
    """
    `TaskRunAbandoned(reason="shutdown")` after a drain: not even a loss, however often.
    """
    for attempt in range(1, 6):
        (abandoned,) = story.abandon(given_back=True, reason="shutdown")
        assert abandoned.lost_count == 0
        assert abandoned.reason == "shutdown"
        (started,) = story.start()
        assert started.attempt == attempt + 1


def test_attempt_numbers_go_on_over_losses_failures_and_returns(story: Story) -> None:
    """
    `attempt` numbers the starts of a run and never repeats.
    """
    story.abandon()
    story.start()
    story.fail()
    story.at(minutes=6).start()
    story.abandon(given_back=True)

    (started,) = story.start()

    assert started.attempt == 4
    assert started.retry_count == 1


def test_abandoning_an_attempt_that_ended_does_nothing(story: Story) -> None:
    """
    The first append wins; the other finds the fence gone.
    """
    fence = story.fence
    story.end()

    assert story.abandon(fence=fence) == ()


def test_the_outcome_of_an_abandoned_attempt_is_refused(story: Story) -> None:
    """
    C4: a worker that wakes up again finds its fence gone.
    """
    fence = story.fence
    story.abandon()

    assert story.end(fence=fence) == ()


def test_an_abandoned_attempt_of_a_cancelled_task_closes_its_run(story: Story) -> None:
    """
    No further runs after a cancel.
    """
    story.cancel()

    (abandoned,) = story.abandon()

    assert abandoned.retry_at is None
    assert story.state.runs == ()
    assert status_of(story.state) == "cancelled"


def test_an_abandoned_attempt_of_a_cancelled_run_closes_it_and_the_task_goes_on(
    story: Story,
) -> None:
    """
    A cancelled run is not retried; what fell due meanwhile is overlapped as at any closing.
    """
    story.cancel_run(f"{RUN}#1")

    abandoned, skipped = story.at(minutes=12).abandon()

    assert abandoned.retry_at is None
    assert (skipped.reason, skipped.count, skipped.first) == ("overlap", 1, at(minutes=10))
    assert status_of(story.state) == "scheduled"


@pytest.mark.rule("S-29")
def test_an_abandoned_attempt_of_an_old_generation_moves_nothing(story: Story) -> None:
    """
    C11: it is not started again, and the new generation goes its way.
    """
    story.schedule(Interval(300), b"new")

    (abandoned,) = story.at(minutes=7).abandon()

    assert abandoned.generation == 1
    assert abandoned.retry_at is None
    assert story.state.runs == ()
    assert status_of(story.state) == "scheduled"
    assert story.state.next_run_at == at(minutes=10)


def test_an_abandoned_attempt_of_a_paused_task_waits_for_its_resumption(story: Story) -> None:
    """
    Pause stops new starts; the run stays open.
    """
    story.pause()
    story.abandon()

    assert story.at(minutes=20).start() == ()
    story.resume()
    (started,) = story.start()
    assert started.execution_id == f"{RUN}#2"


def test_the_time_of_an_abandonment_never_goes_back(story: Story) -> None:
    """
    `now = max(clock.now(), the stream's last time)`.
    """
    (abandoned,) = story.at(minutes=1).abandon()

    assert abandoned.at == abandoned.retry_at == at(minutes=5)


def test_a_one_shot_that_was_lost_too_often_is_disabled() -> None:
    """
    Exhaustion is exhaustion, whatever the schedule.
    """
    story = Story()
    story.schedule(Immediate())
    story.start()

    abandoned, disabled = story.abandon(lost_max=1)

    assert disabled.execution_id == abandoned.execution_id
    assert status_of(story.state) == "disabled"
