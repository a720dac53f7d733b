"""
The scheduler as its users see it: tasks in, runs out, and a loop that makes passes.
"""

import asyncio
import os
import socket
from collections.abc import Generator, Iterable, Sequence
from contextlib import nullcontext
from datetime import datetime, timedelta
from logging import getLogger
from threading import Lock, get_ident
from typing import Final, Self

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
from azoth.observing import Observer, Observers
from azoth.store import EventStore
from azoth_scheduler._arguments import check_names, check_port
from azoth_scheduler.aside import aside
from azoth_scheduler.bell import Bell, Watcher
from azoth_scheduler.client import Client
from azoth_scheduler.executors import Executor, LoopExecutor, ThreadExecutor, fitted
from azoth_scheduler.handlers import Handlers, TaskHandler
from azoth_scheduler.health import Health, surveyed
from azoth_scheduler.leases import LeaseKeeper, LeaseWatch, Renewing
from azoth_scheduler.middleware import Middleware
from azoth_scheduler.observing import ObservedExecutor, ObservedLog
from azoth_scheduler.projection import MemoryScheduleProjection
from azoth_scheduler.projection.base import ScheduleProjection, Served
from azoth_scheduler.retries import ATTEMPTS_MAX, RetryPolicy, from_max_retries
from azoth_scheduler.settings import Settings, check_policy, defaults_of, positive
from azoth_scheduler.table import ScheduleTable
from azoth_scheduler.tasks import Tasks
from azoth_scheduler.worker import Phase, Worker
from azoth_scheduler.workshop import Workshop

__all__ = ["SLOTS_MAX", "WORKER_BYTES_MAX", "Scheduler"]

SLOTS_MAX: Final = 10_000
"""Of one scheduler: each may be a thread."""

WORKER_BYTES_MAX: Final = NAME_BYTES_MAX - 20
"""Of a worker's id: a slash and the number of its incarnation follow it."""

_logger: Final = getLogger("azoth_scheduler")

_BEHIND_MIN: Final = timedelta(minutes=1)


class Scheduler(Tasks):
    """
    Schedule tasks in a log, and run those it has handlers for.

    Any number of schedulers, in any number of processes, may work on one log: an attempt is
    claimed by an append, so each starts once. One without handlers is a client: it schedules and
    lists, and leaves handler and payload to the workers.

    It is a context manager: leaving the block does `shutdown` and `close`.

    Args:
        store: The log.
        handlers: What it can run, one for each task type.
        projection: Where the schedule table is kept; in memory where nothing is said.
        clock: Where the time comes from.
        executor: Where attempts run; in threads where nothing is said. Coroutine handlers run on
            an event loop beside it.
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
        middleware: What stands around each attempt, the first outermost.
        observers: Who is told of its appends, reads, claims, runs and catching up.

    Raises:
        InvalidTask: A handler is not one, or not one for this executor, or two serve one type.
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
        middleware: Sequence[Middleware] = (),
        observers: Iterable[Observer] = (),
    ) -> None:
        for what, port, method in (
            ("store", store, "append"),
            ("projection", projection, "apply"),
            ("clock", clock, "monotonic"),
            ("executor", executor, "submit"),
        ):
            check_port(what, port, method)
        self._given = store
        served = Handlers(handlers, middleware)
        self._executor = fitted(ThreadExecutor() if executor is None else executor, served)
        self._clock = SystemClock() if clock is None else clock
        self._poll = positive(poll_interval, "poll_interval")
        self._bell = Bell()
        watching = Observers(observers, self._clock)
        self._store = store = ObservedLog(store, watching) if watching else store
        table = ScheduleTable(store, projection or MemoryScheduleProjection(), watching)
        self._lease = holds = positive(lease, "lease")
        self._keeper = LeaseKeeper(store, self._clock, _worker_name(worker_id), holds)
        settings = Settings(
            retry=_seed_policy(default_max_retries) if retry is None else check_policy(retry),
            timeout=positive(default_timeout, "default_timeout"),
            lease=self._keeper.lease,
            max_lost=check_integer(max_lost, "max_lost", low=1),
            by_type=defaults_of(served),
            queues=check_names(queues, "queues"),
        )
        super().__init__(table, Client(store, table, self._clock, self._bell), served, settings)
        slots = check_integer(max_concurrent_tasks, "max_concurrent_tasks", low=1, high=SLOTS_MAX)
        watch = LeaseWatch(store, self._clock, holds)
        self._worker = Worker(self._workshop(served, watch, slots, watching))
        self._stepping = Lock()
        self._stepper: int | None = None
        self._stopping = False
        self._grace = Microseconds(30_000_000)

    @property
    def store(self) -> EventStore:
        """
        Return the log that it works on.
        """
        return self._given

    @property
    def worker_id(self) -> str | None:
        """
        Return the id under which it claims, incarnation included; None until it claims first.
        """
        return self._keeper.taken

    def _workshop(
        self, handlers: Handlers, watch: LeaseWatch, slots: int, watching: Observers
    ) -> Workshop:
        return Workshop(
            store=self._store,
            table=self._table,
            clock=self._clock,
            executor=ObservedExecutor(self._executor, watching) if watching else self._executor,
            bell=self._bell,
            handlers=handlers,
            settings=self._settings,
            keeper=self._keeper,
            watch=watch,
            served=Served(types=tuple(handlers), queues=self._settings.queues),
            slots=min(slots, self._executor.slots or slots),
            survey_every=self._poll,
        )

    def health(self) -> Health:
        """
        Say how the scheduler is doing.
        """
        last = self._store.read(limit=1, backwards=True)
        now, lag = self._clock.now(), self._table.behind()
        recorded = last.events[0].recorded_at if last.events else Instant(0)
        behind = timedelta_of(Microseconds(max(0, recorded - now)))
        served = Served(types=tuple(self._handlers), queues=self._settings.queues)
        with self._table.look() as projection:
            position, unreadable = projection.position, projection.unreadable()
            survey = surveyed(projection, now, poll=self._poll, lease=self._lease, served=served)
        return Health(
            head=last.head,
            position=position,
            behind=lag,
            running=self._worker.running,
            stuck=self._worker.stuck,
            overdue=survey.overdue,
            late=survey.late,
            disabled=survey.disabled,
            late_results=self._worker.late_results,
            unreadable=unreadable,
            unserved=sum(survey.unserved_types.values()),
            unserved_types=survey.unserved_types,
            unserved_queues=survey.unserved_queues,
            clock_behind=behind if behind > _BEHIND_MIN else timedelta(),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # What still runs is not waited for: `run` and `drain` do that, and after an exception
        # nobody wants to wait.
        self.shutdown()
        self.close()

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

        It ends for good, and returns at once after a `shutdown`, which may have come before it:
        make another scheduler to run again. An exception that a signal raises
        here, as Ctrl-C does, ends it without draining, and leaves its attempts to be released;
        install a handler that calls `shutdown`, as the command `run` does.
        """
        if self._stopping:
            _logger.info("run ends at once: the scheduler was shut down; make another one to run")
        renewing = Renewing(self._keeper, lambda: self._worker.holds)
        with Watcher(self._store, self._bell), renewing:
            while not self._stopping:
                self._bell.wait(self._pause(self._step()))
            self.drain(self._grace / 1_000_000)

    async def arun(self) -> None:
        """
        Do what `run` does beside the event loop of an application, which it does not hold up.

        Passes are made in a thread; coroutine handlers are tasks of the loop. Cancelling it shuts
        the scheduler down and waits until it is; cancelling it a second time does not wait.
        """
        loop, executor = asyncio.get_running_loop(), self._executor
        with executor.on_loop(loop) if isinstance(executor, LoopExecutor) else nullcontext():
            ended = aside(self.run)
            try:
                await asyncio.shield(ended)
            except asyncio.CancelledError:
                if not self._stopping:
                    self.shutdown()
                await ended
                raise

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
        draining = self.draining(timeout)
        while True:
            try:
                self._bell.wait(next(draining))
            except StopIteration as ended:
                return bool(ended.value)

    # For whoever drives schedulers himself, many on one thread, as the simulation does.

    def phases(self) -> Generator[Phase, None, Instant | None]:
        """
        Make one pass as `step` does, and stop wherever others may act before it goes on.

        Returns:
            When to look again; None if nothing is known to come.
        """
        return self._worker.phases()

    def renew(self) -> None:
        """
        Renew the lease if it is time to; `run` does that on a thread of its own.
        """
        self._keeper.renew()

    def draining(self, timeout: timedelta | float) -> Generator[float, None, bool]:
        """
        Do what `drain` does, and stop wherever it waits.

        Yields:
            How many seconds to wait, unless something ends before.

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
            asks = grace * 3 // 4
            if spent >= asks:
                self._worker.ask_to_stop()
            # Whatever ends meanwhile rings the bell.
            yield min(self._pause(looks_at), _seconds((asks if spent < asks else grace) - spent))

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
