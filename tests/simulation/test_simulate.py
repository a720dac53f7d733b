"""
The command `azoth-scheduler simulate`: what it plays, what it prints, and what it leaves.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any, Final

import pytest
from attrs import evolve
from click.testing import CliRunner, Result

from azoth import Microseconds, urls
from azoth_scheduler.cli import simulation_session
from azoth_scheduler.cli.commands import azoth_scheduler
from azoth_scheduler.retries import RetryPolicy
from azoth_scheduler.simulation import Played, examine, read_scenario, scenario_of
from azoth_scheduler.simulation.scenarios.scenario import VERSION
from azoth_scheduler.simulation.scenarios.sometimes import SOMETIMES
from azoth_scheduler.simulation.scenarios.tallying import Tally
from tests.house.sources import ROOT

SEED: Final = 200
"""Of a few scenarios in which faults strike."""

TEN: Final = Microseconds(600_000_000)
BUG: Final = """
from azoth_scheduler.retries import RetryPolicy

right = RetryPolicy.delay
RetryPolicy.delay = lambda self, failures: right(self, failures + 1)
"""


def simulate(*arguments: str) -> Result:
    """
    Run the command in this process.
    """
    return CliRunner().invoke(azoth_scheduler, ("simulate", *arguments))


def objects(result: Result) -> list[Any]:
    """
    The JSON lines that it printed.
    """
    assert result.exit_code in {0, 1}, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture
def bug(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Waits that are one failure too long.
    """
    plant(monkeypatch)


def plant(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Let a retry wait for as long as the next one should.
    """
    right: Callable[[RetryPolicy, int], Microseconds] = RetryPolicy.delay
    monkeypatch.setattr(RetryPolicy, "delay", lambda self, failures: right(self, failures + 1))


@pytest.fixture(scope="module")
def found() -> int:
    """
    The first seed that finds the bug in ten minutes.
    """
    with pytest.MonkeyPatch.context() as monkeypatch:
        plant(monkeypatch)
        return next(seed for seed in count(SEED) if examine(scenario_of(seed, TEN)).breaches)


def test_one_seed_is_told_with_what_may_go_wrong_and_what_came_of_it() -> None:
    """
    The header has the swarm options; the hash says whether two runs are the same.
    """
    result = simulate("--seed", f"{SEED}@{VERSION}")
    played = examine(scenario_of(SEED))

    assert result.exit_code == 0
    assert result.stdout.splitlines()[0] == str(scenario_of(SEED))
    assert f"trace {played.hash}, schedule table {played.digest}" in result.stdout
    assert re.search(rf"steps +{played.steps:,} ", result.stdout)


def test_a_seed_is_drawn_and_printed_if_none_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    What was played can be played again.
    """
    monkeypatch.setattr(simulation_session, "randbelow", lambda limit: limit - 1)

    assert simulate("--until", "1min").stdout.startswith(f"seed 999999999@{VERSION}: ")


def test_a_trace_is_told_line_by_line() -> None:
    """
    All that happens, with `--json` an object for each line.
    """
    lines = examine(scenario_of(SEED), keeps_trace=True).lines
    told = objects(simulate("--seed", str(SEED), "--trace", "--json"))

    assert [one["line"] for one in told if one["kind"] == "trace"] == list(lines)
    assert set(lines) <= set(simulate("--seed", str(SEED), "--trace").stdout.splitlines())


def test_faults_last_as_long_as_it_is_told() -> None:
    """
    A span is a number of seconds, or one with its unit.
    """
    for given in ("120", "120s", "2min"):
        first = simulate("--seed", str(SEED), "--until", given).stdout.splitlines()[0]

        assert first == str(scenario_of(SEED, Microseconds(120_000_000)))


@pytest.mark.usefixtures("bug")
def test_the_command_that_repeats_a_failure_gives_its_span_exactly(
    tmp_path: Path, found: int
) -> None:
    """
    A rounded one would write another scenario.
    """
    given = ("--seed", f"{found}@{VERSION}", "--until", "1234567.25s")
    printed = simulate(*given, "--out", str(tmp_path)).stdout

    assert " slots for 1234567.25 s, poll " in printed
    assert f"azoth-scheduler simulate {' '.join(given)}" in printed


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_many_seeds_are_summed_up(jobs: str) -> None:
    """
    The sums are those of the scenarios, whoever played them.
    """
    *_, summary = objects(simulate("--seed", str(SEED), "--runs", "6", "--jobs", jobs, "--json"))
    played = [examine(scenario_of(seed)) for seed in range(SEED, SEED + 6)]
    faults: dict[str, int] = {}
    for one in played:
        for name, times in one.faults.items():
            faults[name] = faults.get(name, 0) + times

    assert summary["scenarios"] == 6
    assert summary["failures"] == 0
    assert summary["steps"] == sum(one.steps for one in played)
    assert summary["simulated_seconds"] == sum(one.simulated for one in played) / 1_000_000
    assert summary["faults"] == faults
    assert set(summary["sometimes"]) | set(summary["never"]) == set(SOMETIMES)


def test_the_sums_are_printed_for_people() -> None:
    """
    Scenarios, steps, simulated time, faults by kind, rare states, and those that are missing.
    """
    result = simulate("--seed", str(SEED), "--runs", "4")

    assert result.exit_code == 0
    for word in ("scenarios", "steps", "simulated", "fault ", "rare state ", "never reached: "):
        assert f"\n{word}" in result.stdout
    assert "playing scenarios: 4 of 4" in result.stderr


def test_it_goes_on_for_as_long_as_it_is_told() -> None:
    """
    At least one scenario is played, then as many as the time holds.
    """
    *_, summary = objects(simulate("--seed", str(SEED), "--for", "0.2s", "--json"))

    assert summary["scenarios"] >= 1
    assert summary["seconds"] >= 0.2
    assert "playing seconds" in simulate("--for", "0.2s", "--seed", str(SEED)).stderr


def test_a_rare_state_that_was_never_reached_can_fail_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    A search that has not seen everything proves less than it seems to.
    """
    assert simulate("--seed", str(SEED), "--runs", "2", "--sometimes").exit_code == 1

    monkeypatch.setattr("azoth_scheduler.simulation.scenarios.tallying.SOMETIMES", ())
    assert simulate("--seed", str(SEED), "--runs", "2", "--sometimes").exit_code == 0


@pytest.mark.usefixtures("bug")
def test_a_failure_says_what_broke_where_and_how_to_repeat_it(tmp_path: Path, found: int) -> None:
    """
    Invariant, position, seed, one command, and a smaller plan with its story.
    """
    out = tmp_path / "failures"
    command = ("--seed", f"{found}@{VERSION}", "--until", "600s", "--store", "sqlite")
    result = simulate(*command, "--out", str(out))

    assert result.exit_code == 1
    assert re.search(r"^C6 does not hold, first at position \d+:$", result.stdout, re.MULTILINE)
    assert f"azoth-scheduler simulate {' '.join(command)}" in result.stdout
    assert f"seed {found}@{VERSION}: C6 at " in result.stderr
    plan = out / f"seed-{found}.json"
    whole = scenario_of(found, TEN)
    assert len(read_scenario(plan).acts) < len(whole.acts)
    assert "What does not hold:" in plan.with_suffix(".txt").read_text()
    again = simulate("--plan", str(plan), "--out", str(out), "--json")
    assert [one["invariant"] for one in objects(again) if one["kind"] == "failure"] == ["C6"]


def test_the_test_that_is_left_fails_until_the_bug_is_gone(
    tmp_path: Path, found: int, request: pytest.FixtureRequest
) -> None:
    """
    It is a test like any other: put it into the suite.
    """
    request.getfixturevalue("bug")
    simulate("--seed", str(found), "--until", "10min", "--out", str(tmp_path))
    planted = tmp_path / "conftest.py"
    planted.write_text(BUG)

    assert outcome_of(tmp_path) == (1, "1 failed")
    planted.unlink()
    assert outcome_of(tmp_path) == (0, "1 passed")


def outcome_of(folder: Path) -> tuple[int, str]:
    """
    Run the tests of a folder as somebody who has the library installed.
    """
    told = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", folder],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'stores'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    return told.returncode, " ".join(told.stdout.splitlines()[-1].split()[:2])


@pytest.mark.usefixtures("bug")
def test_an_invariant_is_kept_once_and_many_failures_are_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The twentieth failure of one kind tells nothing new.
    """
    monkeypatch.setattr(simulation_session, "_FAILURES_MAX", 2)
    told = objects(simulate("--seed", str(SEED), "--runs", "99", "--json", "--out", str(tmp_path)))
    first, second = (one for one in told if one["kind"] == "failure")

    assert first["invariant"] == second["invariant"] == "C6"
    assert Path(first["kept"]["test"]).is_file()
    assert (second["kept"], second["remark"]) == ({}, "nothing: this invariant has its files")
    assert told[-1]["failures"] == 2


@pytest.mark.usefixtures("bug")
def test_a_failure_is_told_also_where_nothing_can_be_kept(tmp_path: Path, found: int) -> None:
    """
    A folder that cannot be made hides no failure.
    """
    (tmp_path / "file").touch()
    out = str(tmp_path / "file" / "folder")
    result = simulate("--seed", str(found), "--until", "10min", "--out", out)

    assert result.exit_code == 1
    assert "C6 does not hold" in result.stdout
    assert "nothing: [Errno 20] Not a directory" in result.stdout


def test_a_scheduler_that_falls_over_has_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Whatever is raised is told with the seed, and shrunk as any failure.
    """
    monkeypatch.setattr("azoth_scheduler.worker.Worker.phases", lambda _: 1 / 0)
    result = simulate("--seed", str(SEED), "--out", str(tmp_path))

    assert result.exit_code == 1
    assert "raised does not hold, first at position" in result.stdout
    assert "ZeroDivisionError: division by zero, at test_simulate.py:" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--seed", "x"), "'x' is no seed; give a number such as 17"),
        (("--seed", "17@999"), "seed 17@999 was printed by version 999 of the simulation"),
        (("--until", "soon"), "'soon' is no span of time; write seconds, or 90s, 5min, 12h, 30d"),
        (("--until", "0"), "0.0 is not in the range 1<=x<=31622400"),
        (("--for", "nan"), "'nan' is no finite number of seconds"),
        (("--runs", "0"), "0 is not in the range"),
        (("--jobs", "0"), "0 is not in the range"),
        (("--plan", "nowhere.json"), "'nowhere.json' does not exist"),
        (("--plan", __file__), f"{__file__} holds no scenario"),
        (("--plan", __file__, "--seed", "1"), "--plan plays a scenario"),
        (("--trace", "--runs", "2"), "--trace tells of one scenario"),
        (("--store", "paper"), "'paper' is not one of 'memory', 'sqlite', 'lmdb'"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: tuple[str, ...], said: str) -> None:
    """
    Before anything is played, in a sentence that says what to write.
    """
    result = simulate(*arguments)

    assert result.exit_code == 2
    assert said in " ".join(result.stderr.split())


def test_a_store_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Its sentence says what to install.
    """
    monkeypatch.setitem(sys.modules, "lmdb", None)
    for name in [name for name in sys.modules if name.startswith("azoth_lmdb")]:
        monkeypatch.delitem(sys.modules, name)
    # Another test may have opened one.
    urls._factory.cache_clear()
    result = simulate("--store", "lmdb")

    assert result.exit_code == 3
    assert "pip install" in result.stderr


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_an_interrupt_ends_it_with_what_was_played(
    jobs: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Ctrl-C says how far it came, and leaves no process behind.
    """
    from multiprocessing import active_children

    add = Tally.add

    def interrupted(tally: Tally, played: Played) -> None:
        add(tally, played)
        if tally.scenarios == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(Tally, "add", interrupted)
    result = simulate("--seed", str(SEED), "--runs", "99", "--jobs", jobs)

    assert result.exit_code == 130
    assert re.search(r"^scenarios +2 ", result.stdout, re.MULTILINE)
    assert "interrupted" in result.stderr
    assert active_children() == []


def test_a_player_that_dies_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Nobody waits for an answer that never comes.
    """
    no_number: Any = "none"
    scenario = evolve(scenario_of(SEED), seed=no_number)
    monkeypatch.setattr(simulation_session, "scenario_of", lambda *_: scenario)
    result = simulate("--runs", "2", "--jobs", "2")

    assert result.exit_code == 1
    assert "a process that played a scenario has ended" in result.stderr
