"""
The commands that look at tasks: `tasks`, `show`, `runs`, `forecast`.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, get_args

import click
from rich.text import Text

from azoth import SystemClock, datetime_of
from azoth.cli.output import clean, print_json
from azoth_scheduler import Scheduler, Status, TaskFilter, TaskRun
from azoth_scheduler.cli.following import follow_runs
from azoth_scheduler.cli.objects import run_object, task_object, utc
from azoth_scheduler.cli.options import json_option, looking, no_such_task, store_option
from azoth_scheduler.cli.tables import (
    run_line,
    runs_table,
    screen,
    table,
    task_facts,
    tasks_table,
)
from azoth_scheduler.cli.timeline import CELL, CELLS, timeline
from azoth_scheduler.cli.words import local, until

__all__ = ["forecast", "runs", "show", "tasks"]

_COMING: Final = 3


@click.command(short_help="List tasks.")
@store_option
@click.option("--status", type=click.Choice(get_args(Status)), help="Only these.")
@click.option("--type", "task_type", metavar="TYPE", help="Only tasks of this type.")
@click.option("--enabled/--not-enabled", default=None, help="Only those that will run, or not.")
@click.option("--queue", help="Only tasks of this queue.")
@click.option("--tag", help="Only tasks with this tag.")
@click.option("--limit", "-n", default=50, show_default=True, type=click.IntRange(1))
@click.option("--after", default="", metavar="ID", help="Begin behind this task.")
@json_option
def tasks(
    store: str | None,
    *,
    status: Status | None,
    task_type: str | None,
    enabled: bool | None,
    queue: str | None,
    tag: str | None,
    limit: int,
    after: str,
    as_lines: bool,
) -> None:
    """
    List tasks in the order of their ids.
    """
    chosen = TaskFilter(status=status, task_type=task_type, enabled=enabled, queue=queue, tag=tag)
    with looking(store) as scheduler:
        found = scheduler.list_tasks(chosen, limit=limit + 1, after=after)
    page, more = found[:limit], len(found) > limit
    if as_lines:
        for task in page:
            print_json(task_object(task))
        return
    if page:
        screen().print(tasks_table(page, _now()))
    else:
        click.echo("there are no such tasks", err=True)
    if more:
        click.echo(f"there are more: go on with --after {page[-1].task_id!r}", err=True)


@click.command(short_help="Show one task in full.")
@click.argument("task_id", metavar="TASK")
@store_option
@json_option
def show(task_id: str, store: str | None, *, as_lines: bool) -> None:
    """
    Show one task in full.
    """
    with looking(store) as scheduler:
        task = scheduler.get_task(task_id) or no_such_task(task_id)
        coming = scheduler.forecast(task_id, _COMING)
    if as_lines:
        print_json({**task_object(task), "forecast": [utc(when) for when in coming]})
    else:
        screen().print(task_facts(task, coming, _now()))


@click.command(short_help="List a task's attempts.")
@click.argument("task_id", metavar="TASK")
@store_option
@click.option(
    "--limit",
    "-n",
    default=20,
    show_default=True,
    type=click.IntRange(0),
    help="At most so many, the latest; 0 with --follow begins with the next.",
)
@click.option("--follow", "-f", is_flag=True, help="Go on with each attempt that ends.")
@json_option
def runs(task_id: str, store: str | None, *, limit: int, follow: bool, as_lines: bool) -> None:
    """
    List the attempts of a task, the latest last.
    """
    with looking(store) as scheduler:
        found = scheduler.runs(task_id)
        if not found and not as_lines:
            click.echo("it has not run yet", err=True)
        _print_runs(found[max(0, len(found) - limit) :], as_lines=as_lines)
        if follow:
            for run in follow_runs(scheduler, task_id, found):
                _print_run(run, as_lines=as_lines)


def _print_runs(found: Sequence[TaskRun], *, as_lines: bool) -> None:
    if as_lines:
        for run in found:
            print_json(run_object(run))
    elif found:
        screen().print(runs_table(found, _now()))


def _print_run(run: TaskRun, *, as_lines: bool) -> None:
    if as_lines:
        print_json(run_object(run))
    else:
        screen().print(run_line(run, _now()))


@click.command(short_help="List the next times of tasks.")
@click.argument("task_id", metavar="[TASK]", required=False)
@store_option
@click.option("--count", "-n", default=10, show_default=True, type=click.IntRange(1, 10_000))
@json_option
def forecast(task_id: str | None, store: str | None, *, count: int, as_lines: bool) -> None:
    """
    List the next times of a task, or of all tasks, if nothing happens to them.
    """
    with looking(store) as scheduler:
        times = sorted(
            (when, one)
            for one in _chosen(scheduler, task_id)
            for when in scheduler.forecast(one, count)
        )[:count]
        named = sorted({one for _, one in times})
        days = (
            {one: scheduler.busy(one, CELL, CELLS) for one in named}
            if screen().is_terminal and not as_lines
            else {}
        )
    if as_lines:
        for when, one in times:
            print_json({"task_id": one, "at": utc(when)})
    elif times:
        _print_forecast(times, days)
    else:
        click.echo("nothing is to come", err=True)


def _chosen(scheduler: Scheduler, task_id: str | None) -> Sequence[str]:
    if task_id is None:
        return [task.task_id for task in scheduler.list_tasks(TaskFilter(enabled=True))]
    task = scheduler.get_task(task_id) or no_such_task(task_id)
    return [task.task_id]


def _print_forecast(
    times: Sequence[tuple[datetime, str]], days: Mapping[str, Sequence[bool]]
) -> None:
    now, shown = _now(), screen()
    rows = table("when", "", "task")
    for when, task_id in times:
        rows.add_row(Text(local(when, now)), Text(until(when, now)), Text(clean(task_id)))
    shown.print(rows)
    if days:
        shown.print()
        shown.print(timeline(days))


def _now() -> datetime:
    return datetime_of(SystemClock().now())
