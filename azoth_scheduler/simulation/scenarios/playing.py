"""
A scenario, played: a phase in which much goes wrong, then one in which nothing does.

In the first phase the faults of the scenario strike, and whatever holds at every moment is checked
as the log grows. In the second all faults are off, everybody who died is back, and all has to come
to rest within a bound: what was begun has an end, what is due is started, all schedule tables are
equal. Then everybody is shut down.
"""

from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager
from logging import CRITICAL, getLogger
from pathlib import Path
from tempfile import TemporaryDirectory
from traceback import extract_tb
from typing import Final

from attrs import frozen

from azoth._collecting import collecting_seldom
from azoth.clocks import Clock, Instant
from azoth.events import NewEvent, Write
from azoth.projector import Projector
from azoth.store import EventStore
from azoth.streams import ANY
from azoth.urls import open_store
from azoth_scheduler.errors import RunNotFound
from azoth_scheduler.events import stream_of
from azoth_scheduler.projection import MemoryScheduleProjection, ScheduleProjection
from azoth_scheduler.scheduler import Scheduler
from azoth_scheduler.simulation.invariants import (
    Breach,
    Invariants,
)
from azoth_scheduler.simulation.scenarios.acting import Acting, Extra, lasting
from azoth_scheduler.simulation.scenarios.acts import Act, request_of
from azoth_scheduler.simulation.scenarios.bounds import slots_of, waits_of
from azoth_scheduler.simulation.scenarios.resting import come_to_rest
from azoth_scheduler.simulation.scenarios.scenario import START, Scenario
from azoth_scheduler.simulation.scenarios.sometimes import reached
from azoth_scheduler.simulation.world.clocks import SimulatedClock
from azoth_scheduler.simulation.world.executor import SimulatedExecutor
from azoth_scheduler.simulation.world.faults import Faults
from azoth_scheduler.simulation.world.node import Node, Opened, Spins
from azoth_scheduler.simulation.world.tables import TornTable
from azoth_scheduler.simulation.world.trace import Trace
from azoth_scheduler.simulation.world.world import Laws, World

__all__ = ["Played", "open_memory", "play"]

_SECOND: Final = 1_000_000


@frozen(kw_only=True)
class Played:
    """
    Say what became of a scenario.

    Attributes:
        breaches: What did not hold, in the order in which it was found; nothing if all is well.
        hash: Of all that happened: equal for two runs of one scenario.
        digest: Of the schedule table that all have in the end.
        steps: How many things happened: whatever woke, ended or was done, and each call of a
            scheduler at a seam.
        passes: How many passes the schedulers made.
        simulated: Microseconds of true time that passed, up to the first breach.
        events: How long the log is.
        struck: The faults that struck, each by its own name.
        faults: How often each kind struck.
        sometimes: How often each rare state was reached.
        lines: The trace, where it was asked for.
    """

    scenario: Scenario
    breaches: tuple[Breach, ...]
    hash: str
    digest: str
    steps: int
    passes: int
    simulated: int
    events: int
    struck: tuple[str, ...]
    faults: Mapping[str, int]
    sometimes: Mapping[str, int]
    lines: tuple[str, ...]


def open_memory(clock: Clock) -> EventStore:
    """
    Open a new log in memory.
    """
    return open_store("memory://", clock=clock)


def play(
    scenario: Scenario,
    *,
    open_log: Callable[[Clock], EventStore] = open_memory,
    keeps_trace: bool = False,
) -> Played:
    """
    Play a scenario to its end, or to the first thing that does not hold.

    Args:
        scenario: What happens.
        open_log: Opens a new log; the answer is the same for each store (R3).
        keeps_trace: Whether all that happens is told line by line.
    """
    with _silence(), collecting_seldom(), ExitStack() as held:
        playing = _Play(scenario, open_log, Trace(keeps=keeps_trace), held)
        held.enter_context(playing.world.store)
        playing.play()
        return playing.played()


@contextmanager
def _silence() -> Generator[None, None, None]:
    # What goes wrong goes wrong on purpose, and the trace tells it.
    logger = getLogger("azoth_scheduler")
    level = logger.level
    logger.setLevel(CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)


class _Play:
    def __init__(
        self,
        scenario: Scenario,
        open_log: Callable[[Clock], EventStore],
        trace: Trace,
        held: ExitStack,
    ) -> None:
        self._scenario = scenario
        self._held = held
        self._folder = ""
        self._digest = ""
        seats = scenario.seats
        self.world = World(
            scenario.seed,
            START,
            open_log,
            faults=Faults(scenario.seed, scenario.faults, frozenset(scenario.without)),
            invariants=Invariants(slots=slots_of(scenario), checkers=waits_of(scenario, self._now)),
            trace=trace,
            laws=Laws(
                proves_death=seats.one_machine, restarts_after=seats.restart_seconds * _SECOND
            ),
        )

    def _now(self) -> Instant:
        # The world is made with its invariants, so they come to it by this.
        return self.world.now()

    def play(self) -> None:
        world, scenario = self.world, self._scenario
        try:
            for index in range(scenario.seats.schedulers):
                self._enter(index)
            for act in scenario.acts:
                world.after(act.after, lambda act=act: self._do(act))  # type: ignore[misc]
            world.run(Instant(START + scenario.span))
            if not world.invariants.breaches:
                self._digest = come_to_rest(world, scenario)
        except Spins as error:
            world.breach("L1", len(world.events), str(error))
        except Exception as error:  # noqa: BLE001 - a scheduler that falls over has failed
            world.breach("raised", len(world.events), _told(error))

    def played(self) -> Played:
        world = self.world
        return Played(
            scenario=self._scenario,
            breaches=tuple(world.invariants.breaches),
            hash=world.trace.hexdigest(),
            digest=self._digest,
            steps=world.steps + sum(node.calls for node in world.nodes),
            passes=sum(node.passes for node in world.nodes),
            simulated=world.now() - START,
            events=len(world.events),
            struck=tuple(world.faults.struck),
            faults=dict(world.faults.counts),
            sometimes=self._sometimes(),
            lines=tuple(world.trace.lines),
        )

    def _sometimes(self) -> Mapping[str, int]:
        counts = reached(self.world.reference.told.values())
        for node in self.world.nodes:
            counts.update(node.rare)
        return dict(sorted(counts.items()))

    # Who is there.

    def _enter(self, index: int, name: str | None = None) -> Node:
        seats = self._scenario.seats
        place = index % len(seats.drifts)
        clock = SimulatedClock(self.world.time, seats.drifts[place])
        return self.world.enter(
            name or f"w{index}",
            clock,
            lambda node: self._opened(node, place),
            poll=seats.poll_seconds,
            lease=seats.lease_seconds,
        )

    def _opened(self, node: Node, place: int) -> Opened:
        scenario, seats, world = self._scenario, self._scenario.seats, self.world
        executor = SimulatedExecutor(
            seed=scenario.seed,
            scheduler=node.name,
            faults=world.faults,
            lasts=lasting(scenario.seed),
            later=lambda span, act: world.after(node.clock.true_span(span), act),
            now=world.now,
            journal=world.journal,
            woken=node.ring,
        )
        table = self._table(node, place)
        handlers = [Acting(scenario.seed, scenario.failing)]
        if seats.both_types[place]:
            handlers.append(Extra(scenario.seed, scenario.failing))
        scheduler = Scheduler(
            world.seam(node),
            handlers,
            projection=table,
            clock=node.clock,
            executor=executor,
            # Two that come to one place have one name, as two copies of a container.
            worker_id=f"w{place}",
            poll_interval=seats.poll_seconds,
            max_concurrent_tasks=seats.slots,
            default_timeout=seats.timeout_seconds,
            lease=seats.lease_seconds,
            max_lost=seats.max_lost,
        )
        return Opened(scheduler, executor, table)

    def _table(self, node: Node, place: int) -> ScheduleProjection:
        if not self._scenario.seats.tables[place]:
            return MemoryScheduleProjection()
        if not self._folder:
            # Made for the few runs that need it: it takes as long as the rest of a small one.
            self._folder = self._held.enter_context(TemporaryDirectory(prefix="azoth-"))
        path = f"{self._folder}/{node.name}.db"
        table = TornTable(path, lambda: self.world.faults.strike("table", node.name) is not None)
        self._held.callback(table.close)
        return table

    # What is done.

    def _do(self, act: Act) -> None:
        node = self.world.nodes[act.scheduler % len(self.world.nodes)]
        self.world.tell(node.name, f"is to {act.deed} {act.task_id}")
        trouble = self._troubles.get(act.deed)
        if trouble is None:
            node.act(lambda scheduler: _command(scheduler, act))
        else:
            trouble(node, act)

    @property
    def _troubles(self) -> Mapping[str, Callable[[Node, Act], None]]:
        return {
            "crash": lambda node, _: node.crash("it is killed"),
            "start": lambda node, _: node.start(),
            "freeze": lambda node, _: node.freeze(),
            "thaw": lambda node, _: node.thaw(),
            "step_clock": lambda node, act: node.step_clock(act.by),
            "freeze_clock": lambda node, _: node.clock.freeze(),
            "thaw_clock": lambda node, _: node.thaw_clock(),
            "enter": lambda _, act: self._join(act.scheduler),
            "rebuild": lambda _, __: self._rebuild(),
            "write_foreign": lambda _, act: self._write_foreign(act.task_id),
        }

    def _join(self, index: int) -> None:
        self._enter(index, f"v{len(self.world.nodes)}")

    def _rebuild(self) -> None:
        # R7: what is rebuilt while appends go on is what is live.
        fresh = MemoryScheduleProjection()
        Projector(self.world.store, fresh).catch_up()
        for task_id, state in self.world.reference.states.items():
            if fresh.get(task_id) != state:
                what = f"rebuilt, task {task_id!r} is another one"
                self.world.breach("R7", len(self.world.events), what)

    def _write_foreign(self, task_id: str) -> None:
        # As newer code does beside older: an event that nobody here can read.
        event = NewEvent("TaskBlessed", b'{"task_id": "?"}')
        self.world.write(Write(stream_of(task_id), [event], ANY))


def _told(error: Exception) -> str:
    last = extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error}, at {Path(last.filename).name}:{last.lineno}"


def _command(scheduler: Scheduler, act: Act) -> object:
    match act.deed:
        case "schedule":
            assert act.definition is not None, "who schedules has something to schedule"
            return scheduler.schedule_task(request_of(act.task_id, act.definition))
        case "cancel":
            return scheduler.cancel_task(act.task_id)
        case "pause":
            return scheduler.pause_task(act.task_id)
        case "resume":
            return scheduler.resume_task(act.task_id)
        case "trigger":
            return scheduler.trigger_task(act.task_id, overlap=act.overlap)
        case _:
            task = scheduler.get_task(act.task_id)
            if task is None or task.last_execution_id is None:
                raise RunNotFound(execution_id="none")
            return scheduler.cancel_run(task.last_execution_id)
