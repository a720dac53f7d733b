"""
The commands `why` and `what-if`: what made a state, and what a command would make of it.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import click

from azoth.cli.asking import (
    PLACE,
    answered,
    at_option,
    json_of,
    key_argument,
    rules_named,
    rules_option,
)
from azoth.cli.opening import NOT_SO, json_option, looking_at, store_arguments
from azoth.cli.output import as_json, clean, print_json
from azoth.clocks import SystemClock, instant_of
from azoth.errors import AzothError, StoreError
from azoth.json_format import STDLIB
from azoth.replay import ReplayError, Step, Supposed
from azoth.replay import what_if as suppose
from azoth.replay import why as explain

__all__ = ["what_if", "why"]


@click.command(short_help="Explain a state by its events.")
@key_argument
@store_arguments
@rules_option
@at_option
@json_option
def why(
    key: str,
    url: str | None,
    store: str | None,
    *,
    rules: str | None,
    at: int | datetime | None,
    as_lines: bool,
) -> None:
    """
    Print the events that made the state of KEY, what each changed, and what led to it.
    """
    known = rules_named(rules)
    with looking_at(url, store) as log, answered():
        stream = known.stream_of(key)
        found = explain(log, stream, known.decider, known.registry, at=at)
    if as_lines:
        for step in found.steps:
            print_json(_step(step))
    elif found.steps:
        click.echo(_cleaned(str(found)))
    if not found.steps:
        click.echo(f"there is no {key!r} at {found.position}", err=True)
        raise SystemExit(NOT_SO)


@click.command("what-if", short_help="Say what a command would do.")
@key_argument
@click.argument("command")
@store_arguments
@rules_option
@at_option
@click.option("--now", type=PLACE, help="The time at which it is decided; now otherwise.")
@json_option
def what_if(
    key: str,
    command: str,
    url: str | None,
    store: str | None,
    *,
    rules: str | None,
    at: int | datetime | None,
    now: int | datetime | None,
    as_lines: bool,
) -> None:
    """
    Decide the JSON COMMAND to KEY as it would be, print what would be written, and write nothing.

    Such as: azoth what-if daily-report '{"command": "pause"}'. A command that would be refused has
    exit code 1.
    """
    known = rules_named(rules)
    if isinstance(now, int):
        raise click.UsageError("--now is a time such as 2026-03-01T12:00Z")
    instant = SystemClock().now() if now is None else instant_of(now)
    try:
        parsed = known.parse(key, command.encode(), instant)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    with looking_at(url, store) as log, answered():
        stream = known.stream_of(key)
        try:
            found = suppose(log, stream, parsed, known.decider, known.registry, at=at)
        except (StoreError, ReplayError):
            raise
        except (AzothError, ValueError) as error:
            click.echo(f"it would be refused: {error}", err=True)
            raise SystemExit(NOT_SO) from error
    if as_lines:
        print_json(_supposed(found))
    else:
        click.echo(_cleaned(str(found)))


def _step(step: Step) -> Mapping[str, Any]:
    return {
        **as_json(step.event),
        "changes": [
            {"path": each.path, "before": json_of(each.before), "after": json_of(each.after)}
            for each in step.changes
        ],
        "causes": [cause.position for cause in step.causes],
    }


def _supposed(found: Supposed[Any, Any]) -> Mapping[str, Any]:
    return {
        "stream": found.stream,
        "position": found.position,
        "version": found.version,
        "events": [
            {"type": event.type, "schema": event.schema, "data": STDLIB.loads(event.data)}
            for event in found.encoded
        ],
        "changes": [
            {"path": each.path, "before": json_of(each.before), "after": json_of(each.after)}
            for each in found.changes
        ],
    }


def _cleaned(text: str) -> str:
    return "\n".join(map(clean, text.splitlines()))
