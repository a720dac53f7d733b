"""
What a scheduler does with overlap, catch-up and the rest, end to end on a virtual clock.
"""

from datetime import timedelta
from typing import Any

import pytest

from azoth_scheduler import (
    Cron,
    Discard,
    Immediate,
    Interval,
    InvalidTask,
    Retry,
    RetryPolicy,
    Snooze,
    TaskChanged,
    TaskContext,
    TaskExists,
)
from azoth_scheduler.backfilling import BACKFILL_MAX
from azoth_scheduler.events import TaskExecuted, TaskRunBuffered, TaskRunSkipped, TaskRunStarted
from azoth_scheduler.simulation.invariants import assert_sound
from tests.support.stage import NOON, Act, Stage, acts, request, task

MINUTE = timedelta(minutes=1)


def raises(error: BaseException) -> Act:
    """
    Return what raises *error*.
    """

    def act(ctx: TaskContext, payload: bytes) -> object:
        raise error

    return act


def test_cancel_other_needs_no_free_slot_to_ask(stage: Stage) -> None:
    """
    The run that is in the way holds the only slot; the next one starts once it has stopped.
    """
    gate = stage.gate()
    scheduler, executor = stage.threaded(acts(gate.until_stopped), max_concurrent_tasks=1)
    scheduler.schedule_task(request("a", Interval(300), overlap="cancel_other"))
    stage.clock.advance(300)
    assert scheduler.step() is not None
    gate.wait_inside()

    stage.clock.advance(299)
    looks_at = scheduler.step()
    assert looks_at is not None
    stage.clock.advance(1)
    scheduler.step()
    scheduler.step()
    executor.wait()
    scheduler.step()
    gate.wait_inside()

    assert stage.types("a") == [
        "Scheduled",
        "RunStarted",
        "RunCancelRequested",
        "Executed",
        "RunStarted",
    ]


def test_allow_runs_several_of_one_task_side_by_side(stage: Stage) -> None:
    """
    As many as there are slots.
    """
    gate = stage.gate()
    scheduler, _ = stage.threaded(acts(gate), max_concurrent_tasks=2)
    scheduler.schedule_task(request("a", Interval(60), overlap="allow"))
    for _ in range(3):
        stage.clock.advance(60)
        scheduler.step()
    gate.wait_inside(2)

    assert len(task(scheduler).running) == 2
    assert scheduler.step() is None or len(stage.told(TaskRunStarted)) == 2


def test_two_that_end_together_free_their_slots_one_by_one(stage: Stage) -> None:
    """
    One outcome of a task is recorded in a pass; the other keeps its slot until the log has it.
    """
    gate = stage.gate()
    scheduler, executor = stage.threaded(acts(gate), max_concurrent_tasks=2)
    scheduler.schedule_tasks([request(one, Interval(60), overlap="allow") for one in ("a", "b")])
    scheduler.pause_task("b")
    for _ in range(2):
        stage.clock.advance(60)
        scheduler.step()
    gate.wait_inside(2)
    gate.open()
    executor.wait(2)
    scheduler.resume_task("b")
    stage.clock.advance(60)
    for _ in range(4):
        scheduler.step()

    assert_sound(stage.log(), worker=2)


def test_what_was_missed_is_run_in_order_after_a_downtime(stage: Stage) -> None:
    """
    All of it in one call, though one is run at a time.
    """
    worker = acts()
    scheduler = stage.scheduler(worker)
    scheduler.schedule_task(request("a", Cron("0 */10 * * * *"), catch_up="all"))
    stage.clock.advance(3_600)
    scheduler.run_pending()

    assert [ctx.scheduled_at for ctx in worker.contexts] == [
        NOON + n * 10 * MINUTE for n in range(1, 7)
    ]
    assert len(stage.told(TaskRunBuffered)) == 1


def test_a_jitter_moves_the_start_and_not_the_name(stage: Stage) -> None:
    """
    The nominal time is the one of the schedule.
    """
    worker = acts()
    scheduler = stage.scheduler(worker)
    shown = scheduler.schedule_task(request("a", Interval(600), jitter=300))
    assert shown.next_run_time is not None
    assert shown.next_nominal_time == NOON + 10 * MINUTE
    stage.clock.advance(shown.next_run_time - NOON)
    scheduler.run_pending()

    assert worker.contexts[0].scheduled_at == NOON + 10 * MINUTE
    assert worker.contexts[0].started_at == shown.next_run_time


@pytest.mark.parametrize(
    ("signal", "outcome", "waits"),
    [
        (Retry(after=7), "failed", 7),
        (Snooze(after=timedelta(minutes=3)), "snoozed", 180),
        (Discard("gone"), "discarded", None),
    ],
)
def test_a_handler_says_how_its_attempt_ends(
    stage: Stage, signal: BaseException, outcome: str, waits: float | None
) -> None:
    """
    By what it raises.
    """
    scheduler = stage.scheduler(acts(raises(signal)))
    scheduler.schedule_task(request("a", Interval(600)))
    stage.clock.advance(600)
    scheduler.run_pending()

    (executed,) = stage.told(TaskExecuted)
    assert executed.outcome == outcome
    retry_at = task(scheduler).retry_at
    assert retry_at == (None if waits is None else stage.now + timedelta(seconds=waits))


def test_a_failure_that_is_not_worth_another_attempt_exhausts_the_run(stage: Stage) -> None:
    """
    By the class of what was raised.
    """
    policy = RetryPolicy(max_attempts=9, retry_on=(ConnectionError,))
    scheduler = stage.scheduler(acts(raises(KeyError("x"))))
    scheduler.schedule_task(request("a", retry=policy))
    scheduler.run_pending()

    assert task(scheduler).status == "disabled"
    assert task(scheduler).reason == "exhausted: the retry policy gives up on builtins.KeyError"


def test_a_backfill_runs_each_time_once_and_in_order(stage: Stage) -> None:
    """
    Also those before the task was scheduled; the schedule goes on behind them.
    """
    worker = acts()
    scheduler = stage.scheduler(worker)
    scheduler.schedule_task(request("a", Cron("0 0 * * * *")))
    scheduler.backfill("a", NOON - 180 * MINUTE, NOON)
    scheduler.run_pending()

    assert [ctx.scheduled_at for ctx in worker.contexts] == [
        NOON - 180 * MINUTE,
        NOON - 120 * MINUTE,
        NOON - 60 * MINUTE,
        NOON,
    ]
    assert task(scheduler).next_run_time == NOON + 60 * MINUTE
    assert len({ctx.run_id for ctx in worker.contexts}) == 4


def test_a_backfill_of_an_interval_keeps_its_grid(stage: Stage) -> None:
    """
    Extended backwards.
    """
    worker = acts()
    scheduler = stage.scheduler(worker)
    scheduler.schedule_task(request("a", Interval(600)))
    scheduler.backfill("a", NOON - 25 * MINUTE, NOON - MINUTE)
    scheduler.run_pending()

    assert [ctx.scheduled_at for ctx in worker.contexts] == [NOON - 20 * MINUTE, NOON - 10 * MINUTE]


def test_a_backfill_that_is_none_is_refused(stage: Stage) -> None:
    """
    With the count, where there are too many.
    """
    scheduler = stage.scheduler(acts())
    scheduler.schedule_tasks(
        [request("a", Interval(1)), request("b", Immediate()), request("c", Cron("0 0 0 1 1 *"))]
    )

    with pytest.raises(InvalidTask, match=r"1,036,801 times lie .* at most 1,000"):
        scheduler.backfill("a", NOON - timedelta(days=12), NOON)
    with pytest.raises(InvalidTask, match=r"1,001 times"):
        scheduler.backfill("a", NOON - timedelta(seconds=BACKFILL_MAX), NOON)
    with pytest.raises(InvalidTask, match="names no times"):
        scheduler.backfill("b", NOON - MINUTE, NOON)
    with pytest.raises(InvalidTask, match=r"is yet to come; .* fill in up to 2026-01-01 12:00"):
        scheduler.backfill("c", NOON, NOON + timedelta(days=400))
    with pytest.raises(InvalidTask, match="lies before start"):
        scheduler.backfill("a", NOON, NOON - MINUTE)
    with pytest.raises(InvalidTask, match="no time from start to end"):
        scheduler.backfill("c", NOON - MINUTE, NOON)
    with pytest.raises(ValueError, match="time zone"):
        scheduler.backfill("a", NOON.replace(tzinfo=None), NOON)
    assert stage.types("a") == ["Scheduled"]


def test_a_backfill_of_more_than_a_million_is_refused_with_its_count(stage: Stage) -> None:
    """
    Of an interval and of cron, in any zone; what lies behind the end of a schedule does not count.
    """
    client = stage.scheduler()
    client.schedule_tasks(
        [
            request("a", Interval(0.001)),
            request("b", Cron("* * * * * *")),
            request("c", Cron("* * * * *", tz="Europe/Berlin")),
            request("d", Interval(1), end=NOON + MINUTE),
        ]
    )
    head = stage.head()
    late = NOON + timedelta(days=365_000)

    for task_id, end, said in (
        ("a", NOON + timedelta(hours=1), "3,600,000 times"),
        ("a", late, "more than 1,000,000,000 times"),
        ("b", NOON + timedelta(days=12), "1,036,800 times"),
        ("c", NOON + timedelta(days=730), "1,051,200 times"),
    ):
        with pytest.raises(InvalidTask, match=said):
            client.backfill(task_id, NOON + timedelta(microseconds=1), end)
    assert stage.head() == head
    stage.clock.advance(timedelta(days=1))
    assert client.backfill("d", NOON - MINUTE, stage.now).status == "scheduled"


def test_a_set_of_schedules_is_applied_and_pruned(stage: Stage) -> None:
    """
    What is no longer in it is cancelled; tasks of others are left alone.
    """
    scheduler = stage.scheduler(acts())
    scheduler.schedule_task(request("other", Interval(60)))
    scheduler.apply_schedules([request("a", Interval(60)), request("b", Interval(60))], group="app")
    head = stage.head()
    scheduler.apply_schedules([request("a", Interval(60)), request("b", Interval(60))], group="app")
    assert stage.head() == head

    scheduler.apply_schedules([request("b", Interval(90))], prune=True, group="app")

    assert [task(scheduler, one).status for one in ("a", "b", "other")] == [
        "cancelled",
        "scheduled",
        "scheduled",
    ]
    assert task(scheduler, "a").reason == "no longer in the schedules of 'app'"
    assert task(scheduler, "b").tags == ("schedules:app",)
    with pytest.raises(InvalidTask, match="it is of the group 'app'; take another id"):
        scheduler.apply_schedules([request("b", Interval(90))], group="other")
    with pytest.raises(TypeError, match="expected a ScheduleTaskRequest, got 'b'"):
        scheduler.apply_schedules(["b"])  # type: ignore[list-item]
    with pytest.raises(InvalidTask, match="in the set twice"):
        scheduler.apply_schedules([request("b"), request("b")])


def test_a_task_is_replaced_only_as_asked(stage: Stage) -> None:
    """
    By name, or by the version that was seen.
    """
    scheduler = stage.scheduler(acts())
    seen = scheduler.schedule_task(request("a", Interval(60)))

    with pytest.raises(TaskExists):
        scheduler.schedule_task(request("a", Interval(90)), if_exists="error")
    kept = scheduler.schedule_task(request("a", Interval(90)), if_exists="ignore")
    assert kept.schedule == Interval(60)
    edited = scheduler.schedule_task(request("a", Interval(90)), expected_version=seen.version)
    with pytest.raises(TaskChanged, match="at version 2, not 1"):
        scheduler.schedule_task(request("a", Interval(30)), expected_version=seen.version)
    assert edited.schedule == Interval(90)
    with pytest.raises(ValueError, match="give one of replace"):
        scheduler.schedule_task(request("a"), if_exists="keep")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="give one of skip"):
        scheduler.trigger_task("a", overlap="never")  # type: ignore[arg-type]


def test_what_expired_is_left_out_and_said(stage: Stage) -> None:
    """
    A run that could not begin in time.
    """
    worker = acts()
    scheduler = stage.scheduler(worker)
    scheduler.schedule_task(request("a", Immediate(), expires_after=60))
    stage.clock.advance(61)
    scheduler.run_pending()

    assert worker.contexts == []
    assert [one.reason for one in stage.told(TaskRunSkipped)] == ["expired"]
    assert task(scheduler).status == "completed"


@pytest.mark.parametrize(
    "said",
    [
        {"schedule": Interval(3_600, mode="fixed_delay")},
        {"schedule": Interval(3_600), "expires_after": 60},
        {"schedule": Interval(3_600), "catch_up": "skip"},
    ],
)
def test_a_forecast_names_what_then_runs(stage: Stage, said: dict[str, Any]) -> None:
    """
    Also where the next one is late: it is run, or left out, and the rest follows from that.
    """
    worker = acts()
    scheduler = stage.scheduler(worker)
    scheduler.schedule_task(request("a", **said))
    stage.clock.advance(5 * 3_600 + 61)
    expected = scheduler.forecast("a", 3)
    for seconds in (3_600 - 61, 3_600, 3_600, 0):
        scheduler.run_pending()
        stage.clock.advance(seconds)

    assert [ctx.scheduled_at for ctx in worker.contexts][:2] == expected[:2]
