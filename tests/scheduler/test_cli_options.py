"""
The command `azoth-scheduler` on what tasks are given beyond their schedule: shown, drawn, obeyed.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner, Result

from azoth import instant_of, open_store
from azoth.testing import ManualClock
from azoth_scheduler import (
    Cron,
    Executor,
    Immediate,
    InlineExecutor,
    Interval,
    Scheduler,
    ScheduleTaskRequest,
    TaskContext,
    TaskHandler,
)
from azoth_scheduler.cli import listing, options
from azoth_scheduler.cli.commands import azoth_scheduler
from azoth_scheduler.cli.narrating import line_of
from azoth_scheduler.cli.timeline import CELL, CELLS

NOON: Final = datetime(2026, 1, 5, 12, tzinfo=UTC)


class Counts(TaskHandler):
    """
    Do nothing.
    """

    task_type = "counts"

    def execute(self, ctx: TaskContext, payload: bytes) -> None:
        """
        Do nothing.
        """


class Nowhere(InlineExecutor):
    """
    Keep every attempt running.
    """

    def submit(self, *_: object) -> None:
        """
        Take it and say nothing.
        """


@pytest.fixture
def url(tmp_path: Path) -> str:
    """
    Where the log is.
    """
    return f"sqlite:///{tmp_path}/log.db"


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> ManualClock:
    """
    The clock of each command.
    """
    clock = ManualClock(NOON)
    monkeypatch.setattr(listing, "_now", lambda: NOON)
    monkeypatch.setattr(options, "Scheduler", partial(Scheduler, clock=clock))
    return clock


def played(
    url: str, *requests: ScheduleTaskRequest, hours: Sequence[float] = (), executor: Executor
) -> None:
    """
    Schedule at noon, and make passes at some hours after it.
    """
    clock = ManualClock(NOON)
    with open_store(url, clock=clock) as store:
        scheduler = Scheduler(store, [Counts()], clock=clock, executor=executor)
        scheduler.schedule_tasks(requests)
        for hour in hours:
            clock.set(NOON + timedelta(hours=hour))
            scheduler.step()


def request(task_id: str, every: float = 3_600, **given: Any) -> ScheduleTaskRequest:  # noqa: ANN401 - options
    """
    An interval with options.
    """
    return ScheduleTaskRequest(task_id, "counts", Interval(every), **given)


def run(*arguments: str, url: str | None = None, **environment: str | None) -> Result:
    """
    Run a command in this process.
    """
    environment = {"AZOTH_STORE": url, "TZ": "UTC", "COLUMNS": "200", **environment}
    return CliRunner().invoke(azoth_scheduler, arguments, env=environment)


def objects(result: Result) -> list[Any]:
    """
    The JSON lines that a command printed.
    """
    assert result.exit_code in {0, 1}, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_options_are_shown_where_they_are_not_the_default(url: str) -> None:
    """
    A line each in `show`, a column in `tasks`, and all of them for machines.
    """
    full = request(
        "full",
        overlap="buffer_all",
        catch_up="all",
        jitter=90,
        max_runs=5,
        start=NOON + timedelta(days=1),
        end=NOON + timedelta(days=9),
    )
    played(url, full, request("plain"), executor=InlineExecutor())

    shown, plain = (run("show", one, url=url).stdout for one in ("full", "plain"))
    listed = run("tasks", url=url).stdout
    (given,) = objects(run("show", "full", "--json", url=url))

    facts = dict(line.rstrip().split(maxsplit=1) for line in shown.splitlines())
    assert facts["overlap"] == "buffer_all"
    assert facts["catch_up"] == "all"
    assert facts["jitter"] == "1 min 30 s"
    assert facts["max_runs"] == "5, of which 0 started"
    assert facts["start"] == "2026-01-06 12:00:00"
    assert facts["end"] == "2026-01-14 12:00:00"
    assert "overlap" not in plain
    assert "catch_up" not in plain
    assert "overlap buffer_all" in listed
    assert given["options"]["jitter"] == 90
    assert given["options"]["end"] == "2026-01-14T12:00:00.000000Z"
    assert given["options"]["grace"] == 60


def test_a_list_of_plain_tasks_has_no_column_for_options(url: str) -> None:
    """
    Where nobody has any.
    """
    played(url, request("plain"), executor=InlineExecutor())

    assert "options" not in run("tasks", url=url).stdout


def test_what_starts_now_says_so(url: str) -> None:
    """
    For people and for machines.
    """
    played(url, request("now", start="now"), executor=InlineExecutor())

    assert "start" in run("show", "now", url=url).stdout
    (shown,) = objects(run("show", "now", "--json", url=url))
    assert shown["options"]["start"] == "now"


def test_schedules_say_what_is_not_usual(url: str) -> None:
    """
    A fixed delay is no grid, and a rule for clock changes is named.
    """
    delayed = ScheduleTaskRequest("delayed", "counts", Interval(60, mode="fixed_delay"))
    literal = ScheduleTaskRequest("literal", "counts", Cron("0 0 2 * * *", dst="literal"))
    played(url, delayed, literal, executor=InlineExecutor())

    listed = run("tasks", url=url).stdout

    assert "1 min after each run" in listed
    assert "cron 0 0 2 * * * dst=literal" in listed


def test_what_was_kept_to_run_is_shown(url: str) -> None:
    """
    Its count and its first time; in the log it is told too.
    """
    kept = request("kept", catch_up="all", overlap="buffer_all")
    played(url, kept, hours=(3.5,), executor=Nowhere())

    shown = run("show", "kept", url=url).stdout
    (told,) = objects(run("tasks", "--json", url=url))
    with open_store(url) as store:
        lines = [line.text for event in store.read().events if (line := line_of(event))]

    assert "2 occurrences, from 14:00:00" in shown
    assert "kept: 2 occurrences" in run("tasks", url=url).stdout
    assert told["buffered"] == ["2026-01-05T14:00:00.000000Z", "2026-01-05T15:00:00.000000Z"]
    assert any("kept to run, one after another" in line for line in lines)


@pytest.mark.parametrize(
    ("asked", "drawn"),
    [
        (request("a", 7_200), "····■" + "···■" * 10 + "···"),
        (request("a", 7_200, max_runs=2), "····■···■" + "·" * 39),
        (request("a", 60, max_runs=45), "■■" + "·" * 46),
        (request("a", 1), "■" * 48),
        (request("a", 7_200, end=NOON + timedelta(hours=5)), "····■···■" + "·" * 39),
        (request("a", 7_200, start=NOON + timedelta(hours=22)), "·" * 44 + "■···"),
        (
            ScheduleTaskRequest("a", "counts", Interval(7_200, mode="fixed_delay")),
            "····■" + "···■" * 10 + "···",
        ),
        (
            ScheduleTaskRequest(
                "a", "counts", Interval(0.001, mode="fixed_delay"), end=NOON + CELL
            ),
            "■■" + "·" * 46,
        ),
    ],
)
def test_a_day_is_drawn_as_the_task_is_bounded(
    url: str, asked: ScheduleTaskRequest, drawn: str
) -> None:
    """
    By the library's own forecast: bounds, counts and fixed delays hold.
    """
    played(url, asked, executor=InlineExecutor())

    shown = run("forecast", "a", "-n", "1", url=url, FORCE_COLOR="1", NO_COLOR=None)

    last = shown.stdout.splitlines()[-1]
    assert "".join(char for char in last if char in "■·") == drawn


def test_a_day_is_drawn_with_its_jitter_and_what_was_kept(url: str, clock: ManualClock) -> None:
    """
    A run is marked where it is due, which with a jitter may lie behind its nominal time.
    """
    late = request("late", 14_400, jitter=10_000)
    kept = request("kept", 14_400, catch_up="all", overlap="buffer_all", max_runs=3)
    played(url, late, executor=InlineExecutor())
    played(url, kept, hours=(12.5,), executor=Nowhere())
    clock.set(NOON + timedelta(hours=12, minutes=30))

    with open_store(url, clock=clock) as store:
        scheduler = Scheduler(store, clock=clock)
        scheduler.pause_task("late")
        paused = scheduler.busy("late", CELL, CELLS)
        task = scheduler.resume_task("late")
        drawn, drawn_kept = (scheduler.busy(one, CELL, CELLS) for one in ("late", "kept"))

    assert task.next_run_time is not None
    first = (instant_of(task.next_run_time) - clock.now()) // (CELL // timedelta(microseconds=1))
    assert not any(paused)
    assert drawn.index(True) == first
    assert [place for place, is_busy in enumerate(drawn_kept) if is_busy] == [0]


def test_a_trigger_obeys_the_overlap_it_is_given(url: str) -> None:
    """
    In place of what the task says: kept until the open run is closed, or asking it to stop.
    """
    played(url, ScheduleTaskRequest("a", "counts", Immediate()), hours=(0,), executor=Nowhere())

    skipped = run("trigger", "a", url=url)
    kept = run("trigger", "a", "--overlap", "buffer_one", url=url)
    (instead,) = objects(run("trigger", "a", "--overlap", "cancel_other", "--json", url=url))

    assert skipped.exit_code == 1
    assert "--overlap buffer_one" in skipped.stderr
    assert kept.stdout.startswith("a will run as a/1!2 as soon as")
    assert instead == {"task_id": "a", "run_id": "a/1!3", "skipped": False}


def test_times_of_the_past_are_filled_in(url: str) -> None:
    """
    Once for each time that the schedule names; a time without an offset is in UTC.
    """
    played(url, request("a"), hours=(), executor=InlineExecutor())

    filled = run("backfill", "a", "2026-01-04", "2026-01-04T03:00+00:00", url=url)
    (again,) = objects(run("backfill", "a", "2026-01-04", "2026-01-04", "--json", url=url))

    assert "5 runs that were asked for" in run("show", "a", url=url).stdout
    assert again["waiting"] == 5
    assert filled.stdout.startswith("a will run 4 times, one after another")
    assert (again["runs"], again["task_id"]) == (1, "a")


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("a", "soon", "later"), 2, "'soon' is no time; write one such as"),
        (("a", "2026-01-05", "2026-01-04"), 1, "lies before start"),
        (("b", "2026-01-04", "2026-01-05"), 1, "there is no task 'b'"),
        (("a", "2000-01-04", "2026-01-05"), 1, "fill them in by parts"),
    ],
)
def test_times_that_cannot_be_filled_in_are_refused(
    url: str, arguments: tuple[str, ...], code: int, sentence: str
) -> None:
    """
    With a sentence that says what to do.
    """
    played(url, request("a"), executor=InlineExecutor())

    refused = run("backfill", *arguments, url=url)

    assert refused.exit_code == code
    assert sentence in " ".join(refused.stderr.split())


def test_an_expression_is_linted() -> None:
    """
    Exit code 1 if it is probably not meant, 0 and silence if nothing is wrong, 2 if it is none.
    """
    careful = run("lint", "0 30 2 * * 1-5")
    (said,) = objects(run("lint", "0 30 2 * * 1-5", "--json"))
    fine = run("lint", "0 30 9 * * MON-FRI")
    none = run("lint", "0 0 9 * * 5-1")

    assert (careful.exit_code, fine.exit_code, none.exit_code) == (1, 0, 2)
    assert "counts from Sunday = 0" in careful.stdout
    assert (said["expr"], len(said["warnings"])) == ("0 30 2 * * 1-5", 1)
    assert fine.output == ""


@pytest.mark.parametrize("command", ["tasks", "show a", "runs a", "forecast", "health"])
def test_looking_opens_the_store_to_look(
    url: str, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    So that it needs no right to write, and brings nothing up to date.
    """
    played(url, request("a"), executor=InlineExecutor())

    def refused(*_: object) -> None:
        raise AssertionError("a command that looks opened the store to write")

    monkeypatch.setattr(options, "opened", refused)

    assert run(*command.split(), url=url).exit_code == 0
