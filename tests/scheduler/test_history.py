"""
The history of attempts: one row for each start, and how its user sees it.
"""

from datetime import timedelta

import pytest

from azoth.clocks import Microseconds
from azoth_scheduler.events import SchedulerEvent
from azoth_scheduler.history import AttemptRow, TaskRun, evolve_attempt, execution_of
from azoth_scheduler.schedules import Interval
from tests.support.task_story import NOON, TASK, Story, at

RUN = "report/1@2026-01-01T12:05:00Z"


def history_of(story: Story) -> dict[str, AttemptRow]:
    """
    Fold a story as if its stream stood alone at position 101 of a log.
    """
    rows: dict[str, AttemptRow] = {}
    for position, event in enumerate(story.told, 101):
        execution_id = execution_of(event)
        if execution_id is not None:
            row = evolve_attempt(rows.get(execution_id), event, position)
            assert row is not None
            rows[execution_id] = row
    return rows


@pytest.fixture
def story() -> Story:
    """
    A task that runs every five minutes, its first attempt started two seconds late.
    """
    story = Story()
    story.schedule(Interval(300))
    story.at(minutes=5, seconds=2).start(max_attempts=3)
    return story


def test_a_running_attempt_has_a_row_without_an_end(story: Story) -> None:
    """
    The row is there from the claim on.
    """
    assert history_of(story) == {
        f"{RUN}#1": AttemptRow(
            execution_id=f"{RUN}#1",
            run_id=RUN,
            task_id=TASK,
            generation=1,
            attempt=1,
            nominal_at=at(minutes=5),
            due_at=at(minutes=5),
            started_at=at(minutes=5, seconds=2),
            deadline_at=at(minutes=10, seconds=2),
            worker_id="worker-1",
            triggered_run=False,
            started_position=102,
        )
    }


@pytest.mark.rule("S-51")
def test_a_failed_attempt_keeps_its_error_and_its_retry(story: Story) -> None:
    """
    Every attempt of a run has its own row; failures are not overwritten by successes.
    """
    story.at(minutes=5, seconds=9).fail()
    story.at(minutes=7).start()
    story.at(minutes=8).end(triggered=2)

    first, second = history_of(story).values()

    assert (first.attempt, first.outcome, first.error) == (1, "failed", "boom")
    assert first.completed_at == at(minutes=5, seconds=9)
    assert first.retry_at == at(minutes=6, seconds=9)
    assert first.ended_position == 103
    assert (second.attempt, second.outcome, second.error) == (2, "succeeded", None)
    assert second.retry_count == 1
    assert (second.started_position, second.ended_position) == (104, 105)


@pytest.mark.rule("S-23")
def test_an_abandoned_attempt_shows_why(story: Story) -> None:
    """
    A lost attempt is visible in the history.
    """
    story.at(minutes=6).abandon(reason="lease expired")

    (row,) = history_of(story).values()

    assert (row.outcome, row.reason, row.completed_at) == (
        "abandoned",
        "lease expired",
        at(minutes=6),
    )
    assert row.duration is None


def test_only_starts_outcomes_and_abandonments_write_rows(story: Story) -> None:
    """
    All else leaves the history alone.
    """
    story.pause()
    story.resume()
    story.cancel()

    assert [execution_of(event) for event in story.told] == [None, f"{RUN}#1", None, None, None]


def test_an_outcome_without_its_start_makes_no_row(story: Story) -> None:
    """
    R5: the fold is total, also on a log whose start could not be read.
    """
    story.at(minutes=6).end()
    executed: SchedulerEvent = story.told[-1]

    assert evolve_attempt(None, executed, 7) is None


def test_a_user_sees_datetimes_and_where_the_events_of_the_handler_stand(story: Story) -> None:
    """
    The handler's events stand directly before the outcome.
    """
    story.at(minutes=6).end(triggered=2)
    (row,) = history_of(story).values()
    run = TaskRun.of(row)

    assert run.scheduled_at == NOON + timedelta(minutes=5)
    assert run.started_at == NOON + timedelta(minutes=5, seconds=2)
    assert run.completed_at == NOON + timedelta(minutes=6)
    assert run.duration == timedelta(microseconds=Microseconds(7))
    assert run.success
    assert run.position == 102
    assert run.triggered_positions == (101, 102)


@pytest.mark.rule("S-52")
def test_an_attempt_without_events_triggered_none(story: Story) -> None:
    """
    Nothing is an empty tuple, never position 0.
    """
    running = TaskRun.of(*history_of(story).values())
    story.at(minutes=6).fail()
    failed = TaskRun.of(*history_of(story).values())

    assert running.triggered_positions == failed.triggered_positions == ()
    assert running.completed_at is None
    assert running.duration is None
    assert not running.success
    assert not failed.success
