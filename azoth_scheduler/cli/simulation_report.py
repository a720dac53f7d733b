"""
What the command `simulate` prints: words for people, one object a line for machines.
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Final, Protocol

import click
from attrs import asdict, frozen
from rich.table import Table
from rich.text import Text

from azoth import Microseconds, timedelta_of
from azoth.cli.output import clean, print_json
from azoth_scheduler.cli.tables import screen
from azoth_scheduler.cli.words import span
from azoth_scheduler.simulation import Played
from azoth_scheduler.simulation.invariants import Breach
from azoth_scheduler.simulation.scenarios.reproducing import Kept
from azoth_scheduler.simulation.scenarios.tallying import Tally

__all__ = ["Failure", "Objects", "Report", "Words"]

_PER_SECOND: Final = 1_000_000


@frozen(kw_only=True)
class Failure:
    """
    Hold what is to be known of a scenario that failed.

    Attributes:
        breach: The first thing that does not hold.
        seed: With its version.
        command: Repeats it.
        kept: The files that it left, if any.
        remark: How much smaller the plan is than the scenario, or why there is none.
    """

    breach: Breach
    seed: str
    command: str
    kept: Kept | None
    remark: str


class Report(Protocol):
    """
    Tell somebody what is played, and what became of it.
    """

    def begin(self, what: str) -> None:
        """
        Tell what is going to be played.
        """
        ...

    def tell(self, played: Played) -> None:
        """
        Tell what became of one scenario, and of its trace what was kept.
        """
        ...

    def fail(self, failure: Failure) -> None:
        """
        Tell of a failure, as soon as it is known.
        """
        ...

    def conclude(self, tally: Tally, spent: Microseconds) -> None:
        """
        Tell what all came to, and in how much time.
        """
        ...


class Objects:
    """
    Tell it to a machine.
    """

    def begin(self, what: str) -> None:
        """
        Print it as an object.
        """
        print_json({"kind": "begin", "what": what})

    def tell(self, played: Played) -> None:
        """
        Print an object for each line of the trace, and one for the scenario.
        """
        for line in played.lines:
            print_json({"kind": "trace", "line": line})
        print_json(
            {
                "kind": "scenario",
                "seed": played.scenario.seed,
                "version": played.scenario.version,
                "holds": not played.breaches,
                "hash": played.hash,
                "digest": played.digest,
                "struck": list(played.struck),
            }
        )

    def fail(self, failure: Failure) -> None:
        """
        Print it as an object.
        """
        kept = {} if failure.kept is None else asdict(failure.kept)
        print_json(
            {
                "kind": "failure",
                **asdict(failure.breach),
                "seed": failure.seed,
                "command": failure.command,
                "kept": {name: str(path) for name, path in kept.items()},
                "remark": failure.remark,
            }
        )

    def conclude(self, tally: Tally, spent: Microseconds) -> None:
        """
        Print the sums as one object.
        """
        print_json(
            {
                "kind": "summary",
                "scenarios": tally.scenarios,
                "failures": tally.failures,
                "steps": tally.steps,
                "events": tally.events,
                "simulated_seconds": tally.simulated / _PER_SECOND,
                "seconds": spent / _PER_SECOND,
                "faults": dict(sorted(tally.faults.items())),
                "sometimes": dict(sorted(tally.sometimes.items())),
                "never": list(tally.never),
            }
        )


class Words:
    """
    Tell it to a person: failures at once in a line, and in full at the end.
    """

    def __init__(self) -> None:
        self._failures: list[Failure] = []

    def begin(self, what: str) -> None:
        """
        Print it.
        """
        click.echo(what)

    def tell(self, played: Played) -> None:
        """
        Print the trace, and the hash that says whether two runs are the same.
        """
        for line in played.lines:
            click.echo(clean(line))
        if not played.breaches:
            click.echo(f"all holds; trace {played.hash}, schedule table {played.digest}")

    def fail(self, failure: Failure) -> None:
        """
        Print a line where the progress is shown.
        """
        self._failures.append(failure)
        click.echo(clean(f"seed {failure.seed}: {failure.breach}"), err=True)

    def conclude(self, tally: Tally, spent: Microseconds) -> None:
        """
        Print the failures and the sums.
        """
        for failure in self._failures:
            _print_failure(failure)
        shown = screen()
        shown.print(_sums(tally, spent))
        for title, counts in (("fault", tally.faults), ("rare state", tally.sometimes)):
            if counts:
                shown.print()
                shown.print(_counts(title, counts))
        if tally.scenarios > 1 and tally.never:
            click.secho(f"\nnever reached: {'; '.join(tally.never)}", fg="yellow")


def _print_failure(failure: Failure) -> None:
    breach = failure.breach
    click.secho(
        clean(f"{breach.invariant} does not hold, first at position {breach.position}:"), fg="red"
    )
    click.echo(f"  {clean(breach.what)}")
    rows = {"seed": failure.seed, "repeat it": failure.command}
    if failure.kept is not None:
        rows |= {name: str(path) for name, path in asdict(failure.kept).items()}
    rows["kept"] = failure.remark
    table = Table.grid(padding=(0, 2))
    for name, value in rows.items():
        table.add_row(Text(f"  {name}", style="dim"), Text(clean(value), overflow="fold"))
    screen().print(table)
    click.echo()


def _sums(tally: Tally, spent: Microseconds) -> Table:
    made = Table.grid(padding=(0, 2))
    seconds = max(spent, 1) / _PER_SECOND
    simulated = span(timedelta_of(Microseconds(tally.simulated)))
    for name, value in (
        ("scenarios", f"{tally.scenarios:,}  ({tally.scenarios / seconds:,.0f} a second)"),
        ("steps", f"{tally.steps:,}  ({tally.steps / seconds:,.0f} a second)"),
        ("events", f"{tally.events:,}"),
        ("simulated", f"{simulated} in {span(timedelta(microseconds=spent))}"),
        ("failures", f"{tally.failures:,}"),
    ):
        made.add_row(Text(name, style="dim"), value)
    return made


def _counts(title: str, counts: Mapping[str, int]) -> Table:
    made = Table.grid(padding=(0, 2))
    made.add_column()
    made.add_column(justify="right")
    made.add_row(Text(title, style="bold"), Text("times", style="bold"))
    for name, count in _by_count(counts.items()):
        made.add_row(Text(name), f"{count:,}")
    return made


def _by_count(counts: Iterable[tuple[str, int]]) -> Iterable[tuple[str, int]]:
    return sorted(counts, key=lambda one: (-one[1], one[0]))
