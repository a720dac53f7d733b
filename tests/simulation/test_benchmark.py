"""
The benchmark of the simulation prints its answers; how quick it is depends on the machine.
"""

import runpy
from pathlib import Path

import pytest

pytestmark = pytest.mark.uncovered

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "simulation.py"


def test_the_benchmark_answers_both_its_questions(capsys: pytest.CaptureFixture[str]) -> None:
    """
    Whole scenarios, then cron tasks.
    """
    told = runpy.run_path(str(BENCHMARK))
    told["show_scenarios"](1)
    told["show_year"](3, 8)

    printed = capsys.readouterr().out
    assert printed.startswith("1 scenarios, ")
    assert "8 days of 3 cron tasks: " in printed
