"""
The command `demo`: the main job on this machine's data, with a kill in the middle and a proof.
"""

import shutil
import sys
from itertools import count
from pathlib import Path
from typing import Final

import click
from rich.console import Console
from rich.text import Text

from azoth import SystemClock, datetime_of
from azoth.cli.opening import NOT_SO, UNUSABLE
from azoth.cli.output import console, print_json
from azoth_scheduler.cli.demo_report import print_result, proof_object
from azoth_scheduler.cli.demo_view import audience
from azoth_scheduler.cli.options import Refused, Seconds, json_option, store_errors
from azoth_scheduler.demo.process import DemoFailed
from azoth_scheduler.demo.script import SECONDS_MAX, SECONDS_MIN
from azoth_scheduler.demo.stage import Result, Scene, perform

__all__ = ["demo"]

_INTERRUPTED: Final = 130
_FOLDER: Final = Path("data")

_WELCOME: Final = (
    "A worker runs tasks on this machine: it samples the load by cron, checksums files at an "
    "interval, counts words at once, calls a service that fails twice, and waits for one that "
    "never answers. In the middle it is killed with SIGKILL. A new worker goes on; then the log "
    "has to prove that nothing was lost and nothing recorded twice.\n"
)


class _CannotBegin(click.ClickException):
    exit_code = UNUSABLE


@click.command(short_help="See it work: a kill half-way, and a proof.")
@click.option(
    "--seconds",
    default=12.0,
    show_default=True,
    type=Seconds(SECONDS_MIN, SECONDS_MAX),
    help="How long it takes, about.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="A new or an empty folder for the log; data/demo-1, -2, … unless given.",
)
@json_option
def demo(*, seconds: float, data: Path | None, as_lines: bool) -> None:
    """
    Schedule real work, kill its worker half-way, and prove that nothing was lost.

    Exits with 1 if anything does not hold that must.
    """
    folder, shown = _fresh(data), console()
    if not as_lines:
        shown.print(Text(_WELCOME))
    try:
        result = _performed(folder, seconds, None if as_lines else shown)
    except KeyboardInterrupt:
        click.echo(f"interrupted; what there is of the log is in {folder}", err=True)
        raise SystemExit(_INTERRUPTED) from None
    if as_lines:
        print_json(proof_object(result))
    else:
        print_result(shown, result, datetime_of(SystemClock().now()))
        _say_goodbye(shown, result)
    if not result.holds:
        raise SystemExit(NOT_SO)


class _Nobody:
    """
    Look on where only the proof is wanted.
    """

    def show(self, scene: Scene) -> None:
        """
        Do nothing.
        """


def _performed(folder: Path, seconds: float, shown: Console | None) -> Result:
    try:
        with store_errors():
            if shown is None:
                return perform(folder, seconds, _Nobody())
            with audience(shown) as looking_on:
                return perform(folder, seconds, looking_on)
    except DemoFailed as error:
        raise Refused(f"{error}\nits log is in {folder}") from error


def _fresh(given: Path | None) -> Path:
    if given is not None and given.exists() and not given.is_dir():
        raise click.UsageError(f"--data {given} is no folder; name a new or an empty one")
    try:
        folder = _next_folder() if given is None else given
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise click.UsageError(f"{folder} is not empty; name another folder with --data")
    except OSError as error:
        where = error.filename or given
        raise _CannotBegin(f"{where}: {error.strerror}; name a folder with --data") from error
    if "?" in str(folder):
        raise click.UsageError(f"{folder} has a question mark, which a store's URL cannot hold")
    return folder


def _next_folder() -> Path:
    numbered = (_FOLDER / f"demo-{number}" for number in count(1))
    return next(folder for folder in numbered if not folder.exists())


def _say_goodbye(shown: Console, result: Result) -> None:
    style = "bold green" if result.holds else "bold red"
    verdict = (
        "All of it holds: nothing was lost, and nothing recorded twice."
        if result.holds
        else "Something above does not hold, and that is a bug: please report it with the log."
    )
    shown.print(Text(f"\n{verdict}", style=style))
    shown.print(Text("\nThe log stays. Look around in it:", style="bold"))
    for program, rest in (
        ("azoth-scheduler", f"runs call-service --store {result.url}"),
        ("azoth-scheduler", f"show wait-for-answer --store {result.url}"),
        ("azoth", f"tail --store {result.url}"),
    ):
        shown.print(Text(f"  {_program(program)} {rest}"), soft_wrap=True)


def _program(name: str) -> str:
    """
    Return how a program beside this one is called from here.
    """
    beside = Path(sys.argv[0]).parent / name
    found = shutil.which(name)
    is_on_path = found is not None and Path(found).resolve() == beside.resolve()
    return name if is_on_path or not beside.is_file() else str(beside)
