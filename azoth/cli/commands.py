"""
The commands: `info`, `tail`, `show`, `verify`; and those from beside.
"""

from collections.abc import Callable, Iterator, Sequence
from threading import Event as Flag
from typing import Any, Final

import click

from azoth.cli.backing_up import backup, restore
from azoth.cli.checking import problems_of
from azoth.cli.copying import copy
from azoth.cli.counting import stats
from azoth.cli.doctoring import doctor
from azoth.cli.explaining import what_if, why
from azoth.cli.exporting import export
from azoth.cli.importing import import_
from azoth.cli.letters import dead_letters
from azoth.cli.opening import NOT_SO, Commands, json_option, looking_at, store_arguments
from azoth.cli.output import (
    as_json,
    print_event,
    print_event_line,
    print_json,
    print_table,
    time_of,
)
from azoth.cli.past import at, bisect, diff
from azoth.cli.progress import progress_shown
from azoth.cli.replaying import projections, replay
from azoth.events import Event, Query
from azoth.following import follow_pages, iterate
from azoth.store import (
    BackupStore,
    CheckpointStore,
    DiagnosableStore,
    EventStore,
    LeaseStore,
    RestorableStore,
    VerifiableStore,
)

__all__ = ["azoth", "info", "show", "tail", "verify"]

_CAPABILITIES: Final[dict[str, type]] = {
    "backup": BackupStore,
    "checkpoints": CheckpointStore,
    "diagnose": DiagnosableStore,
    "leases": LeaseStore,
    "restore": RestorableStore,
    "verify": VerifiableStore,
}

_DIGITS_MAX: Final = 19


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="azoth-scheduler")
def azoth() -> None:
    """
    Look into an event log, explain it, and take it elsewhere.

    Exit codes: 0 it is so; 1 it is not (damage, a difference, or nothing was found); 2 the command
    was not understood; 3 the store or file cannot be used; 130 interrupted: what was begun
    goes on by the same command.
    """


for _command in (
    at,
    backup,
    bisect,
    copy,
    dead_letters,
    diff,
    doctor,
    export,
    import_,
    projections,
    replay,
    restore,
    stats,
    what_if,
    why,
):
    azoth.add_command(_command)


@azoth.command()
@store_arguments
@json_option
def info(url: str | None, store: str | None, *, as_lines: bool) -> None:
    """
    Say how long the log is, since when, and what its store can do.
    """
    with looking_at(url, store) as log:
        facts = _facts(log, url or store or "")
    if as_lines:
        print_json(facts)
    else:
        shown = {**facts, "can": ", ".join(facts["can"])}
        print_table({name.replace("_", " "): _shown(value) for name, value in shown.items()})


@azoth.command()
@store_arguments
@click.option("--follow", "-f", is_flag=True, help="Go on with what is appended.")
@click.option("--lines", "-n", default=10, show_default=True, type=click.IntRange(0))
@click.option("--after", type=click.IntRange(0), help="Begin behind this position instead.")
@click.option("--stream", help="Only this stream.")
@click.option("--category", help="Only streams of this category.")
@click.option("--type", "types", multiple=True, help="Only this type; may be repeated.")
@json_option
def tail(
    url: str | None,
    store: str | None,
    *,
    follow: bool,
    lines: int,
    after: int | None,
    stream: str | None,
    category: str | None,
    types: tuple[str, ...],
    as_lines: bool,
) -> None:
    """
    Print the last events, and those that follow.
    """
    show_event = _printer(as_lines=as_lines)
    with looking_at(url, store) as log:
        query = Query(stream, category, types)
        head = log.wait(0, 0)
        past = _last(log, query, head, lines) if after is None else _after(log, query, after, head)
        for event in past:
            show_event(event)
        if follow:
            _follow(log, query, max(head, after or 0), show_event)


@azoth.command()
@click.argument("what", metavar="POSITION|STREAM")
@store_arguments
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1))
@json_option
def show(what: str, url: str | None, store: str | None, *, limit: int, as_lines: bool) -> None:
    """
    Print one event whole, by its position, or the first events of a stream.
    """
    with looking_at(url, store) as log:
        is_position = what.isascii() and what.isdigit()
        for event in (_at(log, what),) if is_position else _of_stream(log, what, limit):
            _show(event, as_lines=as_lines)


@azoth.command()
@store_arguments
@json_option
def verify(url: str | None, store: str | None, *, as_lines: bool) -> None:
    """
    Read every record and compare its checksum; exit with 1 if something is damaged.
    """
    with looking_at(url, store) as log:
        head = log.wait(0, 0)
        with progress_shown(quiet=as_lines, doing="checking") as progress:
            problems = problems_of(log, head, progress)
    found = [{"position": problem.position, "reason": problem.reason} for problem in problems]
    if as_lines:
        print_json({"sound": not found, "head": head, "problems": found})
    else:
        for problem in problems:
            where = "" if problem.position is None else f"position {problem.position}: "
            click.echo(f"{where}{problem.reason}")
        count = len(problems)
        _say(
            f"{head} events, {count} problems; restore a backup"
            if count
            else f"{head} events, sound"
        )
    if problems:
        raise SystemExit(NOT_SO)


def _facts(log: EventStore, where: str) -> dict[str, Any]:
    page = log.read(limit=1)
    last = log.read(limit=1, backwards=True).events
    return {
        "store": where,
        "head": page.head,
        "first_recorded_at": time_of(page.events[0].recorded_at) if page.events else None,
        "last_recorded_at": time_of(last[0].recorded_at) if last else None,
        "last_type": last[0].type if last else None,
        "can": [name for name, kind in _CAPABILITIES.items() if isinstance(log, kind)],
    }


def _at(log: EventStore, digits: str) -> Event:
    head = log.wait(0, 0)
    # Longer numbers lie behind every head, and some are more than `int` takes.
    position = int(digits) if len(digits) <= _DIGITS_MAX else head + 1
    if not 1 <= position <= head:
        there = f"give one from 1 to {head}" if head else "the log is empty"
        raise click.UsageError(f"there is no position {digits:.{_DIGITS_MAX}}; {there}")
    (event,) = log.read(after=position - 1, until=position, limit=1).events
    return event


def _of_stream(log: EventStore, stream: str, limit: int) -> Sequence[Event]:
    events = log.read(Query(stream=stream), limit=limit).events
    if not events:
        _say(f"there is no stream {stream!r}; `azoth tail` shows those written to last")
        raise SystemExit(NOT_SO)
    return events


def _shown(value: object) -> str:
    return "-" if value is None else str(value)


def _last(log: EventStore, query: Query, head: int, count: int) -> Sequence[Event]:
    found: list[Event] = []
    until = head
    while len(found) < count:
        page = log.read(query, until=until, limit=count - len(found), backwards=True)
        found += page.events
        if not page.more or not page.events:
            break
        until = page.events[-1].position - 1
    return found[::-1]


def _after(log: EventStore, query: Query, after: int, head: int) -> Iterator[Event]:
    return iterate(log, query, after=after, until=head)


def _follow(log: EventStore, query: Query, after: int, show_event: Callable[[Event], None]) -> None:
    for page in follow_pages(log, query, after=after, stop=Flag()):
        for event in page.events:
            show_event(event)


def _printer(*, as_lines: bool) -> Callable[[Event], None]:
    return (lambda event: print_json(as_json(event))) if as_lines else print_event_line


def _show(event: Event, *, as_lines: bool) -> None:
    if as_lines:
        print_json(as_json(event))
    else:
        print_event(event)


def _say(sentence: str) -> None:
    click.echo(sentence, err=True)
