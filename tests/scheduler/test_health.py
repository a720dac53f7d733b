"""
How a scheduler is doing: what is late, stuck, unserved, disabled or behind, and what to do.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from azoth import ANY, NewEvent, Write, open_store
from azoth.testing import ManualClock
from azoth_scheduler import (
    Discard,
    Immediate,
    InlineExecutor,
    Interval,
    OneTime,
    RetryPolicy,
    Scheduler,
    TaskContext,
)
from azoth_scheduler.cli import options
from azoth_scheduler.cli.commands import azoth_scheduler
from azoth_scheduler.events import stream_of
from tests.support.stage import NOON, Stage, acts, fails, request

PATIENT_SECONDS = 31
"""A poll interval and a lease."""


class Nowhere(InlineExecutor):
    """
    Keep every attempt running.
    """

    def submit(self, *_: object) -> None:
        """
        Take it and say nothing.
        """


def test_nothing_is_wrong_with_a_scheduler_that_works(stage: Stage) -> None:
    """
    Then no sentence says so.
    """
    scheduler = stage.scheduler(acts())
    scheduler.schedule_tasks([request("a"), request("b", Interval(60))])
    scheduler.run_pending()

    assert scheduler.health().problems == ()


def test_a_task_is_late_when_a_poll_and_a_lease_have_passed(stage: Stage) -> None:
    """
    A scheduler that is well, or a lease that had to run out, would have started it by then.
    """
    client = stage.scheduler()
    client.schedule_task(request("a", Interval(60), queue="slow"))

    stage.clock.advance(60 + PATIENT_SECONDS - 1)
    in_time = client.health().late
    stage.clock.advance(1)
    (late,) = client.health().late

    assert in_time == ()
    assert (late.task_id, late.queue) == ("a", "slow")
    assert late.late == timedelta(seconds=PATIENT_SECONDS)
    assert late.due_at == NOON + timedelta(minutes=1)
    assert "late: 1, the most late is 'a'" in client.health().problems[0]


def test_the_most_late_comes_first(stage: Stage) -> None:
    """
    Whatever the priorities say.
    """
    client = stage.scheduler()
    client.schedule_tasks(
        [request("a", Interval(60), priority=-5), request("b", Interval(30), priority=5)]
    )
    stage.clock.advance(200)

    assert [one.task_id for one in client.health().late] == ["b", "a"]


def test_what_could_not_start_before_is_not_late(stage: Stage) -> None:
    """
    A time of the past is late only from the moment when somebody asked for it.
    """
    client = stage.scheduler()
    stage.clock.advance(3_600)
    client.schedule_task(request("a", OneTime(NOON)))

    assert client.health().late == ()
    stage.clock.advance(PATIENT_SECONDS)
    assert [one.late.total_seconds() for one in client.health().late] == [PATIENT_SECONDS]


def test_what_was_triggered_is_late_too(stage: Stage) -> None:
    """
    Even if its task is paused: somebody asked for the run.
    """
    client = stage.scheduler()
    client.schedule_task(request("a", Interval(3_600)))
    client.pause_task("a")
    client.trigger_task("a")
    stage.clock.advance(PATIENT_SECONDS)

    assert [one.task_id for one in client.health().late] == ["a"]


def test_what_nobody_serves_is_counted_by_type_and_by_queue(stage: Stage) -> None:
    """
    Each with how many tasks would run.
    """
    stage.scheduler().schedule_tasks(
        [
            request("a", Interval(60), task_type="letters"),
            request("b", Interval(60), task_type="letters"),
            request("c", Interval(60), task_type="parcels", queue="slow"),
            request("d", Interval(60)),
        ]
    )
    health = stage.scheduler(acts(), queues=["default"]).health()

    assert health.unserved == 3
    assert dict(health.unserved_types) == {"letters": 2, "parcels": 1}
    assert dict(health.unserved_queues) == {"slow": 1}
    assert health.problems[:2] == (
        "unserved: 2 of type 'letters'; start a scheduler that serves it",
        "unserved: 1 of type 'parcels'; start a scheduler that serves it",
    )


def test_what_is_exhausted_is_disabled_and_what_was_discarded_is_meant(stage: Stage) -> None:
    """
    A handler that discards its run has decided; one that fails too often needs somebody.
    """

    def discards(ctx: TaskContext, payload: bytes) -> None:
        raise Discard("nobody wants it")

    handlers = (fails(), acts(discards, "meant"))
    scheduler = stage.scheduler(*handlers, retry=RetryPolicy(max_attempts=1))
    scheduler.schedule_tasks([request("a", task_type=handlers[0].task_type)])
    scheduler.schedule_task(request("b", task_type="meant"))
    scheduler.run_pending()

    assert [one.status for one in scheduler.list_tasks()] == ["disabled", "disabled"]
    assert scheduler.health().disabled == 1
    assert "disabled: 1; mend their handlers" in scheduler.health().problems[0]


def test_an_attempt_that_nobody_ended_is_overdue(stage: Stage) -> None:
    """
    Once its deadline is past by more than a lease.
    """
    scheduler = stage.scheduler(acts(), executor=Nowhere())
    scheduler.schedule_task(request("a", timeout=60))
    scheduler.step()
    client = stage.scheduler(worker_id="client")

    stage.clock.advance(90)
    before = client.health().overdue
    stage.clock.advance(1)

    assert (before, client.health().overdue) == (0, 1)
    assert client.health().problems[0].startswith("stuck: 1 past the deadline")


def test_the_table_says_how_far_it_lay_behind(stage: Stage) -> None:
    """
    Before it was brought up to date for the answer.
    """
    watcher, writer = stage.scheduler(worker_id="one"), stage.scheduler(worker_id="two")
    writer.schedule_tasks([request(f"t{n}", Interval(60)) for n in range(5)])

    first, second = watcher.health(), watcher.health()

    assert (first.behind, first.position, first.head) == (5, 5, 5)
    assert second.behind == 0


def test_a_clock_that_is_behind_is_a_problem(stage: Stage) -> None:
    """
    What lies ahead waits until it has come there.
    """
    scheduler = stage.scheduler(acts())
    scheduler.schedule_task(request("a", Interval(60)))
    stage.clock.set(stage.now - timedelta(hours=1))

    assert scheduler.health().problems == (
        "the clock is 1:00:00 behind the last recorded time; set it right",
    )


# The command.


@pytest.fixture
def url(tmp_path: Path) -> str:
    """
    Where the log is.
    """
    return f"sqlite:///{tmp_path}/log.db"


@contextmanager
def playing(url: str) -> Iterator[Scheduler]:
    """
    Schedule at noon.
    """
    clock = ManualClock(NOON)
    with open_store(url, clock=clock) as store:
        yield Scheduler(store, clock=clock)


def run(url: str, *arguments: str, monkeypatch: pytest.MonkeyPatch, now: datetime) -> Result:
    """
    Run the command at a time.
    """
    monkeypatch.setattr(options, "Scheduler", partial(Scheduler, clock=ManualClock(now)))
    return CliRunner().invoke(azoth_scheduler, ["health", *arguments], env={"AZOTH_STORE": url})


def test_the_command_says_healthy(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    With exit code 0.
    """
    with playing(url) as client:
        client.schedule_task(request("a", Interval(60)))

    shown = run(url, monkeypatch=monkeypatch, now=NOON)
    told = run(url, "--json", monkeypatch=monkeypatch, now=NOON)

    assert (shown.exit_code, shown.stderr) == (0, "healthy\n")
    assert told.exit_code == 0
    found = json.loads(told.stdout)
    assert (found["healthy"], found["problems"], found["late"]) == (True, [], [])


def test_the_command_says_what_is_wrong(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    With exit code 1, for people and for machines.
    """
    with playing(url) as client:
        client.schedule_task(request("a", Interval(60)))
    now = NOON + timedelta(minutes=6)

    shown = run(url, monkeypatch=monkeypatch, now=now)
    told = run(url, "--json", monkeypatch=monkeypatch, now=now)

    assert (shown.exit_code, told.exit_code) == (1, 1)
    assert "5 min" in shown.stdout
    assert "late: 1, the most late is 'a'" in shown.stdout
    found = json.loads(told.stdout)
    assert found["late"][0] == {
        "task_id": "a",
        "task_type": "work",
        "queue": "default",
        "due_at": "2026-01-01T12:01:00.000000Z",
        "late": 300.0,
    }


def test_the_command_is_told_what_the_workers_serve(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The log does not know; named, what nobody serves is wrong.
    """
    with playing(url) as client:
        client.schedule_task(request("a", Interval(60), task_type="letters", queue="slow"))

    unasked = run(url, "--json", monkeypatch=monkeypatch, now=NOON)
    told = run(
        url,
        *("--serves", "work", "--serves", "work", "--queue", "default", "--json"),
        monkeypatch=monkeypatch,
        now=NOON,
    )

    assert (unasked.exit_code, told.exit_code) == (0, 1)
    found = json.loads(told.stdout)
    assert (found["unserved_types"], found["unserved_queues"]) == ({"letters": 1}, {"slow": 1})


def test_the_command_tells_of_events_that_cannot_be_read(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Their tasks go on without them, so somebody has to know.
    """
    with playing(url) as client:
        client.schedule_task(request("a", Immediate()))
        client.store.append(Write(stream_of("cold"), [NewEvent("TaskFrozen", b"{}")], ANY))

    told = run(url, "--json", monkeypatch=monkeypatch, now=NOON)

    assert told.exit_code == 1
    assert json.loads(told.stdout)["unreadable"] == 1
