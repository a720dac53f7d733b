"""
The examples: each is run as its first lines say, and prints what it promises.
"""

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

pytestmark = pytest.mark.uncovered

EXAMPLES: Final = Path(__file__).parents[2] / "examples"


def run(name: str, *arguments: str, cwd: Path) -> list[str]:
    """
    Run an example to its end and return the lines that it printed.
    """
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return done.stdout.splitlines()


def told(lines: list[str], what: str) -> int:
    """
    Count what handlers said; two that print at the same time may share a line.
    """
    return sum(line.count(what) for line in lines)


def test_the_basic_scheduler_reacts_to_what_its_tasks_did(tmp_path: Path) -> None:
    """
    Three reports lead to three e-mails, the first of which is sent in its second attempt.
    """
    lines = run("basic_scheduler.py", cwd=tmp_path)

    assert told(lines, "making the") == 3
    assert told(lines, "sent the") == 3
    assert lines[-2:] == [
        "mail-sales, attempt 1: failed the mail server is busy",
        "mail-sales, attempt 2: succeeded ",
    ]


def test_the_basic_scheduler_can_be_started_again_on_its_log(tmp_path: Path) -> None:
    """
    What is done stays done: no e-mail is sent a second time.
    """
    url = "sqlite:///log.db"
    first = run("basic_scheduler.py", url, cwd=tmp_path)
    second = run("basic_scheduler.py", url, cwd=tmp_path)

    assert told(first, "sent the") == 3
    assert told(second, "sent the") == 0


def test_cron_tasks_run_for_a_while_and_say_what_is_to_come(tmp_path: Path) -> None:
    """
    Each second and every 0.7 s, and what lies far ahead is listed.
    """
    lines = run("cron_tasks.py", "1.6", cwd=tmp_path)

    assert lines[0] == "At 02:30, by the clocks of Europe/Berlin."
    assert any(line.endswith("heartbeat: alive") for line in lines)
    assert any(line.endswith("cleanup: cleaned up") for line in lines)
    assert any(line.startswith("nightly-report: 0 runs, next (UTC) ") for line in lines)


def test_an_application_runs_a_scheduler_in_its_own_loop(tmp_path: Path) -> None:
    """
    Coroutines run beside it; the one that hangs is cancelled at its deadline.
    """
    lines = run("async_app.py", cwd=tmp_path)

    assert told(lines, "is done") == 2
    assert told(lines, "hang was cancelled") == 1
    assert lines[-3:] == ["mail-ada: succeeded", "mail-bob: succeeded", "stuck: timed_out"]


def test_a_simulated_month_finds_what_a_crash_does(tmp_path: Path) -> None:
    """
    The invoice that was sent when its process died is sent once more, by the same run.
    """
    lines = run("simulated_month.py", cwd=tmp_path)

    assert lines[0].endswith("events until 2026-03-31")
    assert lines[1].endswith(" ada/1@2026-03-10T01:30:00Z")


def test_every_example_is_run_here() -> None:
    """
    A new example needs a test.
    """
    names = {path.name for path in EXAMPLES.glob("*.py")}

    assert names == {
        "async_app.py",
        "basic_scheduler.py",
        "cron_tasks.py",
        "simulated_month.py",
    }
