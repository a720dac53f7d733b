"""
What the commands about the past share: places, projections and rules by name, rows as JSON.
"""

import json
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, Final, TypeVar, cast

import click

from azoth.cli.opening import NOT_SO
from azoth.projections import Tabular, bytes_of_row
from azoth.replay import (
    BeforeFirstEvent,
    HoldsFromStart,
    NeverHolds,
    PositionBeyondHead,
    Rules,
    SearchReversed,
    deciders,
    projections,
)

__all__ = [
    "PLACE",
    "answered",
    "at_option",
    "json_of",
    "key_argument",
    "object_named",
    "projection_named",
    "projection_option",
    "rules_named",
    "rules_option",
    "snapshots_option",
]

F = TypeVar("F", bound=Callable[..., Any])
V = TypeVar("V")


class _Place(click.ParamType[int | datetime]):
    name = "position|time"

    def convert(
        self,
        value: str | int | datetime,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> int | datetime:
        if not isinstance(value, str):
            return value
        if value.isascii() and value.isdigit() and len(value) <= _DIGITS_MAX:
            return int(value)
        try:
            when = datetime.fromisoformat(value)
        except ValueError:
            self.fail(
                f"{value:.40} is no position and no time, such as 2026-03-01T12:00Z", param, ctx
            )
        return when if when.tzinfo is not None else when.replace(tzinfo=UTC)


_DIGITS_MAX: Final = 18

PLACE: Final = _Place()
"""A position, or a time in ISO 8601; without an offset it is in UTC."""


def at_option(command: F) -> F:
    """
    Give a command `--at`.
    """
    return click.option("--at", type=PLACE, help="A position or a time; the head otherwise.")(
        command
    )


def key_argument(command: F) -> F:
    """
    Give a command the key that its rules know a stream by.
    """
    return click.argument("key")(command)


def projection_option(command: F) -> F:
    """
    Give a command `--projection`.
    """
    return click.option("--projection", "-p", help="By name; `azoth projections` lists them.")(
        command
    )


def rules_option(command: F) -> F:
    """
    Give a command `--rules`.
    """
    return click.option("--rules", "-r", help="The decider, by name, such as task.")(command)


def snapshots_option(command: F) -> F:
    """
    Give a command `--snapshots`.
    """
    return click.option(
        "--snapshots",
        type=click.Path(file_okay=False),
        help="A folder that makes the next call quick.",
    )(command)


def projection_named(name: str | None) -> Callable[[], Tabular]:
    """
    Return what makes the projection that the user named; the only one where none is.

    Raises:
        click.UsageError: There is none of that name, or several and none was named.
    """
    return cast("Callable[[], Tabular]", _chosen(projections(), name, "--projection"))


def rules_named(name: str | None) -> Rules:
    """
    Return the rules that the user named, likewise.
    """
    return _chosen(deciders(), name, "--rules")


def object_named(target: str) -> Any:  # noqa: ANN401 - whatever the module has there
    """
    Return what is at `module:name`; the current folder can be imported from, as by `python -m`.

    Raises:
        click.UsageError: There is nothing.
    """
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        return resolve_name(target)
    except (AttributeError, ImportError, ValueError) as error:
        hint = "write module:name"
        raise click.UsageError(f"{target!r} names nothing ({error}); {hint}") from error


@contextmanager
def answered() -> Generator[None, None, None]:
    """
    Let a place that is none be a wrong argument, and a search without an end an answer.
    """
    try:
        yield
    except (PositionBeyondHead, BeforeFirstEvent, SearchReversed) as error:
        raise click.UsageError(str(error)) from error
    except (HoldsFromStart, NeverHolds) as error:
        click.echo(str(error), err=True)
        raise SystemExit(NOT_SO) from error


def json_of(value: object) -> Any:  # noqa: ANN401 - JSON
    """
    Return a value as JSON, or as its text where it is none.
    """
    try:
        return json.loads(bytes_of_row("", value))[1]
    except (TypeError, ValueError):
        return repr(value)


def _chosen(plugins: Mapping[str, V], name: str | None, option: str) -> V:
    names = tuple(plugins)
    if name is None and len(names) == 1:
        (name,) = names
    if name is None or name not in names:
        there = ", ".join(names) if names else "none is installed"
        asked = "" if name is None else f"there is no {name!r}; "
        raise click.UsageError(f"{asked}name one by {option}: {there}")
    return plugins[name]
