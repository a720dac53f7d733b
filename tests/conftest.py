"""
What a run of the tests tells at its end.

It stands here, not beside the mutants: with several workers, the process that prints collects
nothing and so reads no `conftest.py` below this one.
"""

import pytest

__all__ = ["pytest_terminal_summary"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """
    Print which test of the suite killed which mutant store.
    """
    told = [dict(report.user_properties) for report in terminalreporter.stats.get("passed", ())]
    rows = sorted((each["mutant"], each["killed by"]) for each in told if "killed by" in each)
    if not rows:
        return
    terminalreporter.section(
        f"{len(rows)} mutant stores, and the test of the suite that kills each"
    )
    width = max(len(mutant) for mutant, _ in rows)
    for mutant, killer in rows:
        terminalreporter.write_line(f"{mutant:{width}}  {killer}")
