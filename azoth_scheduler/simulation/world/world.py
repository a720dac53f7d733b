"""
The simulated world: one log, one true time, and everything that happens, one thing after the other.

Whatever happens is an entry in one queue, in the order of the true time; what happens at the same
moment happens in an order that the seed draws. Nothing runs beside anything, so a run is the same
each time.
"""

from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from typing import Final, TypeAlias

from attrs import field, frozen

from azoth.clocks import Clock, Instant
from azoth.events import Appended, Event, Write
from azoth.store import EventStore
from azoth_scheduler.events import TaskRunAbandoned
from azoth_scheduler.projection import ScheduleProjection
from azoth_scheduler.simulation.invariants import Breach, Invariants
from azoth_scheduler.simulation.world.chance import Dice
from azoth_scheduler.simulation.world.clocks import SimulatedClock, TrueTime
from azoth_scheduler.simulation.world.executor import Journal
from azoth_scheduler.simulation.world.faults import Faults
from azoth_scheduler.simulation.world.log import Leases, Seam, WatchedLog
from azoth_scheduler.simulation.world.node import Node, Opened
from azoth_scheduler.simulation.world.reference import Reference
from azoth_scheduler.simulation.world.trace import Trace
from azoth_scheduler.simulation.world.truth import (
    Wrong,
    answers_hold,
    lease_was_over,
    log_holds,
    outcomes_are_true,
    starts_are_claimed,
)

__all__ = ["Laws", "World"]

_Entry: TypeAlias = tuple[int, int, int, Callable[[], None]]
# When, the draw that orders what happens at one moment, a count, and what.

_ORDERS: Final = 1 << 16
_LAG_MAX: Final = 3_000
"""Microseconds between two phases of a pass, where it is drawn."""


@frozen(kw_only=True)
class Laws:
    """
    Say how a world behaves.

    Attributes:
        shuffles: Whether what happens at one moment has an order that is drawn, and passes take
            their time; otherwise all is done in the order in which it was planned, at once.
        restarts_after: Microseconds after which a process that a fault has ended is started again,
            as by a supervisor; None if it is not.
        proves_death: Whether the death of a worker is seen, as on one machine.
    """

    shuffles: bool = True
    restarts_after: int | None = None
    proves_death: bool = False


class World:
    """
    Let time pass for a number of schedulers on one log.

    Args:
        seed: What everything is drawn from.
        start: When it begins.
        open_log: Opens the store, with the clock that it is given.
        faults: Say what goes wrong.
        invariants: See each event.
        trace: Takes down what happens.
        laws: How it behaves.

    Attributes:
        nodes: The schedulers that ever were, in the order in which they came.
        log: What all write to; each commit is seen.
        events: What stands in it.
        reference: The fold of it.
        journal: What the executors really did.
        steps: How many things have happened.
    """

    def __init__(
        self,
        seed: int,
        start: Instant,
        open_log: Callable[[Clock], EventStore],
        *,
        faults: Faults,
        invariants: Invariants,
        trace: Trace,
        laws: Laws,
    ) -> None:
        self.seed = seed
        self.faults = faults
        self.invariants = invariants
        self.trace = trace
        self.time = TrueTime(start)
        self.store = open_log(self.time)
        self.nodes: list[Node] = []
        self.events: list[Event] = []
        self.reference = Reference()
        self.journal = Journal()
        self.steps = 0
        self._laws = laws
        self.log = WatchedLog(self.store, self._committed)
        self._leases = Leases(laws.proves_death, self.now)
        self._queue: list[_Entry] = []
        self._count = 0
        self._order = Dice(seed, "order")
        self._lags = Dice(seed, "lag")

    # What goes on around a scheduler.

    def watches(self, worker_id: str | None) -> bool:
        """
        Say whether another worker than that one has an attempt, and has to be watched.
        """
        active = self.reference.active
        return len(active) > (worker_id in active)

    def now(self) -> Instant:
        """
        Return the true time.
        """
        return self.time.now_at

    def after(self, span: int, act: Callable[[], None]) -> None:
        """
        Do something when so many microseconds have passed.
        """
        self._count += 1
        order = self._order.number() % _ORDERS if self._laws.shuffles else 0
        heappush(self._queue, (self.time.now_at + span, order, self._count, act))

    def lag(self, scheduler: str) -> int:  # noqa: ARG002 - one rests like another
        """
        Draw how long a scheduler rests between two phases of a pass.
        """
        return self._lags.below(_LAG_MAX) if self._laws.shuffles else 0

    def tell(self, scheduler: str, what: str) -> None:
        """
        Write what happens into the trace.
        """
        self.trace.tell(self.time.now_at, scheduler, what)

    def fell(self, node: Node) -> None:
        """
        Start a process again that a fault has ended, if somebody is there to do so.
        """
        life = node.crashes
        if self._laws.restarts_after is not None:
            # Not one that was killed once more meanwhile, on purpose.
            again = self._laws.restarts_after
            self.after(again, lambda: node.start() if node.crashes == life else None)

    def caught_up(self, scheduler: str, projection: ScheduleProjection) -> None:
        """
        Compare a schedule table with the fold of the log (R1).
        """
        for what in self.reference.differences(scheduler, projection):
            self.breach("R1", len(self.events), what)

    # What the one who holds the world does.

    def enter(
        self,
        name: str,
        clock: SimulatedClock,
        open_process: Callable[[Node], Opened],
        *,
        poll: float,
        lease: float,
    ) -> Node:
        """
        Let a scheduler come.
        """
        node = Node(name, clock, self.faults, self, open_process, poll=poll, lease=lease)
        self.nodes.append(node)
        return node

    def seam(self, node: Node) -> Seam:
        """
        Return the log as a process of *node* has it open, until it ends.
        """
        life = _Life(node, node.crashes)
        return Seam(
            self.log,
            self._leases,
            self.faults,
            scheduler=node.name,
            is_held=life.is_held,
            called=node.called,
        )

    def run(self, until: Instant) -> None:
        """
        Let everything happen that is to happen up to a time, and let it be that time.

        It ends where something does not hold any more, at that time.
        """
        queue, breaches = self._queue, self.invariants.breaches
        while queue and queue[0][0] <= until:
            at, _, _, act = heappop(queue)
            self.time.now_at = Instant(at)
            self.steps += 1
            act()
            if breaches:
                return
        self.time.now_at = until

    def write(self, write: Write) -> None:
        """
        Write into the log past all schedulers, as another program does.
        """
        self.log.append(write)

    def next_at(self) -> Instant | None:
        """
        Return when something is to happen next; None if nothing is.
        """
        return Instant(self._queue[0][0]) if self._queue else None

    def check_all(self) -> None:
        """
        Check what only the end shows, and what is known from outside the log.
        """
        told = self.reference.told
        self.blame(log_holds(self.store, self.events))
        self.blame(starts_are_claimed(self.journal, told))
        self.blame(outcomes_are_true(self.journal, told))
        self.invariants.end()

    def breach(self, invariant: str, position: int, what: str) -> None:
        """
        Say that something does not hold.
        """
        self.invariants.breaches.append(Breach(invariant, position, what))

    def blame(self, wrong: Wrong) -> None:
        """
        Say that some things do not hold, if there are any.
        """
        for invariant, position, what in wrong:
            self.breach(invariant, position, what)

    def _committed(self, writes: Sequence[Write], answer: Appended) -> None:
        more = answer.last - len(self.events)
        if more <= 0:
            return
        fresh = self.store.read(after=len(self.events), limit=more)
        self.blame(answers_hold(writes, answer, fresh.events))
        for event in fresh.events:
            self.events.append(event)
            self.trace.tell_event(event)
            told = self.reference.see(event)
            self.invariants.see(event, told)
            if isinstance(told, TaskRunAbandoned):
                self.blame(lease_was_over(self._leases, event.position, self.reference.told))
        for node in self.nodes:
            node.hear()


@frozen
class _Life:
    # One process: it holds its lease until it ends.
    node: Node
    crashes: int = field()

    def is_held(self) -> bool:
        return self.node.is_up and self.node.crashes == self.crashes
