"""
The commands `backup` and `restore`: a store with all that it keeps, keys and checkpoints too.
"""

from pathlib import Path

import click

from azoth.cli.checking import problems_of
from azoth.cli.opening import StoreTrouble, json_option, looking_at, store_arguments
from azoth.cli.output import print_json
from azoth.cli.progress import progress_shown
from azoth.store import BackupStore, EventStore
from azoth.urls import parse_url

__all__ = ["backup", "restore"]


@click.command(short_help="Copy a store with all it keeps.")
@click.argument("path")
@store_arguments
@json_option
def backup(path: str, url: str | None, store: str | None, *, as_lines: bool) -> None:
    """
    Copy a store while it is in use to PATH, with its keys and checkpoints; nothing is overwritten.
    """
    with looking_at(url, store) as log:
        _backed_up(log, path)
    _tell("backup", path, as_lines=as_lines)


@click.command(short_help="Put a backup in its place.")
@click.argument("path")
@click.argument("url")
@json_option
def restore(path: str, url: str, *, as_lines: bool) -> None:
    """
    Verify the backup at PATH, and put it at URL, where nothing may be yet.
    """
    try:
        target = parse_url(url)[0]
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if not target.path:
        raise click.UsageError(f"{url} names no place; a backup is restored to a store on disk")
    with looking_at(f"{target.scheme}:///{Path(path).absolute()}", None) as log:
        with progress_shown(quiet=as_lines, doing="checking") as progress:
            problems = problems_of(log, log.wait(0, 0), progress)
        if problems:
            raise StoreTrouble(
                f"the backup is damaged, nothing was restored: {problems[0].reason}; take another"
            )
        _backed_up(log, target.path)
    _tell("restored", url, as_lines=as_lines)


def _backed_up(log: EventStore, path: str) -> None:
    if not isinstance(log, BackupStore):
        raise StoreTrouble("the store has no backup; `azoth export` or `azoth copy` take its log")
    log.backup(path)


def _tell(what: str, where: str, *, as_lines: bool) -> None:
    if as_lines:
        print_json({what: where})
    else:
        click.echo(f"{what}: {where}", err=True)
