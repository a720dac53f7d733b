"""
The commands `replay` and `projections`: the log folded again, and who has folded how much of it.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import click
from rich.table import Table
from rich.text import Text

from azoth.cli.asking import PLACE, answered, projection_named, projection_option
from azoth.cli.opening import json_option, looking_at, store_arguments
from azoth.cli.output import clean, console, print_json
from azoth.cli.progress import progress_shown
from azoth.events import Query
from azoth.replay import digests
from azoth.replay import projections as known_projections
from azoth.replay.places import place_in
from azoth.store import CheckpointStore

__all__ = ["EVERY", "projections", "replay", "replayed"]

_EVERY: Final = 10_000
"""Positions between two signs of progress, where no digests are printed."""


_COLUMNS: Final = ("name", "kind", "version", "position", "lag", "reads")


class _Every(click.ParamType[int]):
    name = "every=N"

    def convert(
        self, value: str | int, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        digits = str(value).removeprefix("every=")
        if not digits.isascii() or not digits.isdigit() or not int(digits[:18]) > 0:
            self.fail(f"{value!r} is no every=N, such as every=1000", param, ctx)
        return int(digits[:18])


EVERY: Final = _Every()
"""`every=1000`, or the number alone."""


@click.command(short_help="Fold the log again and print digests.")
@store_arguments
@projection_option
@click.option("--until", type=PLACE, help="A position or a time; the head otherwise.")
@click.option("--print-digest", "every", type=EVERY, help="Of the rows, every so many events.")
@json_option
def replay(
    url: str | None,
    store: str | None,
    *,
    projection: str | None,
    until: int | datetime | None,
    every: int | None,
    as_lines: bool,
) -> None:
    """
    Fold the log into a projection in memory, and print the digest of its rows; nothing is written.

    Two logs, or two versions of the code, whose digests agree have the same rows.
    """
    replayed(url, store, projection, until=until, every=every, as_lines=as_lines)


def replayed(
    url: str | None,
    store: str | None,
    projection: str | None,
    *,
    until: int | datetime | None,
    every: int | None,
    as_lines: bool,
) -> None:
    """
    Do what the command `replay` does, for a command that knows its projection.
    """
    factory = projection_named(projection)
    last = None
    with (
        looking_at(url, store) as log,
        answered(),
        progress_shown(quiet=as_lines or every is not None) as progress,
    ):
        end = place_in(log, until)
        for last in digests(log, factory, every or _EVERY, until=end):
            progress("replaying", last.position, end)
            if every is not None:
                _tell(last.position, last.digest, as_lines=as_lines)
    if every is None or last is None:
        empty = factory()
        position = 0 if last is None else last.position
        _tell(position, empty.digest() if last is None else last.digest, as_lines=as_lines)


@click.command(short_help="List who reads the log.")
@store_arguments
@json_option
def projections(url: str | None, store: str | None, *, as_lines: bool) -> None:
    """
    List who reads the log: consumers that keep their position in it, and projections by name.

    A projection of a name is in the memory of who uses it, or in a file of its own: where it stands
    is known there alone.
    """
    with looking_at(url, store) as log:
        head = log.wait(0, 0)
        saved: Mapping[str, int] = log.checkpoints() if isinstance(log, CheckpointStore) else {}
    rows = [
        _row(name, "consumer", position=at, lag=max(0, head - at))
        for name, at in sorted(saved.items())
    ]
    rows += [_of_projection(name) for name in known_projections()]
    if as_lines:
        for row in rows:
            print_json({**row, "head": head})
    else:
        _print(rows, head)


def _tell(position: int, digest: str, *, as_lines: bool) -> None:
    if as_lines:
        print_json({"position": position, "digest": digest})
    else:
        click.echo(f"{position} {digest}")


def _of_projection(name: str) -> Mapping[str, Any]:
    made = known_projections()[name]()
    return _row(name, "projection", version=made.version, reads=_words(made.query))


def _row(
    name: str,
    kind: str,
    *,
    version: int | None = None,
    position: int | None = None,
    lag: int | None = None,
    reads: str | None = None,
) -> Mapping[str, Any]:
    columns = (name, kind, version, position, lag, reads)
    return dict(zip(_COLUMNS, columns, strict=True))


def _words(query: Query) -> str:
    chosen = [
        f"{name} {value}"
        for name, value in (("stream", query.stream), ("category", query.category))
        if value is not None
    ]
    return ", ".join([*chosen, *query.types]) or "all events"


def _print(rows: list[Mapping[str, Any]], head: int) -> None:
    table = Table(*_COLUMNS, box=None, header_style="dim")
    for row in rows:
        cells = ("-" if cell is None else clean(str(cell)) for cell in row.values())
        table.add_row(*(Text(cell, overflow="fold") for cell in cells))
    if rows:
        console().print(table)
    click.echo(f"head {head}", err=True)
