"""
What `run` prints: a line for each thing that happens, and on a terminal a status below the lines.

Both go to standard error, as the log messages do: standard output belongs to the handlers.
"""

import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from threading import Event as Flag
from threading import Thread
from typing import Final, Literal, Self, TypeAlias, assert_never

from rich.console import Console
from rich.live import Live
from rich.text import Text

from azoth import Event, Query, StoreError, SystemClock, datetime_of, iterate
from azoth.cli.output import OutputFailed, as_json, clean, print_json
from azoth.following import follow_pages
from azoth_scheduler import Scheduler
from azoth_scheduler.cli.narrating import Line, line_of
from azoth_scheduler.cli.status import status_of
from azoth_scheduler.cli.tables import STYLES, screen
from azoth_scheduler.events import CATEGORY

__all__ = ["View", "watched"]

View: TypeAlias = Literal["nothing", "objects", "lines", "status"]
"""What is printed: nothing, JSON objects, lines, or lines with a status below them."""

_Tell: TypeAlias = Callable[[Sequence[Event]], None]

_QUERY: Final = Query(category=CATEGORY)
_LINES_MAX: Final = 50
_REFRESH_SECONDS: Final = 0.5
# The status takes at most so much of the time, however many tasks there are.
_REFRESH_SHARE: Final = 1 / 30


@contextmanager
def watched(scheduler: Scheduler, view: View) -> Generator[None, None, None]:
    """
    Print what happens to the tasks until the block is left.
    """
    match view:
        case "nothing":
            yield
        case "objects":
            with _Teller(scheduler, _print_objects):
                yield
        case "lines":
            shown = screen(on_stderr=True)
            with _Teller(scheduler, lambda events: _print_lines(shown, events)):
                yield
        case "status":
            with _status(scheduler) as shown, _Teller(scheduler, lambda e: _print_some(shown, e)):
                yield
        case _ as never:
            assert_never(never)


class _Teller:
    """
    Tell on a thread what is appended, to the last event before the block was left.
    """

    def __init__(self, scheduler: Scheduler, tell: _Tell) -> None:
        self._scheduler = scheduler
        self._tell = tell
        self._stop = Flag()
        self._after = scheduler.store.wait(0, 0)
        self._thread = Thread(target=self._follow, name="azoth-teller", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        if kind is None:
            self._tell(list(iterate(self._scheduler.store, _QUERY, after=self._after)))

    def _follow(self) -> None:
        try:
            for page in follow_pages(
                self._scheduler.store, _QUERY, after=self._after, stop=self._stop
            ):
                self._tell(page.events)
                self._after = page.next_after
        except StoreError:
            # The scheduler meets the same trouble, and says so.
            return
        except (OSError, OutputFailed, SystemExit):
            # Nobody reads what is printed any more; rich leaves the thread for it.
            self._scheduler.shutdown()


def _print_objects(events: Sequence[Event]) -> None:
    for event in events:
        print_json(as_json(event))


def _print_lines(shown: Console, events: Sequence[Event]) -> None:
    for event in events:
        line = line_of(event)
        if line is not None:
            shown.print(_styled(line, dated=not shown.is_terminal), soft_wrap=True)


def _print_some(shown: Console, events: Sequence[Event]) -> None:
    # Whoever looks on can read so many; the log has the rest.
    _print_lines(shown, events[-_LINES_MAX:])


def _styled(line: Line, *, dated: bool) -> Text:
    at = datetime_of(line.at).astimezone()
    text = Text(f"{at:%Y-%m-%d %H:%M:%S} " if dated else f"{at:%H:%M:%S} ", style="dim")
    text.append(f"{clean(line.task_id)}  ", style="bold not dim")
    return text.append(clean(line.text), style=f"not dim {STYLES.get(line.kind, '')}")


@contextmanager
def _status(scheduler: Scheduler) -> Generator[Console, None, None]:
    stop, shown = Flag(), screen(on_stderr=True)
    # What handlers print stands above the status, unless it goes elsewhere.
    beside = sys.stdout.isatty()
    with Live(console=shown, auto_refresh=False, transient=True, redirect_stdout=beside) as live:
        thread = Thread(target=_refresh, args=(live, scheduler, stop), daemon=True)
        thread.start()
        try:
            yield shown
        finally:
            stop.set()
            thread.join()


def _refresh(live: Live, scheduler: Scheduler, stop: Flag) -> None:
    clock, pause = SystemClock(), 0.0
    while not stop.wait(pause):
        began = clock.monotonic()
        try:
            live.update(status_of(scheduler, datetime_of(clock.now())), refresh=True)
        except StoreError:
            return
        cost = (clock.monotonic() - began) / 1_000_000
        pause = max(_REFRESH_SECONDS, cost / _REFRESH_SHARE)
