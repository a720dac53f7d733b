"""
How long may be waited in a scenario, once nothing goes wrong any more.
"""

from collections.abc import Callable, Iterator
from typing import Final

from azoth.clocks import Instant, Microseconds
from azoth_scheduler.simulation.invariants import Checker, Ending, Fairness, Liveness
from azoth_scheduler.simulation.scenarios.scenario import START, Scenario
from azoth_scheduler.simulation.world.truth import NothingIsTaken

__all__ = ["bound_of", "slots_of", "waits_of"]

_SECOND: Final = 1_000_000

_BACKOFF_SECONDS: Final = 6
"""The longest wait after an error, and a pass."""


def waits_of(scenario: Scenario, now: Callable[[], Instant]) -> Iterator[Checker]:
    """
    Yield what checks how long a scenario lets anybody wait: L1 and L2.

    In fair weather C15 too, and that nobody's attempt is taken (C12).

    Args:
        scenario: Its faults end at its span.
        now: Says what time it is when the log ends.
    """
    since, bound = Instant(START + scenario.span), bound_of(scenario)
    slots = sum(slots_of(scenario).values())
    yield Liveness(since=since, bound=bound, slots=slots, now=now)
    yield Ending(since=since, bound=bound, now=now)
    if _is_fair_weather(scenario):
        yield NothingIsTaken()
        yield Fairness(
            since=START,
            slots=slots,
            timeout=Microseconds(scenario.seats.timeout_seconds * _SECOND),
            poll=Microseconds(scenario.seats.poll_seconds * _SECOND),
        )


def bound_of(scenario: Scenario) -> Microseconds:
    """
    Return how long what is due may wait once the faults have ended: poll + lease + skew (L1).

    A lease that has just been renewed has to run out and to stand still for as long again, each
    seen within a poll interval; whoever met an error waits for its backoff.
    """
    seats = scenario.seats
    waits = 2 * seats.lease_seconds + 3 * seats.poll_seconds + _BACKOFF_SECONDS
    return Microseconds(waits * _SECOND + _skew(scenario))


def slots_of(scenario: Scenario) -> dict[str, int]:
    """
    Return how many attempts each worker runs at a time, by its name.
    """
    return {f"w{place}": scenario.seats.slots for place in range(scenario.seats.schedulers)}


def _skew(scenario: Scenario) -> int:
    # How far the clocks of two schedulers may be apart in the end.
    stepped = sum(abs(act.by) for act in scenario.acts)
    frozen = sum(act.deed == "freeze_clock" for act in scenario.acts) * scenario.span
    drift = max(map(abs, scenario.seats.drifts)) * 2 * scenario.span // 1_000_000
    return stepped + frozen + drift


def _is_fair_weather(scenario: Scenario) -> bool:
    # C15 is of schedulers that live, with clocks that agree, and that serve all there is.
    troubles = ("crash", "freeze", "step_clock", "freeze_clock", "enter")
    calm = not scenario.faults and not any(act.deed in troubles for act in scenario.acts)
    return calm and not any(scenario.seats.drifts) and all(scenario.seats.both_types)
