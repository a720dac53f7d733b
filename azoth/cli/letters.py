"""
The commands `dead-letters list`, `retry` and `drop`: what handlers could not handle.
"""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

import click
from rich.table import Table
from rich.text import Text

from azoth.cli.asking import object_named
from azoth.cli.opening import NOT_SO, json_option, looking_at, opened, store_arguments
from azoth.cli.output import clean, console, print_json
from azoth.dead_letters import DEAD, DeadLetters, Letter
from azoth.events import Query
from azoth.following import iterate
from azoth.handlers import EventHandler
from azoth.store import EventStore

__all__ = ["dead_letters", "drop", "list_", "retry"]


@click.group("dead-letters", short_help="List, retry or drop dead letters.")
def dead_letters() -> None:
    """
    List, retry or drop the events that a handler could not handle.
    """


@dead_letters.command("list")
@store_arguments
@click.option("--consumer", help="Only those of this processor.")
@json_option
def list_(url: str | None, store: str | None, *, consumer: str | None, as_lines: bool) -> None:
    """
    List the open dead letters, by consumer and position.
    """
    with looking_at(url, store) as log:
        consumers = _consumers(log) if consumer is None else [consumer]
        found = [(name, letter) for name in consumers for letter in DeadLetters(log, name).list()]
    if as_lines:
        for name, letter in found:
            print_json(_as_json(name, letter))
    else:
        _print(found)


@dead_letters.command()
@click.argument("consumer")
@click.argument("letter", required=False)
@click.option("--store", "-s", envvar="AZOTH_STORE", metavar="URL", show_envvar=True)
@click.option("--handlers", required=True, help="Where they are: module:name, a list of them.")
@click.option("--all", "is_all", is_flag=True, help="Retry all, by position.")
@json_option
def retry(
    consumer: str,
    letter: str | None,
    store: str | None,
    *,
    handlers: str,
    is_all: bool,
    as_lines: bool,
) -> None:
    """
    Run the handler of a dead letter again; exit with 1 if it fails again.
    """
    if (letter is None) != is_all:
        raise click.UsageError("name one letter, such as 17/handler, or give --all")
    with opened(None, store) as log:
        letters = DeadLetters(log, consumer, _handlers(handlers))
        with _found():
            settled = letters.retry_all() if letter is None else int(letters.retry(letter))
        still_open = len(letters.list())
    if as_lines:
        print_json({"settled": settled, "open": still_open})
    else:
        click.echo(f"{settled} settled, {still_open} open", err=True)
    if not settled and (letter is not None or still_open):
        raise SystemExit(NOT_SO)


@dead_letters.command()
@click.argument("consumer")
@click.argument("letter")
@click.option("--store", "-s", envvar="AZOTH_STORE", metavar="URL", show_envvar=True)
@click.option("--reason", default="", help="Is kept in the log.")
@json_option
def drop(consumer: str, letter: str, store: str | None, *, reason: str, as_lines: bool) -> None:
    """
    Give a dead letter up; those that wait behind it no longer do.
    """
    with opened(None, store) as log:
        letters = DeadLetters(log, consumer)
        with _found():
            letters.drop(letter, reason)
        still_open = len(letters.list())
    if as_lines:
        print_json({"dropped": letter, "open": still_open})
    else:
        click.echo(f"dropped {letter}, {still_open} open", err=True)


def _consumers(log: EventStore) -> Sequence[str]:
    streams = {event.stream for event in iterate(log, Query(category=DEAD))}
    return sorted(stream.removeprefix(f"{DEAD}-") for stream in streams)


def _as_json(consumer: str, letter: Letter) -> Mapping[str, Any]:
    return {
        "consumer": consumer,
        "id": letter.id,
        "handler": letter.handler,
        "position": letter.position,
        "stream": letter.stream,
        "type": letter.type,
        "key": letter.key,
        "attempts": letter.attempts,
        "errors": [{"type": error.type, "text": error.text} for error in letter.errors],
    }


def _print(found: Sequence[tuple[str, Letter]]) -> None:
    table = Table("consumer", "letter", "type", "tries", "error", box=None, header_style="dim")
    for consumer, letter in found:
        last = letter.errors[-1] if letter.errors else None
        error = "" if last is None else f"{last.type}: {last.text}"
        cells = consumer, letter.id, letter.type, str(letter.attempts), error
        table.add_row(*(Text(clean(cell), overflow="fold") for cell in cells))
    if found:
        console().print(table)
    click.echo(f"{len(found)} open", err=True)


def _handlers(target: str) -> Sequence[EventHandler]:
    found = object_named(target)
    try:
        made = found() if callable(found) else found
    except Exception as error:
        raise click.UsageError(f"{target}() failed: {type(error).__name__}: {error}") from error
    if not isinstance(made, Sequence):
        raise click.UsageError(f"{target} is {made!r}; name a list of handlers")
    return cast("Sequence[EventHandler]", made)


@contextmanager
def _found() -> Generator[None, None, None]:
    try:
        yield
    except LookupError as error:
        click.echo(str(error.args[0]), err=True)
        raise SystemExit(NOT_SO) from error
