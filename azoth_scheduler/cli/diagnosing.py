"""
The command `health`: what is late, stuck, unserved, disabled or behind, and what to do.
"""

from typing import Any, Final

import click
from attrs import asdict
from rich.table import Table
from rich.text import Text

from azoth.cli.opening import NOT_SO
from azoth.cli.output import clean, print_json
from azoth_scheduler import Health, LateTask, TaskContext, TaskHandler
from azoth_scheduler.cli.objects import utc
from azoth_scheduler.cli.options import json_option, looking, store_option
from azoth_scheduler.cli.tables import screen, table
from azoth_scheduler.cli.words import span

__all__ = ["health"]

_LATE_SHOWN: Final = 10


@click.command(short_help="Say what is late, stuck, unserved or disabled.")
@store_option
@click.option("--serves", "types", metavar="TYPE", multiple=True, help="A type your workers serve.")
@click.option("--queue", "queues", metavar="QUEUE", multiple=True, help="A queue they serve.")
@json_option
def health(
    store: str | None, *, types: tuple[str, ...], queues: tuple[str, ...], as_lines: bool
) -> None:
    """
    Say what is wrong with the tasks of a log, and what to do; exit with 1 if anything is.

    Wrong is: a task that fell due more than 31 s ago and was not started, an attempt past its
    deadline that nobody ended, a task that is disabled because its runs are exhausted, events that
    cannot be read, and a clock behind the last recorded time. What your workers serve is not in the
    log: name it with --serves and --queue (each may be repeated), and what none of them serves is
    told too.
    """
    handlers = [_stand_in(one) for one in dict.fromkeys(types)]
    with looking(store, handlers, queues or None) as scheduler:
        found = scheduler.health()
    if as_lines:
        print_json(_object(found))
    else:
        _print(found)
    if found.problems:
        raise SystemExit(NOT_SO)


def _stand_in(name: str) -> TaskHandler:
    """
    Return a handler that serves a type by name only: a command that looks runs nothing.
    """

    class StandIn(TaskHandler):
        task_type = name

        def execute(self, ctx: TaskContext, payload: bytes) -> None:
            raise NotImplementedError

    return StandIn()


def _object(found: Health) -> dict[str, Any]:
    fields = asdict(found, recurse=False)
    late = [_late_object(one) for one in found.late]
    behind = found.clock_behind.total_seconds()
    problems = list(found.problems)
    return {
        "healthy": not problems,
        **fields,
        "late": late,
        "clock_behind": behind,
        "problems": problems,
    }


def _late_object(one: LateTask) -> dict[str, Any]:
    fields = asdict(one, recurse=False)
    return {**fields, "due_at": utc(one.due_at), "late": one.late.total_seconds()}


def _print(found: Health) -> None:
    facts = Table.grid(padding=(0, 2))
    for name in ("head", "overdue", "disabled", "unreadable"):
        facts.add_row(Text(name, style="dim"), f"{getattr(found, name):,}")
    facts.add_row(Text("late", style="dim"), f"{len(found.late):,}")
    shown = screen()
    shown.print(facts)
    if found.late:
        shown.print()
        shown.print(_late_table(found))
    for problem in found.problems:
        click.secho(clean(problem), fg="red")
    if not found.problems:
        click.echo("healthy", err=True)


def _late_table(found: Health) -> Table:
    made = table("late task", "type", "queue", "late by")
    for one in found.late[:_LATE_SHOWN]:
        cells = (one.task_id, one.task_type, one.queue, span(one.late))
        made.add_row(*(Text(clean(cell)) for cell in cells))
    return made
