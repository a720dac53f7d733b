"""
A scheduler at one moment: what runs, what is late, what comes next.
"""

from datetime import datetime, timedelta
from typing import Final

from rich import box
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from azoth.cli.output import clean
from azoth_scheduler import Health, ScheduledTask, Scheduler, TaskFilter
from azoth_scheduler.cli.words import coming, shortened, span

__all__ = ["status_of"]

_ROWS_MAX: Final = 6
_LATE: Final = timedelta(seconds=2)
_ID_WIDTH: Final = 32


def status_of(scheduler: Scheduler, now: datetime) -> Panel:
    """
    Return what a scheduler is doing, in a few lines.
    """
    tasks = scheduler.list_tasks(TaskFilter(enabled=True))
    running = [task for task in tasks if task.running]
    waiting = sorted(
        ((when, task) for task in tasks if not task.running and (when := _due(task))),
        key=lambda one: (one[0], one[1].task_id),
    )
    late = [one for one in waiting if one[0] < now - _LATE]
    rows = Table.grid(padding=(0, 2))
    for task in running[:_ROWS_MAX]:
        rows.add_row(Text("running", style="bold cyan"), _name(task), _since(task, now))
    for when, task in waiting[: max(1, _ROWS_MAX - len(running))]:
        word = Text("late", style="yellow") if (when, task) in late else Text("next", style="dim")
        rows.add_row(word, _name(task), coming(when, now))
    title = _title(scheduler.health(), len(running), len(late), len(waiting))
    return Panel(rows, title=title, title_align="left", box=box.ROUNDED, border_style="dim")


def _due(task: ScheduledTask) -> datetime | None:
    return task.retry_at or task.next_run_time


def _name(task: ScheduledTask) -> Text:
    return Text(shortened(clean(task.task_id), _ID_WIDTH))


def _since(task: ScheduledTask, now: datetime) -> str:
    if task.last_run_time is None:
        return ""
    return f"for {span(max(now - task.last_run_time, timedelta()))} of {span(task.timeout)}"


def _title(health: Health, running: int, late: int, waiting: int) -> str:
    parts = [f"{running} running", f"{waiting} waiting"]
    parts += [f"[yellow]{late} late[/]"] if late else []
    parts += [f"[red]{health.stuck} stuck[/]"] if health.stuck else []
    parts += [f"[red]{health.unserved} without handler[/]"] if health.unserved else []
    return " · ".join([*parts, f"log {health.head:,}"])
