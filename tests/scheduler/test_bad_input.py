"""
Bad input of the scheduler's users: a typed error that says what was given and what is allowed.

The log is as it was, and the scheduler goes on.
"""

from collections.abc import AsyncIterator, Callable, Generator
from datetime import datetime, timedelta
from typing import Any, Final

import pytest

from azoth.errors import AzothError
from azoth.store import EventStore
from azoth.testing import ManualClock
from azoth.urls import open_store
from azoth_scheduler import (
    Cron,
    HandlerNotFound,
    Immediate,
    Interval,
    InvalidSchedule,
    InvalidTask,
    OneTime,
    RetryPolicy,
    RunNotFound,
    Scheduler,
    ScheduleTaskRequest,
    TaskChanged,
    TaskContext,
    TaskEvent,
    TaskFilter,
    TaskNotFound,
)
from azoth_scheduler.requests import PAYLOAD_BYTES_MAX, PRIORITY_MAX, REASON_CHARS_MAX, TAGS_MAX
from azoth_scheduler.scheduler import SLOTS_MAX, WORKER_BYTES_MAX
from azoth_scheduler.tasks import FORECAST_MAX
from tests.support.stage import NOON, Stage, acts, request, task

NAIVE: Final = datetime(2026, 1, 1)  # noqa: DTZ001 - a user forgot the time zone
HUGE: Final = 10**400


@pytest.fixture
def store(clock: ManualClock) -> Generator[EventStore, None, None]:
    """
    An empty log in memory: what is refused comes near no store.
    """
    with open_store("memory://", clock=clock) as store:
        yield store


BAD_DURATIONS: Final[dict[str, object]] = {
    "zero": 0,
    "negative": -1,
    "not a number": float("nan"),
    "infinite": float("inf"),
    "over a hundred years": timedelta(days=36_601),
    "huge": HUGE,
    "a boolean": True,
    "text": "60",
}

REQUESTS: Final[dict[str, tuple[dict[str, Any], str]]] = {
    "an empty id": ({"task_id": ""}, "task id '' has 0 bytes; give 1 to 255"),
    "an id with a NUL": ({"task_id": "a\0b"}, "NUL character; leave it out"),
    "an id with a surrogate": ({"task_id": "\ud800"}, "lone surrogate"),
    "an id too long": ({"task_id": "x" * 256}, "256 bytes; give 1 to 255"),
    "an id too long for its stream": ({"task_id": "x" * 250}, "shorten the id"),
    "an id that is no text": ({"task_id": 7}, "a task id is text, not 7"),
    "an empty type": ({"task_type": ""}, "give 1 to 255"),
    "a type with a hyphen": ({"task_type": "send-email"}, "write 'send_email'"),
    "a type of the system": ({"task_type": "$task"}, "write 'task'"),
    "a type that is no text": ({"task_type": None}, "a task type is text, not None"),
    "a schedule as text": ({"schedule": "0 * * * *"}, "schedule is Cron, Interval, OneTime or"),
    "no schedule": ({"schedule": None}, "schedule is Cron, Interval, OneTime or Immediate"),
    "a schedule's class": ({"schedule": Immediate}, "schedule is Cron, Interval, OneTime or"),
    "a payload as text": ({"payload": "text"}, "payload is bytes, not str; encode it first"),
    "a payload as an array": ({"payload": bytearray(b"x")}, "payload is bytes, not bytearray"),
    "a payload too large": (
        {"payload": bytes(PAYLOAD_BYTES_MAX + 1)},
        f"{PAYLOAD_BYTES_MAX + 1} bytes; the limit is {PAYLOAD_BYTES_MAX}",
    ),
    "negative retries": ({"max_retries": -1}, "max_retries is -1; give one from 0 to 1000"),
    "too many retries": ({"max_retries": 1_001}, "max_retries is 1001; give one from 0 to 1000"),
    "half a retry": ({"max_retries": 1.5}, "max_retries is an integer, not 1.5"),
    "retries as a boolean": ({"max_retries": True}, "max_retries is an integer, not True"),
    "retries said twice": (
        {"max_retries": 3, "retry": RetryPolicy()},
        "max_retries and retry say the same; give one of them",
    ),
    "a policy that is a number": ({"retry": 3}, "retry is a RetryPolicy, not 3"),
    "a priority too high": ({"priority": PRIORITY_MAX + 1}, f"to {PRIORITY_MAX}"),
    "half a priority": ({"priority": 0.5}, "priority is an integer, not 0.5"),
    "an empty queue": ({"queue": ""}, "queue '' has 0 bytes"),
    "a queue that is no text": ({"queue": 1}, "a queue is text, not 1"),
    "tags in one word": ({"tags": "urgent"}, "write ('urgent',)"),
    "a tag that is no text": ({"tags": [7]}, "a tag is text, not 7"),
    "tags that are no sequence": ({"tags": 7}, "a sequence of words, not 7"),
    "too many tags": ({"tags": ["x"] * (TAGS_MAX + 1)}, f"the limit is {TAGS_MAX}"),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_that_cannot_be_is_refused_when_it_is_made(name: str) -> None:
    """
    Before it comes near a scheduler.
    """
    fields, said = REQUESTS[name]
    good: dict[str, Any] = {"task_id": "a", "task_type": "work", "schedule": Immediate()}

    with pytest.raises(InvalidTask) as caught:
        ScheduleTaskRequest(**(good | fields))

    assert said in str(caught.value)


TIMES: Final[dict[str, tuple[type[AzothError], str, dict[str, Any]]]] = {
    "an end before the start": (
        InvalidTask, "lies before start", {"start": NOON, "end": NOON - timedelta(hours=1)},
    ),
    "no runs": (InvalidTask, "max_runs is 0; give one from 1", {"max_runs": 0}),
    "jitter of an immediate task": (
        InvalidTask, "Immediate has none; use OneTime", {"schedule": Immediate(), "jitter": 1},
    ),
    "a negative window": (InvalidTask, "catch_up_window is -1", {"catch_up_window": -1}),
    "an end before the first": (
        InvalidSchedule, "it never fires after now", {"end": NOON + timedelta(seconds=59)},
    ),
    "an end in the past": (
        InvalidSchedule, "it never fires after now", {"end": NOON - timedelta(days=1)},
    ),
    "a time that is over": (
        InvalidSchedule, "it never fires after now",
        {"schedule": Cron("0 0 0 1 1 *"), "end": NOON + timedelta(days=300)},
    ),
}  # fmt: skip


@pytest.mark.parametrize("has_handlers", [True, False], ids=["scheduler", "client"])
@pytest.mark.parametrize("name", TIMES)
def test_times_that_contradict_each_other_leave_nothing_in_the_log(
    stage: Stage, name: str, *, has_handlers: bool
) -> None:
    """
    Nor do they touch a task that is there, of which they would be an edit.
    """
    error, said, options = TIMES[name]
    scheduler = stage.scheduler(*[acts()] * has_handlers)
    good: dict[str, Any] = {"schedule": Interval(60)}

    for task_id in ("new", "there"):
        with pytest.raises(error) as caught:
            scheduler.schedule_tasks([request("first"), request(task_id, **(good | options))])
        assert said in str(caught.value)
        assert stage.head() == (task_id == "there")
        if task_id == "new":
            scheduler.schedule_task(request("there", Interval(90)))


@pytest.mark.parametrize("name", BAD_DURATIONS)
def test_a_timeout_is_a_positive_time(name: str) -> None:
    """
    At most a hundred years; whatever number is given, the error names the same bounds.
    """
    bounds = "; give a positive time, from a microsecond to 100 years"
    other = isinstance(BAD_DURATIONS[name], bool | str)

    with pytest.raises(InvalidTask, match="timeout is") as caught:
        request(timeout=BAD_DURATIONS[name])

    assert ("a timedelta or a number of seconds" if other else bounds) in str(caught.value)


@pytest.mark.parametrize("name", BAD_DURATIONS)
def test_an_interval_is_a_positive_time(name: str) -> None:
    """
    At least a millisecond, at most a hundred years.
    """
    with pytest.raises((InvalidSchedule, TypeError), match=r"Interval\(|every is a timedelta"):
        Interval(BAD_DURATIONS[name])  # type: ignore[arg-type] # what users do


@pytest.mark.parametrize("when", [NAIVE, 5.5, True, "2026-01-01", -1, HUGE, None])
def test_a_one_time_schedule_has_an_aware_time(when: object) -> None:
    """
    A naive datetime could be any of twenty-four hours.
    """
    with pytest.raises((InvalidSchedule, TypeError), match="aware datetime"):
        OneTime(when)  # type: ignore[arg-type] # what users do


@pytest.mark.parametrize(
    "fields",
    [
        {"max_attempts": 0},
        {"max_attempts": 1_001},
        {"max_attempts": 1.5},
        {"base": -1},
        {"base": float("nan")},
        {"base": "60"},
        {"factor": 0.5},
        {"factor": float("nan")},
        {"factor": HUGE},
        {"factor": "2"},
        {"cap": float("inf")},
        {"cap": HUGE},
        {"on_exhausted": "explode"},
    ],
    ids=str,
)
def test_a_retry_policy_that_cannot_be_is_refused(fields: dict[str, Any]) -> None:
    """
    Each field has its range.
    """
    with pytest.raises(InvalidTask):
        RetryPolicy(**fields)


OPTIONS: Final[dict[str, tuple[dict[str, Any], str]]] = {
    **{
        f"{option} {name}": ({option: value}, f"{option} is")
        for option in ("poll_interval", "default_timeout", "lease")
        for name, value in BAD_DURATIONS.items()
    },
    "no slots": ({"max_concurrent_tasks": 0}, f"give one from 1 to {SLOTS_MAX}"),
    "too many slots": ({"max_concurrent_tasks": SLOTS_MAX + 1}, f"from 1 to {SLOTS_MAX}"),
    "slots as a boolean": ({"max_concurrent_tasks": True}, "is an integer, not True"),
    "negative retries": ({"default_max_retries": -1}, "default_max_retries is -1"),
    "retries as text": ({"default_max_retries": "3"}, "default_max_retries is an integer"),
    "a policy that is a number": ({"retry": 3}, "retry is a RetryPolicy, not 3"),
    "no losses": ({"max_lost": 0}, "max_lost is 0; give one from 1"),
    "queues in one word": ({"queues": "fast"}, "write ['fast']"),
    "an empty queue": ({"queues": [""]}, "queues '' has 0 bytes"),
    "an empty worker": ({"worker_id": ""}, "worker id '' has 0 bytes"),
    "a worker with a NUL": ({"worker_id": "a\0"}, "NUL"),
    "a worker too long": ({"worker_id": "x" * (WORKER_BYTES_MAX + 1)}, f"1 to {WORKER_BYTES_MAX}"),
    "no store": ({"store": None}, "store is None; give an object"),
    "a store's class": ({"store": Scheduler}, "give an object that has the method append"),
    "an executor by name": ({"executor": "threads"}, "give an object that has the method submit"),
    "a clock that is a time": ({"clock": NOON}, "give an object that has the method monotonic"),
    "a projection by path": ({"projection": "x.db"}, "an object that has the method apply"),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_an_option_out_of_its_range_is_refused(stage: Stage, name: str) -> None:
    """
    A ValueError or a TypeError that names the option, before anything is opened.
    """
    options, said = OPTIONS[name]

    with pytest.raises((TypeError, ValueError)) as caught:
        stage.scheduler(acts(), **options)

    assert said in str(caught.value)
    assert stage.head() == 0


COMMANDS: Final[dict[str, tuple[type[Exception], str, Callable[[Any], object]]]] = {
    "an unknown task": (TaskNotFound, "'b'; list_tasks()", lambda one: one.cancel_task("b")),
    "an empty task id": (ValueError, "give 1 to 255", lambda one: one.cancel_task("")),
    "a task id with a surrogate": (ValueError, "surrogate", lambda one: one.get_task("\ud800")),
    "a task id that is a number": (TypeError, "is text, not 7", lambda one: one.pause_task(7)),
    "the runs of nobody": (TaskNotFound, "'b'", lambda one: one.runs("b")),
    "a reason that is a number": (
        InvalidTask, "task 'a': reason is text, not 7", lambda one: one.cancel_task("a", 7),
    ),
    "a reason with a surrogate": (
        InvalidTask, "lone surrogate", lambda one: one.pause_task("a", "\ud800"),
    ),
    "a reason too long": (
        InvalidTask,
        f"the limit is {REASON_CHARS_MAX}",
        lambda one: one.cancel_task("a", "x" * (REASON_CHARS_MAX + 1)),
    ),
    "a triggered payload as text": (
        InvalidTask, "payload is bytes, not str", lambda one: one.trigger_task("a", payload="x"),
    ),
    "a triggered payload too large": (
        InvalidTask,
        f"the limit is {PAYLOAD_BYTES_MAX}",
        lambda one: one.trigger_task("a", payload=bytes(PAYLOAD_BYTES_MAX + 1)),
    ),
    "an unknown run": (RunNotFound, "runs() lists", lambda one: one.cancel_run("a/1#1")),
    "a run that is a number": (TypeError, "is text, not 7", lambda one: one.get_run(7)),
    "a run with a surrogate": (ValueError, "surrogate", lambda one: one.get_run("\ud800")),
    "an unknown type": (
        HandlerNotFound,
        "register a handler for it",
        lambda one: one.schedule_task(request("b", task_type="wrok")),
    ),
    "a request that is none": (
        TypeError,
        "expected a ScheduleTaskRequest, got {}",
        lambda one: one.schedule_task({}),
    ),
    "a request alone": (TypeError, "not iterable", lambda one: one.schedule_tasks(request("b"))),
    "a page of nothing": (
        ValueError, "limit is 0; give one from 1", lambda one: one.list_tasks(limit=0),
    ),
    "a page of runs of nothing": (
        ValueError, "limit is -1; give one from 1", lambda one: one.runs("a", limit=-1),
    ),
    "runs after no position": (
        TypeError, "after is an integer", lambda one: one.runs("a", after="x"),
    ),
    "tasks after no id": (TypeError, "after is text", lambda one: one.list_tasks(after=7)),
    "an unknown status": (
        ValueError,
        "give one of cancelled, disabled",
        lambda one: one.list_tasks(TaskFilter(status="runing")),  # type: ignore[arg-type] # a slip
    ),
    "a filter that is none": (
        TypeError, "chosen by a TaskFilter", lambda one: one.list_tasks({"enabled": True}),
    ),
    "a forecast too long": (
        ValueError, f"to {FORECAST_MAX}", lambda one: one.forecast("a", FORECAST_MAX + 1),
    ),
    "an edit of what has changed": (
        TaskChanged,
        "at version 1, not 0",
        lambda one: one.schedule_task(request("a", Interval(5)), expected_version=0),
    ),
    "a version that is none": (
        ValueError,
        "expected_version is -1",
        lambda one: one.schedule_task(request("a"), expected_version=-1),
    ),
    "a backfill of a million": (
        InvalidTask,
        "1,000,001 times lie",
        lambda one: one.backfill("a", NOON, NOON + timedelta(minutes=1_000_000)),
    ),
    "a negative grace": (ValueError, "timeout is -1", lambda one: one.shutdown(-1)),
    "a grace that is none": (TypeError, "timeout is a timedelta", lambda one: one.drain(None)),
    "a schedule that is over": (
        InvalidSchedule,
        "no day of 400 years matches; change",
        lambda one: one.schedule_task(request("b", Cron("0 0 0 30 2 *"))),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_that_makes_no_sense_changes_nothing(stage: Stage, name: str) -> None:
    """
    The log is as it was, and the scheduler goes on.
    """
    error, said, command = COMMANDS[name]
    scheduler = stage.scheduler(acts())
    scheduler.schedule_task(request("a", Interval(60)))

    with pytest.raises(error) as caught:
        command(scheduler)

    assert said in str(caught.value)
    assert stage.head() == 1
    stage.clock.advance(60)
    scheduler.run_pending()
    assert task(scheduler).last_outcome == "succeeded"


def test_errors_of_the_scheduler_have_one_root() -> None:
    """
    Whoever catches AzothError catches them all.
    """
    for error in (InvalidTask, InvalidSchedule, HandlerNotFound, TaskNotFound, RunNotFound):
        assert issubclass(error, AzothError)


async def streams(_self: object, _ctx: TaskContext, _payload: bytes) -> AsyncIterator[TaskEvent]:
    """
    Have no end that could be recorded.
    """
    yield TaskEvent("streamed")


HANDLERS: Final[dict[str, tuple[object, str]]] = {
    "an asynchronous generator": (
        [acts(execute=streams)],
        "execute of Acting is an asynchronous generator; return a list instead",
    ),
    "one that is no list": (acts(), "handlers are a sequence; write ["),
    "a class": ([type(acts())], "is a class; register an instance"),
    "a function": ([print], "is no TaskHandler; subclass it"),
    "two of one type": ([acts(), acts()], "two handlers serve 'work'"),
    "a type with a hyphen": ([acts(task_type="send-email")], "write 'send_email'"),
    "a type of the system": ([acts(task_type="$task")], "write 'task'"),
    "a type that is a number": ([acts(task_type=7)], "a task type is text, not 7"),  # type: ignore[arg-type] # what users do
    "no type": ([acts(task_type=None)], "has no task_type; set it"),  # type: ignore[arg-type] # likewise
    "negative retries": ([acts(max_retries=-1)], "handler of 'work': max_retries is -1"),
    "retries twice": ([acts(max_retries=1, retry=RetryPolicy())], "say the same"),
    "a policy that is a number": ([acts(retry=3)], "handler of 'work': retry is a RetryPolicy"),
    "no time": ([acts(timeout=0)], "handler of 'work': timeout is 0; give a positive time"),
}


@pytest.mark.parametrize("name", HANDLERS)
def test_a_handler_that_cannot_serve_is_refused_at_the_start(stage: Stage, name: str) -> None:
    """
    Not when its first task is due.
    """
    handlers, said = HANDLERS[name]

    with pytest.raises(InvalidTask) as caught:
        Scheduler(stage.store, handlers)  # type: ignore[arg-type] # what users do

    assert said in str(caught.value)


def test_nothing_of_a_bad_request_reaches_the_log() -> None:
    """
    A client, which checks the least, refuses all the same.
    """
    with open_store("memory://", clock=ManualClock(NOON)) as store:
        client = Scheduler(store)
        for fields, _ in REQUESTS.values():
            good: dict[str, Any] = {"task_id": "a", "task_type": "work", "schedule": Immediate()}
            with pytest.raises(InvalidTask):
                client.schedule_task(ScheduleTaskRequest(**(good | fields)))

        assert store.wait(0, 0) == 0
