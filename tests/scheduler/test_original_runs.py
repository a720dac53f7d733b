"""
The rows of the original about runs: that they happen, once, and are counted rightly.
"""

from datetime import timedelta

import pytest

from azoth.events import NewEvent, Write
from azoth.streams import ANY
from azoth_scheduler import (
    Immediate,
    InlineExecutor,
    Interval,
    MemoryScheduleProjection,
    OneTime,
    RetryPolicy,
    SqliteScheduleProjection,
    TaskDisabled,
    TaskEvent,
    TaskExecuted,
    TaskRunStarted,
)
from tests.support.stage import NOON, Stage, acts, fails, request, running, task

pytestmark = pytest.mark.uncovered


@pytest.mark.rule("S-01")
def test_one_run_applies_dispatches_and_records(stage: Stage) -> None:
    """
    A program that schedules and runs has its task executed, and sees it in the table.
    """
    worker = acts(lambda ctx, payload: TaskEvent("report_generated", b"{}"))
    scheduler, _ = stage.threaded(worker)
    scheduler.schedule_task(request())

    with running(scheduler):
        stage.wait_for(TaskExecuted)

    assert task(scheduler).status == "completed"
    assert [run.outcome for run in scheduler.runs("a")] == ["succeeded"]
    assert "report_generated" in [entry.event.type for entry in stage.log()]


@pytest.mark.rule("S-02")
def test_an_immediate_task_runs_once_however_often_it_is_looked_at(stage: Stage) -> None:
    """
    After success: completed, one execution, nothing next.
    """
    worker = acts()
    scheduler = stage.scheduler(worker)
    scheduler.schedule_task(request())

    for _ in range(600):
        scheduler.step()
        stage.clock.advance(0.1)

    assert len(worker.contexts) == 1
    assert task(scheduler).status == "completed"
    assert task(scheduler).next_run_time is None


@pytest.mark.rule("S-03")
def test_a_one_shot_that_fails_for_good_is_disabled_and_hurts_nobody(stage: Stage) -> None:
    """
    One terminal event; other tasks go on.
    """
    worker = fails(task_type="bad")
    scheduler = stage.scheduler(worker, acts())
    scheduler.schedule_tasks([request("bad", task_type="bad", max_retries=1), request("good")])

    for _ in range(10):
        scheduler.run_pending()
        stage.clock.advance(60)

    assert len(worker.contexts) == 1
    (disabled,) = stage.told(TaskDisabled)
    assert disabled.reason == "exhausted: 1 of 1 attempt failed"
    assert task(scheduler, "bad").status == "disabled"
    assert task(scheduler, "good").status == "completed"


@pytest.mark.rule("S-04")
def test_a_one_time_task_in_the_past_runs_at_once(stage: Stage) -> None:
    """
    However late; what is scheduled after it is served too.
    """
    worker = acts()
    scheduler = stage.scheduler(worker)
    scheduler.schedule_task(request("past", OneTime(NOON - timedelta(seconds=1))))
    scheduler.schedule_task(request("next"))

    scheduler.run_pending()

    assert [context.task_id for context in worker.contexts] == ["next", "past"][::-1]
    assert worker.contexts[0].scheduled_at == NOON - timedelta(seconds=1)


@pytest.mark.rule("S-04")
def test_a_one_time_task_whose_time_came_while_nobody_looked_runs_once(stage: Stage) -> None:
    """
    A table that is made long after the time has passed shows it as due, and nothing breaks.
    """
    stage.scheduler().schedule_task(request("a", OneTime(NOON + timedelta(hours=1))))
    stage.clock.advance(timedelta(days=30))
    worker = acts()

    stage.scheduler(worker).run_pending()
    stage.scheduler(worker, worker_id="again").run_pending()

    assert len(worker.contexts) == 1


@pytest.mark.rule("S-07")
@pytest.mark.parametrize(
    ("type_", "data"),
    [
        ("TaskExecuted", b"\xff not even text"),
        ("TaskExecuted", b"{}"),
        ("TaskScheduled", b'{"task_id": 7}'),
        ("TaskTeleported", b'{"task_id": "b"}'),
        ("TaskCancelled", b'{"task_id": "a", "generation": 1, "at": 1767268800000000}'),
    ],
)
def test_an_event_that_cannot_be_read_stops_nothing(stage: Stage, type_: str, data: bytes) -> None:
    """
    It is passed over and counted; its own task goes on without it, and so do all others.
    """
    worker = acts()
    scheduler = stage.scheduler(worker)
    scheduler.schedule_tasks([request("a", Interval(60)), request("b", Interval(60))])
    stage.store.append(Write("$task-b", [NewEvent(type_, data)], ANY))

    for _ in range(3):
        stage.clock.advance(60)
        scheduler.run_pending()

    assert scheduler.health().unreadable == 1
    assert [context.task_id for context in worker.contexts] == ["a", "b"] * 3


@pytest.mark.rule("S-07")
def test_a_task_whose_first_event_cannot_be_read_may_be_scheduled_anew(stage: Stage) -> None:
    """
    To the scheduler there is no such task.
    """
    stage.store.append(Write("$task-a", [NewEvent("TaskScheduled", b"?")], ANY))
    worker = acts()
    scheduler = stage.scheduler(worker)
    assert scheduler.get_task("a") is None
    assert scheduler.list_tasks() == []

    scheduler.schedule_task(request())
    scheduler.run_pending()

    assert task(scheduler).status == "completed"


@pytest.mark.rule("S-08")
def test_a_restart_changes_nothing(stage: Stage) -> None:
    """
    What is disabled stays disabled, what ran does not run again, what waits still waits.
    """
    handlers = [acts(), fails(task_type="bad")]
    scheduler = stage.scheduler(*handlers)
    scheduler.schedule_tasks(
        [
            request("done"),
            request("disabled", task_type="bad", max_retries=1),
            request("waiting", task_type="bad"),
            request("later", Interval(3_600)),
        ]
    )
    scheduler.run_pending()
    before = {one.task_id: one for one in scheduler.list_tasks()}
    head = stage.head()

    again = stage.scheduler(*handlers, worker_id="again")
    again.run_pending()

    assert {one.task_id: one for one in again.list_tasks()} == before
    assert stage.head() == head


@pytest.mark.rule("S-09")
def test_an_interval_runs_as_often_as_it_says(stage: Stage) -> None:
    """
    Every 5 s, a handler of 700 ms, looked at ten times a second: twelve runs a minute.
    """
    worker = acts(lambda ctx, payload: stage.clock.advance(0.7))
    scheduler = stage.scheduler(worker)
    scheduler.schedule_task(request("a", Interval(5)))

    while stage.now <= NOON + timedelta(seconds=60):
        scheduler.step()
        stage.clock.advance(0.1)

    assert len(worker.contexts) == 12


@pytest.mark.rule("S-12")
def test_nothing_starts_before_the_whole_log_was_read(stage: Stage) -> None:
    """
    An immediate task of last year is due at some prefix of the log; it is not run again.
    """
    first = stage.scheduler(acts(), executor=InlineExecutor(100))
    first.schedule_tasks([request(f"t{n:04}") for n in range(600)])
    first.run_pending()
    stage.clock.advance(timedelta(days=365))
    worker = acts()

    stage.scheduler(worker, executor=InlineExecutor(100)).run_pending()

    assert stage.head() == 1_800
    assert worker.contexts == []


@pytest.mark.rule("S-13")
def test_retries_come_after_one_two_and_four_minutes(stage: Stage) -> None:
    """
    The sequence as it is configured, exactly.
    """
    worker = fails()
    scheduler = stage.scheduler(worker)
    scheduler.schedule_task(request(max_retries=4))

    scheduler.run_pending()
    while (looks_at := scheduler.step()) is not None:
        stage.clock.advance((looks_at - stage.now).total_seconds())
        scheduler.run_pending()

    starts = [context.started_at - NOON for context in worker.contexts]
    assert starts == [timedelta(minutes=minutes) for minutes in (0, 1, 3, 7)]


@pytest.mark.rule("S-15")
def test_the_waits_between_retries_end_at_a_day(stage: Stage) -> None:
    """
    Also after hundreds of failures, where two to that power is no number of minutes any more.
    """
    worker = fails()
    scheduler = stage.scheduler(worker, default_max_retries=1_000)
    scheduler.schedule_task(request())

    for _ in range(200):
        scheduler.run_pending()
        stage.clock.advance(timedelta(hours=24))

    waits = [
        event.retry_at - event.completed_at
        for event in stage.told(TaskExecuted)
        if event.retry_at is not None
    ]
    assert waits[:4] == [minutes * 60_000_000 for minutes in (1, 2, 4, 8)]
    assert max(waits) == waits[-1] == 24 * 3_600_000_000


@pytest.mark.rule("S-16")
def test_one_failure_uses_up_one_retry(stage: Stage) -> None:
    """
    However often the scheduler looks while the retry waits.
    """
    worker = fails(1)
    scheduler = stage.scheduler(worker)
    scheduler.schedule_task(request(max_retries=5))

    for _ in range(50):
        scheduler.step()
        stage.clock.advance(1)
    assert task(scheduler).retry_count == 1
    stage.clock.advance(60)
    scheduler.run_pending()

    assert len(worker.contexts) == 2
    assert task(scheduler).status == "completed"


@pytest.mark.rule("S-17")
def test_a_disabled_heartbeat_can_be_resumed(stage: Stage) -> None:
    """
    The retry of an occurrence is not the next occurrence, and `resume_task` begins anew.
    """
    worker = fails(3)
    scheduler = stage.scheduler(worker)
    scheduler.schedule_task(request("beat", Interval(5), retry=RetryPolicy(3, base=1)))
    for _ in range(20):
        stage.clock.advance(1)
        scheduler.run_pending()
    assert task(scheduler, "beat").status == "disabled"
    assert len({context.run_id for context in worker.contexts}) == 1

    resumed = scheduler.resume_task("beat", "repaired")
    stage.clock.advance(5)
    scheduler.run_pending()

    assert (resumed.status, resumed.retry_count) == ("scheduled", 0)
    assert task(scheduler, "beat").last_outcome == "succeeded"


@pytest.mark.rule("S-17")
def test_a_failure_does_not_move_the_next_occurrence(stage: Stage) -> None:
    """
    A heartbeat that failed once beats again at its own time, not after its retry's wait.
    """
    scheduler = stage.scheduler(fails(1))
    scheduler.schedule_task(request("beat", Interval(5)))
    stage.clock.advance(5)
    scheduler.run_pending()

    shown = task(scheduler, "beat")
    assert shown.retry_at == NOON + timedelta(seconds=65)
    assert shown.next_run_time == NOON + timedelta(seconds=10)


@pytest.mark.rule("S-18")
def test_each_attempt_sets_the_time_of_the_last_run(stage: Stage) -> None:
    """
    Failed ones too.
    """
    scheduler = stage.scheduler(fails())
    scheduler.schedule_task(request())
    assert task(scheduler).last_run_time is None

    scheduler.run_pending()
    assert task(scheduler).last_run_time == NOON
    stage.clock.advance(60)
    scheduler.run_pending()

    assert task(scheduler).last_run_time == NOON + timedelta(minutes=1)


@pytest.mark.rule("S-22")
def test_a_run_keeps_its_id_and_an_attempt_has_its_own(stage: Stage) -> None:
    """
    The run id guards effects outside; execution ids are unique in the log.
    """
    worker = fails(2)
    scheduler = stage.scheduler(worker)
    scheduler.schedule_task(request("a", Interval(3_600)))
    for _ in range(70):
        stage.clock.advance(120)
        scheduler.run_pending()

    run_ids = [context.run_id for context in worker.contexts]
    executions = worker.executions
    assert run_ids == ["a/1@2026-01-01T13:00:00Z"] * 3 + ["a/1@2026-01-01T14:00:00Z"]
    assert executions[:3] == [f"a/1@2026-01-01T13:00:00Z#{attempt}" for attempt in (1, 2, 3)]
    assert len(set(executions)) == len(executions)


@pytest.mark.rule("S-11")
def test_two_rebuilds_of_one_log_are_the_same(stage: Stage) -> None:
    """
    Every time comes from the events: it does not matter when they are read.
    """
    scheduler = stage.scheduler(fails(2), acts(task_type="other"))
    scheduler.schedule_tasks(
        [request("a", Interval(3_600)), request("b"), request("c", task_type="other")]
    )
    for _ in range(5):
        stage.clock.advance(1_200)
        scheduler.run_pending()
    stage.clock.advance(2_400)

    tables = [MemoryScheduleProjection(), MemoryScheduleProjection(), SqliteScheduleProjection()]
    rebuilt = [stage.scheduler(projection=table) for table in tables]

    assert {one.digest() for one in rebuilt} == {scheduler.digest()}
    expected = task(scheduler).next_run_time
    assert expected is not None
    assert all(task(one).next_run_time == expected for one in rebuilt)


@pytest.mark.rule("S-40")
def test_no_exception_leaks_a_slot(stage: Stage) -> None:
    """
    A hundred handlers that fail in every way leave the one slot free, and a shutdown ends.
    """
    errors = [ValueError, SystemExit, GeneratorExit, RecursionError, MemoryError]
    handlers = [fails(error=error, task_type=f"bad{n}") for n, error in enumerate(errors)]
    scheduler, _ = stage.threaded(*handlers, acts(), max_concurrent_tasks=1)
    scheduler.schedule_tasks(
        request(f"t{n:03}", task_type=f"bad{n % len(errors)}", max_retries=1) for n in range(100)
    )
    scheduler.schedule_task(request("last", priority=1))

    with running(scheduler):
        stage.wait_for(TaskExecuted, 101)

    assert task(scheduler, "last").status == "completed"
    assert scheduler.health().running == 0


@pytest.mark.rule("S-59")
def test_the_traceback_of_a_failure_is_kept(stage: Stage) -> None:
    """
    With the error's words and its type.
    """
    scheduler = stage.scheduler(fails())
    scheduler.schedule_task(request())
    scheduler.run_pending()

    (run,) = scheduler.runs("a")
    assert (run.outcome, run.error, run.error_type) == ("failed", "boom", "builtins.ValueError")
    assert run.traceback is not None
    assert 'raise error("boom")' in run.traceback
    assert task(scheduler).last_error == "boom"


@pytest.mark.rule("S-52")
def test_a_failure_points_to_no_event(stage: Stage) -> None:
    """
    There is no number that means "none": what a run wrote is a list of positions.
    """
    scheduler = stage.scheduler(fails(1))
    scheduler.schedule_task(request())
    scheduler.run_pending()
    stage.clock.advance(60)
    scheduler.run_pending()

    failed, succeeded = scheduler.runs("a")
    assert failed.triggered_positions == ()
    (position,) = succeeded.triggered_positions
    assert stage.log()[position - 1].event.type == "recovered"


@pytest.mark.rule("S-23")
def test_a_start_is_in_the_log_before_its_handler_runs(stage: Stage) -> None:
    """
    Whoever is killed behind the effect leaves the start behind, and the next attempt is the second.
    """
    seen: list[int] = []
    scheduler = stage.scheduler(
        acts(lambda ctx, payload: seen.append(len(stage.told(TaskRunStarted))))
    )
    scheduler.schedule_task(request("a", Immediate()))

    scheduler.run_pending()

    assert seen == [1]
