"""
The commands about the past, on the log of a scheduler: they know it by its plug-ins alone.
"""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from azoth import Checkpoint, open_store
from azoth.cli.commands import azoth
from azoth.testing import ManualClock
from azoth_scheduler import (
    Cron,
    Immediate,
    Scheduler,
    ScheduleTaskRequest,
    TaskContext,
    TaskHandler,
)
from azoth_scheduler.executors import InlineExecutor


class Report(TaskHandler):
    """
    Succeeds.
    """

    task_type = "report"

    def validate(self, payload: bytes) -> None:
        """
        Take anything.
        """

    def execute(self, ctx: TaskContext, payload: bytes) -> None:
        """
        Do nothing.
        """


@pytest.fixture
def scheduled(url: str, clock: ManualClock) -> str:
    """
    A log in which a task is scheduled, runs once, and is paused; another one waits.
    """
    with open_store(url, clock=clock) as store:
        scheduler = Scheduler(store, handlers=[Report()], clock=clock, executor=InlineExecutor())
        scheduler.schedule_task(ScheduleTaskRequest("daily", "report", Cron("0 0 0 * * *")))
        clock.advance(60)
        scheduler.schedule_task(ScheduleTaskRequest("once", "report", Immediate()))
        scheduler.step()
        scheduler.step()
        clock.advance(60)
        scheduler.pause_task("daily", "moving")
        scheduler.shutdown()
        store.append(checkpoint=Checkpoint(consumer="bills", position=2, previous=0))
    return url


def run(*arguments: str, url: str | None = None) -> Result:
    """
    Run the command in this process.
    """
    return CliRunner().invoke(azoth, arguments, env={"AZOTH_STORE": url})


def rows(result: Result) -> list[Any]:
    """
    The JSON lines that a command printed.
    """
    assert result.exit_code in {0, 1}, (result.output, result.exception)
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_rows_are_shown_as_they_were(scheduled: str, tmp_path: Path) -> None:
    """
    At a position or a time, all or one; snapshots change no answer.
    """
    first = rows(run("at", "1", "--json", scheduled))
    assert [row["key"] for row in first] == ["task daily"]
    assert first == rows(run("at", "2026-01-01T00:00:30", "--json", scheduled))
    assert first == rows(run("at", "1", "--json", "--snapshots", f"{tmp_path}/s", scheduled))
    (row,) = rows(run("at", "9999-01-01", "--json", "--key", "task daily", scheduled))
    assert row["row"]["task_id"] == "daily"

    shown = run("at", "1", scheduled)
    assert shown.stdout.startswith("task daily  {")
    assert "1 rows at 1" in shown.stderr
    missing = run("at", "1", "--key", "task once", scheduled)
    assert (missing.exit_code, "no row 'task once' at 1" in missing.stderr) == (1, True)


def test_two_places_are_compared(scheduled: str, tmp_path: Path) -> None:
    """
    Of one log by rows; of two by events too. A difference has exit code 1, as with diff.
    """
    (found,) = rows(run("diff", "1", "9999-01-01", "--json", scheduled))
    assert found["differs"]
    assert {"task daily", "task once"} <= {row["key"] for row in found["rows"]}
    assert run("diff", "2", "2", scheduled).exit_code == 0
    assert "rows that differ" in run("diff", "1", "2", scheduled).stdout

    other = f"sqlite:///{tmp_path}/other.db"
    assert run("copy", scheduled, other).exit_code == 0
    assert run("diff", scheduled, other).exit_code == 0
    with open_store(other) as store:
        Scheduler(store).pause_task("once")
    (found,) = rows(run("diff", "--json", scheduled, other, "-p", "schedule"))
    assert found["events"][0] is None
    assert found["events"][1]["type"] == "TaskPaused"
    assert [row["key"] for row in found["rows"]] == ["task once"]


def test_the_event_that_made_it_so_is_found(
    scheduled: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    By a field of a row, or by a function.
    """
    monkeypatch.chdir(tmp_path)
    (tmp_path / "asked.py").write_text(
        "def moving(table): return any('moving' in str(row) for row in table.rows.values())\n"
    )
    (by_field,) = rows(run("bisect", "--json", "task_id=once", "--key", "task once", scheduled))
    (by_function,) = rows(run("bisect", "--json", "asked:moving", scheduled))

    assert (by_field["position"], by_function["type"]) == (2, "TaskPaused")
    assert "TaskPaused" in run("bisect", "asked:moving", "--linear", scheduled).stdout
    never = run("bisect", "task_id=x", "--key", "task once", scheduled)
    assert (never.exit_code, "does not hold" in never.stderr) == (1, True)
    always = run("bisect", "task_id=once", "--key", "task once", "--after", "2", scheduled)
    assert (always.exit_code, "holds already" in always.stderr) == (1, True)


def test_a_field_is_searched_for_by_its_value(scheduled: str) -> None:
    """
    A value that a row begins with is one too, and a field that rows do not have is named.
    """
    scheduler = ["--key", "task daily", "--json", scheduled]
    with open_store(scheduled) as store:
        Scheduler(store).resume_task("daily")

    (resumed,) = rows(run("bisect", "paused=false", "--after", "5", *scheduler))
    assert resumed["type"] == "TaskResumed"
    (first,) = rows(run("bisect", "definition.task_type=report", *scheduler))
    assert first["position"] == 1
    typo = run("bisect", "pausd=true", *scheduler)
    assert typo.exit_code == 2
    assert "no field 'pausd'; there are task_id" in typo.stderr
    deeper = run("bisect", "task_id.deeper=1", *scheduler)
    assert deeper.exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["asked:fails"], "asked:fails failed at position 0: KeyError: 'x'"),
        (["asked:NUMBER"], "'asked:NUMBER' is no function"),
        (["paused=true"], "name the row by --key"),
        (["asked:never", "--after", "3", "--until", "1"], "to begin after 3 and to end at 1"),
    ],
)
def test_a_search_that_cannot_be_made_is_not_understood(
    scheduled: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    words: str,
) -> None:
    """
    Exit code 1 would say that nothing was found.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "asked", raising=False)
    (tmp_path / "asked.py").write_text(
        "NUMBER = 1\ndef fails(table): raise KeyError('x')\ndef never(table): return False\n"
    )
    monkeypatch.syspath_prepend(tmp_path)

    refused = run("bisect", *arguments, scheduled)

    assert refused.exit_code == 2, refused.output
    assert words in refused.stderr


def test_people_are_shown_times(scheduled: str) -> None:
    """
    Not microseconds: in rows, and in rows that are new.
    """
    assert '"created_at":"2026-01-01T00:00:00.000000Z"' in run("at", "1", scheduled).stdout
    assert "created_at=2026-01-01T00:00:00+00:00" in run("diff", "0", "1", scheduled).stdout


def test_a_state_is_explained_by_its_events(scheduled: str) -> None:
    """
    With what each changed.
    """
    steps = rows(run("why", "daily", "--json", scheduled))

    assert [step["type"] for step in steps] == ["TaskScheduled", "TaskPaused"]
    assert "moving" in json.dumps(steps[-1]["changes"])
    assert "TaskPaused" in run("why", "daily", scheduled).stdout
    assert len(rows(run("why", "daily", "--json", "--at", "1", scheduled))) == 1
    assert run("why", "nobody", scheduled).exit_code == 1


def test_a_command_is_supposed_and_nothing_is_written(scheduled: str) -> None:
    """
    What would be refused has exit code 1.
    """
    with open_store(scheduled) as store:
        head = store.wait(0, 0)
    command = ["what-if", "daily", "--now", "2026-01-02", "--json"]

    (found,) = rows(run(*command, '{"command":"resume"}', scheduled))
    assert [event["type"] for event in found["events"]] == ["TaskResumed"]
    (nothing,) = rows(run(*command, '{"command":"resume"}', "--at", "1", scheduled))
    assert nothing["events"] == []
    refused = run("what-if", "nobody", '{"command":"trigger"}', scheduled)
    assert refused.exit_code in {0, 1}
    shown = run("what-if", "daily", '{"command":"cancel"}', scheduled)
    assert "TaskCancelled" in shown.stdout

    with open_store(scheduled) as store:
        assert store.wait(0, 0) == head


def test_a_replay_prints_digests(scheduled: str, tmp_path: Path) -> None:
    """
    Every so many events and at the end: a copy has the same.
    """
    other = f"lmdb:///{tmp_path}/other.lmdb"
    assert run("copy", scheduled, other).exit_code == 0
    printed = rows(run("replay", "--print-digest", "every=2", "--json", scheduled))

    assert [row["position"] for row in printed][:2] == [2, 4]
    assert printed == rows(run("replay", "--print-digest", "2", "--json", other))
    assert rows(run("replay", "--json", scheduled)) == printed[-1:]
    assert rows(run("replay", "--until", "2", "--json", scheduled)) == printed[:1]
    shown = run("replay", scheduled)
    assert printed[-1]["digest"] in shown.stdout
    assert "replaying: " in shown.stderr
    assert rows(run("replay", "--json", "memory://"))[0]["position"] == 0


def test_who_reads_the_log_is_listed(scheduled: str) -> None:
    """
    Consumers with their lag, and projections by name.
    """
    found = {row["name"]: row for row in rows(run("projections", "--json", scheduled))}

    bills = found["bills"]
    assert (bills["kind"], bills["position"], bills["lag"]) == ("consumer", 2, bills["head"] - 2)
    assert (found["schedule"]["kind"], found["schedule"]["position"]) == ("projection", None)
    assert "bills" in run("projections", scheduled).stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["at", "999"], "lies beyond the head"),
        (["at", "2001-01-01"], "nothing was recorded at"),
        (["at", "yesterday"], "no position and no time"),
        (["at", "1", "-p", "nonsense"], "there is no 'nonsense'; name one by --projection: "),
        (["diff", "1", "999"], "lies beyond the head"),
        (["diff", "1", "soon"], "no position and no time"),
        (["bisect", "nothing:here"], "names nothing"),
        (["bisect", "x", "--key", "k"], "is no FIELD=VALUE"),
        (["why", "daily", "--at", "999"], "lies beyond the head"),
        (["why", "daily", "-r", "nonsense"], "there is no 'nonsense'; name one by --rules: "),
        (["what-if", "daily", "{"], "the command is no JSON"),
        (["what-if", "daily", '{"command":"fly"}'], "command is 'fly'; give one of"),
        (["what-if", "daily", "{}", "--now", "3"], "--now is a time"),
        (["replay", "--until", "999"], "lies beyond the head"),
        (["replay", "--until", "2001-01-01"], "nothing was recorded at"),
        (["replay", "--print-digest", "every=0"], "is no every=N"),
    ],
)
def test_a_question_that_has_no_answer_has_exit_code_2(
    scheduled: str, arguments: list[str], words: str
) -> None:
    """
    With a sentence that says what there is.
    """
    result = run(*arguments, url=scheduled)

    assert (result.exit_code, result.stdout) == (2, ""), result.exception
    assert words in result.stderr
