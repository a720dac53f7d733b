"""
The commands that need no log: `explain` and `lint` look at a cron expression.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar, get_args

import click

from azoth import SystemClock, datetime_of
from azoth.cli.opening import NOT_SO
from azoth.cli.output import print_json
from azoth_scheduler import explain as explained
from azoth_scheduler import lint as warnings_of
from azoth_scheduler.cli.objects import utc
from azoth_scheduler.cli.options import answers, json_option
from azoth_scheduler.cli.words import ago
from azoth_scheduler.cron import DayMatch, DstPolicy

__all__ = ["explain", "lint"]

F = TypeVar("F", bound=Callable[..., Any])


def _expression(command: F) -> F:
    for add in (
        click.option(
            "--day-match", type=click.Choice(get_args(DayMatch)), help="How day fields combine."
        ),
        click.option(
            "--dst", default="cron", show_default=True, type=click.Choice(get_args(DstPolicy))
        ),
        click.option(
            "--tz", default="UTC", show_default=True, help="The zone whose clocks it is read by."
        ),
        click.argument("fields", metavar="EXPR", nargs=-1, required=True),
    ):
        command = add(command)
    return command


@click.command(short_help="Say a cron expression in words.")
@_expression
@json_option
def explain(
    fields: tuple[str, ...], *, tz: str, dst: DstPolicy, day_match: DayMatch | None, as_lines: bool
) -> None:
    """
    Say a cron expression in words, with its next five times and what may be wrong with it.

    Quote it, so that the shell leaves its stars alone: '0 30 9 * * MON-FRI'.
    """
    expr, now = " ".join(fields), _now()
    with answers():
        found = explained(expr, now=now, tz=tz, dst=dst, day_match=day_match)
        warnings = warnings_of(expr, tz, since=now, dst=dst, day_match=day_match)
    if as_lines:
        times = [utc(when) for when in found.next_run_times]
        said = {"expr": expr, "tz": tz, "words": found.words, "next_run_times": times}
        print_json({**said, "warnings": list(warnings)})
        return
    click.echo(f"{found.words}, by the clocks of {tz}.")
    for when in found.next_run_times:
        click.echo(f"  {when:%a %Y-%m-%d %H:%M:%S %Z}  {ago(when, now)}")
    for warning in warnings:
        click.secho(f"careful: {warning}", fg="yellow")


@click.command(short_help="Say what is probably not meant by a cron expression.")
@_expression
@json_option
def lint(
    fields: tuple[str, ...], *, tz: str, dst: DstPolicy, day_match: DayMatch | None, as_lines: bool
) -> None:
    """
    Say what is allowed in a cron expression but probably not meant; exit with 1 if anything is.

    Quote it, so that the shell leaves its stars alone: '0 30 9 * * MON-FRI'.
    """
    expr = " ".join(fields)
    with answers():
        warnings = warnings_of(expr, tz, since=_now(), dst=dst, day_match=day_match)
    if as_lines:
        print_json({"expr": expr, "tz": tz, "warnings": list(warnings)})
    else:
        for warning in warnings:
            click.echo(warning)
    if warnings:
        raise SystemExit(NOT_SO)


def _now() -> datetime:
    return datetime_of(SystemClock().now())
