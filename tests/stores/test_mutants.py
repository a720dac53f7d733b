"""
The suite is not hollow: each store that is broken on purpose fails it, by name.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import pytest

from azoth.testing.conformance import StoreConformance
from tests.stores.mutants.registry import MUTANTS, Mutant

pytestmark = pytest.mark.uncovered

SUITE: Final = Path(__file__).parent / "mutants" / "suite.py"
ROOT: Final = Path(__file__).parents[2]

# A run within a run: what prints, measures or limits is the outer one's.
OPTIONS: Final = (
    f"--rootdir={ROOT}",
    f"--config-file={os.devnull}",
    "--import-mode=importlib",
    "--noconftest",
    "--capture=no",
    *[
        f"-p no:{name}"
        for name in ("terminal", "cacheprovider", "faulthandler", "logging", "threadexception")
    ],
    "-p no:unraisableexception",
)


@pytest.fixture(name="verdicts")
def _verdicts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., dict[str, list[str]]]:
    """
    Run tests of the suite on a mutant, and tell of each by name how it ended.
    """
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

    def run(mutant: Mutant, test: str = "", *options: str) -> dict[str, list[str]]:
        verdicts = Verdicts(test.partition("[")[0])
        node = "::".join([str(SUITE), f"Test{mutant.name}", *([test] if test else [])])
        pytest.main([node, *OPTIONS, f"--basetemp={tmp_path / 'suite'}", *options], [verdicts])
        return verdicts.outcomes

    return run


class Verdicts:
    """
    Be a plugin that notes how each test ended.

    Args:
        test: The only one that is collected; empty for all of them.
    """

    def __init__(self, test: str) -> None:
        self._test = test
        self.outcomes: dict[str, list[str]] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_pycollect_makeitem(self, name: str) -> Sequence[pytest.Item] | None:
        # The suite has 150 tests, and making all of them takes longer than running one.
        return [] if self._test and name.startswith("test_") and name != self._test else None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.failed:
            self.outcomes.setdefault(report.outcome, []).append(report.nodeid.split("::", 2)[2])


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_is_killed(
    mutant: Mutant,
    verdicts: Callable[..., dict[str, list[str]]],
    record_property: Callable[[str, object], None],
) -> None:
    """
    The test that is named for it fails, and no store but the mutant fails that test.
    """
    outcomes = verdicts(mutant, mutant.killer, "--maxfail=1")

    (killer,) = outcomes["failed"]
    assert killer.startswith(mutant.killer)
    record_property("mutant", mutant.name)
    record_property("killed by", mutant.killer)


@pytest.mark.soak
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_whole_suite_ends_on_a_mutant(
    mutant: Mutant, verdicts: Callable[..., dict[str, list[str]]]
) -> None:
    """
    Whatever else fails, nothing hangs, and the test that is named is among those that fail.
    """
    outcomes = verdicts(mutant)

    assert any(name.startswith(mutant.killer) for name in outcomes["failed"])


def test_each_kind_of_fault_has_its_mutant() -> None:
    """
    Each mutant has a name, says what is broken, and is killed by a test that the suite has.
    """
    names = [mutant.name for mutant in MUTANTS]

    assert len(set(names)) == len(names) > 10
    assert all(mutant.fault for mutant in MUTANTS)
    killers = [mutant.killer.partition("[")[0] for mutant in MUTANTS]
    assert [killer for killer in killers if not hasattr(StoreConformance, killer)] == []
