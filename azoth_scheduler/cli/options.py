"""
What the commands share: the store, a client on it, `--json`, and errors as one sentence.
"""

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from math import isfinite
from typing import Any, Final, NoReturn, TypeVar

import click

from azoth import EventStore, StoreError
from azoth.cli.opening import NOT_SO, StoreTrouble, looking_at, opened
from azoth_scheduler import (
    InvalidSchedule,
    Scheduler,
    SchedulerError,
    TaskHandler,
    TaskNotFound,
)
from azoth_scheduler.cli.logs import unreadable_events_unlogged
from azoth_scheduler.cli.words import counted

__all__ = [
    "EXIT_CODES",
    "Moment",
    "Refused",
    "Seconds",
    "answers",
    "client",
    "json_option",
    "looking",
    "no_such_task",
    "store_errors",
    "store_option",
]

EXIT_CODES: Final = """
\b
Exit codes:
  0    it is so
  1    it is not: no such task, a trigger that was skipped, a proof that fails,
       something wrong that `health`, `lint`, `check` or `simulate` found
  2    the command was not understood
  3    the store cannot be opened or used
  130  interrupted
"""
"""The end of the help."""

_UNITS: Final = {"min": 60, "s": 1, "h": 3_600, "d": 86_400}

F = TypeVar("F", bound=Callable[..., Any])


class Seconds(click.FloatRange):
    """
    Be a span of time in a range: a number of seconds, or one with its unit, such as 30d.

    NaN, which compares with nothing, lies in no range.
    """

    def convert(
        self, value: str | float, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """
        Return how many seconds it is, or refuse it before anything begins.
        """
        try:
            given = _seconds(value)
        except ValueError:
            self.fail(
                f"{value!r} is no span of time; write seconds, or 90s, 5min, 12h, 30d", param, ctx
            )
        seconds = float(super().convert(given, param, ctx))
        if not isfinite(seconds):
            self.fail(f"{value!r} is no finite number of seconds", param, ctx)
        return seconds


def _seconds(value: str | float) -> float:
    if isinstance(value, str):
        for unit, size in _UNITS.items():
            if value.endswith(unit):
                return float(value.removesuffix(unit)) * size
    return float(value)


class Moment(click.ParamType[datetime]):
    """
    Be a time in ISO 8601; without an offset it is in UTC.
    """

    name = "time"

    def convert(
        self, value: str | datetime, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """
        Return the time, aware of its zone.
        """
        if isinstance(value, datetime):
            return value
        try:
            found = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no time; write one such as 2026-05-01T12:00Z", param, ctx)
        return found if found.tzinfo else found.replace(tzinfo=UTC)


class Refused(click.ClickException):
    """
    Say in one sentence why the answer is no.
    """

    exit_code = NOT_SO


def store_option(command: F) -> F:
    """
    Give a command the store's URL, as `--store` or as `AZOTH_STORE`.
    """
    return click.option(
        "--store", "-s", envvar="AZOTH_STORE", metavar="URL", show_envvar=True, help="The log."
    )(command)


def json_option(command: F) -> F:
    """
    Give a command `--json`.
    """
    return click.option(
        "--json", "as_lines", is_flag=True, help="Print JSON, one object a line, for machines."
    )(command)


@contextmanager
def client(store: str | None) -> Generator[Scheduler, None, None]:
    """
    Give a scheduler without handlers, which lists and changes tasks and runs none.

    What goes wrong inside ends the command with one sentence and its exit code.
    """
    with opened(None, store) as log, _scheduling(log) as scheduler:
        yield scheduler


@contextmanager
def looking(
    store: str | None, handlers: Iterable[TaskHandler] = (), queues: Sequence[str] | None = None
) -> Generator[Scheduler, None, None]:
    """
    Give a scheduler that only looks, and otherwise likewise.

    Its store is neither made nor brought up to date, and needs no right to write.
    """
    with looking_at(None, store) as log, _scheduling(log, handlers, queues) as scheduler:
        yield scheduler


@contextmanager
def _scheduling(
    log: EventStore, handlers: Iterable[TaskHandler] = (), queues: Sequence[str] | None = None
) -> Generator[Scheduler, None, None]:
    with (
        answers(),
        unreadable_events_unlogged(),
        Scheduler(log, handlers, queues=queues) as scheduler,
    ):
        _hint_at_unreadable(scheduler.health().unreadable)
        yield scheduler


def _hint_at_unreadable(count: int) -> None:
    if count:
        click.echo(
            f"{counted(count, 'event')} of tasks cannot be read, perhaps those of a newer version; "
            "look with `azoth tail --category '$task'`",
            err=True,
        )


@contextmanager
def store_errors() -> Generator[None, None, None]:
    """
    Turn what a store raises into a sentence, where somebody else has opened it.
    """
    with answers():
        try:
            yield
        except StoreError as error:
            raise StoreTrouble(str(error)) from error


@contextmanager
def answers() -> Generator[None, None, None]:
    """
    Turn what the scheduler refuses into a sentence for whoever typed the command.
    """
    try:
        yield
    except TaskNotFound as error:
        no_such_task(error.task_id)
    except InvalidSchedule as error:
        raise click.UsageError(str(error)) from error
    except SchedulerError as error:
        raise Refused(str(error)) from error


def no_such_task(task_id: str) -> NoReturn:
    """
    End the command: nothing has this id.
    """
    raise Refused(f"there is no task {task_id!r}; `azoth-scheduler tasks` lists those there are")
