"""
The scheduler as its users see it: tasks in, tasks and runs out, on the memory store and in a file.
"""

import logging
from datetime import timedelta

import pytest

from azoth.events import Appended, Checkpoint, Write
from azoth.store import EventStore
from azoth_scheduler import (
    Cron,
    HandlerNotFound,
    Immediate,
    InlineExecutor,
    Interval,
    InvalidTask,
    MemoryScheduleProjection,
    OneTime,
    RetryPolicy,
    RunNotFound,
    Schedule,
    SqliteScheduleProjection,
    TaskContext,
    TaskNotFound,
    TaskRunSkipped,
    TaskScheduled,
)
from tests.support.faults import WithoutLeases
from tests.support.stage import NOON, Stage, Worker, acts, fails, request, task


class CountingAppends(WithoutLeases):
    """
    Count the appends.
    """

    def __init__(self, store: EventStore) -> None:
        super().__init__(store)
        self.appends = 0

    def append(
        self, *writes: Write, checkpoint: Checkpoint | None = None, key: str | None = None
    ) -> Appended:
        self.appends += 1
        return super().append(*writes, checkpoint=checkpoint, key=key)


class Picky(Worker):
    """
    Refuse a payload.
    """

    task_type = "work"

    def __init__(self, error: Exception) -> None:
        super().__init__(lambda ctx, payload: None)
        self._error = error

    def validate(self, payload: bytes) -> None:
        if payload == b"bad":
            raise self._error


def test_a_task_that_was_scheduled_is_returned_as_it_stands(stage: Stage) -> None:
    """
    With the scheduler's defaults filled in, and times in UTC.
    """
    scheduler = stage.scheduler(acts())

    shown = scheduler.schedule_task(
        request("a", Interval(300), payload=b"p", priority=3, queue="slow", tags=("x", "y"))
    )

    assert shown.task_id == "a"
    assert (shown.status, shown.enabled, shown.reason) == ("scheduled", True, "")
    assert (shown.payload, shown.priority, shown.queue, shown.tags) == (b"p", 3, "slow", ("x", "y"))
    assert (shown.generation, shown.version) == (1, 1)
    assert shown.next_run_time == shown.next_nominal_time == NOON + timedelta(seconds=300)
    assert (shown.max_retries, shown.timeout) == (3, timedelta(seconds=300))
    assert (shown.created_at, shown.updated_at) == (NOON, NOON)
    assert shown.running == ()


@pytest.mark.parametrize(
    "error",
    [InvalidTask(reason="it is bad"), ValueError("it is bad"), KeyError("it is bad")],
    ids=lambda error: type(error).__name__,
)
def test_a_payload_that_the_handler_refuses_is_never_in_the_log(
    stage: Stage, error: Exception
) -> None:
    """
    Whatever `validate` raises is an InvalidTask that names the task.
    """
    scheduler = stage.scheduler(Picky(error))

    with pytest.raises(InvalidTask, match=r"task 'a': .*it is bad"):
        scheduler.schedule_task(request(payload=b"bad"))

    assert stage.head() == 0


def test_all_requests_are_checked_before_the_first_is_written(stage: Stage) -> None:
    """
    One bad one, and nothing is in the log.
    """
    scheduler = stage.scheduler(Picky(ValueError("it is bad")))
    requests = [request(f"t{n}", payload=b"bad" if n == 1_500 else b"") for n in range(2_000)]

    with pytest.raises(InvalidTask, match="t1500"):
        scheduler.schedule_tasks(requests)

    assert stage.head() == 0


def test_a_type_without_a_handler_is_refused_where_there_are_handlers(stage: Stage) -> None:
    """
    The error names the types that are served.
    """
    scheduler = stage.scheduler(acts(), acts(task_type="other"))

    with pytest.raises(HandlerNotFound, match="'wrok'; this scheduler serves work, other"):
        scheduler.schedule_task(request(task_type="wrok"))

    assert stage.head() == 0


def test_a_client_leaves_handlers_and_payloads_to_the_workers(stage: Stage) -> None:
    """
    A scheduler with no handlers schedules any type, and runs none.
    """
    client = stage.scheduler()
    client.schedule_task(request(task_type="anything", payload=b"bad"))

    assert client.run_pending() == 1
    assert task(client).status == "scheduled"
    assert client.health().unserved == 0


def test_many_tasks_are_scheduled_in_few_commits(stage: Stage) -> None:
    """
    Up to a thousand in each, and returned in the order of the requests.
    """
    store = CountingAppends(stage.store)
    scheduler = stage.scheduler(acts(), store=store)

    shown = scheduler.schedule_tasks(request(f"t{n}") for n in range(2_500))

    assert store.appends == 3
    assert [one.task_id for one in shown] == [f"t{n}" for n in range(2_500)]


def test_the_same_id_twice_in_one_call_is_an_edit(stage: Stage) -> None:
    """
    The later request wins, as if it had come in a call of its own.
    """
    scheduler = stage.scheduler(acts())

    shown = scheduler.schedule_tasks([request(payload=b"1"), request(payload=b"2")])

    assert [one.payload for one in shown] == [b"1", b"2"]
    assert (task(scheduler).generation, task(scheduler).payload) == (2, b"2")


def test_no_requests_write_nothing(stage: Stage) -> None:
    """
    An empty list is no error.
    """
    assert stage.scheduler(acts()).schedule_tasks([]) == []
    assert stage.head() == 0


@pytest.mark.parametrize(
    "schedule",
    [Immediate(), OneTime(NOON), Interval(60), Cron("0 0 * * * *")],
    ids=lambda schedule: type(schedule).__name__,
)
def test_the_same_definition_again_is_a_no_op(stage: Stage, schedule: Schedule) -> None:
    """
    Programs register their tasks at each start; also after the task ran.
    """
    scheduler = stage.scheduler(acts())
    first = scheduler.schedule_task(request("a", schedule, timeout=60))
    assert scheduler.schedule_task(request("a", schedule, timeout=timedelta(minutes=1))) == first
    stage.clock.advance(3_600)
    scheduler.run_pending()
    head = stage.head()

    again = scheduler.schedule_task(request("a", schedule, timeout=60))

    assert stage.head() == head
    assert again.generation == 1


def test_another_definition_is_the_next_generation(stage: Stage) -> None:
    """
    In place: the id stays, what was pending stays where the schedule stays.
    """
    scheduler = stage.scheduler(acts())
    scheduler.schedule_task(request("a", Interval(60)))
    stage.clock.advance(30)

    edited = scheduler.schedule_task(request("a", Interval(60), payload=b"new"))
    moved = scheduler.schedule_task(request("a", Interval(90), payload=b"new"))

    assert edited.next_run_time == NOON + timedelta(seconds=60)
    assert moved.next_run_time == NOON + timedelta(seconds=120)
    assert [event.generation for event in stage.told(TaskScheduled)] == [1, 2, 3]


def test_a_cancelled_id_may_be_scheduled_again(stage: Stage) -> None:
    """
    The next generation begins, also with the same definition.
    """
    worker = acts()
    scheduler = stage.scheduler(worker)
    scheduler.schedule_task(request())
    scheduler.cancel_task("a")

    again = scheduler.schedule_task(request())
    scheduler.run_pending()

    assert (again.status, again.generation) == ("scheduled", 2)
    assert worker.executions == ["a/2@2026-01-01T12:00:00Z#1"]


def test_a_cancel_twice_is_one_event(stage: Stage) -> None:
    """
    The second finds it done.
    """
    scheduler = stage.scheduler(acts())
    scheduler.schedule_task(request())
    scheduler.cancel_task("a", "first")

    again = scheduler.cancel_task("a", "second")

    assert again.reason == "first"
    assert stage.types("a") == ["Scheduled", "Cancelled"]


def test_a_paused_task_starts_nothing_until_it_is_resumed(stage: Stage) -> None:
    """
    C13; what fell due in between is not owed.
    """
    worker = acts()
    scheduler = stage.scheduler(worker)
    scheduler.schedule_task(request("a", Interval(60)))

    paused = scheduler.pause_task("a", "maintenance")
    assert (paused.status, paused.reason, paused.next_run_time) == ("paused", "maintenance", None)
    stage.clock.advance(150)
    scheduler.run_pending()
    assert worker.contexts == []
    resumed = scheduler.resume_task("a")
    stage.clock.advance(30)
    scheduler.run_pending()

    assert resumed.next_run_time == NOON + timedelta(seconds=180)
    assert [context.scheduled_at for context in worker.contexts] == [NOON + timedelta(seconds=180)]


def test_a_pause_stops_a_waiting_retry_too(stage: Stage) -> None:
    """
    Resumed, it comes at once.
    """
    worker = fails(1)
    scheduler = stage.scheduler(worker)
    scheduler.schedule_task(request())
    scheduler.run_pending()
    scheduler.pause_task("a")
    stage.clock.advance(3_600)
    scheduler.run_pending()
    assert len(worker.contexts) == 1

    scheduler.resume_task("a")
    scheduler.run_pending()

    assert [context.attempt for context in worker.contexts] == [1, 2]
    assert task(scheduler).status == "completed"


def test_a_triggered_run_comes_beside_the_schedule(stage: Stage) -> None:
    """
    With a run id of its own, its own payload, and without moving what is next.
    """
    worker = acts()
    scheduler = stage.scheduler(worker)
    before = scheduler.schedule_task(request("a", Interval(3_600), payload=b"usual"))

    scheduler.trigger_task("a", payload=b"special")
    scheduler.run_pending()

    assert worker.executions == ["a/1!1#1"]
    assert worker.payloads == [b"special"]
    assert task(scheduler).next_run_time == before.next_run_time
    assert [run.triggered_run for run in scheduler.runs("a")] == [True]


def test_a_trigger_while_a_run_is_open_is_skipped_by_event(stage: Stage) -> None:
    """
    Overlap is `skip`: it is in the log, and in nobody's way.
    """
    gate = stage.gate()
    scheduler, executor = stage.threaded(acts(gate))
    scheduler.schedule_task(request())
    scheduler.step()
    gate.wait_inside()

    scheduler.trigger_task("a")
    gate.open()
    executor.wait()
    scheduler.step()

    assert stage.types("a") == [
        "Scheduled", "RunStarted", "Triggered", "RunSkipped", "Executed",
    ]  # fmt: skip
    assert [event.reason for event in stage.told(TaskRunSkipped)] == ["overlap"]


@pytest.mark.parametrize("state", ["paused", "disabled", "completed"])
def test_a_trigger_works_on_a_task_that_is_held(stage: Stage, state: str) -> None:
    """
    Somebody asked for it.
    """
    worker = fails(1) if state == "disabled" else acts()
    scheduler = stage.scheduler(worker)
    schedule: Schedule = Interval(60) if state == "paused" else Immediate()
    scheduler.schedule_task(request("a", schedule, max_retries=1))
    if state == "paused":
        scheduler.pause_task("a")
    scheduler.run_pending()
    assert task(scheduler).status == state
    before = len(worker.contexts)

    scheduler.trigger_task("a")
    scheduler.run_pending()

    assert len(worker.contexts) == before + 1
    assert task(scheduler).status == state
    assert task(scheduler).last_outcome == "succeeded"


def test_a_cancelled_task_can_be_neither_triggered_nor_resumed(stage: Stage) -> None:
    """
    The error says how to begin anew.
    """
    scheduler = stage.scheduler(acts())
    scheduler.schedule_task(request())
    scheduler.cancel_task("a")

    for command in (scheduler.trigger_task, scheduler.pause_task, scheduler.resume_task):
        with pytest.raises(InvalidTask, match="schedule it again to begin anew"):
            command("a")


def test_a_trigger_checks_its_payload(stage: Stage) -> None:
    """
    As a schedule does.
    """
    scheduler = stage.scheduler(Picky(ValueError("it is bad")))
    scheduler.schedule_task(request("a", Interval(60)))

    with pytest.raises(InvalidTask, match="it is bad"):
        scheduler.trigger_task("a", payload=b"bad")
    with pytest.raises(InvalidTask, match="payload is bytes, not str"):
        scheduler.trigger_task("a", payload="text")  # type: ignore[arg-type] # what users do

    assert stage.head() == 1


def test_the_runs_of_a_task_are_read_page_by_page(stage: Stage) -> None:
    """
    In the order of their starts; a page goes on behind the position of the last one.
    """
    scheduler = stage.scheduler(acts())
    scheduler.schedule_task(request("a", Interval(60)))
    for _ in range(5):
        stage.clock.advance(60)
        scheduler.run_pending()

    whole = scheduler.runs("a")
    first = scheduler.runs("a", limit=2)
    rest = scheduler.runs("a", after=first[-1].position)

    assert [run.scheduled_at.minute for run in whole] == [1, 2, 3, 4, 5]
    assert [*first, *rest] == whole
    assert all(run.success and run.duration == timedelta() for run in whole)


def test_a_run_that_is_under_way_has_no_outcome_yet(stage: Stage) -> None:
    """
    It shows its worker and its start.
    """
    gate = stage.gate()
    scheduler, _ = stage.threaded(acts(gate))
    scheduler.schedule_task(request())
    scheduler.step()
    gate.wait_inside()

    (run,) = scheduler.runs("a")
    assert (run.outcome, run.completed_at, run.duration) == (None, None, None)
    assert (run.started_at, run.worker_id) == (NOON, "worker/1")
    assert task(scheduler).running == (run.execution_id,)


def test_what_is_not_there_is_none_or_an_error_that_names_it(stage: Stage) -> None:
    """
    Asking is harmless; commanding is not.
    """
    scheduler = stage.scheduler(acts())

    assert scheduler.get_task("a") is None
    assert scheduler.get_run("a/1@2026-01-01T12:00:00Z#1") is None
    with pytest.raises(TaskNotFound, match="'a'"):
        scheduler.runs("a")
    with pytest.raises(TaskNotFound, match="'a'"):
        scheduler.forecast("a")
    with pytest.raises(RunNotFound, match="'nothing'"):
        scheduler.cancel_run("nothing")


def test_a_run_that_is_over_cannot_be_cancelled(stage: Stage) -> None:
    """
    It is no open run any more.
    """
    scheduler = stage.scheduler(acts())
    scheduler.schedule_task(request())
    scheduler.run_pending()

    with pytest.raises(RunNotFound):
        scheduler.cancel_run(scheduler.runs("a")[0].execution_id)


def test_a_forecast_names_the_next_times(stage: Stage) -> None:
    """
    Pure: nothing is written.
    """
    scheduler = stage.scheduler(acts())
    scheduler.schedule_task(request("a", Interval(60)))
    head = stage.head()

    assert scheduler.forecast("a", 3) == [NOON + timedelta(minutes=n) for n in (1, 2, 3)]
    assert scheduler.forecast("a", 0) == []
    assert stage.head() == head
    scheduler.pause_task("a")
    assert scheduler.forecast("a") == []


def test_the_context_tells_a_handler_about_its_attempt(stage: Stage) -> None:
    """
    Ids, times, the number of the attempt, whether it is the last, and the last success.
    """
    worker = fails(1)
    scheduler = stage.scheduler(worker)
    scheduler.schedule_task(request("a", Interval(3_600), timeout=60, max_retries=2))
    for _ in range(3):
        stage.clock.advance(3_600)
        scheduler.run_pending()

    first, second, third, *_ = worker.contexts
    assert (first.attempt, first.execution_attempt, first.is_last_attempt) == (1, 0, False)
    assert (second.attempt, second.execution_attempt, second.is_last_attempt) == (2, 1, True)
    assert second.previous_success is None
    assert third.previous_success == NOON + timedelta(hours=2)
    assert third.deadline - third.started_at == timedelta(seconds=60)


def test_a_handlers_log_carries_the_ids_of_its_attempt(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """
    So that a line can be found by its run.
    """

    def act(ctx: TaskContext, payload: bytes) -> None:
        ctx.logger.warning("half-way")

    scheduler = stage.scheduler(acts(act))
    scheduler.schedule_task(request())
    with caplog.at_level(logging.WARNING):
        scheduler.run_pending()

    (record,) = [one for one in caplog.records if one.message == "half-way"]
    assert (record.task_id, record.execution_id) == ("a", "a/1@2026-01-01T12:00:00Z#1")  # type: ignore[attr-defined] # from extra=


def test_a_handlers_retry_policy_applies_to_its_tasks(stage: Stage) -> None:
    """
    Where the request says nothing.
    """
    worker = fails(retry=RetryPolicy(max_attempts=2, base=7))
    scheduler = stage.scheduler(worker)
    scheduler.schedule_task(request())
    scheduler.run_pending()

    assert task(scheduler).retry_at == NOON + timedelta(seconds=7)
    assert task(scheduler).max_retries == 2


def test_an_exhausted_task_goes_on_where_its_policy_says_so(stage: Stage) -> None:
    """
    `on_exhausted="continue"`: the next occurrence comes.
    """
    worker = fails()
    scheduler = stage.scheduler(worker)
    policy = RetryPolicy(max_attempts=1, on_exhausted="continue")
    scheduler.schedule_task(request("a", Interval(60), retry=policy))
    for _ in range(3):
        stage.clock.advance(60)
        scheduler.run_pending()

    assert len({context.run_id for context in worker.contexts}) == 3
    assert task(scheduler).status == "scheduled"


def test_a_scheduler_serves_the_queues_it_names(stage: Stage) -> None:
    """
    The others wait for somebody else.
    """
    fast, slow = acts(), acts()
    stage.scheduler().schedule_tasks([request("a", queue="fast"), request("b", queue="slow")])

    stage.scheduler(fast, queues=["fast"], worker_id="fast").run_pending()
    stage.scheduler(slow, queues=["slow", "other"], worker_id="slow").run_pending()

    assert [context.task_id for context in fast.contexts] == ["a"]
    assert [context.task_id for context in slow.contexts] == ["b"]


def test_every_projection_gives_the_same_answers(stage: Stage) -> None:
    """
    A table in memory and one in SQLite are one table.
    """
    worker = fails(3)
    scheduler = stage.scheduler(
        worker, projection=SqliteScheduleProjection(), executor=InlineExecutor(3)
    )
    scheduler.schedule_tasks([request(f"t{n}", Interval(60 + n)) for n in range(5)])
    for _ in range(4):
        stage.clock.advance(61)
        scheduler.run_pending()
    other = stage.scheduler(worker, projection=MemoryScheduleProjection())

    assert scheduler.list_tasks() == other.list_tasks()
    assert scheduler.runs("t1") == other.runs("t1")
    assert scheduler.digest() == other.digest()


def test_closing_twice_is_fine_and_leaves_the_store_open(stage: Stage) -> None:
    """
    It is not the scheduler's.
    """
    scheduler = stage.scheduler(acts())
    scheduler.close()
    scheduler.close()

    assert stage.store.wait(0, 0) == 0


def test_a_scheduler_names_its_store(stage: Stage) -> None:
    """
    So that whoever is handed a scheduler can read its log.
    """
    assert stage.scheduler().store is stage.store


def test_health_tells_where_the_log_and_the_table_stand(stage: Stage) -> None:
    """
    Both at the same place, once the table was looked at.
    """
    scheduler = stage.scheduler(acts())
    scheduler.schedule_tasks([request("a"), request("b")])
    scheduler.run_pending()

    health = scheduler.health()
    assert (health.head, health.position) == (6, 6)
    assert (health.running, health.stuck, health.late_results, health.unreadable) == (0, 0, 0, 0)
