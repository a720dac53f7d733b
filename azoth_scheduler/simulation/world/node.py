"""
One scheduler in the simulated world: its passes, what wakes it, its crashes and restarts.
"""

from collections import Counter
from collections.abc import Callable, Generator
from contextlib import suppress
from typing import Final, Protocol

from attrs import frozen

from azoth.clocks import Instant, Microseconds, microseconds_of
from azoth.errors import AzothError, Conflict, StoreError, StoreFailed
from azoth.testing import SimulatedCrash
from azoth_scheduler.projection import ScheduleProjection
from azoth_scheduler.scheduler import Scheduler
from azoth_scheduler.simulation.world.clocks import SimulatedClock
from azoth_scheduler.simulation.world.executor import SimulatedExecutor
from azoth_scheduler.simulation.world.faults import Faults
from azoth_scheduler.worker import Phase

__all__ = ["PASSES_MAX", "Node", "Opened", "Spins", "Surroundings"]

PASSES_MAX: Final = 100
"""Of one scheduler that lead to nothing and want another one at once: more is a loop that spins."""

_SECOND: Final = 1_000_000
_RENEWALS: Final = 4
"""Of a lease while it holds: a little more often than one of the scheduler's own."""
_LATE_MAX: Final = 10 * _SECOND
_SLOW_MAX: Final = 5 * _SECOND


class Spins(AssertionError):
    """
    Say that a scheduler makes pass after pass, and none of them leads to anything.
    """


class Surroundings(Protocol):
    """
    Be what a scheduler has around it: the time, and what happens later.
    """

    def watches(self, worker_id: str | None) -> bool:
        """
        Say whether another worker than that one has an attempt, and has to be watched.
        """
        ...

    def now(self) -> Instant:
        """
        Return the true time.
        """
        ...

    def after(self, span: int, act: Callable[[], None]) -> None:
        """
        Do something when so many microseconds have passed.
        """
        ...

    def lag(self, scheduler: str) -> int:
        """
        Draw how long a scheduler rests between two phases of a pass.
        """
        ...

    def tell(self, scheduler: str, what: str) -> None:
        """
        Write what happens into the trace.
        """
        ...

    def fell(self, node: "Node") -> None:
        """
        Look after a process that a fault has ended.
        """
        ...

    def caught_up(self, scheduler: str, projection: ScheduleProjection) -> None:
        """
        Look at a schedule table that has just been caught up.
        """
        ...


@frozen
class Opened:
    """
    Hold what the start of a process opens.
    """

    scheduler: Scheduler
    executor: SimulatedExecutor
    projection: ScheduleProjection


class Node:
    """
    Be a process with a scheduler: up or down, at work or frozen.

    Args:
        name: Names it in the trace.
        clock: Of its machine.
        faults: Say what strikes it.
        around: Its surroundings.
        open_process: Starts its process: gives a scheduler and its executor.
        poll: How often it looks even if nothing woke it.
        lease: How long its claims hold without being renewed.

    Attributes:
        opened: What its process has open; the last one's, where it is down.
        is_up: Whether its process lives.
        passes: How many passes it has made.
        crashes: How often its process ended without being asked to.
        calls: How many calls its processes made at a seam.
        rare: How often it came into each rare state, by the names in `SOMETIMES`.
    """

    def __init__(
        self,
        name: str,
        clock: SimulatedClock,
        faults: Faults,
        around: Surroundings,
        open_process: "Callable[[Node], Opened]",
        *,
        poll: float,
        lease: float,
    ) -> None:
        self.name = name
        self.clock = clock
        self.is_up = False
        self.passes = 0
        self.crashes = 0
        self.calls = 0
        self.rare: Counter[str] = Counter()
        self._poll = microseconds_of(poll, "poll")
        self._renew_every = microseconds_of(lease, "lease") // _RENEWALS
        self._renews = False
        self._faults = faults
        self._around = around
        self._open = open_process
        self._phases: Generator[Phase, None, Instant | None] | None = None
        self._frozen = False
        self._is_acting = False
        self._is_fresh = False
        self._rung = False
        self._turn_at: int | None = None
        self._slow = False
        self._unheard = False
        self._in_vain = 0
        self.start()

    def start(self) -> None:
        """
        Start its process, which does nothing where it lives.
        """
        if self.is_up:
            return
        # First: the process has to hold its lease by the time it writes it.
        self.is_up, self._rung, self._turn_at, self._renews = True, False, None, False
        self.opened = self._open(self)
        self._around.tell(self.name, "starts")
        self._turn_after(0)

    def crash(self, why: str) -> None:
        """
        End its process at once: whatever it was about to do is gone.
        """
        if not self.is_up:
            return
        self.is_up, self._frozen, self._is_acting = False, False, False
        self.crashes += 1
        if self._phases is not None:
            # Closed where it stands, as a process that is killed.
            self.rare["killed in the middle of a pass"] += 1
            self._phases.close()
            self._phases = None
        self.opened.executor.crash()
        self._around.tell(self.name, f"crashes: {why}")

    def freeze(self) -> None:
        """
        Let it do nothing, as a process that is stopped; its clock goes on.
        """
        self._frozen = True
        self._around.tell(self.name, "is frozen")

    def thaw(self) -> None:
        """
        Let it go on where it stood.
        """
        if self._frozen:
            self._frozen, self._turn_at = False, None
            self._around.tell(self.name, "goes on")
            self._turn_after(0)

    def step_clock(self, by: Microseconds) -> None:
        """
        Set the clock of its machine; it sees that when it polls.
        """
        self.clock.step(by)
        self._turn_after(self._poll)

    def thaw_clock(self) -> None:
        """
        Let the clock of its machine go on, behind by as long as it stood.
        """
        self.clock.thaw()
        self._turn_after(self._poll)

    def called(self, struck: str | None) -> None:
        """
        Take note of a call at a seam; one that is slow lets the pass rest for a while.
        """
        self.calls += 1
        if struck == "slow":
            self._slow = True

    def hear(self) -> None:
        """
        Be woken by an append, unless nobody hears of it.
        """
        if not self.is_up or self._is_acting:
            # What it appends itself it knows.
            return
        struck = self._faults.strike("wake", self.name)
        match struck:
            case "lost":
                # Its next look is due when it would poll.
                self._unheard = True
                self._turn_after(self._poll)
            case "late":
                self._turn_after(_LATE_MAX // 2)
            case "spurious":
                self.ring()
                self._turn_after(_SECOND)
            case _:
                self.ring()

    def ring(self) -> None:
        """
        Be woken: the pass that is being made is followed by another one.
        """
        self._rung = True
        if self._phases is None:
            self._turn_after(0)

    def act(self, command: Callable[[Scheduler], object]) -> None:
        """
        Do something with the scheduler from its own process; what is refused was worth a try.
        """
        if not self.is_up or self._frozen:
            return
        try:
            command(self.opened.scheduler)
        except SimulatedCrash as crash:
            self._fall(str(crash))
        except StoreFailed as error:
            self._fall(f"its store has failed: {error}")
        except AzothError as error:
            self._around.tell(self.name, f"is refused: {type(error).__name__}")
        else:
            self.ring()

    def _fall(self, why: str) -> None:
        self.crash(why)
        self._around.fell(self)

    def _turn_after(self, span: int) -> None:
        at = self._around.now() + span
        if self._turn_at is not None and self._turn_at <= at:
            return
        self._turn_at = at
        self._around.after(span, lambda: self._turn(at))

    def _turn(self, at: int) -> None:
        if self._turn_at != at or not self.is_up or self._frozen:
            return
        self._turn_at = None
        try:
            if self._phases is None:
                self._begin()
            assert self._phases is not None, "a pass has begun"
            self._is_acting = True
            phase = next(self._phases)
        except StopIteration as ended:
            if self._is_fresh:
                # It had nothing to decide, and its table shows all there is.
                self._around.caught_up(self.name, self.opened.projection)
            self._phases, self._is_acting = None, False
            self._rest(ended.value)
        except SimulatedCrash as crash:
            self._fall(str(crash))
        except (StoreFailed, Conflict) as error:
            self._phases = None
            self._fall(f"its store has failed: {error}")
        else:
            self._is_acting = self._is_fresh = False
            self._around.tell(self.name, phase)
            if phase == "gathered":
                self._around.caught_up(self.name, self.opened.projection)
            elif phase == "appended":
                self._in_vain = 0
            else:
                self.rare["lost a race for a task"] += 1
            self._turn_after(self._lag())

    def _begin(self) -> None:
        self.passes += 1
        if self._rung:
            self._in_vain = 0
        self._rung = self._unheard = False
        self._is_fresh = True
        self._phases = self.opened.scheduler.phases()

    def _lag(self) -> int:
        if self._slow:
            self._slow = False
            return _SLOW_MAX
        return self._around.lag(self.name)

    def _rest(self, looks_at: Instant | None) -> None:
        self._around.tell(self.name, "has passed")
        spans: list[int] = []
        if looks_at is not None:
            ahead = max(0, looks_at - self.clock.now())
            self._in_vain = 0 if ahead else self._in_vain + 1
            spans.append(self.clock.true_span(ahead))
        if self._in_vain > PASSES_MAX:
            raise Spins(f"{self.name} has made {self._in_vain} passes that led to nothing")
        if self.opened.executor.running and not self._renews:
            self._renews = True
            self._around.after(self._renew_every, lambda: self._renew(self.crashes))
        scheduler = self.opened.scheduler
        if self._unheard or self.clock.frozen or self._around.watches(scheduler.worker_id):
            spans.append(self.clock.true_span(self._poll))
        if self._rung:
            spans.append(self._around.lag(self.name))
        if spans:
            self._turn_after(min(spans))

    def _renew(self, life: int) -> None:
        # What a thread of its own does in a real process.
        if life != self.crashes or not self.is_up:
            return
        self._renews = bool(self.opened.executor.running)
        if self._renews:
            self._around.after(self._renew_every, lambda: self._renew(life))
        if not self._frozen:
            with suppress(StoreError):
                self.opened.scheduler.renew()
