"""
What a type checker tells a user of `azoth_scheduler.simulation`; checked, never run.
"""

from datetime import UTC, datetime, timedelta
from typing import assert_type

from azoth.clocks import Clock
from azoth.events import Event
from azoth.store import EventStore
from azoth_scheduler import Health, ScheduledTask, ScheduleTaskRequest, TaskContext, TaskHandler
from azoth_scheduler.simulation import InvariantBroken, RealTimeUsed, SimulatedScheduler
from azoth_scheduler.simulation.invariants import Breach
from azoth_scheduler.testing.fixtures import Simulate, seed_of


def a_simulation_schedules_and_shows(handler: TaskHandler, request: ScheduleTaskRequest) -> None:
    """
    It answers as a scheduler does, and says what happened.
    """
    with SimulatedScheduler([handler], lasts=timedelta(seconds=1), schedulers=2) as simulated:
        assert_type(simulated, SimulatedScheduler)
        assert_type(simulated.schedule_task(request), ScheduledTask)
        assert_type(simulated.now, datetime)
        assert_type(simulated.clock, Clock)
        assert_type(simulated.store, EventStore)
        assert_type(simulated.events, tuple[Event, ...])
        assert_type(simulated.health(1), Health)
        assert_type(simulated.trace, str)
        assert_type(simulated.trace_hash, str)
        assert_type(simulated.struck, tuple[str, ...])
        assert_type(simulated.seed, int)


def time_passes_by_seconds_or_units(simulated: SimulatedScheduler) -> None:
    """
    A condition is given the simulation; a time without a number is none.
    """
    simulated.advance(30)
    simulated.advance(hours=30)
    simulated.always(lambda it: it.now < datetime(2027, 1, 1, tzinfo=UTC))
    assert_type(simulated.eventually(lambda it: it.struck, within=3600), datetime)
    simulated.advance("30")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def attempts_last_by_their_context(handler: TaskHandler) -> SimulatedScheduler:
    """
    What says how long one takes is given its context.
    """

    def lasts(ctx: TaskContext) -> float:
        return 2.0 * ctx.attempt

    return SimulatedScheduler([handler], lasts=lasts)


def a_test_takes_the_fixture(simulate: Simulate, handler: TaskHandler) -> None:
    """
    It makes simulations with a seed of their own.
    """
    assert_type(simulate([handler], seed=7, schedulers=2), SimulatedScheduler)
    assert_type(seed_of("tests/test_a.py::test_a"), int)


def failures_have_fields(broken: InvariantBroken, used: RealTimeUsed) -> None:
    """
    Both are assertions, and say where.
    """
    assert_type(broken.breaches, tuple[Breach, ...])
    assert_type(broken.seed, int)
    assert_type(used.place, str)
