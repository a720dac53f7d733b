"""
`azoth-scheduler run`: what it is given, what it prints, and how signals end it.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

import pytest
from click.testing import CliRunner, Result

from azoth import open_store
from azoth_scheduler import Scheduler, TaskRun
from azoth_scheduler.cli.commands import azoth_scheduler

pytestmark = pytest.mark.uncovered

PATIENCE: Final = 60.0

APPLICATION: Final = '''
"""
A program whose one task waits until a file is there, or until it is asked to stop.
"""

import logging
from pathlib import Path
from threading import Event

from azoth import open_store
from azoth_scheduler import (
    Immediate, InlineExecutor, OneTime, Scheduler, ScheduleTaskRequest, TaskHandler,
)


class Waits(TaskHandler):
    task_type = "waits"

    def execute(self, ctx, payload):
        ctx.logger.info("it waits")
        while not Path("go").exists():
            ctx.sleep(0.01)


class Ignores(TaskHandler):
    task_type = "ignores"

    def execute(self, ctx, payload):
        Event().wait(600)


class Ends(TaskHandler):
    task_type = "ends"

    def execute(self, ctx, payload):
        scheduler.shutdown()


class Prints(TaskHandler):
    task_type = "prints"

    def execute(self, ctx, payload):
        print("the work")
        scheduler.shutdown()


store = open_store("sqlite:///log.db")
scheduler = Scheduler(store, [Waits(), Ignores(), Ends(), Prints()])
inline = Scheduler(store, [Waits(), Ignores(), Ends()], executor=InlineExecutor())
number = 3


def of(task_type):
    def made():
        scheduler.schedule_task(ScheduleTaskRequest("one", task_type, Immediate()))
        return scheduler
    return made


waiting, ignoring, ending, printing = of("waits"), of("ignores"), of("ends"), of("prints")


def broken():
    raise RuntimeError("no database")


class Holder:
    scheduler = waiting
'''


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """
    A folder with a program, `application.py`.
    """
    (tmp_path / "application.py").write_text(APPLICATION)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "application", raising=False)
    return tmp_path


def run(*arguments: str, **environment: str) -> Result:
    """
    Run the command in this process.
    """
    return CliRunner().invoke(azoth_scheduler, ["run", *arguments], env=environment)


@contextmanager
def running(
    target: str, *options: str, stdout: int | IO[str] = subprocess.PIPE, **environment: str
) -> Iterator["subprocess.Popen[str]"]:
    """
    Run the command in a process of its own, which is gone afterwards.
    """
    program = "from azoth_scheduler.cli import main; main()"
    command = [sys.executable, "-c", program, "run", f"application:{target}", *options]
    process = subprocess.Popen(
        command,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def read_until(stream: IO[str] | None, wanted: Callable[[str], bool]) -> list[str]:
    """
    Read lines up to the first that is wanted.
    """
    assert stream is not None
    lines: list[str] = []
    for line in stream:
        lines.append(line)
        if wanted(line):
            return lines
    raise AssertionError("".join(lines) + "it ended before that")


def rest_of(process: "subprocess.Popen[str]") -> tuple[str, str]:
    """
    Return what is still to be read of the output and of the errors, once the process has ended.

    `communicate` reads past the streams, and leaves out what they have buffered.
    """
    assert process.stderr is not None
    errors = process.stderr.read()
    stdout = process.stdout
    output = "" if stdout is None or stdout.closed else stdout.read()
    process.wait(PATIENCE)
    return output, errors


def attempts() -> list[TaskRun]:
    """
    The attempts of the program's task.
    """
    with open_store("sqlite:///log.db") as store:
        return Scheduler(store).runs("one")


def test_the_first_signal_lets_what_runs_end(folder: Path) -> None:
    """
    Nothing more is started, the attempt ends as it would have, and the exit code is 0.
    """
    with running("waiting") as process:
        said = read_until(process.stderr, lambda line: "attempt 1 started" in line)
        process.send_signal(signal.SIGTERM)
        said += read_until(process.stderr, lambda line: "SIGTERM" in line)
        (folder / "go").touch()
        output, errors = rest_of(process)

    assert (process.returncode, output) == (0, "")
    assert "one  attempt 1 succeeded" in errors
    assert "it waits  task_id=one" in "".join([*said, errors])
    assert [one.outcome for one in attempts()] == ["succeeded"]


def test_what_does_not_end_in_time_is_asked_to_stop_and_given_back() -> None:
    """
    The attempt that stops is abandoned without a failure; its run is due again.
    """
    with running("waiting", "--drain", "0.4") as process:
        read_until(process.stderr, lambda line: "attempt 1 started" in line)
        process.send_signal(signal.SIGINT)
        _, errors = rest_of(process)

    assert process.returncode == 0
    assert "attempt 1 abandoned: shutdown; due again at once" in errors


def test_what_does_not_stop_is_told() -> None:
    """
    A thread cannot be killed: exit code 1, and others take its attempt over.
    """
    with running("ignoring", "--drain", "0.2") as process:
        read_until(process.stderr, lambda line: "attempt 1 started" in line)
        process.send_signal(signal.SIGTERM)
        _, errors = rest_of(process)

    assert process.returncode == 1
    assert "1 attempt did not end in 0.2 s; others take over" in errors


def test_the_second_signal_stops_at_once() -> None:
    """
    Without a traceback, with the code of the first signal; the same one passed on twice is one.
    """
    with running("waiting") as process:
        read_until(process.stderr, lambda line: "attempt 1 started" in line)
        process.send_signal(signal.SIGTERM)
        read_until(process.stderr, lambda line: "SIGTERM" in line)
        process.send_signal(signal.SIGINT)
        _, errors = rest_of(process)

    assert process.returncode == 128 + signal.SIGTERM
    assert "Traceback" not in errors
    assert [one.outcome for one in attempts()] == [None]


def test_one_signal_passed_on_twice_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A terminal's Ctrl-C goes to the whole group, and whoever started us may pass it on.
    """

    def interrupted(_: Scheduler) -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Scheduler, "run", interrupted)
    ended = run("application:scheduler")

    assert ended.exit_code == 0
    assert ended.stderr.count("SIGINT: nothing more is started") == 1


def test_it_prints_a_line_for_each_thing_that_happens() -> None:
    """
    What was there before is not repeated; the last outcome is there too.
    """
    lines = run("application:ending").stderr.splitlines()

    assert [line.split("  ", 1)[1] for line in lines if "started" in line] == ["attempt 1 started"]
    assert "one  attempt 1 succeeded" in lines[-1]


def test_it_prints_objects_for_machines() -> None:
    """
    Each event of the scheduler, as `azoth tail --json` has it.
    """
    events = [json.loads(line) for line in run("application:ending", "--json").stdout.splitlines()]

    assert [event["type"] for event in events][-2:] == ["TaskRunStarted", "TaskExecuted"]
    assert {event["stream"] for event in events} == {"$task-one"}


@pytest.mark.parametrize("color", ["", "1"], ids=["lines", "status"])
def test_standard_output_belongs_to_the_handlers(color: str) -> None:
    """
    What they print can be piped on: nothing that the command tells is mixed into it.
    """
    with running("printing", FORCE_COLOR=color) as process:
        output, errors = rest_of(process)

    assert process.returncode == 0, errors
    assert output == "the work\n"
    assert "attempt 1 succeeded" in errors
    assert "the work" not in errors


def test_an_output_that_is_full_ends_it() -> None:
    """
    With `--json`, whose lines cannot be left out: exit code 1 and one sentence.
    """
    with Path("/dev/full").open("w") as full, running("ending", "--json", stdout=full) as process:
        _, errors = rest_of(process)

    assert process.returncode == 1
    assert "Error: standard output cannot be written: No space left" in errors
    assert "Traceback" not in errors


def test_it_prints_nothing_if_asked_to() -> None:
    """
    For a service that logs elsewhere.
    """
    result = run("application:ending", "--quiet")

    assert (result.exit_code, result.output) == (0, "")


def test_it_shows_a_status_on_a_terminal() -> None:
    """
    Below the lines: what runs, what is late, what comes next.
    """
    with running("waiting", FORCE_COLOR="1", COLUMNS="100") as process:
        read_until(process.stderr, lambda line: "1 running" in line)
        process.send_signal(signal.SIGTERM)
        Path("go").touch()
        output, errors = rest_of(process)

    assert (process.returncode, output) == (0, ""), errors
    assert "attempt 1 succeeded" in errors


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        ("application", "names no scheduler; write module:attribute"),
        ("application:", "names no scheduler"),
        ("nowhere:scheduler", "there is no module 'nowhere'"),
        ("application.nowhere:scheduler", "there is no module 'application.nowhere'"),
        ("application:nothing", "has no 'nothing'; there is scheduler, inline"),
        ("application:number", "is 3; name a Scheduler"),
        ("application:Waits", "name a Scheduler, or a function that returns one"),
        ("application:broken", "calling application:broken failed: RuntimeError: no database"),
        ("syntax:scheduler", "importing syntax failed: SyntaxError"),
        ("imports:scheduler", "importing imports failed: ModuleNotFoundError: No module named"),
    ],
)
def test_what_is_no_scheduler_is_a_sentence(folder: Path, target: str, sentence: str) -> None:
    """
    Exit code 2, what was found or what went wrong and where, and no traceback.
    """
    (folder / "syntax.py").write_text("def\n")
    (folder / "imports.py").write_text("import not_there\n")

    refused = run(target)

    assert refused.exit_code == 2
    assert sentence in " ".join(refused.stderr.split())
    assert "Traceback" not in refused.output


def test_an_error_in_the_program_names_its_line() -> None:
    """
    The place is the last one in a file, which is where to look.
    """
    line = APPLICATION.splitlines().index('    raise RuntimeError("no database")') + 1

    assert f"application.py, line {line})" in run("application:broken").stderr


def test_a_scheduler_may_stand_inside_something() -> None:
    """
    The attribute may have dots; whatever stands there is called if it is no scheduler.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Scheduler, "run", lambda _: None)

        assert run("application:Holder.scheduler").exit_code == 0


def test_a_store_in_trouble_ends_it_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Exit code 3, as everywhere.
    """

    def closes(scheduler: Scheduler) -> None:
        scheduler.store.close()
        scheduler.store.read()

    monkeypatch.setattr(Scheduler, "run", closes)
    ended = run("application:scheduler")

    assert ended.exit_code == 3
    assert "the store is closed" in ended.stderr


@pytest.mark.parametrize(
    ("options", "told"),
    [((), "attempt 1 started"), (("--json",), "TaskRunStarted")],
    ids=["lines", "objects"],
)
def test_it_ends_when_nobody_reads_what_it_prints(options: tuple[str, ...], told: str) -> None:
    """
    As `azoth-scheduler run --json … | head -1` does: what runs ends, nothing more is started.
    """
    with running("waiting", *options) as process:
        stream = process.stdout if options else process.stderr
        read_until(stream, lambda line: told in line)
        assert stream is not None
        stream.close()
        Path("go").touch()
        process.wait(PATIENCE)

    assert [one.outcome for one in attempts()] == ["succeeded"]
