"""
The commands that change a task: `cancel`, `pause`, `resume`, `trigger`, `backfill`.
"""

from datetime import datetime
from typing import get_args

import click

from azoth import Event, EventStore, Query
from azoth.cli.opening import NOT_SO
from azoth.cli.output import print_json
from azoth_scheduler import ScheduledTask, TaskRunSkipped, TaskTriggered
from azoth_scheduler.cli.objects import task_object
from azoth_scheduler.cli.options import Moment, client, json_option, no_such_task, store_option
from azoth_scheduler.cli.words import counted
from azoth_scheduler.events import Overlap, registry, stream_of

__all__ = ["backfill", "cancel", "pause", "resume", "trigger"]

_reason_option = click.option("--reason", default="", help="Why; it is kept in the log.")
_task_argument = click.argument("task_id", metavar="TASK")


@click.command(short_help="End a task for good.")
@_task_argument
@store_option
@_reason_option
@json_option
def cancel(task_id: str, store: str | None, *, reason: str, as_lines: bool) -> None:
    """
    End a task for good: it runs no more, what runs is asked to stop, its history stays.
    """
    with client(store) as scheduler:
        before = scheduler.get_task(task_id) or no_such_task(task_id)
        after = scheduler.cancel_task(task_id, reason)
    _print_change("cancelled", before, after, as_lines=as_lines)


@click.command(short_help="Stop new starts of a task.")
@_task_argument
@store_option
@_reason_option
@json_option
def pause(task_id: str, store: str | None, *, reason: str, as_lines: bool) -> None:
    """
    Stop new starts of a task, retries too; an attempt that runs ends as usual.
    """
    with client(store) as scheduler:
        before = scheduler.get_task(task_id) or no_such_task(task_id)
        after = scheduler.pause_task(task_id, reason)
    _print_change("paused", before, after, as_lines=as_lines)


@click.command(short_help="Undo a pause, or a disabling.")
@_task_argument
@store_option
@_reason_option
@json_option
def resume(task_id: str, store: str | None, *, reason: str, as_lines: bool) -> None:
    """
    Undo a pause, or the disabling after too many failures; what fell due meanwhile is not owed.
    """
    with client(store) as scheduler:
        before = scheduler.get_task(task_id) or no_such_task(task_id)
        after = scheduler.resume_task(task_id, reason)
    _print_change("resumed", before, after, as_lines=as_lines)


def _print_change(
    word: str, before: ScheduledTask, after: ScheduledTask, *, as_lines: bool
) -> None:
    changed = after.version > before.version
    if as_lines:
        print_json({**task_object(after), "changed": changed})
    elif changed:
        and_now = "" if after.status == word else f"; its status is {after.status}"
        click.echo(f"{after.task_id} is {word}{and_now}")
    else:
        click.echo(f"{after.task_id} stays as it was; its status is {after.status}")


@click.command(short_help="Run a task now, beside its schedule.")
@_task_argument
@store_option
@click.option("--payload", metavar="TEXT", help="For this run, in place of the task's own.")
@click.option(
    "--overlap",
    type=click.Choice(get_args(Overlap)),
    help="What happens if one of its runs is open, in place of what the task says.",
)
@json_option
def trigger(
    task_id: str,
    store: str | None,
    *,
    payload: str | None,
    overlap: Overlap | None,
    as_lines: bool,
) -> None:
    """
    Run a task now, beside its schedule; exit with 1 if it was skipped because a run is open.
    """
    with client(store) as scheduler:
        encoded = None if payload is None else payload.encode()
        task = scheduler.trigger_task(task_id, payload=encoded, overlap=overlap)
        run_id, was_skipped = _answer(scheduler.store, task)
    if as_lines:
        print_json({"task_id": task_id, "run_id": run_id, "skipped": was_skipped})
    elif was_skipped:
        click.echo(
            f"{task_id} was skipped: one of its runs is open; look with "
            f"`azoth-scheduler runs {task_id}` and trigger it again when that is over, or with "
            "--overlap buffer_one",
            err=True,
        )
    else:
        click.echo(f"{task_id} will run as {run_id} as soon as a worker has a free slot")
    if was_skipped:
        raise SystemExit(NOT_SO)


@click.command(short_help="Run a task for times of the past.")
@_task_argument
@click.argument("start", type=Moment())
@click.argument("end", type=Moment())
@store_option
@json_option
def backfill(
    task_id: str, start: datetime, end: datetime, store: str | None, *, as_lines: bool
) -> None:
    """
    Run a task once for each time that its schedule names from START to END, one after another.

    Times are ISO 8601, such as 2026-05-01 or 2026-05-01T12:00+02:00; without an offset they are in
    UTC. What ran at these times before runs again.
    """
    with client(store) as scheduler:
        before = scheduler.get_task(task_id) or no_such_task(task_id)
        after = scheduler.backfill(task_id, start, end)
    count = after.version - before.version
    if as_lines:
        print_json({**task_object(after), "runs": count})
    else:
        click.echo(
            f"{task_id} will run {counted(count, 'time')}, one after another, as soon as a worker "
            "has a free slot"
        )


def _answer(log: EventStore, task: ScheduledTask) -> tuple[str, bool]:
    """
    Return the id of the run that was asked for, and whether it was skipped in the same commit.

    The task's version is that of our own commit, whatever was appended since.
    """
    was_skipped = False
    for version in range(task.version, 0, -1):
        change = registry.decode(_event(log, task, version))
        if isinstance(change, TaskTriggered):
            return change.run_id, was_skipped
        # Behind a trigger stands that it is skipped, or that others are asked to stop.
        was_skipped |= isinstance(change, TaskRunSkipped)
    raise AssertionError("a trigger is an event")


def _event(log: EventStore, task: ScheduledTask, version: int) -> Event:
    until = None
    while True:
        page = log.read(Query(stream=stream_of(task.task_id)), until=until, backwards=True)
        for event in page.events:
            if event.version == version:
                return event
        until = page.events[-1].position - 1
