"""
The command `check`: declared schedules are looked through, and nothing is written.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

import click
from attrs import asdict, fields

from azoth import SystemClock, datetime_of, open_store
from azoth.cli.opening import NOT_SO
from azoth.cli.output import clean, print_json
from azoth_scheduler import (
    Cron,
    InvalidSchedule,
    InvalidTask,
    Scheduler,
    SchedulerError,
    ScheduleTaskRequest,
)
from azoth_scheduler import lint as warnings_of
from azoth_scheduler.cli.options import json_option
from azoth_scheduler.cli.target import requests_named
from azoth_scheduler.cli.words import counted
from azoth_scheduler.schedule_files import Declared, Mistake, declared_in

__all__ = ["check"]

_FIELDS: Final = {field.name for field in fields(ScheduleTaskRequest)}


@click.command(short_help="Look through declared schedules, in CI.")
@click.argument("declared", metavar="FILE|MODULE:REQUESTS")
@json_option
def check(declared: str, *, as_lines: bool) -> None:
    """
    Look through declared schedules; exit with 1 if one has a mistake. Nothing is written.

    FILE is a TOML file of schedules, or a Python file; MODULE:REQUESTS, or FILE.py:REQUESTS, names
    a list of requests, or a function that returns one. Each mistake names the entry, the key and
    what to write. What is allowed but probably not meant is told too, and is no mistake.
    """
    found = _declared(declared)
    mistakes = [*found.mistakes, *_mistakes(found.requests)]
    warnings = list(_warnings(found.requests))
    if as_lines:
        print_json(
            {
                "valid": not mistakes,
                "schedules": len(found.requests),
                "mistakes": [asdict(one) for one in mistakes],
                "warnings": [asdict(one) for one in warnings],
            }
        )
    else:
        for one in mistakes:
            click.echo(clean(str(one)))
        for one in warnings:
            click.secho(clean(f"careful: {one}"), fg="yellow")
        sound = counted(len(found.requests), "schedule")
        said = counted(len(mistakes), "mistake") if mistakes else f"{sound}, no mistake"
        click.echo(said, err=True)
    if mistakes:
        raise SystemExit(NOT_SO)


def _declared(target: str) -> Declared:
    if target.endswith(".toml"):
        try:
            return declared_in(Path(target).read_bytes())
        except OSError as error:
            raise click.UsageError(f"{target!r} cannot be read: {error.strerror}") from error
    try:
        given = requests_named(target)
    except click.UsageError as error:
        # A request is looked through when it is made, so the module is left at its first mistake.
        if not isinstance(error.__cause__, SchedulerError):
            raise
        return Declared((), (_mistake(error.__cause__, error.message),))
    requests: list[ScheduleTaskRequest] = []
    strangers: list[Mistake] = []
    for place, one in enumerate(given, 1):
        if isinstance(one, ScheduleTaskRequest):
            requests.append(one)
        else:
            reason = f"{one!r:.80} is no request; give a ScheduleTaskRequest"
            strangers.append(Mistake(entry=f"entry {place}", key="", reason=reason))
    return Declared(tuple(requests), tuple(strangers))


def _mistake(error: SchedulerError, said: str) -> Mistake:
    if isinstance(error, InvalidSchedule):
        return Mistake(entry="", key="schedule", reason=said)
    reason = error.reason if isinstance(error, InvalidTask) else ""
    word = reason.partition(" ")[0]
    entry = error.task_id if isinstance(error, InvalidTask) else None
    return Mistake(entry=entry or "", key=word if word in _FIELDS else "", reason=said)


def _mistakes(requests: Sequence[ScheduleTaskRequest]) -> Iterator[Mistake]:
    """
    Yield what only scheduling finds out, by scheduling into a log of its own.
    """
    seen: set[str] = set()
    with open_store("memory://") as log, Scheduler(log) as scheduler:
        for request in requests:
            if request.task_id in seen:
                reason = "it is declared twice; leave one out"
                yield Mistake(entry=request.task_id, key="id", reason=reason)
                continue
            seen.add(request.task_id)
            try:
                scheduler.schedule_task(request)
            except SchedulerError as error:
                yield Mistake(entry=request.task_id, key="schedule", reason=str(error))


def _warnings(requests: Sequence[ScheduleTaskRequest]) -> Iterator[Mistake]:
    now = _now()
    for request in requests:
        cron = request.schedule
        if isinstance(cron, Cron):
            for said in warnings_of(
                cron.expr, cron.tz, since=now, dst=cron.dst, day_match=cron.day_match
            ):
                yield Mistake(entry=request.task_id, key="cron", reason=said)


def _now() -> datetime:
    return datetime_of(SystemClock().now())
