"""
The world that a user's handlers are at home in: made of what he says, and driven by what he does.
"""

from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, TypeAlias, TypeVar

from attrs import field, frozen

from azoth._collecting import collecting_seldom
from azoth.clocks import Clock, Instant, Microseconds, datetime_of, instant_of, microseconds_of
from azoth.errors import StoreClosed
from azoth.events import check_integer
from azoth.store import EventStore
from azoth_scheduler.context import TaskContext
from azoth_scheduler.execution import Attempt
from azoth_scheduler.handlers import Handlers, TaskHandler
from azoth_scheduler.projection import MemoryScheduleProjection
from azoth_scheduler.retries import RetryPolicy
from azoth_scheduler.scheduler import Scheduler
from azoth_scheduler.schedules import Immediate
from azoth_scheduler.settings import Settings, positive
from azoth_scheduler.simulation.asserting import InvariantBroken, UserInvariant, check_callable
from azoth_scheduler.simulation.invariants import Invariants
from azoth_scheduler.simulation.world.carrying import Virtually
from azoth_scheduler.simulation.world.clocks import SimulatedClock
from azoth_scheduler.simulation.world.executor import SimulatedExecutor
from azoth_scheduler.simulation.world.faults import Faults, check_faults
from azoth_scheduler.simulation.world.node import Node, Opened
from azoth_scheduler.simulation.world.trace import Trace
from azoth_scheduler.simulation.world.world import Laws, World
from azoth_scheduler.task import Definition

__all__ = ["SCHEDULERS_MAX", "Duration", "Host", "Lasting", "Wishes"]

T = TypeVar("T")

SCHEDULERS_MAX: Final = 100
"""On one simulated log: each hears of each append, and more show nothing that few do not."""

Duration: TypeAlias = timedelta | float
"""A timedelta, or a number of seconds."""

Lasting: TypeAlias = Duration | Callable[[TaskContext], Duration]
"""How long each attempt takes, or what says so for one."""

_RESTARTS_AFTER: Final = 1_000_000
_SHOWN_EVENTS: Final = 8
_SLOTS: Final = 10
_OURS: Final = ("clock", "executor", "projection", "worker_id", "store")


@frozen(kw_only=True)
class Wishes:
    """
    Hold what a user wants of a simulation, as he said it.
    """

    start: datetime
    seed: int
    schedulers: int
    lasts: Lasting
    faults: Mapping[str, int]
    store: Callable[[Clock], EventStore]
    real_time: bool
    options: dict[str, Any] = field(factory=dict[str, Any])


class Host:
    """
    Keep a world, and the schedulers in it.

    Args:
        handlers: The user's.
        wishes: What he wants.

    Attributes:
        world: Where they run.
        served: The handlers by type.
        is_closed: Whether nothing more happens here.
        settings: What the schedulers fill in where a request says nothing.
    """

    def __init__(self, handlers: Iterable[TaskHandler], wishes: Wishes) -> None:
        chances = check_faults(wishes.faults)
        if "table.torn" in chances:
            raise ValueError("table.torn strikes tables in files; a simulation keeps its in memory")
        seed = check_integer(wishes.seed, "seed")
        count = check_integer(wishes.schedulers, "schedulers", low=1, high=SCHEDULERS_MAX)
        self._handlers = tuple(handlers)
        self._options = _checked({"poll_interval": 1.0, "lease": 30.0, **wishes.options})
        self._lasts = wishes.lasts if callable(wishes.lasts) else _constantly(wishes.lasts)
        self._invariants: list[UserInvariant] = []
        self._resting: dict[str, Microseconds] = {}
        self._carry = Virtually(real_time=wishes.real_time)
        self._is_passing = self._is_asking = self.is_closed = False
        self.served = Handlers(self._handlers, self._options.get("middleware", ()))
        # Filled in once a scheduler has worked them out.
        policies: dict[str, RetryPolicy] = {}
        each = self._options.get("max_concurrent_tasks", _SLOTS)
        slots = {_name(index): each for index in range(count)}
        self.world = World(
            seed,
            instant_of(wishes.start),
            _opening(wishes.store),
            faults=Faults(seed, chances),
            invariants=Invariants(policies=policies, slots=slots),
            trace=Trace(keeps=True),
            laws=Laws(shuffles=bool(chances) or count > 1, restarts_after=_RESTARTS_AFTER),
        )
        for index in range(count):
            self._enter(_name(index))
        first = self.world.nodes[0].opened.scheduler
        self.settings: Settings = first._settings  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - as it shows tasks itself
        policies.update(_policies(self.settings, self.served))

    def node(self, scheduler: int) -> Node:
        """
        Return a scheduler by its number.

        Raises:
            ValueError: There is none.
            StoreClosed: The simulation is closed.
        """
        self._check_open()
        nodes = self.world.nodes
        if check_integer(scheduler, "scheduler") >= len(nodes):
            raise ValueError(
                f"there is no scheduler {scheduler}; the simulation has {len(nodes)}, from 0: "
                "say schedulers=… where it is made"
            )
        return nodes[scheduler]

    def troubled(self, scheduler: int) -> Node:
        """
        Return a scheduler that is about to be troubled.

        Raises:
            ValueError: There is none.
            RuntimeError: An invariant troubles it.
            StoreClosed: The simulation is closed.
        """
        self.check_free()
        return self.node(scheduler)

    def check_free(self) -> None:
        """
        Refuse what an invariant may not do.

        Raises:
            RuntimeError: An invariant is being asked.
        """
        if self._is_asking:
            raise RuntimeError("an invariant looks at the simulation, and changes nothing there")

    def _ask(self, holds: Callable[[T], object], simulated: T) -> object:
        # It may look, and change nothing.
        outer, self._is_asking = self._is_asking, True
        try:
            return holds(simulated)
        finally:
            self._is_asking = outer

    def step_clock(self, scheduler: int, by: Duration) -> None:
        """
        Set a scheduler's clock forth or back.

        Raises:
            TypeError: *by* is no timedelta and no number.
            ValueError: It is not finite, or over a hundred years.
        """
        if not isinstance(by, timedelta | int | float):
            raise TypeError(f"by is a timedelta or a number of seconds, not {by!r}")
        is_back = by < timedelta() if isinstance(by, timedelta) else by < 0
        span = microseconds_of(-by if is_back else by, "by")
        self.troubled(scheduler).step_clock(Microseconds(-span if is_back else span))

    def pass_time_until(self, comes: Callable[[T], object], simulated: T, until: Instant) -> bool:
        """
        Let everything happen until something has come, or up to a time; say whether it has.

        Raises:
            TypeError: *comes* cannot be called.
        """
        __tracebackhide__ = True
        check_callable(comes, "comes")
        while not self._ask(comes, simulated):
            ahead = self.world.next_at()
            if ahead is None or ahead > until:
                self.pass_time(until)
                return bool(self._ask(comes, simulated))
            self.pass_time(ahead)
        return True

    def pass_time(self, until: Instant) -> None:
        """
        Let everything happen up to a time.

        Raises:
            InvariantBroken: Something does not hold.
            RuntimeError: A handler or an invariant asks for it, while time passes.
            StoreClosed: The simulation is closed.
        """
        __tracebackhide__ = True
        self._check_open()
        with self._passing(), collecting_seldom():
            self.world.run(until)
        self.judge()

    def judge(self) -> None:
        """
        Raise what does not hold, if anything.

        Raises:
            InvariantBroken: It does not.
        """
        __tracebackhide__ = True
        breaches = self.world.invariants.breaches
        if not breaches:
            return
        at = breaches[0].position
        shown = [
            f"{event.position:>6} {datetime_of(event.recorded_at):%Y-%m-%d %H:%M:%S} "
            f"{event.type} in {event.stream}"
            for event in self.world.events[max(0, at - _SHOWN_EVENTS) : at]
        ]
        broken = InvariantBroken(
            breaches=tuple(breaches), seed=self.world.seed, events=tuple(shown)
        )
        raise broken from self._raised_by(breaches[0].invariant)

    def add(self, holds: Callable[[T], object], simulated: T, name: str) -> None:
        """
        Let one more invariant hold.

        Raises:
            TypeError: *holds* cannot be called.
            StoreClosed: The simulation is closed.
        """
        self._check_open()
        check_callable(holds, "holds")
        invariant = UserInvariant(name, lambda: self._ask(holds, simulated))
        self._invariants.append(invariant)
        self.world.invariants.add(invariant)

    def close(self) -> None:
        """
        End all processes, and close the log.
        """
        if self.is_closed:
            return
        self.is_closed = True
        for node in self.world.nodes:
            node.crash("the simulation is closed")
        self.world.store.close()

    def _check_open(self) -> None:
        if self.is_closed:
            raise StoreClosed

    @contextmanager
    def _passing(self) -> Generator[None, None, None]:
        if self._is_passing:
            raise RuntimeError(
                "time passes already, and this is part of it: no handler and no invariant lets "
                "more of it pass"
            )
        self.check_free()
        self._is_passing = True
        try:
            yield
        finally:
            self._is_passing = False

    def _raised_by(self, invariant: str) -> Exception | None:
        for checker in self._invariants:
            if checker.invariant == invariant:
                return checker.raised
        return None

    # Processes.

    def _enter(self, name: str) -> None:
        clock = SimulatedClock(self.world.time)
        poll, lease = self._options["poll_interval"], self._options["lease"]
        self.world.enter(name, clock, self._opened, poll=poll, lease=lease)

    def _opened(self, node: Node) -> Opened:
        world, table = self.world, MemoryScheduleProjection()
        executor = SimulatedExecutor(
            seed=world.seed,
            scheduler=node.name,
            faults=world.faults,
            lasts=self._before,
            rests=self._behind,
            later=lambda span, act: world.after(node.clock.true_span(span), act),
            now=world.now,
            journal=world.journal,
            woken=node.ring,
            carry=self._carry,
        )
        scheduler = Scheduler(
            world.seam(node),
            self._handlers,
            projection=table,
            clock=node.clock,
            executor=executor,
            worker_id=node.name,
            **self._options,
        )
        return Opened(scheduler, executor, table)

    # The handler is called half-way: a crash may come before what it does, and behind it.

    def _before(self, attempt: Attempt) -> Microseconds:
        try:
            lasts = microseconds_of(self._lasts(attempt.context), "lasts")
        except Exception as error:  # noqa: BLE001 - it is the user's function
            # Raised where time passes: a scheduler takes it for a failure of its executor.
            self.world.after(0, partial(_raise, error))
            lasts = Microseconds(0)
        self._resting[attempt.context.execution_id] = Microseconds(lasts // 2)
        return Microseconds(lasts - lasts // 2)

    def _behind(self, attempt: Attempt) -> Microseconds:
        # One that hangs comes back when a fault lets it.
        return self._resting.pop(attempt.context.execution_id, Microseconds(0))


def _raise(error: Exception) -> None:
    raise error


def _opening(store: Callable[[Clock], EventStore]) -> Callable[[Clock], EventStore]:
    if not callable(store):
        raise TypeError(f"store is what opens a log with a clock, not {store!r}")

    def opened(clock: Clock) -> EventStore:
        log = store(clock)
        if not isinstance(log, EventStore):
            raise TypeError(
                f"store= returned {log!r}, which is no log; return what open_store does"
            )
        if log.wait(0, 0):
            log.close()
            raise ValueError("the log is not empty; a simulation begins with one that is")
        return log

    return opened


def _checked(options: dict[str, Any]) -> dict[str, Any]:
    for name in _OURS:
        if name in options:
            raise TypeError(f"a simulation has a {name} of its own; leave {name}= out")
    # Those that the world needs too; what is no number is refused by the name that the user knows.
    positive(options["poll_interval"], "poll_interval")
    positive(options["lease"], "lease")
    check_integer(options.get("max_concurrent_tasks", _SLOTS), "max_concurrent_tasks")
    return options


def _constantly(lasts: Duration) -> Callable[[TaskContext], Duration]:
    microseconds_of(lasts, "lasts")
    return lambda _: lasts


def _name(index: int) -> str:
    return f"w{index}"


def _policies(settings: Settings, handlers: Handlers) -> dict[str, RetryPolicy]:
    # What the log does not say: the policies of handlers whose tasks have none of their own.
    return {
        task_type: settings.policy_of(Definition(task_type=task_type, schedule=Immediate()))
        for task_type in handlers
    }
