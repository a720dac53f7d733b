"""
The command `import`: a log from JSON lines.
"""

import gzip
import sys
import zlib
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from io import BufferedReader, RawIOBase
from pathlib import Path
from typing import IO, Final, cast

import click

from azoth.cli.exporting import STANDARD
from azoth.cli.opening import StoreTrouble, json_option, named, opened, store_arguments, target_at
from azoth.cli.output import print_json
from azoth.cli.progress import progress_shown
from azoth.export_format import BadExport, read_lines
from azoth.importing import append_export, import_log
from azoth.store import Progress

__all__ = ["import_"]

_GZIP_MAGIC: Final = b"\x1f\x8b"


@click.command("import", short_help="Take over a log from JSON lines.")
@click.argument("file")
@store_arguments
@click.option("--append", is_flag=True, help="Append the events to a log that is there, once.")
@json_option
def import_(file: str, url: str | None, store: str | None, *, append: bool, as_lines: bool) -> None:
    """
    Take over the log in FILE, or from standard input for `-`, compressed or not.

    Positions, versions and times are kept, so the store must be new or hold the begin of the same
    log; an import that was stopped is gone on with by the same command. With --append the events
    get new ones, at the end of any log. A file is checked whole before anything is written;
    standard input cannot be.
    """
    where = named(url, store)
    target = opened(where, None) if append else target_at(where)
    with target as log, progress_shown(quiet=as_lines) as progress:
        if file != STANDARD:
            _check(file, progress)
        with _lines(file) as lines, _unchecked(file):
            done = (append_export if append else import_log)(log, lines, progress=progress)
        head = log.wait(0, 0)
    if as_lines:
        print_json({"events": done.events, "new": done.new, "head": head})
    else:
        click.echo(f"{done.events} events, {done.new} of them new; head {head}", err=True)


@contextmanager
def _unchecked(file: str) -> Generator[None, None, None]:
    try:
        yield
    except BadExport as error:
        if file != STANDARD:
            raise
        raise StoreTrouble(
            f"{error}; events that stand before may be in the store already, for standard input "
            "is not checked first"
        ) from error


def _check(file: str, progress: Progress) -> None:
    with _lines(file) as lines:
        head, events = read_lines(lines)
        for count, event in enumerate(events, 1):
            if count % 1_000 == 0 or event.position == head.until:
                progress("checking", event.position, head.until)


@contextmanager
def _lines(file: str) -> Generator[Iterator[bytes], None, None]:
    with ExitStack() as stack:
        given: IO[bytes] = (
            sys.stdin.buffer if file == STANDARD else stack.enter_context(Path(file).open("rb"))
        )
        # What is read can then be looked at without taking it, of a pipe too.
        reader = BufferedReader(cast("RawIOBase", given))
        # Standard input is not ours to close.
        stack.callback(reader.detach)
        is_packed = reader.peek(2)[:2] == _GZIP_MAGIC
        if is_packed:
            yield _told(stack.enter_context(gzip.GzipFile(fileobj=reader)))
        else:
            yield iter(reader)


def _told(packed: gzip.GzipFile) -> Iterator[bytes]:
    try:
        yield from packed
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise StoreTrouble(f"the file was cut or changed ({error}); export again") from error
