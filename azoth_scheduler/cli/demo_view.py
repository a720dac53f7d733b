"""
A demo while it goes on: a live picture on a terminal, lines elsewhere.
"""

from collections import deque
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Final, assert_never

from attrs import frozen
from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from azoth import Event, datetime_of
from azoth_scheduler import ScheduledTask
from azoth_scheduler.cli.demo_report import series_in_words
from azoth_scheduler.cli.narrating import line_of
from azoth_scheduler.cli.tables import STYLES, totals_in_words
from azoth_scheduler.cli.words import counted, schedule_in_words, span
from azoth_scheduler.demo.script import BATCH_TAG
from azoth_scheduler.demo.stage import Audience, Scene
from azoth_scheduler.events import CATEGORY

__all__ = ["audience"]

_RECENT_MAX: Final = 6
_BAR_WIDTH: Final = 24
_BATCH: Final = "count-words"
# Too many of them to be told; the outcomes say the same.
_UNTOLD: Final = ("TaskRunStarted", "TaskScheduled")


@contextmanager
def audience(shown: Console) -> Generator[Audience, None, None]:
    """
    Give whoever looks on: at a live picture if the console is a terminal, else at lines.
    """
    if not shown.is_terminal:
        yield _Reader(shown)
        return
    with Live(console=shown, auto_refresh=False, transient=True) as live:
        yield _Onlooker(live)


@frozen(kw_only=True)
class _Line:
    seconds: float
    who: str
    text: str
    kind: str = ""

    def styled(self) -> Text:
        shown = Text(f"{self.seconds:5.1f} s  ", style="dim")
        shown.append(f"{self.who:<15}  ", style="bold not dim")
        return shown.append(self.text, style=f"not dim {STYLES.get(self.kind, '')}")


class _Narrator:
    """
    Say what is new in a scene: the acts of the demo, and what happened to its tasks.
    """

    def __init__(self) -> None:
        self._act = ""
        self._counted = 0

    def lines(self, scene: Scene) -> Sequence[_Line]:
        batch = {task.task_id for task in scene.batch}
        new_act = [] if scene.act == self._act else [_of_act(scene)]
        self._act = scene.act
        return [*new_act, *_of_news(scene, batch), *_of_batch(scene, batch), *self._all(scene)]

    def _all(self, scene: Scene) -> Iterable[_Line]:
        # By the tasks alone: they are read before the news, which may hold the last success.
        size = len(scene.batch)
        if size > self._counted and not _still_open(scene):
            self._counted = size
            text = f"all {size} files are counted"
            yield _Line(seconds=scene.elapsed, who=_BATCH, text=text, kind="succeeded")


def _of_act(scene: Scene) -> _Line:
    kind = {"dead": "failed", "back": "succeeded"}.get(scene.act, "scheduled")
    return _Line(seconds=scene.elapsed, who="the worker", text=_act_in_words(scene), kind=kind)


def _act_in_words(scene: Scene) -> str:
    match scene.act:
        case "starting":
            return f"process {scene.pid} starts"
        case "working":
            return f"process {scene.pid} works"
        case "dead":
            return f"killed by SIGKILL with {counted(scene.lost, 'attempt')} running"
        case "back":
            return f"process {scene.pid} takes its place and goes on with what the log says"
        case _:
            return "ends what it runs, and itself"


def _of_news(scene: Scene, batch: set[str]) -> Iterable[_Line]:
    for event in _told(scene.news):
        line = line_of(event)
        if line is not None and line.task_id not in batch:
            seconds = (line.at - scene.script.began) / 1_000_000
            yield _Line(seconds=seconds, who=line.task_id, text=line.text, kind=line.kind)


def _told(events: Iterable[Event]) -> Iterable[Event]:
    return (e for e in events if e.stream.startswith(CATEGORY) and e.type not in _UNTOLD)


def _of_batch(scene: Scene, batch: set[str]) -> Iterable[_Line]:
    kinds = [
        line.kind
        for event in _told(scene.news)
        if (line := line_of(event)) is not None and line.task_id in batch
    ]
    if lost := kinds.count("abandoned"):
        text = f"{counted(lost, 'attempt')} abandoned: the worker is dead; due again at once"
        yield _Line(seconds=scene.elapsed, who=_BATCH, text=text, kind="abandoned")


def _still_open(scene: Scene) -> int:
    return sum(task.status != "completed" for task in scene.batch)


class _Reader:
    """
    Look on by reading lines.
    """

    def __init__(self, shown: Console) -> None:
        self._shown = shown
        self._narrator = _Narrator()

    def show(self, scene: Scene) -> None:
        for line in self._narrator.lines(scene):
            self._shown.print(line.styled(), soft_wrap=True)


class _Onlooker:
    """
    Look on at a picture that is drawn anew.
    """

    def __init__(self, live: Live) -> None:
        self._live = live
        self._narrator = _Narrator()
        self._recent: deque[_Line] = deque(maxlen=_RECENT_MAX)

    def show(self, scene: Scene) -> None:
        self._recent.extend(self._narrator.lines(scene))
        self._live.update(_picture(scene, self._recent), refresh=True)


def _picture(scene: Scene, recent: Iterable[_Line]) -> Panel:
    lines = [line.styled() for line in recent]
    for line in lines:
        line.no_wrap, line.overflow = True, "ellipsis"
    return Panel(
        Group(_progress(scene), Text(), _tasks(scene), Text(), *_samples(scene), Text(), *lines),
        title=f"azoth-scheduler demo · {scene.head} events in the log",
        title_align="left",
        box=box.ROUNDED,
        border_style="dim",
    )


def _progress(scene: Scene) -> Table:
    made = Table.grid(padding=(0, 2))
    total = (scene.script.ends_at - scene.script.began) / 1_000_000
    bar = ProgressBar(total=total, completed=min(scene.elapsed, total), width=_BAR_WIDTH)
    made.add_row(bar, f"{scene.elapsed:4.1f} s", _act_and_next(scene))
    return made


def _act_and_next(scene: Scene) -> Text:
    left = span(timedelta(microseconds=max(0, scene.next_at - scene.now)))
    match scene.act:
        case "starting" | "working":
            return Text(f"worker {scene.pid} runs; SIGKILL in {left}", style="green")
        case "dead":
            said = f"killed with {counted(scene.lost, 'attempt')} running; a new worker in {left}"
            return Text(said, style="bold red")
        case "back":
            return Text(f"worker {scene.pid} runs in its place; {left} to go", style="green")
        case "ending":
            return Text("the worker ends what it runs")
        case _ as never:
            assert_never(never)


def _tasks(scene: Scene) -> Table:
    made = Table.grid(padding=(0, 2))
    now = datetime_of(scene.now)
    for task in scene.tasks:
        if BATCH_TAG not in task.tags:
            status = Text(task.status, style=STYLES[task.status])
            schedule = Text(schedule_in_words(task.schedule, now), style="dim")
            made.add_row(task.task_id, schedule, status, totals_in_words(task.totals))
    if scene.batch:
        made.add_row(_BATCH, Text("at once", style="dim"), *_batch(scene.batch))
    return made


def _batch(tasks: Sequence[ScheduledTask]) -> tuple[Text, Table]:
    done = sum(task.status == "completed" for task in tasks)
    running = sum(len(task.running) for task in tasks)
    made = Table.grid(padding=(0, 2))
    bar = ProgressBar(total=len(tasks), completed=done, width=_BAR_WIDTH)
    made.add_row(bar, f"{done} of {len(tasks)} files")
    status = "completed" if done == len(tasks) else "running" if running else "scheduled"
    return Text(f"{running} running" if running else status, style=STYLES[status]), made


def _samples(scene: Scene) -> list[Text]:
    return [
        Text(f"{measure:<6}  ", style="dim").append_text(series_in_words(measure, series))
        for measure, series in scene.samples.items()
    ]
