"""
The commands `at`, `diff` and `bisect`: a projection as it was, and when it became so.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import datetime
from typing import Any, cast

import click
from attrs import fields, has

from azoth.cli.asking import (
    PLACE,
    answered,
    json_of,
    object_named,
    projection_named,
    projection_option,
    snapshots_option,
)
from azoth.cli.opening import NOT_SO, json_option, looking_at, store_arguments
from azoth.cli.output import as_json, clean, print_event_line, print_json, time_of
from azoth.clocks import Instant
from azoth.events import Event
from azoth.projections import Tabular
from azoth.replay import ABSENT, Difference, Place, Snapshots, state_at
from azoth.replay import bisect as bisect_log
from azoth.replay import diff as diff_places
from azoth.replay.field_changes import is_instant

__all__ = ["at", "bisect", "diff"]


@click.command(short_help="Show a projection as it was.")
@click.argument("place", type=PLACE)
@store_arguments
@projection_option
@snapshots_option
@click.option("--key", help="Only the row of this key; exit with 1 if it is not there.")
@json_option
def at(
    place: int | datetime,
    url: str | None,
    store: str | None,
    *,
    projection: str | None,
    snapshots: str | None,
    key: str | None,
    as_lines: bool,
) -> None:
    """
    Print the rows of a projection as they were at a position or a time.
    """
    factory = projection_named(projection)
    with looking_at(url, store) as log, answered():
        found = state_at(log, factory, place, snapshots=Snapshots(snapshots))
    if key is not None and key not in found.rows:
        click.echo(f"there is no row {key!r} at {found.position}", err=True)
        raise SystemExit(NOT_SO)
    rows = found.rows if key is None else {key: found.rows[key]}
    for name, row in sorted(rows.items()):
        if as_lines:
            print_json({"position": found.position, "key": name, "row": json_of(row)})
        else:
            click.echo(f"{clean(name)}  {clean(_text_of(row))}")
    if not as_lines:
        click.echo(f"{len(rows)} rows at {found.position}, {found.digest()}", err=True)


@click.command(short_help="Compare two places or two stores.")
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@store_arguments
@projection_option
@json_option
def diff(
    first: str,
    second: str,
    url: str | None,
    store: str | None,
    *,
    projection: str | None,
    as_lines: bool,
) -> None:
    """
    Compare two positions or times of one log, or two stores; exit with 1 where they differ.

    Of two stores the first event that differs is shown; the rows too, if a projection is named.
    """
    are_stores = "://" in first and "://" in second
    factory = None if are_stores and projection is None else projection_named(projection)
    with ExitStack() as stack:
        if are_stores:
            one, other = (Place(stack.enter_context(looking_at(u, None))) for u in (first, second))
        else:
            places = [PLACE.convert(text, None, None) for text in (first, second)]
            log = stack.enter_context(looking_at(url, store))
            one, other = (Place(log, place) for place in places)
        stack.enter_context(answered())
        found = diff_places(one, other, factory)
    if as_lines:
        print_json(_difference(found))
    else:
        click.echo("\n".join(map(clean, str(found).splitlines())))
    if found:
        raise SystemExit(NOT_SO)


@click.command(short_help="Find the event that made it so.")
@click.argument("what", metavar="MODULE:FUNCTION|FIELD=VALUE")
@store_arguments
@projection_option
@snapshots_option
@click.option("--key", help="The row whose FIELD is meant.")
@click.option("--after", type=PLACE, default=0, help="Where to begin: it must not hold there.")
@click.option("--until", type=PLACE, help="Where to end; the head otherwise.")
@click.option("--linear", is_flag=True, help="Ask after each event: it may hold for a while only.")
@json_option
def bisect(
    what: str,
    url: str | None,
    store: str | None,
    *,
    projection: str | None,
    snapshots: str | None,
    key: str | None,
    after: int | datetime,
    until: int | datetime | None,
    linear: bool,
    as_lines: bool,
) -> None:
    """
    Find the first event after which something holds of a projection; exit with 1 if there is none.

    Give a function that takes the projection, or with --key a field of a row: paused=true.
    """
    predicate = _function(what) if key is None else _field_is(key, what)
    factory = projection_named(projection)
    with looking_at(url, store) as log, answered():
        event = bisect_log(
            log,
            factory,
            predicate,
            after=after,
            until=until,
            snapshots=Snapshots(snapshots),
            linear=linear,
        )
    _show(event, as_lines=as_lines)


def _show(event: Event, *, as_lines: bool) -> None:
    if as_lines:
        print_json(as_json(event))
    else:
        print_event_line(event)


def _field_is(key: str, words: str) -> Callable[[Tabular], bool]:
    path, separator, text = words.partition("=")
    if not separator:
        raise click.UsageError(f"{words!r} is no FIELD=VALUE, such as paused=true")
    try:
        wanted = json.loads(text)
    except ValueError:
        wanted = text
    names = path.split(".")

    def holds(projection: Tabular) -> bool:
        if key not in projection.rows:
            return False
        found: Any = projection.rows[key]
        for name in names:
            found = _part(found, name)
        return bool(json_of(found) == wanted)

    return holds


def _part(value: object, name: str) -> object:
    # Of the value and not of its JSON, which leaves out what is as at the beginning.
    if isinstance(value, Mapping):
        return cast("Mapping[str, object]", value).get(name)
    kind = type(value)
    if not has(kind):
        return None
    names = [field.name for field in fields(kind)]
    if name not in names:
        raise click.UsageError(f"there is no field {name!r}; there are {', '.join(names)}")
    return getattr(value, name)


def _function(what: str) -> Callable[[Tabular], bool]:
    if "=" in what:
        raise click.UsageError(f"{what!r} is a field of a row; name the row by --key")
    function = object_named(what)
    if not callable(function):
        raise click.UsageError(f"{what!r} is no function; name one that takes the projection")

    def holds(projection: Tabular) -> bool:
        try:
            return bool(function(projection))
        except Exception as error:
            kind = type(error).__name__
            raise click.UsageError(
                f"{what} failed at position {projection.position}: {kind}: {error}"
            ) from error

    return holds


def _difference(found: Difference) -> Mapping[str, Any]:
    return {
        "differs": bool(found),
        "position": found.position,
        "events": [None if event is None else as_json(event) for event in found.events],
        "positions": list(found.positions),
        "rows": [
            {"key": row.key, "before": _side(row.before), "after": _side(row.after)}
            for row in found.rows
        ],
    }


def _side(row: object) -> Any:  # noqa: ANN401 - JSON
    return None if row is ABSENT else json_of(row)


def _text_of(row: object) -> str:
    return json.dumps(_with_times("", json_of(row)), ensure_ascii=False, separators=(",", ":"))


def _with_times(name: str, value: object) -> object:
    if isinstance(value, dict):
        entries = cast("dict[str, object]", value).items()
        return {each: _with_times(each, entry) for each, entry in entries}
    if isinstance(value, list):
        return [_with_times(name, item) for item in cast("list[object]", value)]
    if isinstance(value, int) and is_instant(name, value):
        return time_of(Instant(value))
    return value
