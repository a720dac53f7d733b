"""
How far long work is: a bar on a terminal, plain lines elsewhere, on the standard error.
"""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

import click
from rich import progress as bars
from rich.console import Console

from azoth.store import Progress

__all__ = ["progress_shown"]

_PARTS: Final = 10
"""Lines for a step whose length is known."""


@contextmanager
def progress_shown(*, quiet: bool, doing: str = "") -> Generator[Progress, None, None]:
    """
    Give what long work tells how far it is; *quiet* shows nothing of it.

    Args:
        quiet: Whether a machine reads along.
        doing: What is done to each step, where a step is a thing.
    """
    console = Console(stderr=True)
    if quiet:
        yield lambda _step, _done, _total: None
    elif console.is_terminal:
        columns = bars.TextColumn("{task.description}"), bars.BarColumn()
        rest = bars.MofNCompleteColumn(), bars.TimeRemainingColumn()
        with bars.Progress(*columns, *rest, console=console, transient=True) as shown:
            yield _Bar(shown, doing).tell
    else:
        yield _Lines(doing).tell


class _Bar:
    """
    Show the present step on a bar, which begins anew with each.
    """

    def __init__(self, shown: bars.Progress, doing: str) -> None:
        self._shown = shown
        self._doing = doing
        self._bar = shown.add_task("", total=None)
        self._step = ""

    def tell(self, step: str, done: int, total: int | None) -> None:
        if step != self._step:
            self._shown.reset(self._bar, description=f"{self._doing} {step}".strip())
            self._step = step
        self._shown.update(self._bar, completed=done, total=total)


class _Lines:
    """
    Print a line for each step, and one for each tenth of a long one.
    """

    def __init__(self, doing: str) -> None:
        self._doing = doing
        self._last = ("", 0)

    def tell(self, step: str, done: int, total: int | None) -> None:
        part = 0 if not total else _PARTS * done // total
        if (step, part) == self._last:
            return
        self._last = step, part
        how_far = f": {done} of {total}" if total else ""
        click.echo(f"{self._doing} {step}".strip() + how_far, err=True)
