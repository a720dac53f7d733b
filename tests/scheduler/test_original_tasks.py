"""
The rows of the original about tasks: schedules, edits, cancels, history, and the log around them.
"""

import json
import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from azoth.events import ALL, Event, NewEvent, Page, Query, Write
from azoth.processor import EventProcessor
from azoth.store import EventStore
from azoth.streams import ANY
from azoth_scheduler import (
    Cron,
    InlineExecutor,
    Interval,
    InvalidTask,
    OneTime,
    Schedule,
    ScheduledTask,
    Scheduler,
    TaskCancelled,
    TaskEvent,
    TaskFilter,
    TaskNotFound,
    TaskRunSkipped,
)
from azoth_scheduler.requests import PAYLOAD_BYTES_MAX
from tests.support.faults import WithoutLeases
from tests.support.stage import NOON, Stage, acts, fails, request, task

pytestmark = pytest.mark.uncovered

HOUR = timedelta(hours=1)


class Noticing:
    """
    Be an event handler that notes what it is handed.
    """

    name = "noticing"

    def __init__(self, *types: str) -> None:
        self.types = types
        self.noticed: list[Event] = []

    def handle(self, event: Event) -> None:
        self.noticed.append(event)


class CountingReads(WithoutLeases):
    """
    Count the events that are read.
    """

    def __init__(self, store: EventStore) -> None:
        super().__init__(store)
        self.events = 0

    def read(
        self,
        query: Query = ALL,
        *,
        after: int = 0,
        until: int | None = None,
        limit: int = 500,
        backwards: bool = False,
    ) -> Page:
        page = super().read(query, after=after, until=until, limit=limit, backwards=backwards)
        self.events += len(page.events)
        return page


def schedule_and_leave(stage: Stage, state: str) -> Scheduler:
    """
    Bring a task `a` into a state, and return a scheduler that serves it.
    """
    gate = stage.gate()
    handlers = [acts(), fails(task_type="bad"), acts(gate, "held")]
    scheduler, executor = stage.threaded(*handlers)
    schedule: Schedule = OneTime(NOON) if state == "completed" else Interval(60)
    types = {"running": "held", "retrying": "bad", "disabled": "bad"}
    max_retries = 1 if state == "disabled" else 3
    scheduler.schedule_task(
        request("a", schedule, types.get(state, "work"), max_retries=max_retries)
    )
    if state not in ("scheduled", "paused"):
        stage.clock.advance(60)
        scheduler.step()
    if state == "running":
        gate.wait_inside()
    elif state not in ("scheduled", "paused"):
        executor.wait()
        scheduler.step()
    if state == "paused":
        scheduler.pause_task("a")
    assert task(scheduler).status == state
    return scheduler


@pytest.mark.rule("S-05")
@pytest.mark.parametrize(
    "state", ["scheduled", "running", "retrying", "paused", "disabled", "completed"]
)
def test_a_task_can_be_cancelled_in_every_state(stage: Stage, state: str) -> None:
    """
    It keeps its history, nothing of it starts again, and nothing breaks.
    """
    scheduler = schedule_and_leave(stage, state)
    history = scheduler.runs("a")

    cancelled = scheduler.cancel_task("a", "no longer needed")
    stage.clock.advance(HOUR)
    scheduler.step()

    assert (cancelled.status, cancelled.reason) == ("cancelled", "no longer needed")
    assert not cancelled.enabled
    assert [run.execution_id for run in scheduler.runs("a")] == [r.execution_id for r in history]
    assert scheduler.get_task("a") is not None


@pytest.mark.rule("S-06")
def test_a_result_after_a_cancel_is_recorded_and_moves_nothing(stage: Stage) -> None:
    """
    What was done is in the history, with its events; the task stays cancelled.
    """
    gate = stage.gate()
    scheduler, executor = stage.threaded(acts(gate))
    scheduler.schedule_task(request("a", Interval(60)))
    stage.clock.advance(60)
    scheduler.step()
    gate.wait_inside()

    scheduler.cancel_task("a")
    gate.open()
    executor.wait()
    scheduler.step()
    stage.clock.advance(HOUR)
    scheduler.step()

    assert stage.types("a") == ["Scheduled", "RunStarted", "Cancelled", "Executed"]
    assert [run.outcome for run in scheduler.runs("a")] == ["succeeded"]
    assert task(scheduler).status == "cancelled"
    assert task(scheduler).next_run_time is None


@pytest.mark.rule("S-19")
def test_a_long_run_never_moves_the_grid_back(stage: Stage) -> None:
    """
    A run of 20 s on a grid of 5 s: the next fire is the first grid time after it.
    """
    waits = iter([20, 1, 1, 1])
    worker = acts(lambda ctx, payload: stage.clock.advance(next(waits)))
    scheduler = stage.scheduler(worker)
    scheduler.schedule_task(request("a", Interval(5)))

    for seconds in (5, 5, 4):
        stage.clock.advance(seconds)
        scheduler.run_pending()

    fired = [(context.scheduled_at - NOON).total_seconds() for context in worker.contexts]
    assert fired == [5, 25, 30, 35]
    (skipped,) = stage.told(TaskRunSkipped)
    assert (skipped.count, skipped.reason) == (3, "overlap")


@pytest.mark.rule("S-20")
def test_what_was_missed_is_one_run_and_one_record(stage: Stage) -> None:
    """
    Down from 03:30 to 09:00 with an hourly task: the run of 09:00, and five coalesced by event.
    """
    worker = acts()
    first = stage.scheduler(worker)
    stage.clock.set(datetime(2026, 1, 2, 2, 30, tzinfo=UTC))
    first.schedule_task(request("a", Cron("0 0 * * * *")))
    stage.clock.advance(HOUR)
    first.run_pending()

    stage.clock.set(datetime(2026, 1, 2, 9, tzinfo=UTC))
    stage.scheduler(worker, worker_id="again").run_pending()

    assert [context.scheduled_at.hour for context in worker.contexts] == [3, 9]
    (skipped,) = stage.told(TaskRunSkipped)
    assert (skipped.count, skipped.exact, skipped.reason) == (5, True, "coalesced")
    assert task(first).next_run_time == datetime(2026, 1, 2, 10, tzinfo=UTC)
    assert task(first).totals.skipped == 5


@pytest.mark.rule("S-21")
def test_a_handler_knows_which_occurrence_it_is_for(stage: Stage) -> None:
    """
    The nominal time, the same for each attempt, however late.
    """
    worker = fails(1)
    scheduler = stage.scheduler(worker)
    scheduler.schedule_task(request("daily", Cron("0 0 0 * * *")))
    stage.clock.set(datetime(2026, 1, 2, 0, 0, 7, tzinfo=UTC))
    scheduler.run_pending()
    stage.clock.advance(60)
    scheduler.run_pending()

    midnight = datetime(2026, 1, 2, tzinfo=UTC)
    assert [context.scheduled_at for context in worker.contexts] == [midnight, midnight]
    assert worker.contexts[0].started_at == midnight + timedelta(seconds=7)


@pytest.mark.rule("S-25")
def test_a_payload_is_stored_as_it_is_or_refused(stage: Stage) -> None:
    """
    The largest comes back byte for byte; one byte more is an error before anything is written.
    """
    worker = acts()
    scheduler = stage.scheduler(worker)
    payload = bytes(range(256)) * (PAYLOAD_BYTES_MAX // 256)

    scheduler.schedule_task(request("a", payload=payload))
    with pytest.raises(InvalidTask, match=str(PAYLOAD_BYTES_MAX)):
        request("b", payload=payload + b"\0")
    scheduler.run_pending()

    assert worker.payloads == [payload]
    assert stage.scheduler(worker_id="fresh").get_task("b") is None


@pytest.mark.rule("S-29")
def test_an_old_run_does_not_move_a_new_definition(stage: Stage) -> None:
    """
    Rescheduled as a one-time task while it ran: tomorrow's run is not lost, and comes once.
    """
    gate = stage.gate()
    worker = acts(gate)
    scheduler, executor = stage.threaded(worker)
    scheduler.schedule_task(request("x", Interval(60)))
    stage.clock.advance(60)
    scheduler.step()
    gate.wait_inside()
    tomorrow = NOON + timedelta(days=1)

    scheduler.schedule_task(request("x", OneTime(tomorrow)))
    gate.open()
    executor.wait()
    scheduler.step()
    assert task(scheduler, "x").next_run_time == tomorrow
    assert task(scheduler, "x").generation == 2
    stage.clock.set(tomorrow)
    scheduler.step()
    executor.wait()
    scheduler.step()

    assert [context.scheduled_at for context in worker.contexts][1:] == [tomorrow]
    assert task(scheduler, "x").status == "completed"


@pytest.mark.rule("S-30")
def test_a_wrong_id_is_an_error(stage: Stage) -> None:
    """
    A typing error in an id never looks like success.
    """
    scheduler = stage.scheduler(acts())
    scheduler.schedule_task(request("report"))

    for command in (scheduler.cancel_task, scheduler.pause_task, scheduler.trigger_task):
        with pytest.raises(TaskNotFound, match="reprot"):
            command("reprot")
    assert scheduler.get_task("reprot") is None
    assert stage.head() == 1


@pytest.mark.rule("S-32")
def test_an_event_handler_receives_what_a_task_wrote(stage: Stage) -> None:
    """
    End to end: the task's event is stored under its own type, an empty payload is fine.
    """
    scheduler = stage.scheduler(acts(lambda ctx, payload: TaskEvent("report_generated")))
    scheduler.schedule_task(request())
    scheduler.run_pending()
    handler = Noticing("report_generated")

    EventProcessor(stage.store, [handler], name="reports").catch_up()

    (event,) = handler.noticed
    assert (event.stream, event.data) == ("work-a", b"")
    assert event.metadata["correlation_id"] == scheduler.runs("a")[0].run_id


@pytest.mark.rule("S-33")
def test_a_processor_beside_the_scheduler_is_not_disturbed_by_its_events(stage: Stage) -> None:
    """
    A handler for all types gets the application's events; the system's are not among them.
    """
    scheduler = stage.scheduler(acts(lambda ctx, payload: TaskEvent("made")))
    scheduler.schedule_task(request())
    scheduler.run_pending()
    handler = Noticing()

    EventProcessor(stage.store, [handler], name="all").catch_up()

    assert [event.type for event in handler.noticed] == ["made"]


@pytest.mark.rule("S-34")
def test_what_a_handler_writes_is_never_a_command(stage: Stage) -> None:
    """
    Neither a type nor a payload that look like the scheduler's own, nor a stream of its kind.
    """
    cancelling = b'{"task_id":"x","generation":1,"at":0,"reason":""}'
    scheduler = stage.scheduler(
        acts(lambda ctx, payload: TaskEvent("TaskCancelled", payload)),
        acts(lambda ctx, payload: TaskEvent("TaskCancelled", payload, stream="$task-x"), "sly"),
    )
    scheduler.schedule_tasks(
        [
            request("x", Interval(3_600)),
            request("echo", payload=cancelling),
            request("sly", task_type="sly", payload=cancelling, max_retries=1),
        ]
    )

    scheduler.run_pending()

    assert task(scheduler, "x").status == "scheduled"
    assert task(scheduler, "echo").last_outcome == "succeeded"
    assert "are the system's" in (task(scheduler, "sly").last_error or "")
    assert stage.told(TaskCancelled) == []


@pytest.mark.rule("S-35")
def test_an_event_of_an_older_version_is_read_and_one_of_a_newer_is_loud(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """
    Fields that were added have defaults; what cannot be read is counted and logged.
    """
    stage.scheduler().schedule_task(request("older"))
    full = json.loads(stage.log()[0].event.data)
    needed = ("task_id", "generation", "at", "task_type", "schedule", "anchor", "next_nominal_at")
    old = {field: full[field] for field in (*needed, "next_run_at")}
    for task_id, schema in (("old", 1), ("newer", 99)):
        data = json.dumps({**old, "task_id": task_id}).encode()
        event = NewEvent("TaskScheduled", data, schema=schema)
        stage.store.append(Write(f"$task-{task_id}", [event], ANY))
    worker = acts()

    with caplog.at_level(logging.WARNING):
        scheduler = stage.scheduler(worker, worker_id="late")
        scheduler.run_pending()

    assert [context.task_id for context in worker.contexts] == ["old", "older"]
    assert scheduler.health().unreadable == 1
    assert "TaskScheduled" in caplog.text


@pytest.mark.rule("S-36")
def test_the_events_of_an_application_cost_the_scheduler_nothing(stage: Stage) -> None:
    """
    It reads its own category by index.
    """
    store = CountingReads(stage.store)
    scheduler = stage.scheduler(acts(), store=store, executor=InlineExecutor(10))
    noise = [NewEvent("clicked", b"") for _ in range(1_000)]
    for number in range(10):
        stage.store.append(Write(f"clicks-{number}", noise, ANY))

    scheduler.schedule_tasks([request(f"t{n}") for n in range(10)])
    scheduler.run_pending()

    assert stage.head() == 10_030
    assert store.events == 30


@pytest.mark.rule("S-42")
def test_intervals_of_milliseconds_start_on_time_and_in_order(stage: Stage) -> None:
    """
    Never early, not by a microsecond; tasks that were scheduled in one second keep their order.
    """
    worker = acts()
    scheduler = stage.scheduler(worker)
    for number in (3, 1, 2):
        scheduler.schedule_task(request(f"t{number}", Interval(0.25)))
        stage.clock.advance(0.001)

    while stage.now < NOON + timedelta(seconds=1):
        scheduler.run_pending()
        stage.clock.advance(0.001)

    assert [context.task_id for context in worker.contexts] == ["t3", "t1", "t2"] * 3
    assert all(context.started_at == context.scheduled_at for context in worker.contexts)


@pytest.mark.rule("S-43")
def test_a_step_back_right_after_a_fire_does_not_fire_again(stage: Stage) -> None:
    """
    NTP sets the clock back by two seconds after midnight: the daily task ran, and runs tomorrow.
    """
    worker = acts()
    scheduler = stage.scheduler(worker)
    scheduler.schedule_task(request("daily", Cron("0 0 0 * * *")))
    midnight = datetime(2026, 1, 2, tzinfo=UTC)
    stage.clock.set(midnight + timedelta(seconds=1))
    scheduler.run_pending()

    stage.clock.set(midnight - timedelta(seconds=1))
    for _ in range(5):
        scheduler.run_pending()
        stage.clock.advance(1)

    assert len(worker.contexts) == 1
    assert task(scheduler, "daily").next_run_time == midnight + timedelta(days=1)


@pytest.mark.rule("S-45")
def test_the_defaults_of_a_scheduler_apply_where_a_request_says_nothing(stage: Stage) -> None:
    """
    The request first, then the handler, then the scheduler; each time a run is claimed.
    """
    worker = fails()
    scheduler = stage.scheduler(
        worker, acts(task_type="own", timeout=7), default_max_retries=2, default_timeout=45
    )
    scheduler.schedule_tasks(
        [request("a"), request("b", task_type="own"), request("c", timeout=9, max_retries=5)]
    )

    def shown(task_id: str) -> tuple[int, timedelta]:
        found = task(scheduler, task_id)
        return found.max_retries, found.timeout

    assert shown("a") == (2, timedelta(seconds=45))
    assert shown("b") == (2, timedelta(seconds=7))
    assert shown("c") == (5, timedelta(seconds=9))
    scheduler.run_pending()
    stage.clock.advance(60)
    scheduler.run_pending()
    assert task(scheduler, "a").status == "disabled"
    assert worker.contexts[0].deadline == NOON + timedelta(seconds=45)


@pytest.mark.rule("S-46")
@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf"), 2**63, True, "60"])
def test_a_timeout_out_of_bounds_is_refused_when_it_is_scheduled(timeout: float) -> None:
    """
    Zero is no instant timeout, and what no clock can count is no timeout at all.
    """
    with pytest.raises(InvalidTask, match="timeout is"):
        request(timeout=timeout)


@pytest.mark.rule("S-47")
@pytest.mark.parametrize(
    ("cron", "fires"),
    [
        # 1 January 2026 is a Thursday.
        (Cron("0 0 9 * * 1-5"), ["2026-01-02T09", "2026-01-05T09"]),
        (Cron("0 0 0 * * 0"), ["2026-01-04T00", "2026-01-11T00"]),
        (Cron("0 0 0 * * 7"), ["2026-01-04T00", "2026-01-11T00"]),
        (Cron("0 9 * * *"), ["2026-01-02T09", "2026-01-03T09"]),
        (Cron("0 0 0 13 * FRI"), ["2026-01-02T00", "2026-01-09T00", "2026-01-13T00"]),
        (Cron("0 0 9 * * *", tz="Europe/Berlin"), ["2026-01-02T08", "2026-01-03T08"]),
    ],
    ids=lambda value: value.expr if isinstance(value, Cron) else "",
)
def test_cron_tasks_fire_when_crontab_says(stage: Stage, cron: Cron, fires: Sequence[str]) -> None:
    """
    Five fields, Sunday as 0 and 7, Monday to Friday, either day field, time zones.
    """
    worker = acts()
    scheduler = stage.scheduler(worker)
    scheduler.schedule_task(request("a", cron))

    for fire in fires:
        stage.clock.set(datetime.fromisoformat(f"{fire}:00:00+00:00"))
        scheduler.run_pending()

    assert [f"{context.scheduled_at:%Y-%m-%dT%H}" for context in worker.contexts] == list(fires)
    assert stage.told(TaskRunSkipped) == []


@pytest.mark.rule("S-51")
def test_the_history_tells_what_became_of_a_task(stage: Stage) -> None:
    """
    Starts, failures, the end and its reason: all of it stays, also of what was cancelled.
    """
    scheduler = stage.scheduler(fails())
    scheduler.schedule_task(request(max_retries=2))
    scheduler.run_pending()
    stage.clock.advance(60)
    scheduler.run_pending()
    scheduler.cancel_task("a", "wrong customer")

    first, second = scheduler.runs("a")
    assert (first.attempt, second.attempt) == (1, 2)
    assert (first.retry_at, second.retry_at) == (NOON + timedelta(seconds=60), None)
    assert [run.error for run in (first, second)] == ["boom", "boom"]
    assert scheduler.get_run(second.execution_id) == second
    assert task(scheduler).reason == "wrong customer"
    assert stage.types("a") == [
        "Scheduled", "RunStarted", "Executed", "RunStarted", "Executed", "Disabled", "Cancelled",
    ]  # fmt: skip


@pytest.mark.rule("S-53")
def test_two_handlers_of_one_type_are_refused(stage: Stage) -> None:
    """
    None of them silently wins.
    """
    with pytest.raises(InvalidTask, match="two handlers serve 'work'"):
        stage.scheduler(acts(), acts())


@pytest.mark.rule("S-55")
def test_a_schedule_is_read_by_whoever_wrote_it(stage: Stage) -> None:
    """
    `schedule_task` returns the task as it stands, and `get_task` shows the same.
    """
    scheduler = stage.scheduler(acts())

    scheduled = scheduler.schedule_task(request("a", Interval(300)))

    assert scheduled == scheduler.get_task("a")
    assert scheduled.next_run_time == NOON + timedelta(seconds=300)
    assert stage.scheduler(worker_id="other").get_task("a") is not None


@pytest.mark.rule("S-57")
def test_tasks_are_listed_in_a_stable_order_page_by_page(stage: Stage) -> None:
    """
    By id; a page goes on behind the last id of the one before; filters are joined by and.
    """
    scheduler = stage.scheduler(acts(), acts(task_type="other"))
    scheduler.schedule_tasks(
        request(f"t{n}", Interval(60), "work" if n % 2 else "other", tags=("x",) * (n < 4))
        for n in (5, 3, 1, 4, 2)
    )
    scheduler.pause_task("t3")

    def ids(tasks: Sequence[ScheduledTask]) -> list[str]:
        return [one.task_id for one in tasks]

    assert ids(scheduler.list_tasks(limit=2)) == ["t1", "t2"]
    assert ids(scheduler.list_tasks(limit=2, after="t2")) == ["t3", "t4"]
    assert ids(scheduler.list_tasks(after="t4")) == ["t5"]
    assert ids(scheduler.list_tasks(TaskFilter(enabled=True, task_type="work"))) == ["t1", "t5"]
    assert ids(scheduler.list_tasks(TaskFilter(status="paused"))) == ["t3"]
    assert ids(scheduler.list_tasks(TaskFilter(tag="x"))) == ["t1", "t2", "t3"]
    assert ids(scheduler.list_tasks(TaskFilter(queue="none"))) == []
