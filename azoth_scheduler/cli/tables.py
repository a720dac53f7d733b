"""
Tasks and attempts as tables for people.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Final

from attrs import asdict
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from azoth.cli.output import clean, console
from azoth_scheduler import ScheduledTask, TaskRun, Totals
from azoth_scheduler.cli.option_words import kept_in_words, options_in_words
from azoth_scheduler.cli.words import coming, local, moment, schedule_in_words, shortened, span

__all__ = [
    "STYLES",
    "came_of",
    "outcome_of",
    "run_line",
    "runs_table",
    "screen",
    "table",
    "task_facts",
    "tasks_table",
    "totals_in_words",
]

STYLES: Final[Mapping[str, str]] = {
    "succeeded": "green",
    "completed": "green",
    "scheduled": "cyan",
    "running": "bold cyan",
    "retrying": "yellow",
    "snoozed": "yellow",
    "abandoned": "yellow",
    "paused": "yellow",
    "failed": "red",
    "timed_out": "red",
    "disabled": "red",
    "discarded": "magenta",
    "cancelled": "magenta",
}
"""How each status and outcome looks."""

_MARKS: Final[Mapping[str, str]] = {
    "succeeded": "✓",
    "failed": "✗",
    "timed_out": "✗",
    "abandoned": "↯",
    "discarded": "⊘",
    "cancelled": "⊘",
    "snoozed": "…",
    "running": "▸",
}
_PIPE_WIDTH: Final = 240
_ERROR_WIDTH: Final = 100
_PREVIEW_WIDTH: Final = 400


def screen(*, on_stderr: bool = False) -> Console:
    """
    Return a console; into a pipe it cuts no line, whatever the terminal's width.
    """
    shown = console(on_stderr=on_stderr)
    if not shown.is_terminal:
        shown.width = max(shown.width, _PIPE_WIDTH)
    return shown


def table(*headers: str) -> Table:
    """
    Return an empty table with a line below its headers and nothing else.
    """
    made = Table(
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
        collapse_padding=True,
        header_style="dim",
    )
    for header in headers:
        made.add_column(header, overflow="ellipsis", no_wrap=True)
    return made


def tasks_table(tasks: Iterable[ScheduledTask], now: datetime) -> Table:
    """
    Return one row for each task.
    """
    listed = list(tasks)
    options = [_options_said(task, now) for task in listed]
    last = ("options",) if any(options) else ()
    made = table("task", "schedule", "status", "next", "last", "attempts", *last)
    for task, said in zip(listed, options, strict=True):
        made.add_row(
            Text(clean(task.task_id)),
            Text(schedule_in_words(task.schedule, now)),
            Text(task.status, style=STYLES[task.status]),
            Text(coming(task.retry_at or task.next_run_time, now)),
            _last(task, now),
            totals_in_words(task.totals),
            *([Text(said)] if last else []),
        )
    return made


def _options_said(task: ScheduledTask, now: datetime) -> str:
    kept = kept_in_words(task, now)
    said = [f"{name} {value}" for name, value in options_in_words(task, now).items()]
    return ", ".join([*said, *([f"kept: {kept}"] if kept else [])])


def _last(task: ScheduledTask, now: datetime) -> Text:
    if task.last_outcome is None or task.last_completed_at is None:
        return Text("-")
    shown = outcome_of(task.last_outcome)
    return shown.append(f" {local(task.last_completed_at, now)}", style="default")


def outcome_of(outcome: str) -> Text:
    """
    Return an outcome with its mark, in its colour.
    """
    words = outcome.replace("_", " ")
    return Text(f"{_MARKS.get(outcome, '·')} {words}", style=STYLES.get(outcome, ""))


def totals_in_words(totals: Totals) -> Text:
    """
    Return what is not zero, the successes first.
    """
    shown = Text()
    counts = asdict(totals)
    exact = counts.pop("skipped_exact")
    for name, count in counts.items():
        if count:
            shown.append(", " if shown else "")
            more = "more than " if name == "skipped" and not exact else ""
            shown.append(f"{more}{count} {name.replace('_', ' ')}", style=STYLES.get(name, ""))
    return shown or Text("-")


def task_facts(task: ScheduledTask, times: Sequence[datetime], now: datetime) -> Table:
    """
    Return all that is known of a task, a line for each fact.
    """
    made = Table.grid(padding=(0, 2))
    for name, value in _facts(task, times, now).items():
        shown = Text(clean(value), overflow="fold") if isinstance(value, str) else value
        made.add_row(Text(name, style="dim"), shown)
    return made


def _facts(
    task: ScheduledTask, times: Sequence[datetime], now: datetime
) -> Mapping[str, str | Text]:
    status = Text(task.status, style=STYLES[task.status])
    facts: dict[str, str | Text | None] = {
        "task": task.task_id,
        "type": task.task_type,
        "status": status.append(f"  {clean(task.reason)}" if task.reason else "", style="default"),
        "schedule": schedule_in_words(task.schedule, now),
        **options_in_words(task, now),
        "kept": kept_in_words(task, now),
        "next": ", ".join(coming(when, now) for when in times) or None,
        "retry": coming(task.retry_at, now) if task.retry_at else None,
        "running": ", ".join(task.running) or None,
        "last": _last(task, now) if task.last_outcome else None,
        "last error": _error_said(task.last_error_type, task.last_error),
        "attempts": totals_in_words(task.totals),
        "failures": f"{task.retry_count} of the {task.max_retries} that exhaust a run",
        "timeout": span(task.timeout),
        "priority": str(task.priority) if task.priority else None,
        "queue": task.queue,
        "tags": ", ".join(task.tags) or None,
        "payload": _preview(task.payload),
        "created": moment(task.created_at, now),
        "changed": moment(task.updated_at, now),
        "generation": str(task.generation),
    }
    return {name: value for name, value in facts.items() if value is not None}


def _preview(payload: bytes) -> str | None:
    if not payload:
        return None
    try:
        text = clean(payload.decode())
    except UnicodeDecodeError:
        text = payload.hex(" ")
    shown = text if len(text) <= _PREVIEW_WIDTH else f"{text[:_PREVIEW_WIDTH]}…"
    return f"{len(payload)} bytes: {shown}"


def runs_table(runs: Iterable[TaskRun], now: datetime) -> Table:
    """
    Return the ladder of attempts: a run's first line has its time, its retries stand below.
    """
    made = table("scheduled for", "#", "outcome", "started", "took", "what came of it")
    for _, attempts in groupby(runs, key=lambda run: run.run_id):
        for place, run in enumerate(attempts):
            made.add_row(
                Text("" if place else _scheduled_for(run, now)),
                Text(str(run.attempt)),
                outcome_of(run.outcome or "running"),
                Text(local(run.started_at, now)),
                Text("-" if run.duration is None else span(run.duration)),
                Text(clean(came_of(run))),
            )
    return made


def run_line(run: TaskRun, now: datetime) -> Text:
    """
    Return one attempt on a line of its own.
    """
    shown = Text(f"{local(run.completed_at or run.started_at, now)}  #{run.attempt} ")
    shown.append_text(outcome_of(run.outcome or "running"))
    shown.append("" if run.duration is None else f"  {span(run.duration)}")
    return shown.append(f"  {clean(came_of(run))}")


def _scheduled_for(run: TaskRun, now: datetime) -> str:
    return local(run.scheduled_at, now) + (" triggered" if run.triggered_run else "")


def came_of(run: TaskRun) -> str:
    """
    Return what an attempt left behind: its events, or its error and what follows.
    """
    if run.success:
        positions = run.triggered_positions
        return (
            f"{len(positions)} events at {positions[0]}"
            if len(positions) > 1
            else (f"event at {positions[0]}" if positions else "")
        )
    error = None if run.error is None else shortened(run.error, _ERROR_WIDTH)
    parts = [_error_said(run.error_type, error) or run.reason, _follows(run)]
    return "; ".join(part for part in parts if part)


def _error_said(error_type: str | None, error: str | None) -> str | None:
    kind = (error_type or "").rpartition(".")[2]
    # A timeout says in its own words what it is, and an error without words has its type for them.
    return error if error is None or kind in ("", "TimeoutError", error) else f"{kind}: {error}"


def _follows(run: TaskRun) -> str:
    if run.retry_at is None or run.completed_at is None:
        return ""
    wait = run.retry_at - run.completed_at
    return f"again after {span(wait)}" if wait else "again at once"
