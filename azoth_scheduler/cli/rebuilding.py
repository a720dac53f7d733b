"""
The commands `rebuild` and `replay`: the schedule table made again, in a file or to compare it.
"""

import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Final

import click

from azoth import Projector
from azoth.cli.asking import PLACE
from azoth.cli.opening import StoreTrouble, looking_at
from azoth.cli.output import print_json
from azoth.cli.progress import progress_shown
from azoth.cli.replaying import EVERY, replayed
from azoth.store import EventStore, Progress
from azoth_scheduler.cli.options import json_option, store_option
from azoth_scheduler.projection import SqliteScheduleProjection

__all__ = ["rebuild", "replay"]

_STEP: Final = 10_000
"""Positions between two signs of progress."""


@click.command(short_help="Build the schedule table anew from the log.")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@store_option
@click.option("--force", is_flag=True, help="Let it take the place of the table that is there.")
@json_option
def rebuild(file: Path, store: str | None, *, force: bool, as_lines: bool) -> None:
    """
    Build the schedule table FILE from the log, beside the one that is there if need be.

    The new table takes FILE's place once it is whole, and only while no scheduler has FILE open. A
    rebuild that was stopped is gone on with by the same command.
    """
    if file.exists() and not force:
        raise StoreTrouble(f"{file} exists; --force lets the new table take its place")
    unfinished = file.with_name(f"{file.name}.rebuilding")
    with looking_at(None, store) as log, progress_shown(quiet=as_lines) as progress:
        table = SqliteScheduleProjection(unfinished)
        try:
            position, digest = _caught_up(log, table, progress), table.digest()
        finally:
            table.close()
        _check_is_free(file)
        unfinished.replace(file)
    if as_lines:
        print_json({"file": str(file), "position": position, "digest": digest})
    else:
        click.echo(f"{file}: {position} {digest}", err=True)


@click.command(short_help="Fold the log again, and print the digest of the schedule table.")
@store_option
@click.option("--until", type=PLACE, help="A position or a time; the head otherwise.")
@click.option("--print-digest", "every", type=EVERY, help="Every so many events.")
@json_option
def replay(
    store: str | None, *, until: int | datetime | None, every: int | None, as_lines: bool
) -> None:
    """
    Fold the log into a schedule table in memory and print the digest of its rows.

    Nothing is written. Two logs, or two versions of the code, whose digests agree have the same
    tasks and the same history.
    """
    replayed(None, store, "schedule", until=until, every=every, as_lines=as_lines)


def _caught_up(log: EventStore, table: SqliteScheduleProjection, progress: Progress) -> int:
    projector, head = Projector(log, table), log.wait(0, 0)
    for stop in (*range(projector.position + _STEP, head, _STEP), head):
        progress("rebuilding", projector.catch_up(until=stop), head)
    return head


def _check_is_free(file: Path) -> None:
    if not file.exists():
        return
    try:
        with closing(sqlite3.connect(file, timeout=0)) as connection:
            # SQLite grants this to the last one who has the file open.
            (mode,) = connection.execute("PRAGMA journal_mode = DELETE").fetchone()
    except sqlite3.Error as error:
        raise StoreTrouble(f"{file} is in use ({error}); stop its schedulers") from error
    if mode != "delete":
        raise StoreTrouble(f"{file} is in use; stop its schedulers")
