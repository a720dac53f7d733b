"""
The demo, carried out: tasks are scheduled, the worker is killed and replaced, the log is proved.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import count
from pathlib import Path
from threading import Event as Flag
from typing import Final, Literal, Protocol, TypeAlias

from attrs import frozen

from azoth import (
    Clock,
    Event,
    EventStore,
    Instant,
    Projector,
    SystemClock,
    iterate,
    open_store,
    replay,
)
from azoth_scheduler import ScheduledTask, Scheduler, TaskRun
from azoth_scheduler.demo.ledger import Ledger
from azoth_scheduler.demo.process import DemoFailed, WorkerProcess
from azoth_scheduler.demo.proof import Claim, Comparison, claims_of, compared
from azoth_scheduler.demo.samples import Samples, Series
from azoth_scheduler.demo.script import BATCH_TAG, Script
from azoth_scheduler.schedules import is_recurring

__all__ = ["Act", "Audience", "Result", "Scene", "perform"]

Act: TypeAlias = Literal["starting", "working", "dead", "back", "ending"]
"""Where the demo is: before the first attempt, before the kill, after it, after the return."""

_LOOK_SECONDS: Final = 0.05
# Microseconds beyond the script: for a machine that is busy with other things.
_PATIENCE: Final = 30_000_000
_RUNNING_MIN: Final = 3


@frozen(kw_only=True)
class Scene:
    """
    Hold what can be seen at one moment.

    Attributes:
        act: Where the demo is.
        now: The time.
        script: The moments.
        pid: The worker's process; None while there is none.
        next_at: When the worker is killed, comes back, or is ended.
        lost: How many attempts were running at the kill; 0 before it.
        head: The head of the log.
        news: The events since the last scene.
        tasks: All tasks, by id.
        samples: The summaries of the samples.
    """

    act: Act
    now: Instant
    script: Script
    pid: int | None
    next_at: Instant
    lost: int
    head: int
    news: Sequence[Event]
    tasks: Sequence[ScheduledTask]
    samples: Mapping[str, Series]

    @property
    def batch(self) -> Sequence[ScheduledTask]:
        """
        Return the tasks of the batch.
        """
        return [task for task in self.tasks if BATCH_TAG in task.tags]

    @property
    def elapsed(self) -> float:
        """
        Return how many seconds the demo has been going on.
        """
        return (self.now - self.script.began) / 1_000_000


class Audience(Protocol):
    """
    Look on.
    """

    def show(self, scene: Scene) -> None:
        """
        Take in what can be seen now.
        """
        ...


@frozen(kw_only=True)
class Result:
    """
    Hold how a demo ended.

    Attributes:
        url: Its log.
        events: How many events are in it.
        claims: What must hold of the log.
        digests: Of each projection as it lived and as it was rebuilt.
        tasks: All tasks, by id.
        runs: The attempts of each.
        samples: The summaries of the samples.
    """

    url: str
    events: int
    claims: Sequence[Claim]
    digests: Sequence[Comparison]
    tasks: Sequence[ScheduledTask]
    runs: Mapping[str, Sequence[TaskRun]]
    samples: Mapping[str, Series]

    @property
    def holds(self) -> bool:
        """
        Say whether everything holds that must.
        """
        return all(one.holds for one in self.claims) and all(one.holds for one in self.digests)


def perform(folder: Path, seconds: float, audience: Audience) -> Result:
    """
    Carry out the demo in an empty folder.

    Raises:
        DemoFailed: The worker ended by itself, or the tasks did not end.
        StoreError: The log cannot be used.
    """
    url, table, clock = f"sqlite:///{folder / 'azoth.db'}", folder / "schedule.db", SystemClock()
    with open_store(url) as store, WorkerProcess(url, table, folder / "worker.log") as worker:
        stage = _Stage(store, worker, clock, Script.of(clock.now(), seconds), audience)
        stage.play(folder)
        return stage.result(url, table)


class _Stage:
    def __init__(
        self,
        store: EventStore,
        worker: WorkerProcess,
        clock: Clock,
        script: Script,
        audience: Audience,
    ) -> None:
        self._store = store
        self._worker = worker
        self._clock = clock
        self._script = script
        self._audience = audience
        # Without handlers it is a client: it schedules and looks, and runs nothing.
        self._client = Scheduler(store, clock=clock)
        self._samples = Projector(store, Samples())
        self._act: Act = "starting"
        self._next_at = script.kill_at
        self._lost = 0
        self._seen = 0
        self._tick = Flag()

    def play(self, folder: Path) -> None:
        self._client.schedule_tasks(self._script.first_tasks(folder))
        self._worker.start()
        self._watch(lambda scene: scene.act == "working" and scene.now >= self._script.batch_at)
        self._keep_busy()
        back_at = self._kill()
        self._watch(lambda scene: scene.now >= back_at)
        self._come_back(back_at)
        self._act = "ending"
        self._worker.stop()
        self._audience.show(self._look())

    def result(self, url: str, table: Path) -> Result:
        ledger = Ledger().read(iterate(self._store))
        tasks = self._client.list_tasks()
        return Result(
            url=url,
            events=ledger.events,
            claims=claims_of(ledger),
            digests=compared(self._store, table, ledger),
            tasks=tasks,
            runs={task.task_id: self._client.runs(task.task_id) for task in tasks},
            samples=replay(self._store, Samples()).rows,
        )

    def _keep_busy(self) -> None:
        # One batch is enough, save on a machine that forgets us for a second.
        for volley in count():
            self._client.schedule_tasks(self._script.batch(volley))
            scene = self._watch(lambda scene: _is_worn_out(scene) or self._can_die(scene))
            if not _is_worn_out(scene):
                return

    def _can_die(self, scene: Scene) -> bool:
        running = sum(len(task.running) for task in scene.batch)
        return scene.now >= self._script.kill_at and running >= _RUNNING_MIN

    def _kill(self) -> Instant:
        self._worker.kill()
        back_at = self._script.back_at(self._clock.now())
        self._act, self._next_at = "dead", back_at
        self._lost = sum(len(task.running) for task in self._client.list_tasks())
        return back_at

    def _come_back(self, back_at: Instant) -> None:
        over_at = self._script.over_at(back_at)
        self._act, self._next_at = "back", over_at
        self._worker.start()
        self._watch(lambda scene: scene.now >= over_at and not _unfinished(scene))

    def _watch(self, until: Callable[[Scene], bool]) -> Scene:
        limit = self._next_at + _PATIENCE
        while True:
            scene = self._look()
            self._audience.show(scene)
            if until(scene):
                return scene
            self._worker.check()
            if scene.now > limit:
                open_still = ", ".join(_unfinished(scene)) or "nothing"
                raise DemoFailed(reason=f"the worker fell far behind; still open: {open_still}")
            self._tick.wait(_LOOK_SECONDS)

    def _look(self) -> Scene:
        tasks = self._client.list_tasks()
        self._samples.catch_up()
        news = tuple(iterate(self._store, after=self._seen))
        self._seen += len(news)
        if self._act == "starting" and any(task.last_run_time for task in tasks):
            self._act = "working"
        return Scene(
            act=self._act,
            now=self._clock.now(),
            script=self._script,
            pid=self._worker.pid,
            next_at=self._next_at,
            lost=self._lost,
            head=self._seen,
            news=news,
            tasks=tasks,
            samples=dict(self._samples.projection.rows),
        )


def _is_worn_out(scene: Scene) -> bool:
    return all(task.status == "completed" for task in scene.batch)


def _unfinished(scene: Scene) -> list[str]:
    return [
        task.task_id for task in scene.tasks if task.enabled and not is_recurring(task.schedule)
    ]
