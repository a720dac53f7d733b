"""
The command `doctor`: what a store stands on, what endangers it, and what to do.
"""

from collections.abc import Sequence
from typing import Final

import click
from rich.table import Table
from rich.text import Text

from azoth.cli.checking import problems_of
from azoth.cli.opening import NOT_SO, StoreTrouble, json_option, looking_at, store_arguments
from azoth.cli.output import clean, console, print_json
from azoth.cli.progress import progress_shown
from azoth.errors import StoreCorrupt
from azoth.store import DiagnosableStore, EventStore, Finding, Progress

__all__ = ["doctor"]

_STYLES: Final = {"ok": "green", "warning": "yellow", "problem": "red"}


@click.command()
@store_arguments
@json_option
@click.option("--quick", is_flag=True, help="Leave out verification, which reads every record.")
def doctor(url: str | None, store: str | None, *, as_lines: bool, quick: bool) -> None:
    """
    Say on what a store stands, what endangers it, and what to do; nothing is changed.

    Exit codes: 0 healthy, warnings or not; 1 something is wrong; 2 the command was not understood;
    3 the store cannot be opened or used.
    """
    try:
        with (
            looking_at(url, store) as log,
            progress_shown(quiet=as_lines, doing="checking") as progress,
        ):
            findings = _findings(log, None if quick else progress)
    except StoreTrouble as trouble:
        if not isinstance(trouble.__cause__, StoreCorrupt):
            raise
        advice = str(trouble.__cause__)
        findings = [Finding(name="opening", value=None, level="problem", advice=advice)]
    if as_lines:
        _print_as_json(url or store or "", findings)
    else:
        _print(findings)
    if _count(findings, "problem"):
        raise SystemExit(NOT_SO)


def _findings(log: EventStore, progress: Progress | None) -> Sequence[Finding]:
    findings = (
        list(log.diagnose())
        if isinstance(log, DiagnosableStore)
        else [Finding(name="head", value=log.wait(0, 0))]
    )
    return findings if progress is None else [*findings, _verification(log, progress)]


def _verification(log: EventStore, progress: Progress) -> Finding:
    try:
        head = log.wait(0, 0)
        problems = problems_of(log, head, progress)
    except StoreCorrupt as error:
        return Finding(name="verification", value=None, level="problem", advice=str(error))
    if not problems:
        return Finding(name="verification", value=f"{head} events, sound")
    return Finding(
        name="verification",
        value=f"{len(problems)} problems, the first: {problems[0].reason}",
        level="problem",
        advice="`azoth verify` lists them; restore a backup",
    )


def _print_as_json(where: str, findings: Sequence[Finding]) -> None:
    rows = [
        {
            "name": finding.name,
            "value": finding.value,
            "level": finding.level,
            "advice": finding.advice,
        }
        for finding in findings
    ]
    healthy = not _count(findings, "problem")
    print_json({"store": where, "healthy": healthy, "findings": rows})


def _print(findings: Sequence[Finding]) -> None:
    table = Table.grid(padding=(0, 2))
    for finding in findings:
        value = Text(_shown(finding.value), overflow="fold")
        name = Text(finding.name.replace("_", " "), style="dim")
        table.add_row(Text(finding.level, style=_STYLES[finding.level]), name, value)
        if finding.advice:
            table.add_row("", "", Text(clean(finding.advice), style="italic", overflow="fold"))
    console().print(table)
    counts = [
        f"{count} {level}{'' if count == 1 else 's'}"
        for level in ("problem", "warning")
        if (count := _count(findings, level))
    ]
    click.echo(", ".join(counts) or "healthy", err=True)


def _shown(value: str | int | None) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else clean(value)


def _count(findings: Sequence[Finding], level: str) -> int:
    return sum(finding.level == level for finding in findings)
