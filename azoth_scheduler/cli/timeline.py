"""
The next day of some tasks, half an hour a character.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

from rich.table import Table
from rich.text import Text

from azoth.cli.output import clean

__all__ = ["CELL", "CELLS", "timeline"]

CELL: Final = timedelta(minutes=30)
"""The time that a character stands for."""

CELLS: Final = 48
"""How many characters make the day."""

_RULER: Final = "now        ·6 h        ·12 h       ·18 h      ·"


def timeline(days: Mapping[str, Sequence[bool]]) -> Table:
    """
    Return a row for each task, in which each half hour that a run is due in is marked.
    """
    made = Table.grid(padding=(0, 2))
    made.add_row("", Text(_RULER, style="dim"))
    for task_id, cells in days.items():
        made.add_row(Text(clean(task_id)), _line(cells))
    return made


def _line(cells: Sequence[bool]) -> Text:
    line = Text()
    for is_busy in cells:
        line.append("■" if is_busy else "·", style="cyan" if is_busy else "dim")
    return line
