"""
The command `azoth-scheduler`: what it lists, tells and changes, its exit codes, and its sentences.
"""

import io
import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner, Result

from azoth import ANY, NewEvent, Write, open_store
from azoth.testing import ManualClock
from azoth_scheduler import (
    Cron,
    Immediate,
    InlineExecutor,
    Interval,
    OneTime,
    RetryPolicy,
    Schedule,
    ScheduledTask,
    Scheduler,
    ScheduleTaskRequest,
    TaskContext,
    TaskEvent,
    TaskHandler,
    TaskRun,
)
from azoth_scheduler.cli import explaining, following, listing, main, options
from azoth_scheduler.cli.commands import azoth_scheduler
from azoth_scheduler.cli.following import follow_runs
from azoth_scheduler.events import stream_of

NOON: Final = datetime(2026, 1, 5, 12, tzinfo=UTC)
FAR: Final = datetime(2100, 1, 1, tzinfo=UTC)
TERMINAL: Final = {"FORCE_COLOR": "1", "COLUMNS": "120", "NO_COLOR": None}


class Greets(TaskHandler):
    """
    Leave an event for each byte of the payload.
    """

    task_type = "greets"

    def execute(self, ctx: TaskContext, payload: bytes) -> list[TaskEvent]:
        return [TaskEvent("greeted", payload)] * len(payload)


class Fails(TaskHandler):
    """
    Fail.
    """

    task_type = "fails"
    retry = RetryPolicy(max_attempts=2, base=60)

    def execute(self, ctx: TaskContext, payload: bytes) -> None:
        raise ConnectionError("line one\nline two")


REQUESTS: Final = (
    ScheduleTaskRequest("broken", "fails", Immediate()),
    ScheduleTaskRequest("far", "greets", OneTime(FAR), b'{"to": "all"}', tags=("rare",)),
    ScheduleTaskRequest("hello", "greets", Immediate(), b"\xff\x00", priority=3),
    ScheduleTaskRequest("hourly", "greets", Interval(3_600), b"!", queue="slow"),
    ScheduleTaskRequest("morning", "greets", Cron("0 0 9 * * *", tz="Europe/Berlin")),
)


@pytest.fixture
def url(tmp_path: Path) -> str:
    """
    The log of a scheduler that worked from noon to a quarter past two, long ago.
    """
    url = f"sqlite:///{tmp_path}/log.db"
    with playing(url) as (scheduler, clock):
        scheduler.schedule_tasks(REQUESTS)
        for _ in range(9):
            scheduler.run_pending()
            clock.advance(timedelta(minutes=15))
        scheduler.pause_task("morning", "holidays")
    return url


@contextmanager
def playing(url: str, at: datetime = NOON) -> Iterator[tuple[Scheduler, ManualClock]]:
    """
    Open the log with a scheduler whose clock is moved by hand.
    """
    clock = ManualClock(at)
    with open_store(url, clock=clock) as store:
        executor = InlineExecutor()
        yield Scheduler(store, [Greets(), Fails()], clock=clock, executor=executor), clock


def run(*arguments: str, url: str | None = None, **environment: str | None) -> Result:
    """
    Run a command in this process.
    """
    return CliRunner().invoke(
        azoth_scheduler, arguments, env={"AZOTH_STORE": url, "TZ": "UTC", **environment}
    )


def objects(result: Result) -> list[Any]:
    """
    The JSON lines that a command printed.
    """
    assert result.exit_code in {0, 1}, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def ids(*arguments: str, url: str) -> list[str]:
    """
    The tasks that `tasks` lists.
    """
    return [task["task_id"] for task in objects(run("tasks", "--json", *arguments, url=url))]


def test_tasks_are_listed_by_id_with_what_they_do(url: str) -> None:
    """
    For people: a row each, with schedule, status, next and last time, and what is not zero.
    """
    shown = run("tasks", url=url).stdout

    rows = {line.split()[0]: line for line in shown.splitlines()[2:]}
    assert list(rows) == ["broken", "far", "hello", "hourly", "morning"]
    assert "disabled" in rows["broken"]
    assert "2 failed" in rows["broken"]
    assert "once 2100-01-01 00:00:00" in rows["far"]
    assert "every 1 h" in rows["hourly"]
    assert "late by" in rows["hourly"]
    assert "cron 0 0 9 * * * Europe/Berlin" in rows["morning"]


def test_tasks_can_be_chosen_and_paged(url: str) -> None:
    """
    By status, type, queue, tag and whether they will run; a page says how to go on.
    """
    assert ids("--status", "paused", url=url) == ["morning"]
    assert ids("--type", "fails", url=url) == ["broken"]
    assert ids("--enabled", url=url) == ["far", "hourly"]
    assert ids("--not-enabled", url=url) == ["broken", "hello", "morning"]
    assert ids("--queue", "slow", url=url) == ["hourly"]
    assert ids("--tag", "rare", url=url) == ["far"]
    page = run("tasks", "--limit", "2", url=url)
    assert "--after 'far'" in page.stderr
    assert ids("--limit", "2", "--after", "far", url=url) == ["hello", "hourly"]
    assert "no such tasks" in run("tasks", "--tag", "none", url=url).stderr


def test_a_task_is_an_object_for_machines(url: str) -> None:
    """
    Times are UTC, durations are seconds, a payload that is no JSON comes as base64.
    """
    (far,) = objects(run("show", "far", "--json", url=url))
    (hello,) = objects(run("show", "hello", "--json", url=url))

    assert far["schedule"] == {"kind": "one_time", "at": "2100-01-01T00:00:00.000000Z"}
    assert far["forecast"] == ["2100-01-01T00:00:00.000000Z"]
    assert (far["payload"], far["tags"], far["timeout"]) == ({"to": "all"}, ["rare"], 300.0)
    assert (hello["payload_base64"], hello["totals"]["succeeded"]) == ("/wA=", 1)


def test_a_task_is_shown_in_full(url: str) -> None:
    """
    With its reason, its last error, its payload as far as it can be read, and its next times.
    """
    broken, far, hello = (run("show", name, url=url).stdout for name in ("broken", "far", "hello"))
    morning = run("show", "morning", url=url).stdout

    assert "exhausted: 2 of 2 attempts failed" in broken
    assert re.search(r"last error +ConnectionError: line one", broken)
    assert '13 bytes: {"to": "all"}' in far
    assert "2100-01-01 00:00:00 (in" in far
    assert "2 bytes: ff 00" in hello
    assert "holidays" in morning


def test_a_long_payload_is_cut(tmp_path: Path) -> None:
    """
    What a handler gets may be megabytes.
    """
    url = f"sqlite:///{tmp_path}/log.db"
    with playing(url) as (scheduler, _):
        scheduler.schedule_task(ScheduleTaskRequest("big", "greets", OneTime(FAR), b"x" * 5_000))

    shown = run("show", "big", url=url).stdout

    assert "5000 bytes:" in shown
    assert 300 < shown.count("x") < 500


def test_runs_are_a_ladder(url: str) -> None:
    """
    Each attempt with its outcome, and what follows from it.
    """
    ladder = run("runs", "broken", url=url).stdout.splitlines()[2:]
    hello = run("runs", "hello", url=url).stdout

    assert "✗ failed" in ladder[0]
    assert "ConnectionError: line one…; again after 1 min" in ladder[0]
    assert ladder[1].split()[0] == "2"
    assert "again" not in ladder[1]
    assert "2 events at" in hello


def test_runs_are_the_latest_ones(url: str) -> None:
    """
    A limit leaves out the older attempts.
    """
    (last,) = objects(run("runs", "hourly", "-n", "1", "--json", url=url))

    assert last["scheduled_at"] == "2026-01-05T14:00:00.000000Z"
    assert last["outcome"] == "succeeded"
    assert objects(run("runs", "hourly", "-n", "0", "--json", url=url)) == []
    assert "not run yet" in run("runs", "far", url=url).stderr


def test_a_running_and_a_lost_attempt_are_told_apart(tmp_path: Path) -> None:
    """
    An attempt without an outcome is running; one that was taken away says why.
    """
    url = f"sqlite:///{tmp_path}/log.db"

    class Nowhere(InlineExecutor):
        def submit(self, *_: object) -> None:
            pass

    clock = ManualClock(NOON)
    with open_store(url, clock=clock) as store:
        lost = Scheduler(store, [Greets()], clock=clock, executor=Nowhere())
        lost.schedule_task(ScheduleTaskRequest("one", "greets", Immediate()))
        lost.step()
        running = run("runs", "one", url=url).stdout
        in_full = run("show", "one", url=url).stdout
    with playing(url, NOON + timedelta(seconds=10)) as (scheduler, _):
        scheduler.run_pending()
    abandoned = run("runs", "one", url=url).stdout

    assert "▸ running" in running
    assert "one/1@2026-01-05T12:00:00Z#1" in in_full
    assert "↯ abandoned" in abandoned
    assert "its worker is dead; again at once" in abandoned


def test_no_attempts_asked_for_are_not_no_attempts(url: str) -> None:
    """
    With `-n 0` a task that ran is not said to have never run; one that did not run is.
    """
    asked_for_none = run("runs", "hourly", "-n", "0", url=url)
    never_ran = run("runs", "far", url=url)

    assert (asked_for_none.exit_code, asked_for_none.output) == (0, "")
    assert (never_ran.exit_code, never_ran.stderr) == (0, "it has not run yet\n")


def test_runs_are_followed(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    After the attempts that are there, each one is printed when it has ended, until Ctrl-C.
    """

    def work(*_arguments: object) -> None:
        if worked:
            raise KeyboardInterrupt
        worked.append(True)
        hours = len(objects(run("runs", "hourly", "--json", url=url))) + 1
        with playing(url, NOON + timedelta(hours=hours, minutes=1)) as (scheduler, _):
            scheduler.run_pending()

    worked: list[bool] = []
    monkeypatch.setattr(following, "wait_for_more", work)
    followed = run("runs", "hourly", "-n", "0", "--follow", "--json", url=url)
    worked.clear()
    told = run("runs", "hourly", "-n", "1", "--follow", url=url)

    assert followed.exit_code == 130
    (last,) = [json.loads(line) for line in followed.stdout.splitlines()]
    assert (last["scheduled_at"], last["outcome"]) == ("2026-01-05T15:00:00.000000Z", "succeeded")
    assert "#1 ✓ succeeded  0 ms  event at" in told.stdout.splitlines()[-1]


def test_a_follower_tells_an_attempt_that_was_running_when_it_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Also where later ones have ended before it; none is told twice.
    """
    url = f"sqlite:///{tmp_path}/log.db"
    with playing(url) as (scheduler, clock):
        scheduler.schedule_task(ScheduleTaskRequest("one", "greets", Interval(60)))
        monkeypatch.setattr(following, "wait_for_more", lambda *_: clock.advance(60))
        monkeypatch.setattr(scheduler, "runs", _after_a_run(scheduler))
        followed = follow_runs(scheduler, "one", [])
        told = [next(followed).scheduled_at for _ in range(3)]

    assert told == [NOON + timedelta(minutes=minute) for minute in (1, 2, 3)]


def _after_a_run(scheduler: Scheduler) -> Callable[..., list[TaskRun]]:
    runs = scheduler.runs

    def and_then(task_id: str, *, after: int) -> list[TaskRun]:
        scheduler.run_pending()
        return runs(task_id, after=after)

    return and_then


def test_a_forecast_is_one_task_s_or_all_tasks(url: str) -> None:
    """
    In the order of time, as many as asked for; of what is due already only the latest comes.
    """
    one = objects(run("forecast", "hourly", "-n", "2", "--json", url=url))
    every = objects(run("forecast", "-n", "5000", "--json", url=url))
    shown = run("forecast", "hourly", "-n", "1", url=url)

    late, next_one = (datetime.fromisoformat(time["at"]) for time in one)
    assert late <= datetime.now(UTC) < late + timedelta(hours=2)
    assert next_one - late == timedelta(hours=1)
    assert {time["task_id"] for time in every} == {"hourly"}
    assert [time["at"] for time in every] == sorted(time["at"] for time in every)
    assert "late by" in shown.stdout
    assert "now" not in shown.stdout
    assert "nothing is to come" in run("forecast", "hello", url=url).stderr


def test_a_forecast_draws_a_day_on_a_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A character for each half hour: filled where the task runs in it.
    """
    url = f"sqlite:///{tmp_path}/log.db"
    tomorrow = NOON + timedelta(hours=30)
    at_noon(monkeypatch)
    with playing(url) as (scheduler, _):
        schedules: dict[str, Schedule] = {
            "two-hourly": Interval(7_200),
            "three": Cron("0 0 15 * * *"),
            "tomorrow": OneTime(tomorrow),
            "once": OneTime(NOON + timedelta(hours=1)),
        }
        for name, schedule in schedules.items():
            scheduler.schedule_task(ScheduleTaskRequest(name, "greets", schedule))
    shown = run("forecast", "-n", "99", url=url, **TERMINAL)

    drawn = {line.split()[0]: line.split()[1] for line in _plain(shown.stdout)[-4:]}
    assert drawn["two-hourly"] == "····■" + "···■" * 10 + "···"
    assert drawn["three"] == "······■" + "·" * 41
    assert drawn["once"] == "··■" + "·" * 45
    assert drawn["tomorrow"] == "·" * 48


def at_noon(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Let a command begin at noon, by every clock.
    """
    clock = ManualClock(NOON)
    monkeypatch.setattr(listing, "_now", lambda: NOON)
    monkeypatch.setattr(options, "Scheduler", partial(Scheduler, clock=clock))


def _plain(text: str) -> list[str]:
    """
    The lines without colours.
    """
    return [line.rstrip() for line in re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()]


def test_more_times_left_out_than_are_counted_are_said_so(tmp_path: Path) -> None:
    """
    A day of seconds is counted to ten thousand; the total says that there were more.
    """
    url = f"sqlite:///{tmp_path}/log.db"
    with playing(url) as (scheduler, clock):
        scheduler.schedule_task(ScheduleTaskRequest("often", "greets", Interval(1)))
        clock.advance(timedelta(days=1))
        scheduler.run_pending()

    (listed,) = objects(run("tasks", "--json", url=url))
    shown = run("show", "often", url=url).stdout

    assert (listed["totals"]["skipped"], listed["totals"]["skipped_exact"]) == (10_000, False)
    assert "1 succeeded, more than 10000 skipped" in shown


@pytest.mark.parametrize("command", ["tasks", "forecast", "show hourly", "pause hourly"])
def test_what_cannot_be_read_is_one_line(
    url: str, command: str, caplog: pytest.LogCaptureFixture
) -> None:
    """
    With the count, for all types together; the library's own warnings are left out.
    """
    with open_store(url) as store:
        for kind in ("TaskFrozen", "TaskThawed", "TaskThawed"):
            store.append(Write(stream_of("cold"), [NewEvent(kind, b"{}")], ANY))

    result = run(*command.split(), url=url)

    assert result.exit_code == 0
    (line,) = result.stderr.splitlines()
    assert line.startswith("3 events of tasks cannot be read, perhaps those of a newer version;")
    assert caplog.records == []


def test_an_expression_is_explained() -> None:
    """
    In words, with five times and what may be wrong; a shell may hand over its fields one by one.
    """
    shown = run("explain", "0 30 2 * * 1-5", "--tz", "Europe/Berlin").stdout.splitlines()
    (said,) = objects(run("explain", "0", "30", "9", "?", "*", "MON-FRI", "--json"))

    assert shown[0] == "At 02:30 on Monday to Friday, by the clocks of Europe/Berlin."
    assert len([line for line in shown if line.startswith("  ")]) == 5
    assert shown[-1].startswith("careful: weekday 1-5 counts from Sunday = 0 here")
    assert said["words"] == "At 09:30 on Monday to Friday"
    assert len(said["next_run_times"]) == 5
    assert said["warnings"] == []


def test_the_next_change_of_the_clock_is_the_one_that_is_warned_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    Not one of some other year: it is looked for from now on.
    """
    monkeypatch.setattr(explaining, "_now", lambda: datetime(2026, 4, 1, tzinfo=UTC))

    (said,) = objects(run("explain", "0 30 2 * * *", "--tz", "Europe/Berlin", "--json"))

    skipped, repeated = said["warnings"]
    assert "skip 2027-03-28 02:00 to 03:00" in skipped
    assert "repeat 2026-10-25 02:00 to 03:00" in repeated


def test_an_expression_that_is_none_says_what_to_write() -> None:
    """
    It is a usage error, with the reason and a guess.
    """
    for arguments in (("0 0 9 * * 5-1",), ("* * *",), ("@daily", "--tz", "Europe/Berln")):
        refused = run("explain", *arguments)

        assert refused.exit_code == 2
        assert "Error: schedule" in refused.stderr


def test_a_task_is_paused_resumed_and_cancelled(url: str) -> None:
    """
    The reason is in the log; doing it again changes nothing and is no error.
    """
    assert run("pause", "hourly", "--reason", "rest", url=url).stdout == "hourly is paused\n"
    (paused,) = objects(run("pause", "hourly", "--json", url=url))
    resumed = run("resume", "hourly", url=url).stdout
    cancelled = run("cancel", "hourly", "--reason", "over", url=url).stdout
    again = run("cancel", "hourly", url=url)

    assert (paused["status"], paused["reason"], paused["changed"]) == ("paused", "rest", False)
    assert resumed == "hourly is resumed; its status is scheduled\n"
    assert cancelled == "hourly is cancelled\n"
    assert again.stdout == "hourly stays as it was; its status is cancelled\n"
    assert again.exit_code == 0


def test_what_is_cancelled_stays_so(url: str) -> None:
    """
    Refused with a sentence that says what to do, and exit code 1.
    """
    run("cancel", "far", url=url)

    for command in ("pause", "resume", "trigger"):
        refused = run(command, "far", url=url)
        assert refused.exit_code == 1
        assert "it is cancelled" in refused.stderr


def test_a_trigger_asks_for_a_run(url: str) -> None:
    """
    With a payload of its own if one is given.
    """
    shown = run("trigger", "hello", "--payload", "hi", url=url)
    with playing(url, FAR) as (scheduler, _):
        scheduler.run_pending()
        (_, run_now) = scheduler.runs("hello")

    assert shown.stdout.startswith("hello will run as hello/1!1 as soon as")
    assert (run_now.run_id, len(run_now.triggered_positions)) == ("hello/1!1", 2)


def test_a_trigger_says_when_it_was_skipped(url: str) -> None:
    """
    A run is open: exit code 1, and the run that does not come is named.
    """
    (first,) = objects(run("trigger", "hello", "--json", url=url))
    skipped = run("trigger", "hello", url=url)
    (second,) = objects(run("trigger", "hello", "--json", url=url))

    assert first == {"task_id": "hello", "run_id": "hello/1!1", "skipped": False}
    assert skipped.exit_code == 1
    assert "hello was skipped: one of its runs is open" in skipped.stderr
    assert second == {"task_id": "hello", "run_id": "hello/1!3", "skipped": True}


def test_a_trigger_is_not_confused_by_what_comes_after_it(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The answer is read at the version of our own commit, not at the end of the stream.
    """
    trigger_task = Scheduler.trigger_task

    def and_much_more(self: Scheduler, task_id: str, **given: Any) -> ScheduledTask:  # noqa: ANN401 - what it takes
        task = trigger_task(self, task_id, **given)
        junk = [NewEvent("Unknown", b"{}")] * 600
        self.store.append(Write(stream_of(task_id), junk, ANY))
        return task

    monkeypatch.setattr(Scheduler, "trigger_task", and_much_more)
    (asked,) = objects(run("trigger", "hello", "--json", url=url))

    assert asked == {"task_id": "hello", "run_id": "hello/1!1", "skipped": False}


@pytest.mark.parametrize(
    "command", ["show", "runs", "forecast", "cancel", "pause", "resume", "trigger"]
)
def test_an_unknown_task_is_answered_by_no(url: str, command: str) -> None:
    """
    Exit code 1, and where to look for those there are.
    """
    unknown = run(command, "nobody", url=url)

    assert unknown.exit_code == 1
    assert "there is no task 'nobody'; `azoth-scheduler tasks` lists" in unknown.stderr


@pytest.mark.parametrize(
    ("store", "code", "sentence"),
    [
        (None, 2, "name the store"),
        ("sqlite:///nowhere/log.db", 3, "there is no store at"),
        ("redis://here", 3, "no store serves 'redis'"),
        ("log.db", 3, "is no store URL"),
    ],
)
def test_a_store_that_cannot_be_used_is_a_sentence(
    store: str | None, code: int, sentence: str
) -> None:
    """
    No traceback, and a code that tells a mistyped command from a store in trouble.
    """
    result = run("tasks", url=store)

    assert result.exit_code == code
    assert sentence in result.stderr
    assert "Traceback" not in result.output


def test_looking_creates_nothing(tmp_path: Path) -> None:
    """
    A command on a log that is not there leaves the folder empty.
    """
    for command in (("tasks",), ("show", "one"), ("trigger", "one")):
        assert run(*command, url=f"sqlite:///{tmp_path}/log.db").exit_code == 3

    assert list(tmp_path.iterdir()) == []


def test_the_help_lists_commands_by_use_and_the_exit_codes() -> None:
    """
    What a stranger tries first comes first; what a script needs is there too.
    """
    shown = run("--help").stdout

    assert shown.index("demo ") < shown.index("run ") < shown.index("cancel ")
    assert "3    the store cannot be opened or used" in shown


def test_a_missing_extra_is_named_with_its_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    Without click or rich there is one sentence and no traceback.
    """
    monkeypatch.delitem(sys.modules, "azoth_scheduler.cli.commands")
    monkeypatch.setitem(sys.modules, "click", None)

    with pytest.raises(SystemExit, match=r"pip install 'azoth-scheduler\[cli\]'"):
        main()


def test_a_stream_that_cannot_show_a_mark_ends_no_command(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    An ASCII pipe gets question marks.
    """
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
    monkeypatch.setattr(sys, "argv", ["azoth-scheduler", "runs", "broken", "--store", url])

    with pytest.raises(SystemExit) as left:
        main()

    assert left.value.code == 0
    assert b"? failed" in written.getvalue()
