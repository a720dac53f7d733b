"""
The commands `rebuild` and `replay`: the schedule table made again, in a file or to compare it.
"""

import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

import click

from azoth.cli.asking import PLACE
from azoth.cli.opening import StoreTrouble, looking_at
from azoth.cli.output import print_json
from azoth.cli.progress import progress_shown
from azoth.cli.replaying import EVERY, replayed
from azoth_scheduler.cli.options import json_option, store_option
from azoth_scheduler.projection import SqliteScheduleProjection, rebuild_table

__all__ = ["rebuild", "replay"]


@click.command(short_help="Build the schedule table anew from the log.")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@store_option
@click.option("--force", is_flag=True, help="Let it take the place of the table that is there.")
@json_option
def rebuild(file: Path, store: str | None, *, force: bool, as_lines: bool) -> None:
    """
    Build the schedule table FILE from the log, beside the one that is there if need be.

    The new rows take the place of the old ones in one transaction, also while schedulers work with
    FILE. A rebuild that was stopped is gone on with by the same command.
    """
    if file.exists() and not force and not _is_begun(file):
        raise StoreTrouble(f"{file} exists; --force lets the new table take its place")
    with looking_at(None, store) as log, progress_shown(quiet=as_lines) as progress:
        rebuild_table(log, file, progress=progress)
        position, digest = _position_and_digest(file)
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


def _is_begun(file: Path) -> bool:
    # A rebuild that found no room at its switch leaves its rows beside a file without a table.
    if not Path(f"{file}.rebuild").exists():
        return False
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as opened:
            (tables,) = opened.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlite3.Error:
        return False
    return not tables


def _position_and_digest(file: Path) -> tuple[int, str]:
    with closing(SqliteScheduleProjection(file)) as table:
        while True:
            position, digest = table.position, table.digest()
            # Schedulers that work with the file may have gone on in between.
            if table.position == position:
                return position, digest
