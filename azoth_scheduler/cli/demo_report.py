"""
What a demo ends with: its tasks, its runs, its samples, and the proof.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import reduce
from typing import Any, Final

from attrs import asdict
from rich.console import Console
from rich.table import Table
from rich.text import Text

from azoth_scheduler import ScheduledTask, TaskRun, Totals
from azoth_scheduler.cli.sparkline import sparkline
from azoth_scheduler.cli.tables import STYLES, came_of, outcome_of, table, totals_in_words
from azoth_scheduler.cli.words import local, schedule_in_words, span
from azoth_scheduler.demo.samples import Series
from azoth_scheduler.demo.script import BATCH_TAG, FLAKY, HANGING, SAMPLING
from azoth_scheduler.demo.stage import Result

__all__ = ["print_result", "proof_object", "series_in_words"]

_LADDERS_MAX: Final = 2
_DIGITS: Final = 12


def proof_object(result: Result) -> dict[str, Any]:
    """
    Return the proof as a JSON object.
    """
    return {
        "holds": result.holds,
        "store": result.url,
        "events": result.events,
        "tasks": len(result.tasks),
        "attempts": sum(map(len, result.runs.values())),
        "claims": [asdict(claim) for claim in result.claims],
        "digests": [{**asdict(one), "holds": one.holds} for one in result.digests],
    }


def print_result(shown: Console, result: Result, now: datetime) -> None:
    """
    Print how a demo ended.
    """
    for title, part in (
        ("Tasks", _tasks(result.tasks, now)),
        ("Attempts", _attempts(result, now)),
        ("Samples of this machine", _samples(result.samples)),
        (f"Proof, from the {result.events} events of the log", _claims(result)),
        ("Folded live, through the kill, and folded again from the log", _digests(result)),
    ):
        shown.print(Text(f"\n{title}", style="bold"))
        shown.print(part)


def _tasks(tasks: Sequence[ScheduledTask], now: datetime) -> Table:
    made = table("task", "schedule", "status", "attempts, and times left out")
    batch = [task for task in tasks if BATCH_TAG in task.tags]
    for task in tasks:
        if task is (batch[0] if batch else None):
            name = f"{batch[0].task_id} … {batch[-1].task_id[-2:]}"
            made.add_row(*_task_row(name, batch, now))
        elif task not in batch:
            made.add_row(*_task_row(task.task_id, [task], now))
    return made


def _task_row(
    name: str, tasks: Sequence[ScheduledTask], now: datetime
) -> tuple[Text, Text, Text, Text]:
    statuses = sorted({task.status for task in tasks})
    return (
        Text(name),
        Text(schedule_in_words(tasks[0].schedule, now)),
        Text(", ".join(statuses), style=STYLES[statuses[0]]),
        totals_in_words(reduce(_added, (task.totals for task in tasks))),
    )


def _added(first: Totals, second: Totals) -> Totals:
    exact = first.skipped_exact and second.skipped_exact
    sums = {name: count + getattr(second, name) for name, count in asdict(first).items()}
    return Totals(**{**sums, "skipped_exact": exact})


def _attempts(result: Result, now: datetime) -> Table:
    made = table("task", "due", "#", "outcome", "took", "what came of it")
    made.columns[-1].no_wrap = False
    for task_id in [FLAKY, HANGING, *_killed(result), SAMPLING]:
        _add_ladder(made, task_id, result.runs[task_id], now)
    return made


def _killed(result: Result) -> list[str]:
    """
    Return a few tasks of the batch that the kill hit.
    """
    hit = [
        task.task_id for task in result.tasks if BATCH_TAG in task.tags and task.totals.abandoned
    ]
    return hit[:_LADDERS_MAX]


def _add_ladder(made: Table, task_id: str, runs: Iterable[TaskRun], now: datetime) -> None:
    shown_task, shown_run = "", ""
    for run in runs:
        made.add_row(
            "" if shown_task == task_id else task_id,
            "" if shown_run == run.run_id else local(run.scheduled_at, now),
            str(run.attempt),
            outcome_of(run.outcome or "running"),
            "-" if run.duration is None else span(run.duration),
            Text(came_of(run)),
        )
        shown_task, shown_run = task_id, run.run_id


def _samples(samples: Mapping[str, Series]) -> Table:
    made = Table.grid(padding=(0, 2))
    for measure, series in samples.items():
        made.add_row(Text(measure, style="dim"), series_in_words(measure, series))
    return made


def series_in_words(measure: str, series: Series) -> Text:
    """
    Return a summary as a line of bars and its numbers.
    """
    percent = measure == "memory"
    said = [f"{value:.1%}" if percent else f"{value:.2f}" for value in _numbers(series)]
    shown = Text(sparkline(series.recent), style="cyan")
    numbers = f"  {said[0]} to {said[1]}, mean {said[2]}, samples: {series.count}"
    return shown.append(numbers, style="default")


def _numbers(series: Series) -> tuple[float, float, float]:
    return series.least, series.most, series.mean


def _claims(result: Result) -> Table:
    made = Table.grid(padding=(0, 2))
    made.add_column()
    made.add_column(ratio=3)
    made.add_column(ratio=2)
    for claim in result.claims:
        found = Text(claim.found, style="dim" if claim.holds else "red")
        made.add_row(_mark(holds=claim.holds), Text(claim.says), found)
    return made


def _digests(result: Result) -> Table:
    made = Table.grid(padding=(0, 2))
    for one in result.digests:
        equal = "=" if one.holds else "≠"
        digests = f"{one.live[:_DIGITS]}… {equal} {one.rebuilt[:_DIGITS]}…"
        made.add_row(_mark(holds=one.holds), Text(one.projection), Text(digests, style="dim"))
    return made


def _mark(*, holds: bool) -> Text:
    return Text("✓", style="green") if holds else Text("✗", style="bold red")
