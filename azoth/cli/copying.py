"""
The command `copy`: a log from one store to another, and live.
"""

from threading import Event as Flag
from typing import Final

import click

from azoth.cli.opening import json_option, looking_at, target_at
from azoth.cli.output import print_json
from azoth.cli.progress import progress_shown
from azoth.clocks import SystemClock
from azoth.copying import copy_log, follow_log
from azoth.urls import StoreUrl, parse_url

__all__ = ["copy"]

_TELL_MICROSECONDS: Final = 1_000_000
"""Between two lines about the lag, unless the copy has caught up."""


@click.command(short_help="Copy a log to another store, and live.")
@click.argument("source", metavar="SRC")
@click.argument("target", metavar="DST")
@click.option("--follow", "-f", is_flag=True, help="Go on with what is appended; print the lag.")
@json_option
def copy(source: str, target: str, *, follow: bool, as_lines: bool) -> None:
    """
    Copy the log of the store SRC into the store DST, of any kind, and compare the two.

    Positions, versions and times are kept; idempotency keys and checkpoints are not. DST must be
    new or hold the begin of the same log; a copy that was stopped is gone on with by the same
    command. To move without downtime: copy with --follow, stop whoever writes to SRC, wait for lag
    0, and begin on DST.
    """
    if _place(source) == _place(target):
        raise click.UsageError("SRC and DST are the same store; name another one")
    with looking_at(source, None) as log, target_at(target) as other:
        with progress_shown(quiet=as_lines) as progress:
            copied = copy_log(log, other, progress=progress)
        if as_lines:
            print_json({"head": copied.head, "new": copied.new, "digest": copied.digest})
        else:
            click.echo(f"{copied.head} events, {copied.new} of them new; equal: {copied.digest}")
        if follow:
            follow_log(log, other, stop=Flag(), pace=_Pace(as_lines=as_lines).tell)


def _place(url: str) -> StoreUrl:
    try:
        return parse_url(url)[0]
    except ValueError as error:
        raise click.UsageError(str(error)) from error


class _Pace:
    def __init__(self, *, as_lines: bool) -> None:
        self._as_lines = as_lines
        self._clock = SystemClock()
        self._told_at: int | None = None
        self._told: int | None = None

    def tell(self, copied: int, head: int) -> None:
        now, is_due = self._clock.monotonic(), copied >= head
        if self._told_at is not None and not is_due:
            is_due = now - self._told_at >= _TELL_MICROSECONDS
        if copied == self._told or not is_due:
            return
        self._told_at, self._told = now, copied
        lag = head - copied
        if self._as_lines:
            print_json({"head": head, "copied": copied, "lag": lag})
        else:
            click.echo(f"copied up to {copied}, lag {lag}")
