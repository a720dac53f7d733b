"""
A month of your own schedules in a second: handlers, crashes and clock changes in virtual time.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Final, Self

from azoth.clocks import Clock, Instant, datetime_of, instant_of, microseconds_of
from azoth.events import Event
from azoth.store import EventStore
from azoth_scheduler.bell import Bell
from azoth_scheduler.client import Client
from azoth_scheduler.events import Outcome
from azoth_scheduler.handlers import TaskHandler
from azoth_scheduler.health import Health
from azoth_scheduler.projection import MemoryScheduleProjection
from azoth_scheduler.simulation.asserting import check_ran, check_scheduled
from azoth_scheduler.simulation.hosting import Duration, Host, Lasting, Wishes
from azoth_scheduler.simulation.scenarios.playing import open_memory
from azoth_scheduler.table import ScheduleTable
from azoth_scheduler.tasks import Tasks

__all__ = ["SimulatedScheduler"]

_PASSES: Final = (" gathered", " appended", " has passed")


class SimulatedScheduler(Tasks):
    """
    Run your handlers on a virtual clock, on one thread, without a sleep.

    It schedules, changes and shows tasks as a `Scheduler` does, from a process of its own that
    never crashes; schedulers beside it run them. Time passes in `advance`, and only there. Every
    invariant of the scheduler is checked as the log grows, and yours with them.

    It is a context manager; leaving the block checks once more and closes the log.

    Args:
        handlers: Yours, as they are.
        start: When the simulation begins.
        seed: What all that is drawn is drawn from; one seed is one run.
        schedulers: How many work on the log.
        lasts: How long each attempt takes beyond what its handler sleeps, or what says so for its
            context. The handler is called half-way: before that a crash finds nothing done, and
            behind it all done and nobody told.
        faults: How often each kind of fault strikes, in thousandths, by the names in
            `FAULTS`; none unless given. A process that a fault ends starts again after a second.
        store: Opens the log, an empty one, with the clock that it is given; in memory unless given.
        real_time: Whether handlers may read the machine's clock, and sleep by it.
        **options: Of each `Scheduler`: `default_timeout`, `retry`, `max_concurrent_tasks` …

    Raises:
        TypeError: There is no such option, or the simulation has that of its own.
        ValueError: An option is out of its range, *start* is naive, or no fault has the name.
        InvalidTask: A handler is not one.

    Example:
        >>> from datetime import UTC, datetime
        >>> from azoth_scheduler import Cron, ScheduleTaskRequest, task_handler
        >>> from azoth_scheduler.simulation import SimulatedScheduler
        >>> @task_handler("report")
        ... def report(ctx, payload):
        ...     reports.append(ctx.scheduled_at)
        >>> reports = []
        >>> with SimulatedScheduler([report], start=datetime(2026, 1, 1, tzinfo=UTC)) as simulated:
        ...     task = ScheduleTaskRequest("daily", "report", Cron("0 0 9 * * *"))
        ...     told = simulated.schedule_task(task)
        ...     simulated.advance(days=31)
        ...     simulated.assert_ran("daily", times=31)
        >>> len(reports)
        31
    """

    def __init__(
        self,
        handlers: Iterable[TaskHandler],
        *,
        start: datetime = datetime(2026, 1, 1, tzinfo=UTC),
        seed: int = 0,
        schedulers: int = 1,
        lasts: Lasting = 0.0,
        faults: Mapping[str, int] | None = None,
        store: Callable[[Clock], EventStore] | None = None,
        real_time: bool = False,
        **options: Any,  # noqa: ANN401 - each is checked by the class it goes to
    ) -> None:
        wishes = Wishes(
            start=start,
            seed=seed,
            schedulers=schedulers,
            lasts=lasts,
            faults=faults or {},
            store=open_memory if store is None else store,
            real_time=real_time,
            options=options,
        )
        self._host = host = Host(handlers, wishes)
        self._world = world = host.world
        table = ScheduleTable(world.log, MemoryScheduleProjection())
        client = Client(world.log, table, world.time, Bell())
        super().__init__(table, client, host.served, host.settings)

    def __repr__(self) -> str:
        return (
            f"<SimulatedScheduler at {self.now:%Y-%m-%d %H:%M:%S}, {len(self._world.events):,} "
            f"events, seed {self.seed}>"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if error is None and not self.closed:
                self.check()
        finally:
            self.close()

    @property
    def seed(self) -> int:
        """
        Return what all that is drawn is drawn from.
        """
        return self._world.seed

    @property
    def closed(self) -> bool:
        """
        Say whether it is closed.
        """
        return self._host.is_closed

    @property
    def now(self) -> datetime:
        """
        Return the true time, in UTC.
        """
        return datetime_of(self._world.now())

    @property
    def clock(self) -> Clock:
        """
        Return the true time as a clock, for what else works on the log.
        """
        return self._world.time

    @property
    def store(self) -> EventStore:
        """
        Return the log, for what else works on it; whatever is appended there is checked as well.
        """
        return self._world.log

    @property
    def events(self) -> tuple[Event, ...]:
        """
        Return what stands in the log.
        """
        return tuple(self._world.events)

    @property
    def trace(self) -> str:
        """
        Return what happened, line by line: events, crashes, freezes; no passes.
        """
        lines = self._world.trace.lines
        return "\n".join(line for line in lines if not line.endswith(_PASSES))

    @property
    def struck(self) -> tuple[str, ...]:
        """
        Return the faults that struck, such as `append.busy@w0#7`: at the 7th append of scheduler 0.
        """
        return tuple(self._world.faults.struck)

    @property
    def trace_hash(self) -> str:
        """
        Return a hash of all that happened; two simulations are the same if theirs are.
        """
        return self._world.trace.hexdigest()

    def health(self, scheduler: int = 0) -> Health:
        """
        Say how one of the schedulers is doing.

        Raises:
            ValueError: It is down.
        """
        node = self._host.node(scheduler)
        if not node.is_up:
            raise ValueError(f"scheduler {scheduler} is down; restart it first")
        return node.opened.scheduler.health()

    # Time and trouble.

    def advance(self, by: Duration | None = None, **units: float) -> None:
        """
        Let time pass, and all that is to happen in it.

        Args:
            by: Seconds, or a timedelta.
            **units: As `timedelta` has them: `days=1, hours=6`.

        Raises:
            InvariantBroken: Something does not hold; it says what, where, and the seed. No more
                time passes then.
            RealTimeUsed: A handler has read the machine's clock, or slept.
            TypeError: Both are given, or neither.
            ValueError: Time would go back.
            RuntimeError: A handler or an invariant calls it, while time passes.
            StoreClosed: The simulation is closed.
        """
        __tracebackhide__ = True
        if (by is None) is not bool(units):
            raise TypeError("advance takes seconds, or units such as days=1; give one of the two")
        span = timedelta(**units) if by is None else by
        self._host.pass_time(Instant(self._world.now() + microseconds_of(span, "by")))

    def advance_to(self, when: datetime) -> None:
        """
        Let it become a time that lies ahead.

        Raises:
            ValueError: It has passed.
        """
        __tracebackhide__ = True
        until = instant_of(when)
        if until < self._world.now():
            raise ValueError(f"it is {self.now.isoformat()} already; give a later time")
        self._host.pass_time(until)

    def crash(self, scheduler: int = 0) -> None:
        """
        Kill a scheduler's process where it stands; `restart` starts it again.

        What its attempts have done is done, and nobody has been told. A coroutine that waits does
        not go on, but what it has in `finally` runs: Python lets none go without it.
        """
        self._host.troubled(scheduler).crash("it is killed")

    def restart(self, scheduler: int = 0) -> None:
        """
        Start a scheduler's process again; one that lives is killed first.
        """
        node = self._host.troubled(scheduler)
        node.crash("it is restarted")
        node.start()

    def freeze(self, scheduler: int = 0) -> None:
        """
        Stop a scheduler's process, as one that is suspended; its lease runs out meanwhile.
        """
        self._host.troubled(scheduler).freeze()

    def thaw(self, scheduler: int = 0) -> None:
        """
        Let a frozen process go on where it stood.
        """
        self._host.troubled(scheduler).thaw()

    def jump_clock(self, by: Duration, scheduler: int = 0) -> None:
        """
        Set a scheduler's clock forth, or back by a negative number of seconds; no time passes.

        It sees that when it looks at its clock the next time, at the latest after `poll_interval`.

        Raises:
            ValueError: It is no number, or over a hundred years.
        """
        self._host.step_clock(scheduler, by)

    def rebuild(self) -> None:
        """
        Throw all schedule tables away and make them again of the log; nothing may change.

        Schedulers that are up are restarted for it, and what they are at is lost.

        Raises:
            InvariantBroken: A table was another one before.
        """
        __tracebackhide__ = True
        before = self.digest()
        self._host.check_free()
        self._table = ScheduleTable(self._world.log, MemoryScheduleProjection())
        if self.digest() != before:
            position = len(self._world.events)
            self._world.breach("R7", position, "rebuilt from the log, the table is another one")
        for index, node in enumerate(self._world.nodes):
            if node.is_up:
                self.restart(index)
        self._host.judge()

    # What has to hold.

    def assert_ran(
        self,
        task_id: str,
        *,
        times: int | None = None,
        at: datetime | None = None,
        outcome: Outcome = "succeeded",
    ) -> None:
        """
        Fail unless a task has run.

        Args:
            task_id: The task.
            times: How many of its attempts ended so; at least one unless given.
            at: The nominal time of one of them.
            outcome: How they ended.

        Raises:
            AssertionError: It has not; it says what the task did instead.
            TaskNotFound: There is no such task.
            ValueError: *at* is naive, *times* is negative, or there is no such outcome.
        """
        __tracebackhide__ = True
        check_ran(self.runs(task_id), task_id, times=times, at=at, outcome=outcome)

    def assert_scheduled(self, task_id: str, *, at: datetime | None = None) -> None:
        """
        Fail unless a task is going to run, at a certain time if one is given.

        Raises:
            AssertionError: It is not; it says what the task is doing.
            ValueError: *at* is naive.
        """
        __tracebackhide__ = True
        check_scheduled(self.get_task(task_id), task_id, at=at)

    def always(self, holds: "Callable[[SimulatedScheduler], object]", name: str = "") -> None:
        """
        Let something hold after each event from now on.

        Args:
            holds: Says whether it does; False, or any exception, breaks it.
            name: Names it; its function's name unless given.

        Raises:
            TypeError: *holds* cannot be called.
        """
        self._host.add(holds, self, name or getattr(holds, "__name__", "always"))

    def eventually(
        self,
        comes: "Callable[[SimulatedScheduler], object]",
        *,
        within: Duration,
        name: str = "",
    ) -> datetime:
        """
        Let time pass until something has come.

        Args:
            comes: Says whether it has; it is asked whenever something has happened.
            within: Seconds, or a timedelta, after which it is too late.
            name: Names it; its function's name unless given.

        Returns:
            When it was seen.

        Raises:
            AssertionError: It has not come.
        """
        __tracebackhide__ = True
        until = Instant(self._world.now() + microseconds_of(within, "within"))
        if not self._host.pass_time_until(comes, self, until):
            called = name or getattr(comes, "__name__", "it")
            raise AssertionError(
                f"{called!r} has not come by {self.now.isoformat()} (seed {self.seed})"
            )
        return self.now

    def check(self) -> None:
        """
        Check every invariant, those too that only the end of a log shows.

        Raises:
            InvariantBroken: Something does not hold.
        """
        __tracebackhide__ = True
        self._world.check_all()
        self._host.judge()

    def close(self) -> None:
        """
        End all processes and close the log; a second time it does nothing.
        """
        self._host.close()
        self._table.close()
