"""
The command `run`: a worker in the foreground, ended by signals.
"""

import signal
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType
from typing import Final

import click

from azoth import Microseconds, SystemClock
from azoth.cli.opening import NOT_SO
from azoth_scheduler import Scheduler
from azoth_scheduler.cli.logs import log_to_stderr
from azoth_scheduler.cli.options import Seconds, json_option, store_errors
from azoth_scheduler.cli.tables import screen
from azoth_scheduler.cli.target import scheduler_named
from azoth_scheduler.cli.watching import View, watched
from azoth_scheduler.cli.words import counted

__all__ = ["run"]

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_SIGNALLED: Final = 128
# Microseconds. A terminal and whoever started us may both pass on one Ctrl-C.
_SAME: Final = 500_000


@click.command(short_help="Run a scheduler until a signal.")
@click.argument("target", metavar="MODULE:SCHEDULER")
@click.option(
    "--drain",
    default=30.0,
    show_default=True,
    type=Seconds(0),
    metavar="SECONDS",
    help="How long what runs may go on after the first signal.",
)
@click.option("--quiet", "-q", is_flag=True, help="Tell nothing while it runs.")
@json_option
def run(target: str, *, drain: float, quiet: bool, as_lines: bool) -> None:
    """
    Run the scheduler MODULE:SCHEDULER until a signal.

    SCHEDULER is a Scheduler, or a function that returns one; modules are looked for in the current
    folder too. The first SIGINT or SIGTERM lets what runs end and starts nothing more; a second
    one, half a second later or more, stops at once, and what was running is done again by the next
    worker.

    What happens is told on standard error, with the log messages; standard output belongs to the
    handlers. With --json the events are printed there too, so let handlers print nothing then.
    """
    log_to_stderr()
    scheduler = scheduler_named(target)
    stopping = _Stopping(scheduler, drain)
    try:
        with store_errors(), stopping.on_signals():
            with watched(scheduler, _view(quiet=quiet, as_lines=as_lines)):
                scheduler.run()
            still = scheduler.health().running
            scheduler.close()
    except KeyboardInterrupt:
        raise SystemExit(_SIGNALLED + stopping.number) from None
    if still:
        what = counted(still, "attempt")
        click.echo(f"{what} did not end in {drain:g} s; others take over", err=True)
        raise SystemExit(NOT_SO)


def _view(*, quiet: bool, as_lines: bool) -> View:
    if quiet:
        return "nothing"
    if as_lines:
        return "objects"
    return "status" if screen(on_stderr=True).is_terminal else "lines"


class _Stopping:
    """
    Answer signals: the first ends the scheduler's run, the second leaves it.

    Args:
        scheduler: What is run.
        drain: Seconds that what runs may go on.
    """

    def __init__(self, scheduler: Scheduler, drain: float) -> None:
        self._scheduler = scheduler
        self._drain = drain
        self._clock = SystemClock()
        self._first_at = Microseconds(0)
        self.number = 0

    @contextmanager
    def on_signals(self) -> Generator[None, None, None]:
        """
        Answer them until the block is left.
        """
        before = {number: signal.signal(number, self._answer) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _answer(self, number: int, _frame: FrameType | None) -> None:
        now = self._clock.monotonic()
        if number == self.number and now - self._first_at < _SAME:
            return
        if self.number:
            # Not SystemExit: a handler that runs in this thread would take it for its own failure.
            raise KeyboardInterrupt
        self.number, self._first_at = number, now
        self._scheduler.shutdown(self._drain)
        click.echo(
            f"{signal.Signals(number).name}: nothing more is started, and what runs may go on for "
            f"{self._drain:g} s; once more to stop at once",
            err=True,
        )
