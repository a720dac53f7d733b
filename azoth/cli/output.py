"""
What commands print: lines for people, JSON for machines.
"""

import json
import sys
from base64 import b64encode
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any, Final, TextIO, cast

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from azoth.clocks import Instant, datetime_of
from azoth.events import Event
from azoth.json_format import STDLIB

__all__ = [
    "OutputFailed",
    "as_json",
    "clean",
    "console",
    "guard_output",
    "print_event",
    "print_event_line",
    "print_json",
    "print_table",
    "time_of",
]

_DATA_WIDTH: Final = 80


class OutputFailed(click.ClickException):
    """
    Say in one sentence that what a command prints has no room: the store is not to blame.
    """

    exit_code = 1


def guard_output() -> None:
    """
    Let what cannot be printed end the command with a sentence about the output.
    """
    # Both rich and click write to whatever standard output is, so this is the one place.
    sys.stdout = cast("TextIO", _Output(sys.stdout))


class _Output:
    def __init__(self, given: TextIO) -> None:
        self._given = given

    def write(self, text: str) -> int:
        with _told():
            return self._given.write(text)

    def flush(self) -> None:
        with _told():
            self._given.flush()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever a stream has
        return getattr(self._given, name)


@contextmanager
def _told() -> Generator[None, None, None]:
    try:
        yield
    except BrokenPipeError:
        # Whoever read has seen enough.
        raise
    except OSError as error:
        raise OutputFailed(
            f"standard output cannot be written: {error.strerror}; the store is not concerned"
        ) from error


def time_of(instant: Instant) -> str:
    """
    Return an instant in ISO 8601, UTC, to the microsecond.
    """
    return datetime_of(instant).isoformat(timespec="microseconds").replace("+00:00", "Z")


def console(*, on_stderr: bool = False) -> Console:
    """
    Return a console for what a command prints, which takes no text for markup.
    """
    # Made for each use: the stream may be another one by then, and costs nothing.
    return Console(highlight=False, markup=False, stderr=on_stderr)


def clean(text: str) -> str:
    """
    Return a text without what could act on a terminal.
    """
    # What is in a log must not reach into the terminal that shows it.
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def as_json(event: Event) -> Mapping[str, Any]:
    """
    Return an event as a JSON object: its data parsed if it is JSON, else as base64.
    """
    fields: dict[str, Any] = {
        "position": event.position,
        "stream": event.stream,
        "version": event.version,
        "type": event.type,
        "schema": event.schema,
        "recorded_at": time_of(event.recorded_at),
        "metadata": dict(event.metadata),
    }
    try:
        return {**fields, "data": STDLIB.loads(event.data)}
    except (ValueError, RecursionError):
        return {**fields, "data_base64": b64encode(event.data).decode("ascii")}


def print_json(value: Mapping[str, Any]) -> None:
    """
    Print one JSON object on one line.
    """
    # In ASCII, which every terminal and every pipe takes, lone surrogates included.
    click.echo(json.dumps(value, separators=(",", ":")))


def print_event_line(event: Event) -> None:
    """
    Print an event on one line, its data cut.
    """
    data = _readable(event.data)
    shown = data if len(data) <= _DATA_WIDTH else data[: _DATA_WIDTH - 1] + "…"
    line = Text(no_wrap=True, overflow="ignore")
    line.append(f"{event.position:>8} ", style="bold")
    line.append(f"{time_of(event.recorded_at)} ", style="dim")
    line.append(f"{clean(event.stream)}@{event.version} ", style="cyan")
    line.append(f"{clean(event.type)} ", style="green")
    line.append(shown)
    console().print(line, soft_wrap=True)


def print_event(event: Event) -> None:
    """
    Print all of an event.
    """
    rows = {
        "position": str(event.position),
        "stream": f"{event.stream}@{event.version}",
        "type": event.type,
        "schema": str(event.schema),
        "recorded at": time_of(event.recorded_at),
        **{f"metadata {name}": value for name, value in sorted(event.metadata.items())},
    }
    print_table(rows)
    console().print(Text(_indented(event.data)), soft_wrap=True)


def print_table(rows: Mapping[str, str]) -> None:
    """
    Print names and values, one pair a line.
    """
    table = Table.grid(padding=(0, 2))
    for name, value in rows.items():
        table.add_row(Text(clean(name), style="dim"), Text(clean(value), overflow="fold"))
    console().print(table)


def _readable(data: bytes) -> str:
    try:
        return clean(data.decode())
    except UnicodeDecodeError:
        return b64encode(data).decode("ascii")


def _indented(data: bytes) -> str:
    try:
        text = json.dumps(STDLIB.loads(data), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return _readable(data)
    return "\n".join(map(clean, text.splitlines()))
