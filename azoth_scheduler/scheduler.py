"""
The scheduler as its users see it: tasks in, runs out, and a loop that makes passes.
"""

import os
import socket
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from logging import getLogger
from threading import Lock, get_ident
from typing import Final

from attrs import frozen

from azoth.clocks import (
    Clock,
    Instant,
    Microseconds,
    SystemClock,
    datetime_of,
    microseconds_of,
    timedelta_of,
)
from azoth.events import NAME_BYTES_MAX, check_integer, check_name
from azoth.store import EventStore
from azoth_scheduler import forecast as forecasts
from azoth_scheduler.bell import Bell, Watcher
from azoth_scheduler.client import Client, Command
from azoth_scheduler.commands import CancelRun, CancelTask, PauseTask, ResumeTask, TriggerTask
from azoth_scheduler.errors import InvalidTask, RunNotFound, TaskNotFound
from azoth_scheduler.executors import Executor, ThreadExecutor
from azoth_scheduler.handlers import Handlers, TaskHandler
from azoth_scheduler.history import TaskRun
from azoth_scheduler.leases import LeaseKeeper, LeaseWatch, Renewing
from azoth_scheduler.projection import MemoryScheduleProjection
from azoth_scheduler.projection.base import ScheduleProjection, Served, TaskFilter
from azoth_scheduler.requests import ScheduledTask, ScheduleTaskRequest, check_payload
from azoth_scheduler.retries import ATTEMPTS_MAX, RetryPolicy, from_max_retries
from azoth_scheduler.settings import Settings, defaults_of, positive
from azoth_scheduler.table import ScheduleTable
from azoth_scheduler.task import TaskState
from azoth_scheduler.worker import Worker, Workshop

__all__ = ["Health", "Scheduler"]

logger: Final = getLogger("azoth_scheduler")

SLOTS_MAX: Final = 10_000
"""Of one scheduler: each may be a thread."""

WORKER_BYTES_MAX: Final = NAME_BYTES_MAX - 20
"""Of a worker's id: a slash and the number of its incarnation follow it."""

_BEHIND_MIN: Final = timedelta(minutes=1)


@frozen(kw_only=True)
class Health:
    """
    Say how a scheduler is doing.

    Attributes:
        head: The head of the log.
        position: Where its schedule table stands.
        running: Attempts that run.
        stuck: Attempts that are timed out and have not come back; each takes a slot.
        late_results: Results that came after their outcome was recorded, and were dropped.
        unreadable: Events of the scheduler that could not be decoded; their tasks go on without.
        unserved: Tasks that would run, of types that this scheduler has no handler for.
        clock_behind: How far the clock is behind the last recorded time, where it is more than a
            minute: nothing that lies ahead runs before it has come there.
    """

    head: int
    position: int
    running: int
    stuck: int
    late_results: int
    unreadable: int
    unserved: int
    clock_behind: timedelta


class Scheduler:
    """
    Schedule tasks in a log, and run those it has handlers for.

    Any number of schedulers, in any number of processes, may work on one log: an attempt is
    claimed by an append, so each starts once. One without handlers is a client: it schedules and
    lists, and leaves handler and payload to the workers.

    Args:
        store: The log.
        handlers: What it can run, one for each task type.
        projection: Where the schedule table is kept; in memory where nothing is said.
        clock: Where the time comes from.
        executor: Where attempts run; in threads where nothing is said.
        worker_id: Names the worker; an incarnation is added. Host and process where nothing is
            said.
        poll_interval: Seconds after which it looks even if nothing woke it.
        max_concurrent_tasks: How many attempts it runs at a time.
        default_max_retries: Failures that exhaust a run where neither request nor handler says.
        default_timeout: Seconds that an attempt may take, likewise.
        retry: The retry policy likewise; it replaces *default_max_retries*.
        lease: Seconds after which a worker that fell silent loses what it claimed.
        max_lost: How many losses in a row exhaust a run.
        queues: The queues it serves; all where nothing is said.

    Raises:
        InvalidTask: A handler is not one, or two serve one type.
        ValueError: An option is out of its range.
    """

    def __init__(
        self,
        store: EventStore,
        handlers: Iterable[TaskHandler] = (),
        *,
        projection: ScheduleProjection | None = None,
        clock: Clock | None = None,
        executor: Executor | None = None,
        worker_id: str | None = None,
        poll_interval: timedelta | float = 1.0,
        max_concurrent_tasks: int = 10,
        default_max_retries: int = 3,
        default_timeout: timedelta | float = 300.0,
        retry: RetryPolicy | None = None,
        lease: timedelta | float = 30.0,
        max_lost: int = 3,
        queues: Sequence[str] | None = None,
    ) -> None:
        self._store = store
        self._handlers = Handlers(handlers)
        self._clock = SystemClock() if clock is None else clock
        self._poll = positive(poll_interval, "poll_interval")
        self._bell = Bell()
        self._table = ScheduleTable(store, projection or MemoryScheduleProjection())
        self._keeper = LeaseKeeper(
            store, self._clock, _worker_name(worker_id), positive(lease, "lease")
        )
        self._settings = Settings(
            retry=retry or _seed_policy(default_max_retries),
            timeout=positive(default_timeout, "default_timeout"),
            lease=self._keeper.lease,
            max_lost=check_integer(max_lost, "max_lost", low=1),
            by_type=defaults_of(self._handlers),
            queues=_names(queues, "queues"),
        )
        self._client = Client(store, self._table, self._clock, self._bell)
        self._executor = ThreadExecutor() if executor is None else executor
        slots = check_integer(max_concurrent_tasks, "max_concurrent_tasks", low=1, high=SLOTS_MAX)
        self._worker = Worker(
            Workshop(
                store=store,
                table=self._table,
                clock=self._clock,
                executor=self._executor,
                bell=self._bell,
                handlers=self._handlers,
                settings=self._settings,
                keeper=self._keeper,
                watch=LeaseWatch(store, self._clock, positive(lease, "lease")),
                served=Served(
                    types=tuple(self._handlers),
                    queues=self._settings.queues,
                ),
                slots=min(slots, self._executor.slots or slots),
                survey_every=self._poll,
            )
        )
        self._stepping = Lock()
        self._stepper: int | None = None
        self._stopping = False
        self._grace = Microseconds(30_000_000)

    @property
    def store(self) -> EventStore:
        """
        Return the log that it works on.
        """
        return self._store

    # Tasks.

    def schedule_task(self, request: ScheduleTaskRequest) -> ScheduledTask:
        """
        Schedule a task; the same definition again is a no-op, another one is an edit in place.

        Returns:
            The task as it stands now.

        Raises:
            HandlerNotFound: This scheduler has handlers, and none for the type.
            InvalidTask: The handler refuses the payload.
            InvalidSchedule: The schedule never fires.
        """
        return self.schedule_tasks([request])[0]

    def schedule_tasks(self, requests: Iterable[ScheduleTaskRequest]) -> list[ScheduledTask]:
        """
        Schedule many tasks, up to a thousand in a commit.

        All requests are checked before the first is written.

        Returns:
            The tasks as they stand now, in the order of the requests.

        Raises:
            HandlerNotFound: This scheduler has handlers, and none for a type.
            InvalidTask: A handler refuses a payload.
            InvalidSchedule: A schedule never fires.
        """
        checked = [self._checked(request) for request in requests]
        states = self._client.schedule([(one.task_id, one.definition) for one in checked])
        return [self._shown(state) for state in states]

    def cancel_task(self, task_id: str, reason: str = "") -> ScheduledTask:
        """
        End a task: no further runs, a running attempt is asked to stop, the history stays.

        Raises:
            TaskNotFound: There is no such task.
        """
        return self._command(
            task_id, lambda now: CancelTask(at=now, task_id=task_id, reason=reason)
        )

    def pause_task(self, task_id: str, reason: str = "") -> ScheduledTask:
        """
        Stop new starts by the schedule, retries too; a running attempt ends as usual.

        Raises:
            TaskNotFound: There is no such task.
            InvalidTask: It is cancelled.
        """
        return self._command(task_id, lambda now: PauseTask(at=now, task_id=task_id, reason=reason))

    def resume_task(self, task_id: str, reason: str = "") -> ScheduledTask:
        """
        Undo a pause and a disable; what fell due in between is not owed.

        Raises:
            TaskNotFound: There is no such task.
            InvalidTask: It is cancelled.
        """
        return self._command(
            task_id, lambda now: ResumeTask(at=now, task_id=task_id, reason=reason)
        )

    def trigger_task(self, task_id: str, *, payload: bytes | None = None) -> ScheduledTask:
        """
        Run a task now, beside its schedule; skipped, by event, while one of its runs is open.

        Raises:
            TaskNotFound: There is no such task.
            InvalidTask: It is cancelled, or the handler refuses the payload.
        """
        if payload is not None:
            check_payload(task_id, payload)
            self._validate(self._state(task_id).definition.task_type, task_id, payload)
        return self._command(
            task_id, lambda now: TriggerTask(at=now, task_id=task_id, payload=payload)
        )

    def cancel_run(self, execution_id: str, reason: str = "") -> ScheduledTask:
        """
        Stop one run: its attempt is asked to stop, its retry does not come; the task goes on.

        Raises:
            RunNotFound: There is no such attempt, or its run is closed.
        """
        with self._table.look() as projection:
            row = projection.get_run(execution_id)
        if row is None:
            raise RunNotFound(execution_id=execution_id)
        return self._command(
            row.task_id,
            lambda now: CancelRun(
                at=now, task_id=row.task_id, execution_id=execution_id, reason=reason
            ),
        )

    def get_task(self, task_id: str) -> ScheduledTask | None:
        """
        Return a task as it stands; None if there is none.
        """
        with self._table.look() as projection:
            state = projection.get(task_id)
        return self._shown(state) if state.exists else None

    def list_tasks(
        self, chosen: TaskFilter = TaskFilter(), *, limit: int | None = None, after: str = ""
    ) -> list[ScheduledTask]:
        """
        Return tasks in the order of their ids.

        Args:
            chosen: Which tasks.
            limit: At most so many; None for all.
            after: Only ids above this one: the last of the page before.
        """
        with self._table.look() as projection:
            states = projection.list(chosen, limit, after)
        return [self._shown(state) for state in states]

    def runs(self, task_id: str, *, limit: int | None = None, after: int = 0) -> list[TaskRun]:
        """
        Return the attempts of a task, the earliest first.

        Args:
            task_id: The task.
            limit: At most so many; None for all.
            after: Only those above this position: the `position` of the last of the page before.

        Raises:
            TaskNotFound: There is no such task.
        """
        self._state(task_id)
        with self._table.look() as projection:
            rows = projection.runs(task_id, limit, after)
        return [TaskRun.of(row) for row in rows]

    def get_run(self, execution_id: str) -> TaskRun | None:
        """
        Return one attempt; None if there is none.
        """
        with self._table.look() as projection:
            row = projection.get_run(execution_id)
        return None if row is None else TaskRun.of(row)

    def forecast(self, task_id: str, count: int = 5) -> list[datetime]:
        """
        Return the next nominal times of a task if nothing happens to it: a forecast, in UTC.

        Raises:
            TaskNotFound: There is no such task.
        """
        return [datetime_of(at) for at in forecasts.forecast(self._state(task_id), count)]

    def digest(self) -> str:
        """
        Return a hash of the schedule table, equal wherever the same log was folded.
        """
        with self._table.look() as projection:
            return projection.digest()

    def health(self) -> Health:
        """
        Say how the scheduler is doing.
        """
        last = self._store.read(limit=1, backwards=True)
        recorded = last.events[0].recorded_at if last.events else Instant(0)
        behind = timedelta_of(Microseconds(max(0, recorded - self._clock.now())))
        with self._table.look() as projection:
            position, unreadable = projection.position, projection.unreadable()
            living = projection.list(TaskFilter(enabled=True))
        unserved = [one for one in living if one.definition.task_type not in self._handlers]
        return Health(
            head=last.head,
            position=position,
            running=self._worker.running,
            stuck=self._worker.stuck,
            late_results=self._worker.late_results,
            unreadable=unreadable,
            unserved=len(unserved) if self._handlers else 0,
            clock_behind=behind if behind > _BEHIND_MIN else timedelta(),
        )

    # The loop.

    def step(self) -> datetime | None:
        """
        Make one pass: record what ended, release what is lost, claim and start what is due.

        Returns:
            When to look again, in UTC: now or earlier if at once, None if nothing is known to come.
        """
        looks_at = self._step()
        return None if looks_at is None else datetime_of(looks_at)

    def run_pending(self) -> int:
        """
        Make passes until nothing is due and, of an inline executor, nothing is open.

        Returns:
            How many passes it took.
        """
        passes = 0
        while True:
            looks_at = self._step()
            passes += 1
            if looks_at is None or looks_at > self._clock.now():
                return passes

    def run(self) -> None:
        """
        Make passes until `shutdown`: at once when something is appended or ends, and when due.
        """
        renewing = Renewing(self._keeper, lambda: self._worker.holds)
        with Watcher(self._store, self._bell), renewing:
            while not self._stopping:
                self._bell.wait(self._pause(self._step()))
            self.drain(self._grace / 1_000_000)

    def shutdown(self, timeout: timedelta | float = 30.0) -> None:
        """
        Let `run` stop claiming and return, at the latest after *timeout*.

        It may be called from anywhere, a signal handler too.
        """
        self._grace = microseconds_of(timeout, "timeout")
        self._stopping = True
        self._bell.ring()

    def drain(self, timeout: timedelta | float) -> bool:
        """
        Stop claiming and wait for what runs; then ask it to stop, and give back what has.

        A thread that still runs keeps its claim until its process is gone.

        Args:
            timeout: Seconds; the handlers are asked to stop after three quarters of it.

        Returns:
            Whether nothing runs any more.
        """
        grace = microseconds_of(timeout, "timeout")
        self._worker.claiming = False
        began = self._clock.monotonic()
        while True:
            looks_at = self._step()
            spent = self._clock.monotonic() - began
            if not self._worker.busy or spent >= grace:
                return not self._worker.busy
            if spent >= grace * 3 // 4:
                self._worker.ask_to_stop()
            self._bell.wait(min(self._pause(looks_at), _seconds(grace - spent), 0.1))

    def close(self) -> None:
        """
        Free the executor and the projection; the store stays open, it is not ours.
        """
        self._executor.close()
        self._table.close()

    def _step(self) -> Instant | None:
        if self._stepper == get_ident():
            raise RuntimeError("a pass is being made, and this is part of it: no handler makes one")
        with self._stepping:
            self._stepper = get_ident()
            try:
                return self._worker.step()
            finally:
                self._stepper = None

    def _pause(self, looks_at: Instant | None) -> float:
        poll = _seconds(self._poll)
        if looks_at is None:
            return poll
        return min(poll, _seconds(max(0, looks_at - self._clock.now())))

    def _command(self, task_id: str, command: Command) -> ScheduledTask:
        return self._shown(self._client.change(task_id, command))

    def _state(self, task_id: str) -> TaskState:
        with self._table.look() as projection:
            state = projection.get(task_id)
        if not state.exists:
            raise TaskNotFound(task_id=task_id)
        return state

    def _shown(self, state: TaskState) -> ScheduledTask:
        return ScheduledTask.of(state, self._settings)

    def _checked(self, request: ScheduleTaskRequest) -> ScheduleTaskRequest:
        if not isinstance(request, ScheduleTaskRequest):
            raise TypeError(f"expected a ScheduleTaskRequest, got {request!r}")
        self._validate(request.task_type, request.task_id, request.payload)
        return request

    def _validate(self, task_type: str, task_id: str, payload: bytes) -> None:
        if not self._handlers:
            return
        handler = self._handlers[task_type]
        try:
            handler.validate(payload)
        except InvalidTask as error:
            raise InvalidTask(task_id=error.task_id or task_id, reason=error.reason) from error
        except Exception as error:
            raise InvalidTask(
                task_id=task_id, reason=f"{task_type!r} refuses the payload: {error!r}"
            ) from error


def _seconds(span: int) -> float:
    return span / 1_000_000


def _seed_policy(max_retries: int) -> RetryPolicy:
    check_integer(max_retries, "default_max_retries", high=ATTEMPTS_MAX)
    return from_max_retries(max_retries, RetryPolicy())


def _worker_name(worker_id: str | None) -> str:
    if worker_id is None:
        return f"{socket.gethostname()}-{os.getpid()}"
    size = len(check_name(worker_id, "worker id").encode())
    if size > WORKER_BYTES_MAX:
        raise ValueError(f"worker id has {size} bytes; give 1 to {WORKER_BYTES_MAX}")
    return worker_id


def _names(names: Sequence[str] | None, what: str) -> tuple[str, ...] | None:
    if names is None:
        return None
    if isinstance(names, str):
        raise TypeError(f"{what} are a sequence of names, not {names!r}; write [{names!r}]")
    return tuple(check_name(name, what) for name in names)
