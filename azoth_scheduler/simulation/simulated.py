"""
A month of your own schedules in a second: handlers, crashes and clock changes in virtual time.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Final, Self, TypeAlias

from azoth.clocks import Clock, Instant, Microseconds, datetime_of, instant_of, microseconds_of
from azoth.events import Event, check_integer
from azoth.store import EventStore
from azoth.urls import open_store
from azoth_scheduler.bell import Bell
from azoth_scheduler.client import Client
from azoth_scheduler.events import Outcome
from azoth_scheduler.execution import Attempt
from azoth_scheduler.handlers import Handlers, TaskHandler
from azoth_scheduler.projection import MemoryScheduleProjection
from azoth_scheduler.retries import RetryPolicy
from azoth_scheduler.scheduler import Scheduler
from azoth_scheduler.schedules import Immediate
from azoth_scheduler.settings import Settings, defaults_of
from azoth_scheduler.simulation.asserting import (
    InvariantBroken,
    UserInvariant,
    check_ran,
    check_scheduled,
)
from azoth_scheduler.simulation.carrying import Virtually
from azoth_scheduler.simulation.clocks import SimulatedClock
from azoth_scheduler.simulation.executor import SimulatedExecutor
from azoth_scheduler.simulation.faults import Faults, check_faults
from azoth_scheduler.simulation.invariants import Invariants
from azoth_scheduler.simulation.node import Node, Opened
from azoth_scheduler.simulation.trace import Trace
from azoth_scheduler.simulation.world import Laws, World
from azoth_scheduler.table import ScheduleTable
from azoth_scheduler.task import Definition
from azoth_scheduler.tasks import Tasks

__all__ = ["SimulatedScheduler"]

_SECOND: Final = 1_000_000
_SHOWN_EVENTS: Final = 8

_Duration: TypeAlias = timedelta | float


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
        lasts: Seconds that each attempt takes, or what says so for an attempt's context.
        faults: How often each kind of fault strikes, in thousandths, by the names in
            `azoth_scheduler.simulation.FAULTS`; none unless given.
        store: Opens the log, with the clock that it is given; in memory unless given.
        real_time: Whether handlers may read the machine's clock.
        **options: Of each `Scheduler`: `default_timeout`, `retry`, `max_concurrent_tasks` …

    Raises:
        ValueError: An option is out of its range, or no fault has the name.
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
        lasts: "_Duration | Callable[[Attempt], _Duration]" = 0.0,
        faults: Mapping[str, int] | None = None,
        store: Callable[[Clock], EventStore] | None = None,
        real_time: bool = False,
        **options: Any,  # noqa: ANN401 - each is checked by the class it goes to
    ) -> None:
        chances = check_faults(faults or {})
        self._given = tuple(handlers)
        self._options: dict[str, Any] = {"poll_interval": 1.0, "lease": 30.0, **options}
        self._lasts = lasts
        self._carry = Virtually(real_time=real_time)
        served = Handlers(self._given, options.get("middleware", ()))
        self.world = World(
            check_integer(seed, "seed"),
            instant_of(start),
            _open_memory if store is None else store,
            faults=Faults(seed, chances),
            invariants=Invariants(policies=_policies(served)),
            trace=Trace(keeps=True),
            laws=Laws(shuffles=bool(chances) or schedulers > 1),
        )
        table = ScheduleTable(self.world.log, MemoryScheduleProjection())
        client = Client(self.world.log, table, self.world.time, Bell())
        settings = Settings(by_type=defaults_of(served))
        super().__init__(table, client, served, settings)
        for index in range(check_integer(schedulers, "schedulers", low=1)):
            clock = SimulatedClock(self.world.time)
            poll, lease = self._options["poll_interval"], self._options["lease"]
            self.world.enter(f"w{index}", clock, self._opened, poll=poll, lease=lease)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                self.check()
        finally:
            self.close()

    @property
    def now(self) -> datetime:
        """
        Return the true time, in UTC.
        """
        return datetime_of(self.world.now())

    @property
    def events(self) -> tuple[Event, ...]:
        """
        Return the log.
        """
        return tuple(self.world.events)

    @property
    def trace(self) -> str:
        """
        Return all that happened, line by line.
        """
        return "\n".join(self.world.trace.lines)

    # Time and trouble.

    def advance(self, by: _Duration | None = None, **units: float) -> None:
        """
        Let time pass, and all that is to happen in it.

        Args:
            by: Seconds, or a timedelta.
            **units: As `timedelta` has them: `days=1, hours=6`.

        Raises:
            InvariantBroken: Something does not hold; it says what, where, and the seed.
            RealTimeUsed: A handler has read the machine's clock, or slept.
        """
        span = timedelta(**units) if by is None else by
        self._run(Instant(self.world.now() + microseconds_of(span, "by")))

    def advance_to(self, when: datetime) -> None:
        """
        Let it become a time that lies ahead.

        Raises:
            ValueError: It has passed.
        """
        until = instant_of(when)
        if until < self.world.now():
            raise ValueError(f"it is {self.now.isoformat()} already; give a later time")
        self._run(until)

    def crash(self, scheduler: int = 0) -> None:
        """
        Kill a scheduler's process where it stands; `restart` starts it again.
        """
        self._node(scheduler).crash("it is killed")

    def restart(self, scheduler: int = 0) -> None:
        """
        Start a scheduler's process again; one that lives is killed first.
        """
        node = self._node(scheduler)
        node.crash("it is restarted")
        node.start()

    def freeze(self, scheduler: int = 0) -> None:
        """
        Stop a scheduler's process, as one that is suspended; its lease runs out meanwhile.
        """
        self._node(scheduler).freeze()

    def thaw(self, scheduler: int = 0) -> None:
        """
        Let a frozen process go on where it stood.
        """
        self._node(scheduler).thaw()

    def jump_clock(self, by: _Duration, scheduler: int = 0) -> None:
        """
        Set a scheduler's clock forth, or back by a negative number of seconds; no time passes.
        """
        seconds = by.total_seconds() if isinstance(by, timedelta) else by
        node = self._node(scheduler)
        node.step_clock(Microseconds(round(seconds * _SECOND)))

    def rebuild(self) -> None:
        """
        Throw all schedule tables away and make them again of the log; nothing may change.

        Raises:
            InvariantBroken: A table was another one before.
        """
        before = self.digest()
        self._table = ScheduleTable(self.world.log, MemoryScheduleProjection())
        if self.digest() != before:
            self.world.breach("R7", len(self.world.events), "rebuilt, the table is another one")
        for index in range(len(self.world.nodes)):
            self.restart(index)
        self._raise()

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
        """
        check_ran(self.runs(task_id), task_id, times=times, at=at, outcome=outcome)

    def assert_scheduled(self, task_id: str, *, at: datetime | None = None) -> None:
        """
        Fail unless a task is going to run, at a certain time if one is given.

        Raises:
            AssertionError: It is not; it says what the task is doing.
        """
        check_scheduled(self.get_task(task_id), task_id, at=at)

    def always(self, holds: "Callable[[SimulatedScheduler], object]", name: str = "") -> None:
        """
        Let something hold after each event from now on.

        Args:
            holds: Says whether it does; False, or any exception, breaks it.
            name: Names it; its function's name unless given.
        """
        called = name or getattr(holds, "__name__", "always")
        self.world.invariants.add(UserInvariant(called, lambda: holds(self)))

    def eventually(
        self, comes: "Callable[[SimulatedScheduler], object]", *, within: _Duration
    ) -> datetime:
        """
        Let time pass until something has come.

        Args:
            comes: Says whether it has.
            within: Seconds, or a timedelta, after which it is too late.

        Returns:
            When it was seen.

        Raises:
            AssertionError: It has not come.
        """
        until = self.world.now() + microseconds_of(within, "within")
        while not comes(self):
            ahead = self.world.next_at()
            if ahead is None or ahead > until:
                self._run(Instant(until))
                if comes(self):
                    break
                called = getattr(comes, "__name__", "it")
                raise AssertionError(
                    f"{called} has not come by {self.now.isoformat()}; seed {self.world.seed}"
                )
            self._run(ahead)
        return self.now

    def check(self) -> None:
        """
        Check every invariant, those too that only the end of a log shows.

        Raises:
            InvariantBroken: Something does not hold.
        """
        self.world.check_all()
        self._raise()

    def close(self) -> None:
        """
        Close the log.
        """
        self._table.close()
        self.world.store.close()

    def _run(self, until: Instant) -> None:
        self.world.run(until)
        self._raise()

    def _raise(self) -> None:
        if self.world.invariants.breaches:
            raise self._broken()

    def _broken(self) -> InvariantBroken:
        breaches = self.world.invariants.breaches
        at = breaches[0].position
        shown = [
            f"{event.position} {event.type} in {event.stream}"
            for event in self.world.events[max(0, at - _SHOWN_EVENTS) : at]
        ]
        return InvariantBroken(breaches=breaches, seed=self.world.seed, events=shown)

    def _node(self, scheduler: int) -> Node:
        nodes = self.world.nodes
        check_integer(scheduler, "scheduler", high=len(nodes) - 1)
        return nodes[scheduler]

    def _opened(self, node: Node) -> Opened:
        world, table = self.world, MemoryScheduleProjection()
        executor = SimulatedExecutor(
            seed=world.seed,
            scheduler=node.name,
            faults=world.faults,
            lasts=self._lasting,
            later=lambda span, act: world.after(node.clock.true_span(span), act),
            now=world.now,
            journal=world.journal,
            woken=node.ring,
            carry=self._carry,
        )
        options: dict[str, Any] = {"worker_id": node.name, **self._options}
        scheduler = Scheduler(
            world.seam(node),
            self._given,
            projection=table,
            clock=node.clock,
            executor=executor,
            **options,
        )
        return Opened(scheduler, executor, table)

    def _lasting(self, attempt: Attempt) -> Microseconds:
        lasts = self._lasts
        return microseconds_of(lasts(attempt) if callable(lasts) else lasts, "lasts")


def _policies(handlers: Handlers) -> dict[str, RetryPolicy]:
    # What the log does not say: the policies of handlers whose tasks have none of their own.
    settings = Settings(by_type=defaults_of(handlers))
    return {
        task_type: settings.policy_of(Definition(task_type=task_type, schedule=Immediate()))
        for task_type in handlers
    }


def _open_memory(clock: Clock) -> EventStore:
    return open_store("memory://", clock=clock)
