"""
The pytest fixture: a seed for each test, a check behind its last line, and what a failure tells.
"""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from azoth_scheduler.testing.fixtures import seed_of

pytestmark = pytest.mark.uncovered

TESTS: Final = """
from azoth import ANY, NewEvent, Write
from azoth_scheduler import Interval, ScheduleTaskRequest, TaskEvent, task_handler

@task_handler("report")
def report(ctx, payload):
    return TaskEvent("report_made")

def started(simulate, **options):
    simulated = simulate([report], **options)
    simulated.schedule_task(ScheduleTaskRequest("often", "report", Interval(60)))
    simulated.advance(hours=1)
    return simulated

def test_sound(simulate, request):
    simulated = started(simulate)
    simulated.assert_ran("often", times=60)
    started(simulate).close()
    print("seed of", request.node.name, simulated.seed)

def test_failing(simulate):
    started(simulate, faults={"append.lost_answer": 50}).assert_ran("often", times=61)

def test_given(simulate):
    assert started(simulate, seed=5).seed == 6

def test_unsound(simulate):
    simulated = started(simulate)
    # An outcome that nobody claimed.
    claim = next(event for event in simulated.events if event.type == "TaskExecuted")
    stream = Write("$task-often", [NewEvent(claim.type, claim.data)], ANY)
    simulated.store.append(stream)

def test_without_it():
    assert not "a simulation"
"""


def ran(folder: Path, *arguments: str) -> str:
    """
    Run the tests in a folder, and return what pytest printed.
    """
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-rP", "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        # Only its own plug-in: others take longer to load than the tests to run.
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """
    Return a folder with a user's tests.
    """
    path = tmp_path_factory.mktemp("reports")
    path.joinpath("conftest.py").write_text('pytest_plugins = ["azoth_scheduler.testing.fixtures"]')
    path.joinpath("test_reports.py").write_text(TESTS)
    path.joinpath("pytest.ini").write_text("[pytest]")
    return path


def test_a_failure_names_its_seed_and_the_line_that_repeats_it(folder: Path) -> None:
    """
    Each test has the seed of its name; what does not hold behind its last line fails it.
    """
    printed = ran(folder)

    assert "4 failed, 1 passed" in printed
    assert f"seed of test_sound {seed_of('test_reports.py::test_sound')}" in printed
    repeats = re.findall(r"Repeat it: (.*)", printed)
    failing = seed_of("test_reports.py::test_failing")
    assert repeats[:2] == [
        f"pytest test_reports.py::test_failing --azoth-seed {failing}",
        "pytest test_reports.py::test_given --azoth-seed 5",
    ]
    assert repeats[2].startswith("pytest test_reports.py::test_unsound --azoth-seed ")
    assert len(repeats) == 3
    assert re.search(r"InvariantBroken: 'C\d+' does not hold at position 182", printed)


def test_an_option_chooses_the_seed_of_all(folder: Path) -> None:
    """
    As the line that repeats a failure does.
    """
    printed = ran(folder, "--azoth-seed", "12", "-k", "test_sound")

    assert "seed of test_sound 12" in printed
    assert "1 passed" in printed


def test_the_seed_of_a_test_is_its_own() -> None:
    """
    The same on each machine.
    """
    assert seed_of("tests/test_a.py::test_a") == 46_347_897
    assert seed_of("tests/test_a.py::test_b") != seed_of("tests/test_a.py::test_a")
