"""
The command `simulate`: scenarios in which much goes wrong are played, and all of it is checked.
"""

from pathlib import Path
from typing import Any, Final, get_args

import click

from azoth.cli.opening import NOT_SO
from azoth_scheduler.cli.options import Seconds, json_option, store_errors
from azoth_scheduler.cli.simulation_session import Asked, Session
from azoth_scheduler.simulation.scenarios.examining import StoreName
from azoth_scheduler.simulation.scenarios.reproducing import parse_seed

__all__ = ["simulate"]

_INTERRUPTED: Final = 130
_RUNS_MAX: Final = 100_000_000
_JOBS_MAX: Final = 256
"""More processes than any machine has cores that help."""

_YEAR_SECONDS: Final = 366 * 86_400
"""A scenario that lasts longer shows nothing new."""


class _Seed(click.ParamType[int]):
    """
    Be a seed, with or without the version that gives it its meaning.
    """

    name = "seed"

    def convert(
        self, value: str | int, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """
        Return its number, or say why it is none of this version.
        """
        try:
            return parse_seed(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command(short_help="Play what goes wrong, and check what holds.")
@click.option("--seed", type=_Seed(), metavar="N", help="The first seed; drawn unless given.")
@click.option("--runs", "-n", type=click.IntRange(1, _RUNS_MAX), help="How many seeds, from N on.")
@click.option(
    "--for",
    "seconds",
    type=Seconds(0, min_open=True),
    metavar="SPAN",
    help="Play seeds for so long, such as 60s.",
)
@click.option(
    "--jobs",
    "-j",
    default=1,
    show_default=True,
    type=click.IntRange(1, _JOBS_MAX),
    help="Processes that play.",
)
@click.option(
    "--until",
    "span",
    type=Seconds(1, _YEAR_SECONDS),
    metavar="SPAN",
    help="How long the faults of a scenario last, such as 30d; drawn unless given.",
)
@click.option(
    "--plan",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Play the scenario that a failure has left.",
)
@click.option(
    "--store",
    type=click.Choice(get_args(StoreName)),
    default="memory",
    show_default=True,
    help="Where the logs are kept meanwhile.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("simulation-failures"),
    show_default=True,
    metavar="FOLDER",
    help="For what is kept of a failure.",
)
@click.option("--trace", is_flag=True, help="Print all that happens, of one scenario.")
@click.option("--sometimes", is_flag=True, help="Fail if a rare state was never reached.")
@json_option
def simulate(*, as_lines: bool, **options: Any) -> None:  # noqa: ANN401 - as `Asked` has them
    """
    Play scenarios in which everything goes wrong; exit with 1 if something does not hold that must.

    A seed writes a scenario: which schedulers are on one log, what is done, what fails. It is
    played in virtual time and is the same each time; every twentieth is played twice to prove that.
    Of a failure, a smaller scenario that still fails is kept: a plan, its story, a test for pytest.
    """
    session = Session(Asked(**options), as_lines=as_lines)
    try:
        with store_errors():
            session.play()
    except KeyboardInterrupt:
        session.conclude()
        click.echo("interrupted; the above is what was played until then", err=True)
        raise SystemExit(_INTERRUPTED) from None
    session.conclude()
    if not session.holds:
        raise SystemExit(NOT_SO)
