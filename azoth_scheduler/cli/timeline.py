"""
The next day of some tasks, half an hour a character.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from rich.table import Table
from rich.text import Text

from azoth import Instant, instant_of
from azoth.cli.output import clean
from azoth_scheduler import Interval, ScheduledTask
from azoth_scheduler.schedules import next_occurrence

__all__ = ["timeline"]

_CELL: Final = 30 * 60 * 1_000_000
_CELLS: Final = 48
_RULER: Final = "now        ·6 h        ·12 h       ·18 h      ·"


def timeline(tasks: Iterable[ScheduledTask], now: datetime) -> Table:
    """
    Return a row for each task, in which each half hour that it runs in is marked.
    """
    made = Table.grid(padding=(0, 2))
    made.add_row("", Text(_RULER, style="dim"))
    for task in tasks:
        made.add_row(Text(clean(task.task_id)), _line(task, instant_of(now)))
    return made


def _line(task: ScheduledTask, now: Instant) -> Text:
    line = Text()
    for cell in range(_CELLS):
        runs = _runs_within(task, Instant(now + cell * _CELL), Instant(now + (cell + 1) * _CELL))
        line.append("■" if runs else "·", style="cyan" if runs else "dim")
    return line


def _runs_within(task: ScheduledTask, begin: Instant, end: Instant) -> bool:
    if task.next_nominal_time is None:
        return False
    first = instant_of(task.next_nominal_time)
    if first >= end or begin <= first:
        return begin <= first < end
    # What has fallen due already counts for the first cell; only the grid itself is looked at.
    every = task.schedule.microseconds if isinstance(task.schedule, Interval) else 1
    coming = next_occurrence(task.schedule, Instant(first - every), Instant(begin - 1))
    return coming is not None and coming < end
