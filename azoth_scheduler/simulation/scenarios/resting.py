"""
The second phase of a run: all faults are off, and everything has to come to rest.
"""

from typing import Final

from azoth.clocks import Instant
from azoth.projector import Projector
from azoth_scheduler.projection import MemoryScheduleProjection
from azoth_scheduler.simulation.scenarios.bounds import bound_of
from azoth_scheduler.simulation.scenarios.scenario import Scenario
from azoth_scheduler.simulation.world.node import Node
from azoth_scheduler.simulation.world.truth import history_holds
from azoth_scheduler.simulation.world.world import World

__all__ = ["come_to_rest"]

_SECOND: Final = 1_000_000

_GRACE_SECONDS: Final = 30.0
"""Of each shutdown (L4)."""


def come_to_rest(world: World, scenario: Scenario) -> str:
    """
    Let the faults end, wait, shut everybody down, and compare what is left.

    Whoever died is back, whoever stood still goes on, what hung or was lost comes back at last.

    Returns:
        The digest that all schedule tables have; nothing where something does not hold.
    """
    _heal(world)
    # Whatever is begun then has its end, and what is due has been started.
    settles = bound_of(scenario) + (scenario.seats.timeout_seconds + 10) * _SECOND
    world.run(Instant(world.now() + settles))
    if "attempt.hang" in scenario.faults:
        _hang(world, world.nodes[-1])
    for node in world.nodes:
        _shut_down(world, node)
    if world.invariants.breaches:
        return ""
    digest = _compare_tables(world)
    world.check_all()
    return digest


def _heal(world: World) -> None:
    world.faults.end()
    world.tell("all", "faults end")
    for node in world.nodes:
        node.clock.thaw()
        node.thaw()
        node.start()
        node.opened.executor.calm_down()
        node.ring()


def _hang(world: World, node: Node) -> None:
    # So that the shutdown meets a handler that never comes back.
    states = world.reference.states
    living = [task_id for task_id, one in states.items() if one.exists and not one.cancelled]
    node.opened.executor.hang()
    if living:
        node.act(lambda scheduler: scheduler.trigger_task(living[0], overlap="allow"))
    world.run(Instant(world.now() + _SECOND))


def _shut_down(world: World, node: Node) -> None:
    # L4: a shutdown ends within its grace, even while a handler hangs.
    began = node.clock.monotonic()
    for pause in node.opened.scheduler.draining(_GRACE_SECONDS):
        world.run(Instant(world.now() + max(1, round(pause * _SECOND))))
        spent = (node.clock.monotonic() - began) / _SECOND
        if spent > _GRACE_SECONDS + 1:
            what = f"{node.name} is not shut down after {spent:g} s of {_GRACE_SECONDS:g} s"
            world.breach("L4", len(world.events), what)
            return


def _compare_tables(world: World) -> str:
    # L3: all have one digest, and it is that of a table made now; and each shows what was told.
    fresh = MemoryScheduleProjection()
    Projector(world.store, fresh).catch_up()
    digest = fresh.digest()
    for node in world.nodes:
        if node.opened.scheduler.digest() != digest:
            what = f"the table of {node.name} has another digest than the log"
            world.breach("L3", len(world.events), what)
        world.blame(history_holds(node.opened.projection, world.reference.told))
    return digest
