"""
The command `stats`: how many events there are, of what, and when.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import click
from rich.table import Table
from rich.text import Text

from azoth.cli.exporting import check_positions, chosen_events
from azoth.cli.opening import json_option, looking_at, store_arguments
from azoth.cli.output import clean, console, print_json, time_of
from azoth.cli.progress import progress_shown
from azoth.events import Event, Query, category_of
from azoth.following import iterate_pages
from azoth.store import EventStore, Progress

__all__ = ["stats"]

_BAR_WIDTH: Final = 30
_HOUR: Final = len("2026-01-01T00")
_DAY: Final = len("2026-01-01")

_GROUPS: Final[Mapping[str, Callable[[Event], str]]] = {
    "type": lambda event: event.type,
    "stream": lambda event: event.stream,
    "category": lambda event: category_of(event.stream),
    "hour": lambda event: time_of(event.recorded_at)[:_HOUR] + ":00Z",
    "day": lambda event: time_of(event.recorded_at)[:_DAY],
}


@click.command()
@store_arguments
@chosen_events
@click.option("--by", type=click.Choice([*_GROUPS]), default="type", show_default=True)
@click.option(
    "--top",
    type=click.IntRange(1),
    default=20,
    show_default=True,
    help="The largest so many; of hours and days the last.",
)
@json_option
def stats(
    url: str | None,
    store: str | None,
    *,
    after: int,
    until: int | None,
    stream: str | None,
    category: str | None,
    types: tuple[str, ...],
    by: str,
    top: int,
    as_lines: bool,
) -> None:
    """
    Count events by type, stream, category, hour or day (UTC).
    """
    with looking_at(url, store) as log, progress_shown(quiet=as_lines) as progress:
        check_positions(log.wait(0, 0), after, until)
        query = Query(stream, category, types)
        counts = _counted(log, query, (after, until), _GROUPS[by], progress)
    rows = sorted(counts.items())[-top:] if by in {"hour", "day"} else counts.most_common(top)
    if as_lines:
        found = [{"name": name, "events": count} for name, count in rows]
        print_json({"by": by, "events": counts.total(), "groups": len(counts), "rows": found})
    else:
        _print(by, rows, counts)


def _counted(
    log: EventStore,
    query: Query,
    bounds: tuple[int, int | None],
    name_of: Callable[[Event], str],
    progress: Progress,
) -> Counter[str]:
    counts: Counter[str] = Counter()
    after, until = bounds
    for page in iterate_pages(log, query, after=after, until=until):
        counts.update(map(name_of, page.events))
        progress("counting", page.next_after, page.head)
    return counts


def _print(by: str, rows: Sequence[tuple[str, int]], counts: Counter[str]) -> None:
    total, most = counts.total(), max((count for _, count in rows), default=0)
    table = Table(by, "events", "share", "", box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.columns[1].justify = table.columns[2].justify = "right"
    for name, count in rows:
        bar = "█" * max(1, round(_BAR_WIDTH * count / most))
        share = f"{100 * count / total:.1f} %"
        table.add_row(Text(clean(name), overflow="fold"), f"{count:,}", share, Text(bar, "cyan"))
    console().print(table)
    others = len(counts) - len(rows)
    rest = f", {others} more not shown" if others else ""
    click.echo(f"{total:,} events, {len(counts):,} by {by}{rest}", err=True)
