"""
What a run of the tests tells at its end.

It stands here, not beside the mutants: with several workers, the process that prints collects
nothing and so reads no `conftest.py` below this one.
"""

from collections import Counter

import pytest

__all__ = ["pytest_terminal_summary"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """
    Print what killed which mutant: of the stores by a test, of the scheduler by an invariant.
    """
    told = [dict(report.user_properties) for report in terminalreporter.stats.get("passed", ())]
    rows = sorted(
        (str(each["mutant"]), str(each["killed by"]), str(each.get("after", "")))
        for each in told
        if "killed by" in each
    )
    stores = [row for row in rows if not row[2]]
    planted = [row for row in rows if row[2]]
    _table(terminalreporter, stores, "mutant stores, and the test of the suite that kills each")
    _table(terminalreporter, planted, "planted bugs, the invariant that kills each, and after what")
    if planted:
        kills = Counter(invariant for _, invariant, _ in planted)
        listed = ", ".join(f"{invariant} {count}" for invariant, count in kills.most_common())
        terminalreporter.write_line(f"By invariant: {listed}")


def _table(reporter: pytest.TerminalReporter, rows: list[tuple[str, str, str]], title: str) -> None:
    if not rows:
        return
    reporter.section(f"{len(rows)} {title}")
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        cells = (f"{cell:{width}}" for cell, width in zip(row, widths, strict=True))
        reporter.write_line("  ".join(cells).rstrip())
