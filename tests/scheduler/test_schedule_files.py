"""
Schedules declared in files: read whole, looked through by `check`, each mistake with entry and key.
"""

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner, Result

from azoth import open_store
from azoth.testing import ManualClock
from azoth_scheduler import (
    Cron,
    Immediate,
    Interval,
    InvalidScheduleFile,
    OneTime,
    RetryPolicy,
    Scheduler,
    ScheduleTaskRequest,
    load_schedules,
)
from azoth_scheduler.cli import checking
from azoth_scheduler.cli.commands import azoth_scheduler
from azoth_scheduler.schedule_files import declared_in

NOON: Final = datetime(2026, 1, 1, 12, tzinfo=UTC)

GOOD: Final = """
[[schedule]]
id = "daily"
type = "report"
cron = "0 0 9 * * MON-FRI"
tz = "Europe/Berlin"
dst = "literal"
payload = { to = "all" }
overlap = "buffer_one"
tags = ["rare"]
retry = { max_attempts = 5, base = 10, retry_on = ["ValueError"] }

[[schedule]]
id = "often"
type = "sample"
interval = 2.5
mode = "fixed_delay"
payload = "text"
end = 2030-01-01T00:00:00Z
timeout = 30

[[schedule]]
id = "once"
type = "report"
one_time = 2030-05-01T12:00:00+02:00

[[schedule]]
id = "now"
type = "report"
immediate = true
"""


def entry(*lines: str) -> bytes:
    """
    A file with one entry, whose id and type are fine.
    """
    return "\n".join(("[[schedule]]", 'id = "a"', 'type = "t"', *lines)).encode()


def test_a_file_is_read_into_requests(tmp_path: Path) -> None:
    """
    Each option by its name, a table of a payload as JSON.
    """
    path = tmp_path / "schedules.toml"
    path.write_text(GOOD)

    daily, often, once, now = load_schedules(path)

    assert daily == ScheduleTaskRequest(
        "daily",
        "report",
        Cron("0 0 9 * * MON-FRI", tz="Europe/Berlin", dst="literal"),
        b'{"to":"all"}',
        overlap="buffer_one",
        tags=("rare",),
        retry=RetryPolicy(max_attempts=5, base=timedelta(seconds=10), retry_on=("ValueError",)),
    )
    assert often == ScheduleTaskRequest(
        "often",
        "sample",
        Interval(2.5, mode="fixed_delay"),
        b"text",
        end=datetime(2030, 1, 1, tzinfo=UTC),
        timeout=30,
    )
    assert once.schedule == OneTime(datetime(2030, 5, 1, 10, tzinfo=UTC))
    assert now.schedule == Immediate()


def test_what_was_read_is_applied(tmp_path: Path) -> None:
    """
    A program makes its tasks be what the file says.
    """
    path = tmp_path / "schedules.toml"
    path.write_text(GOOD)
    clock = ManualClock(NOON)
    with open_store("memory://", clock=clock) as store:
        applied = Scheduler(store, clock=clock).apply_schedules(load_schedules(path))

    assert [task.task_id for task in applied] == ["daily", "often", "once", "now"]


def test_all_mistakes_of_a_file_are_raised_together(tmp_path: Path) -> None:
    """
    Nothing is scheduled of a file with one.
    """
    path = tmp_path / "schedules.toml"
    path.write_bytes(entry("interval = 0", "priority = 1.5"))

    with pytest.raises(InvalidScheduleFile) as raised:
        load_schedules(path)

    assert "has mistakes:\n  a: interval: it is zero" in str(raised.value)


@pytest.mark.parametrize(
    ("lines", "key", "reason"),
    [
        ((), "", "there is no schedule; give one of cron, interval, one_time and immediate"),
        (('cron = "* * * * *"', "interval = 5"), "cron, interval", "there are cron and interval"),
        (('cron = "0 0 9 * * 5-1"',), "cron", "write '0 0 9 * * 5-7,1'"),
        (('cron = "@daily"', 'tz = "Europe/Berln"'), "tz", "Europe/Berlin"),
        (('cron = "@daily"', 'dst = "literally"'), "dst", "perhaps 'literal'"),
        (('cron = "@daily"', 'mode = "fixed_delay"'), "mode", "does not belong to cron"),
        (("cron = 5",), "cron", "expr is text, not 5"),
        (("interval = -1",), "interval", "it is negative; write seconds"),
        (('interval = "5 min"',), "interval", "a timedelta or a number of seconds"),
        (("interval = 5", 'mode = "fixed"'), "mode", "perhaps"),
        (("one_time = 2030-01-01T00:00:00",), "one_time", "it has no time zone"),
        (('one_time = "tomorrow"',), "one_time", "at is an aware datetime"),
        (("immediate = false",), "immediate", "write immediate = true, or another schedule"),
        (("interval = 5", "max_run = 3"), "max_run", "perhaps 'max_runs'"),
        (("interval = 5", "xyz = 3"), "xyz", "there is no such key"),
        (("interval = 5", "max_runs = 0"), "max_runs", "max_runs is 0"),
        (("interval = 5", "end = 2030-01-01T00:00:00"), "end", "2030-01-01T00:00:00Z"),
        (("interval = 5", 'overlap = "skp"'), "overlap", "give one of 'skip'"),
        (("interval = 5", 'jitter = "much"'), "jitter", "much"),
        (("interval = 5", "tags = 5"), "tags", "a sequence of words"),
        (("interval = 5", "queue = 5"), "queue", "5"),
        (("interval = 5", "payload = { at = 2030-01-01 }"), "payload", "what JSON can hold"),
        (("interval = 5", "retry = 5"), "retry", "write retry = { max_attempts = 3 }"),
        (("interval = 5", "retry = { attempts = 5 }"), "retry.attempts", "max_attempts"),
        (("interval = 5", "retry = { max_attempts = 0 }"), "retry", "max_attempts"),
        (("interval = 5", "retry = { base = [] }"), "retry", "wait"),
        (
            ("interval = 5", "max_retries = 3", "retry = { max_attempts = 3 }"),
            "max_retries, retry",
            "give one of them",
        ),
        (
            ("interval = 5", "start = 2030-01-02T00:00:00Z", "end = 2030-01-01T00:00:00Z"),
            "end, start",
            "lies before start",
        ),
        (("immediate = true", "max_runs = 3"), "max_runs", "Immediate fires once"),
    ],
)
def test_a_mistake_names_the_entry_the_key_and_what_to_write(
    lines: tuple[str, ...], key: str, reason: str
) -> None:
    """
    One mistake each, for one thing that is wrong.
    """
    (mistake,) = declared_in(entry(*lines)).mistakes

    assert (mistake.entry, mistake.key) == ("a", key)
    assert reason in mistake.reason


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "there are no schedules; begin each entry with [[schedule]]"),
        (b"id =", "it is no TOML"),
        (b"\xff", "it is no TOML"),
        (b'[daily]\nid = "a"', "daily: begin each entry with [[schedule]]"),
        (b"schedule = [5]", "entry 1: 5 is no table"),
        (b'[[schedule]]\ntype = "t"\ninterval = 5', "entry 1: id: it is missing"),
        (b'[[schedule]]\nid = "a"\ninterval = 5', "a: type: it is missing"),
        (b'[[schedule]]\nid = ""\ntype = "t"\ninterval = 5', "entry 1: id: "),
        (b'[[schedule]]\nid = 5\ntype = "t"\ninterval = 5', "entry 1: id: "),
        (b'[[schedule]]\nid = "a"\ntype = "a-b"\ninterval = 5', "a: type: "),
        (entry("interval = 5") + b"\n" + entry("interval = 5"), "a: id: it is in the file twice"),
    ],
)
def test_a_file_that_is_none_says_so(content: bytes, said: str) -> None:
    """
    Whatever stands in it.
    """
    (mistake,) = declared_in(content).mistakes

    assert said in str(mistake)


def test_one_entry_may_have_single_brackets() -> None:
    """
    It is what TOML makes of it.
    """
    content = entry("interval = 5").replace(b"[[schedule]]", b"[schedule]")

    assert len(declared_in(content).requests) == 1


# The command.


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(checking, "_now", lambda: NOON)


def check(*arguments: str) -> Result:
    """
    Run the command in this process.
    """
    return CliRunner().invoke(azoth_scheduler, ["check", *arguments])


def told(*arguments: str) -> Any:  # noqa: ANN401 - JSON
    """
    What it says to machines.
    """
    return json.loads(check(*arguments, "--json").stdout)


def test_a_sound_file_is_said_to_be_sound(tmp_path: Path) -> None:
    """
    With exit code 0, and nothing is written.
    """
    Path("schedules.toml").write_text(GOOD)

    sound = check("schedules.toml")

    assert (sound.exit_code, sound.stdout) == (0, "")
    assert sound.stderr == "4 schedules, no mistake\n"
    assert told("schedules.toml") == {
        "valid": True,
        "schedules": 4,
        "mistakes": [],
        "warnings": [],
    }
    assert [path.name for path in tmp_path.iterdir()] == ["schedules.toml"]


def test_mistakes_are_listed_with_exit_code_1() -> None:
    """
    A line each.
    """
    Path("schedules.toml").write_bytes(entry("interval = 0", "max_run = 3"))

    found = check("schedules.toml")

    assert found.exit_code == 1
    assert found.stdout.startswith("a: max_run: there is no such key; perhaps 'max_runs'\n")
    assert found.stderr == "2 mistakes\n"
    assert [one["key"] for one in told("schedules.toml")["mistakes"]] == ["max_run", "interval"]


def test_what_never_fires_is_a_mistake() -> None:
    """
    Only scheduling finds that out.
    """
    Path("schedules.toml").write_bytes(entry("interval = 5", "end = 2001-01-01T00:00:00Z"))

    (mistake,) = told("schedules.toml")["mistakes"]

    assert (mistake["entry"], mistake["key"]) == ("a", "schedule")


def test_what_is_probably_not_meant_is_told_and_no_mistake() -> None:
    """
    As `lint` says it.
    """
    Path("schedules.toml").write_bytes(entry('cron = "0 30 9 * * 1-5"'))

    found = check("schedules.toml")

    assert found.exit_code == 0
    assert found.stdout.startswith("careful: a: cron: weekday 1-5 counts from Sunday = 0")


@pytest.mark.parametrize("target", ["declared_here:requests", "declared_here", "declared_here.py"])
def test_a_python_module_is_looked_through(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    By its name or its file; `requests` where no attribute is named.
    """
    monkeypatch.delitem(sys.modules, "declared_here", raising=False)
    Path("declared_here.py").write_text(
        "from azoth_scheduler import Interval, ScheduleTaskRequest\n"
        "def requests():\n"
        "    yield ScheduleTaskRequest('a', 't', Interval(5))\n"
        "    yield ScheduleTaskRequest('a', 't', Interval(6))\n"
        "    yield 5\n"
    )

    found = check(target)

    assert found.exit_code == 1
    assert found.stdout.splitlines() == [
        "entry 3: 5 is no request; give a ScheduleTaskRequest",
        "a: id: it is declared twice; leave one out",
    ]


@pytest.mark.parametrize(
    ("made", "entry_named", "key"),
    [
        ("ScheduleTaskRequest('a', 't', Interval(5), max_runs=0)", "a", "max_runs"),
        ("ScheduleTaskRequest('a', 't', Interval(0))", "", "schedule"),
    ],
)
def test_the_first_mistake_of_a_module_is_told(made: str, entry_named: str, key: str) -> None:
    """
    With its place: a request is looked through when it is made.
    """
    Path("broken.py").write_text(
        f"from azoth_scheduler import Interval, ScheduleTaskRequest\nrequests = [{made}]\n"
    )

    found = check("broken.py")
    (mistake,) = told("broken.py")["mistakes"]

    assert found.exit_code == 1
    assert (mistake["entry"], mistake["key"]) == (entry_named, key)
    assert "broken.py, line 2" in mistake["reason"]


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("nowhere.toml", "'nowhere.toml' cannot be read: No such file"),
        ("nowhere.py", "there is no file 'nowhere.py'"),
        ("nowhere:requests", "there is no module 'nowhere'"),
        ("given.py:nothing", "has no 'nothing'; there is here"),
        ("given.py:number", "is 5; name a list of requests"),
        ("given.py:fails", "calling given.py:fails failed: ValueError: no"),
        ("given.py:stops", "reading given.py:stops failed: ValueError: half-way"),
        ("raises.py", "running raises.py failed: ZeroDivisionError"),
    ],
)
def test_what_cannot_be_looked_through_is_a_usage_error(target: str, said: str) -> None:
    """
    Exit code 2, one sentence and no traceback.
    """
    Path("raises.py").write_text("1 / 0\n")
    Path("given.py").write_text(
        "number, here = 5, []\n"
        "def fails():\n    raise ValueError('no')\n"
        "def stops():\n    yield 1\n    raise ValueError('half-way')\n"
    )

    refused = check(target)

    assert refused.exit_code == 2
    assert said in " ".join(refused.stderr.split())
    assert "Traceback" not in refused.output
