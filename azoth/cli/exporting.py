"""
The command `export`: a log as JSON lines.
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from azoth.cli.export_files import UnfinishedFile, blocks
from azoth.cli.opening import StoreTrouble, json_option, looking_at, store_arguments
from azoth.cli.output import print_json
from azoth.cli.progress import progress_shown
from azoth.events import Query
from azoth.export_format import BadExport
from azoth.exporting import export_lines
from azoth.store import Progress

__all__ = ["STANDARD", "check_positions", "chosen_events", "export"]

STANDARD: Final = "-"
"""The name of standard output, and of standard input."""

F = TypeVar("F", bound=Callable[..., Any])


def chosen_events(command: F) -> F:
    """
    Give a command the options that choose events.
    """
    for option in (
        click.option("--type", "types", multiple=True, help="Only this type; may be repeated."),
        click.option("--category", help="Only streams of this category."),
        click.option("--stream", help="Only this stream."),
        click.option("--until", type=click.IntRange(0), help="Up to this position."),
        click.option("--after", type=click.IntRange(0), default=0, help="Behind this position."),
    ):
        command = option(command)
    return command


def check_positions(head: int, after: int, until: int | None) -> None:
    """
    Check the part of a log that was asked for.

    Raises:
        click.UsageError: The log ends before it, or it ends before it begins.
    """
    wanted = max(after, until or 0)
    if wanted > head:
        there = f"the log ends at {head}" if head else "the log is empty"
        raise click.UsageError(f"there is no position {wanted}; {there}")
    if until is not None and until < after:
        raise click.UsageError(f"nothing lies behind {after} and up to {until}; give more --until")


@click.command(short_help="Write the log as JSON lines.")
@click.argument("file")
@store_arguments
@chosen_events
@click.option("--gzip", "packed", is_flag=True, help="Compress; a name that ends in .gz does too.")
@click.option("--force", is_flag=True, help="Overwrite the file.")
@json_option
def export(
    file: str,
    url: str | None,
    store: str | None,
    *,
    after: int,
    until: int | None,
    stream: str | None,
    category: str | None,
    types: tuple[str, ...],
    packed: bool,
    force: bool,
    as_lines: bool,
) -> None:
    """
    Write the log to FILE as JSON lines, or to standard output for `-`.

    A part of a log can be imported with `import --append` alone. An export that was stopped is gone
    on with by the same command.
    """
    packed = packed or file.endswith(".gz")
    with looking_at(url, store) as log:
        head = log.wait(0, 0)
        check_positions(head, after, until)
        query = Query(stream, category, types)

        def lines(written: Iterator[bytes], progress: Progress | None) -> Iterator[bytes]:
            return export_lines(
                log, query, after=after, until=until, written=written, progress=progress
            )

        if file == STANDARD:
            _print(lines(iter(()), None), packed=packed)
            return
        path = _path_of(file, force=force)
        with progress_shown(quiet=as_lines) as progress:
            _write(UnfinishedFile(path, packed=packed), lambda done: lines(done, progress))
    _tell(path, as_lines=as_lines)


def _path_of(file: str, *, force: bool) -> Path:
    path = Path(file)
    if path.is_dir() or not path.parent.is_dir():
        raise StoreTrouble(f"{path} cannot be a file; name one in a folder that is there")
    if path.exists() and not force:
        raise StoreTrouble(f"{path} exists; name another file, or overwrite it with --force")
    return path


def _write(file: UnfinishedFile, lines: Callable[[Iterator[bytes]], Iterator[bytes]]) -> None:
    try:
        file.write(lines(file.written()))
    except BadExport:
        click.echo("what was begun cannot be gone on with; exporting anew", err=True)
        file.forget()
        file.write(lines(iter(())))


def _print(lines: Iterator[bytes], *, packed: bool) -> None:
    output = sys.stdout.buffer
    for block in blocks(lines, packed=packed):
        output.write(block)
    output.flush()


def _tell(path: Path, *, as_lines: bool) -> None:
    size = path.stat().st_size
    if as_lines:
        print_json({"file": str(path), "bytes": size})
    else:
        click.echo(f"{path}: {size:,} bytes", err=True)
