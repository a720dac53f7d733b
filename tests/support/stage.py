"""
A stage for schedulers: one log, one clock that is moved by hand, and whoever plays on it.
"""

from asyncio import AbstractEventLoop
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from threading import Event, Semaphore, Thread
from typing import Any, Final, TypeAlias, TypeVar

from azoth.clocks import Clock, datetime_of
from azoth.projector import Projector
from azoth.store import EventStore
from azoth.testing import ManualClock
from azoth_scheduler import (
    AsyncExecutor,
    Executor,
    Immediate,
    InlineExecutor,
    MemoryScheduleProjection,
    RetryPolicy,
    Schedule,
    ScheduledTask,
    Scheduler,
    ScheduleTaskRequest,
    TaskContext,
    TaskEvent,
    TaskHandler,
    ThreadExecutor,
)
from azoth_scheduler.events import SchedulerEvent
from azoth_scheduler.execution import Attempt, Ended
from azoth_scheduler.executors.base import Report
from azoth_scheduler.simulation.invariants import Entry, assert_sound, read_log

__all__ = [
    "NOON",
    "PATIENCE",
    "Act",
    "Gate",
    "Reporting",
    "ReportingLoop",
    "Stage",
    "Worker",
    "acts",
    "fails",
    "reporting",
    "request",
    "running",
    "task",
]

NOON: Final = datetime(2026, 1, 1, 12, tzinfo=UTC)
"""When each play begins."""

PATIENCE: Final = 30.0
"""Seconds after which a test that waits for another thread gives up."""

E = TypeVar("E", bound=SchedulerEvent)

Act: TypeAlias = Callable[[TaskContext, bytes], object]
"""What a handler does."""

Said: TypeAlias = Any
"""Whatever the class takes that it is handed on to, which checks it."""

IMMEDIATE: Final = Immediate()


class Worker(TaskHandler):
    """
    Do what a test says, and remember each attempt.
    """

    def __init__(self, act: Act) -> None:
        self._act = act
        self.contexts: list[TaskContext] = []
        self.payloads: list[bytes] = []

    def execute(self, ctx: TaskContext, payload: bytes) -> Said:
        self.contexts.append(ctx)
        self.payloads.append(payload)
        return self._act(ctx, payload)

    @property
    def executions(self) -> list[str]:
        """
        Return the ids of the attempts made, in order.
        """
        return [context.execution_id for context in self.contexts]


def acts(act: Act = lambda ctx, payload: None, task_type: str = "work", **said: Said) -> Worker:
    """
    Return a handler of a type of its own that does *act*; *said* are its defaults.
    """
    acting: type[Worker] = type("Acting", (Worker,), {"task_type": task_type, **said})
    return acting(act)


def fails(times: int = 1_000, error: type[BaseException] = ValueError, **said: Said) -> Worker:
    """
    Return a handler whose first *times* attempts raise *error*.
    """
    left = iter(range(times))

    def act(ctx: TaskContext, payload: bytes) -> object:
        if next(left, None) is not None:
            raise error("boom")
        return TaskEvent("recovered")

    return acts(act, **said)


def request(
    task_id: str = "a", schedule: Schedule = IMMEDIATE, task_type: str = "work", **said: Said
) -> ScheduleTaskRequest:
    """
    Return a request for a task, immediate if nothing is said.
    """
    return ScheduleTaskRequest(task_id, task_type, schedule, **said)


class Gate:
    """
    Hold handlers inside until a test lets them go on.
    """

    def __init__(self) -> None:
        self._entered = Semaphore(0)
        self._opened = Event()

    def __call__(self, ctx: TaskContext, payload: bytes) -> object:
        """
        Say that a handler is inside, and wait.
        """
        self._entered.release()
        assert self._opened.wait(PATIENCE), "nobody opened the gate"
        return TaskEvent("passed")

    def until_stopped(self, ctx: TaskContext, payload: bytes) -> object:
        """
        Say that a handler is inside, and wait for it to be asked to stop.
        """
        self._entered.release()
        assert ctx.stop.wait(PATIENCE), "nobody asked to stop"
        ctx.check_cancelled()
        return None

    def wait_inside(self, count: int = 1) -> None:
        """
        Wait until so many handlers are inside.
        """
        for _ in range(count):
            assert self._entered.acquire(timeout=PATIENCE), "no handler came"

    def open(self) -> None:
        """
        Let all go on, those who come later too.
        """
        self._opened.set()


class Reporting:
    """
    Be an executor that lets a test wait for its reports.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._reports = Semaphore(0)

    @property
    def slots(self) -> int | None:
        return self._executor.slots

    def submit(self, attempt: Attempt, clock: Clock, report: Report) -> None:
        def reported(ended: Ended) -> None:
            report(ended)
            self._reports.release()

        self._executor.submit(attempt, clock, reported)

    def close(self) -> None:
        self._executor.close()

    def wait(self, count: int = 1) -> None:
        """
        Wait for the reports of so many attempts.
        """
        for _ in range(count):
            assert self._reports.acquire(timeout=PATIENCE), "no attempt ended"


class ReportingLoop(Reporting):
    """
    Be one that can use an application's event loop.
    """

    def __init__(self, executor: AsyncExecutor) -> None:
        super().__init__(executor)
        self._looping = executor

    def on_loop(self, loop: AbstractEventLoop) -> AbstractContextManager[None]:
        return self._looping.on_loop(loop)


def reporting(executor: Executor) -> Reporting:
    """
    Return *executor*, watched.
    """
    if isinstance(executor, AsyncExecutor):
        return ReportingLoop(executor)
    return Reporting(executor)


class Stage:
    """
    Hold one log and one clock, make schedulers, and read what became of them.
    """

    def __init__(self, store: EventStore, clock: ManualClock) -> None:
        self.store = store
        self.clock = clock
        self.sound = True
        self._schedulers: list[Scheduler] = []
        self._policies: dict[str, RetryPolicy] = {}
        self._gates: list[Gate] = []

    @property
    def now(self) -> datetime:
        """
        Return what the clock shows.
        """
        return datetime_of(self.clock.now())

    def scheduler(self, *handlers: TaskHandler, **options: Said) -> Scheduler:
        """
        Return a scheduler on the stage's log and clock; inline if nothing is said.
        """
        chosen = {"clock": self.clock, "executor": InlineExecutor(), "worker_id": "worker"}
        store = options.pop("store", self.store)
        scheduler = Scheduler(store, handlers, **{**chosen, **options})
        self._schedulers.append(scheduler)
        said = {one.task_type: one.retry for one in handlers if one.retry is not None}
        self._policies.update(said)
        return scheduler

    def threaded(self, *handlers: TaskHandler, **options: Said) -> tuple[Scheduler, Reporting]:
        """
        Return a scheduler that runs attempts in threads, and its executor.
        """
        executor = Reporting(ThreadExecutor())
        return self.scheduler(*handlers, executor=executor, **options), executor

    def gate(self) -> Gate:
        """
        Return a gate that opens at the end of the test at the latest.
        """
        gate = Gate()
        self._gates.append(gate)
        return gate

    def log(self) -> list[Entry]:
        """
        Return the whole log.
        """
        return read_log(self.store)

    def told(self, kind: type[E], task_id: str | None = None) -> list[E]:
        """
        Return the scheduler's events of one kind, of one task or of all, in order.
        """
        return [
            entry.told
            for entry in self.log()
            if isinstance(entry.told, kind) and task_id in (None, entry.told.task_id)
        ]

    def types(self, task_id: str) -> list[str]:
        """
        Return the types of a task's events, without the word that all begin with.
        """
        stream = f"$task-{task_id}"
        found = [entry.event for entry in self.log() if entry.event.stream == stream]
        return [event.type.removeprefix("Task") for event in found]

    def head(self) -> int:
        """
        Return the head of the log.
        """
        return self.store.wait(0, 0)

    def wait_for(self, kind: type[SchedulerEvent], count: int = 1) -> None:
        """
        Wait until so many events of one kind are in the log.
        """
        while True:
            head = self.head()
            if len(self.told(kind)) >= count:
                return
            assert self.store.wait(head, PATIENCE) > head, f"no {kind.__name__} came"

    def close(self) -> None:
        """
        End the play; check that the log keeps to every rule, and each table to the log.
        """
        for gate in self._gates:
            gate.open()
        if self.sound:
            assert_sound(self.log(), self._policies)
            self._check_tables()
        for scheduler in self._schedulers:
            scheduler.close()

    def _check_tables(self) -> None:
        # R1: a table that was kept while all of it happened is the fold of the log.
        fresh = MemoryScheduleProjection()
        Projector(self.store, fresh).catch_up()
        for scheduler in self._schedulers:
            assert scheduler.digest() == fresh.digest()


@contextmanager
def running(*schedulers: Scheduler, grace: float = PATIENCE) -> Generator[None, None, None]:
    """
    Let schedulers run, each in a thread of its own, and shut them down at the end.
    """
    failures: list[BaseException] = []
    threads = [Thread(target=_run, args=(one, failures), daemon=True) for one in schedulers]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for scheduler in schedulers:
            scheduler.shutdown(grace)
        for thread in threads:
            thread.join(2 * PATIENCE)
    assert not any(thread.is_alive() for thread in threads), "a scheduler did not shut down"
    if failures:
        raise failures[0]


def _run(scheduler: Scheduler, failures: list[BaseException]) -> None:
    try:
        scheduler.run()
    except BaseException as error:  # noqa: BLE001 - it is raised again in the test's own thread
        failures.append(error)


def task(scheduler: Scheduler, task_id: str = "a") -> ScheduledTask:
    """
    Return a task that must be there.
    """
    found = scheduler.get_task(task_id)
    assert found is not None
    return found
