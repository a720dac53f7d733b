"""
What the scheduler means, where no other test says it: `semantics.toml` has the whole of it.
"""

from collections.abc import Callable

import pytest

from azoth.clocks import Microseconds
from azoth.errors import StoreFull
from azoth_scheduler import Immediate, Interval, RetryPolicy, ScheduledTask
from azoth_scheduler.events import Options, TaskExecuted, TaskRunAbandoned
from azoth_scheduler.settings import Settings
from tests.support.faults import FaultyLog, tells
from tests.support.stage import Stage, acts, request, task
from tests.support.task_story import MINUTE, Story, at

pytestmark = pytest.mark.uncovered

ONCE = RetryPolicy(max_attempts=1)


def running() -> Story:
    """
    Return the story of a task whose attempt runs.
    """
    story = Story()
    story.schedule(Interval(300))
    story.at(minutes=5).start(max_attempts=1)
    return story


def scheduled() -> Story:
    """
    Return the story of a task that waits for its first time.
    """
    story = Story()
    story.schedule(Interval(300))
    return story


def retrying() -> Story:
    """
    Return the story of a task that waits for its second attempt.
    """
    story = scheduled()
    story.at(minutes=5).start()
    story.fail()
    return story


def completed() -> Story:
    """
    Return the story of a task that has nothing left to run.
    """
    story = Story()
    story.schedule(Immediate())
    story.start()
    story.end()
    return story


def paused() -> Story:
    """
    Return the story of a task that is paused while its attempt runs.
    """
    story = running()
    story.pause()
    return story


def disabled() -> Story:
    """
    Return the story of a task that is paused, disabled, and runs because somebody asked for it.
    """
    story = paused()
    story.fail(ONCE)
    story.trigger()
    story.start()
    return story


def cancelled() -> Story:
    """
    Return the story of a task that is cancelled while it is all of that.
    """
    story = disabled()
    story.cancel()
    return story


STORIES = (cancelled, disabled, paused, running, retrying, completed, scheduled)


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_the_first_status_that_holds_is_shown(story: Callable[[], Story]) -> None:
    """
    Each story but the last three is several of them at once.
    """
    assert ScheduledTask.of(story().state, Settings()).status == story.__name__


def test_a_task_is_enabled_while_it_will_run_by_itself() -> None:
    """
    Scheduled, running or retrying; a task that is not has no next time.
    """
    shown = [ScheduledTask.of(story().state, Settings()) for story in STORIES]

    assert {one.status for one in shown if one.enabled} == {"running", "retrying", "scheduled"}
    assert {one.status for one in shown if one.next_run_time is not None} == {
        "running",
        "retrying",
        "scheduled",
    }


def test_a_retry_later_than_its_expiry_is_made() -> None:
    """
    A run that has begun in time is not cut off.
    """
    story = Story()
    story.schedule(Interval(300), options=Options(expires_after=Microseconds(MINUTE)))
    story.at(minutes=6).start()
    story.at(minutes=9).fail()

    (started,) = story.at(minutes=10).start()

    assert (started.nominal_at, started.attempt) == (at(minutes=5), 2)


def test_where_lease_and_deadline_have_run_out_the_attempt_is_lost(stage: Stage) -> None:
    """
    It is no timeout: whoever would have told of one is gone, and no failure is counted.
    """
    gate = stage.gate()
    silent, _ = stage.threaded(acts(gate), worker_id="silent")
    silent.schedule_task(request(timeout=20))
    silent.step()
    gate.wait_inside()
    other = stage.scheduler(acts(), worker_id="other")
    other.run_pending()

    stage.clock.advance(29)
    other.run_pending()
    assert stage.told(TaskRunAbandoned) == []
    stage.clock.advance(1)
    other.run_pending()

    assert [one.reason for one in stage.told(TaskRunAbandoned)] == ["its lease has run out"]
    assert [one.outcome for one in stage.told(TaskExecuted)] == ["succeeded"]
    assert task(other).retry_count == 0


def test_the_lease_is_renewed_while_an_outcome_cannot_be_stored(stage: Stage) -> None:
    """
    Its worker lives and knows how the attempt ended, so nobody else makes it again.
    """
    faulty = FaultyLog(stage.store)
    worker, other = acts(), acts()
    scheduler = stage.scheduler(worker, store=faulty)
    scheduler.schedule_task(request())
    faulty.fail(StoreFull(reason="no space"), 1_000, on=tells("TaskExecuted"))
    scheduler.run_pending()
    observer = stage.scheduler(other, worker_id="other")

    for _ in range(40):
        stage.clock.advance(5)
        scheduler.run_pending()
        observer.run_pending()
    faulty.heal()
    stage.clock.advance(5)
    scheduler.run_pending()

    assert stage.types("a") == ["Scheduled", "RunStarted", "Executed"]
    assert (len(worker.contexts), other.contexts) == (1, [])
