"""
The parts of the simulated world, one by one: its time, its chance, its faults, its leases.
"""

from collections import Counter
from collections.abc import Callable

import pytest
from attrs import evolve

from azoth import ANY, NewEvent, StoreBusy, Write, open_store
from azoth.clocks import Clock, Instant, Microseconds
from azoth.store import EventStore
from azoth_scheduler.simulation import FAULTS, SimulatedScheduler
from azoth_scheduler.simulation.invariants import Invariants
from azoth_scheduler.simulation.world.chance import Dice
from azoth_scheduler.simulation.world.clocks import SimulatedClock, TrueTime
from azoth_scheduler.simulation.world.faults import SEAMS, Faults, check_faults
from azoth_scheduler.simulation.world.log import Leases, Seam
from azoth_scheduler.simulation.world.trace import Trace
from azoth_scheduler.simulation.world.world import Laws, World

START = Instant(1_767_225_600_000_000)
HOUR = Microseconds(3_600_000_000)


def open_memory(clock: Clock) -> EventStore:
    """
    Open a log in memory.
    """
    return open_store("memory://", clock=clock)


def world_of(laws: Laws, seed: int = 1) -> World:
    """
    Return a world without schedulers.
    """
    return World(
        seed,
        START,
        open_memory,
        faults=Faults(seed, {}),
        invariants=Invariants(),
        trace=Trace(keeps=True),
        laws=laws,
    )


# Chance.


def test_each_site_draws_numbers_of_its_own() -> None:
    """
    What one draws shifts no other; the same site of the same seed draws the same.
    """
    alone = [Dice(1, "a").number() for _ in range(1)]
    dice, other = Dice(1, "a"), Dice(1, "b")
    mixed = [dice.number() for _ in range(20) if other.number()]

    assert mixed[:1] == alone
    assert mixed == [dice.number() for dice in [Dice(1, "a")] for _ in range(20)]
    assert Dice(2, "a").number() != alone[0] != Dice(1, "b").number()


def test_what_is_drawn_keeps_to_its_bounds_and_weights() -> None:
    """
    Both ends are reached, and what weighs nothing never comes.
    """
    dice = Dice(1, "any")

    assert {dice.between(3, 5) for _ in range(100)} == {3, 4, 5}
    assert {dice.below(3) for _ in range(100)} == {0, 1, 2}
    assert {dice.choice("ab") for _ in range(100)} == {"a", "b"}
    assert not any(dice.strikes(0) for _ in range(100))
    assert all(dice.strikes(1_000) for _ in range(100))
    counts = Counter(dice.weighted([("often", 9), ("seldom", 1), ("never", 0)]) for _ in range(999))
    assert counts["often"] > 800
    assert set(counts) == {"often", "seldom"}


# Clocks.


def test_a_clock_drifts_and_is_set() -> None:
    """
    One that gains a thousandth is 3.6 s ahead after an hour; only the wall clock is set.
    """
    time = TrueTime(START)
    clock = SimulatedClock(time, drift=1_000)
    time.now_at = Instant(START + HOUR)

    assert clock.skew == 3_600_000
    assert clock.monotonic() == HOUR + 3_600_000
    clock.step(Microseconds(-HOUR))
    assert clock.skew == 3_600_000 - HOUR
    assert clock.monotonic() == HOUR + 3_600_000
    assert time.monotonic() == HOUR


def test_a_clock_that_stood_still_goes_on_behind() -> None:
    """
    By as long as it stood, both of its times.
    """
    time = TrueTime(START)
    clock = SimulatedClock(time)
    clock.freeze()
    time.now_at = Instant(START + HOUR)
    assert clock.now() == START
    clock.thaw()
    time.now_at = Instant(START + 2 * HOUR)

    assert clock.skew == -HOUR
    assert clock.monotonic() == HOUR


def test_no_clock_shows_a_time_before_the_epoch() -> None:
    """
    There are no such instants.
    """
    clock = SimulatedClock(TrueTime(Instant(5)))
    clock.step(Microseconds(-10))

    assert clock.now() == 0


@pytest.mark.parametrize(("drift", "true"), [(0, 1_000), (-500_000, 2_000), (1, 1_000), (3, 1_000)])
def test_a_span_of_a_clock_takes_at_least_as_long_as_it_says(drift: int, true: int) -> None:
    """
    Rounded up, so that who waits for it never looks too early.
    """
    time = TrueTime(START)
    clock = SimulatedClock(time, drift)

    assert clock.true_span(1_000) == true
    time.now_at = Instant(START + true)
    assert clock.monotonic() >= 1_000 - (drift > 0)


# Faults.


def test_each_fault_is_named_for_a_seam() -> None:
    """
    So that every one can strike.
    """
    assert {name.partition(".")[0] for name in FAULTS} == set(SEAMS)
    assert check_faults(dict.fromkeys(FAULTS, 1)) == dict.fromkeys(FAULTS, 1)


def test_a_fault_that_is_taken_out_leaves_all_others() -> None:
    """
    Each has a name of its own, and is drawn for its own place.
    """
    chances = {"append.busy": 300, "append.full": 200, "read.busy": 300}

    def struck(without: frozenset[str]) -> list[str]:
        faults = Faults(7, chances, without)
        for _ in range(20):
            faults.strike("append", "w0")
            faults.strike("read", "w0")
            faults.strike("append", "w1")
        return faults.struck

    everything = struck(frozenset())
    assert len(set(everything)) == len(everything) > 20
    for name in everything:
        assert struck(frozenset({name})) == [one for one in everything if one != name]


def test_faults_end() -> None:
    """
    Then nothing is to be feared.
    """
    faults = Faults(1, {"append.busy": 1_000})
    assert faults.may_strike("append")
    assert not faults.may_strike("read")
    assert faults.strike("append", "w0") == "busy"
    faults.end()

    assert not faults.may_strike("append")
    assert faults.strike("append", "w0") is None
    assert faults.counts == {"append.busy": 1}


# The log and its leases.


def test_a_lease_has_one_living_holder() -> None:
    """
    Another one gets it when the first is dead, which is seen on one machine alone.
    """
    living = {"first": True, "second": True}

    def holder(name: str) -> Callable[[], bool]:
        return lambda: living[name]

    leases, first, second = Leases(True, lambda: START), holder("first"), holder("second")
    assert leases.renew("w0", START, first)
    assert not leases.renew("w0", START, second)
    living["first"] = False
    assert [lease.dead for lease in leases.seen_by("w1")] == [True]
    assert leases.renew("w0", START, second)

    assert [lease.dead for lease in leases.seen_by("w1")] == [False]
    apart = Leases(False, lambda: START, {"w0": leases._rows["w0"]})
    living["second"] = False
    assert [lease.dead for lease in apart.seen_by("w1")] == [False]


def test_a_lease_stands_still_as_long_as_somebody_who_looks_sees_it() -> None:
    """
    What counts is the last look: what was renewed after it was not known to whoever looked.
    """
    now = [START]
    leases = Leases(False, lambda: now[0])

    def at(seconds: int) -> None:
        now[0] = Instant(START + seconds * 1_000_000)

    def lives() -> bool:
        return True

    leases.renew("w0", Instant(START + 30), lives)
    at(20)
    leases.seen_by("w1")
    at(25)
    leases.renew("w0", Instant(START + 55), lives)

    assert leases.stood_still("w0", 20_000_000)
    leases.seen_by("w1")
    assert not leases.stood_still("w0", 1)
    assert leases.stood_still("nobody", 1)


def test_a_lease_that_cannot_be_had_is_busy() -> None:
    """
    It is neither written nor looked at, and the scheduler hears of it.
    """
    heard: list[str | None] = []
    with open_store("memory://") as store:
        seam = Seam(
            store,
            Leases(False, lambda: START),
            Faults(1, {"lease.busy": 1_000}),
            scheduler="w0",
            is_held=lambda: True,
            called=heard.append,
        )
        with pytest.raises(StoreBusy):
            seam.renew("w0", START)
        with pytest.raises(StoreBusy):
            seam.leases()

    assert heard == ["busy", "busy"]


# The world.


def order_of(laws: Laws, seed: int) -> list[int]:
    """
    Let ten things happen at one moment, and return in which order they did.
    """
    world = world_of(laws, seed)
    happened: list[int] = []
    for number in range(10):
        world.after(5, lambda number=number: happened.append(number))  # type: ignore[misc]
    world.run(Instant(START + 5))
    return happened


def test_what_happens_at_one_moment_has_an_order_that_is_drawn() -> None:
    """
    By the seed; or that in which it was planned.
    """
    assert order_of(Laws(shuffles=False), 1) == list(range(10))
    assert order_of(Laws(), 1) == order_of(Laws(), 1) != order_of(Laws(), 2)


def test_time_stands_where_something_does_not_hold() -> None:
    """
    What would have come behind it does not.
    """
    world = world_of(Laws(shuffles=False))
    world.after(5, lambda: world.breach("X1", 1, "it is not so"))
    world.after(6, lambda: pytest.fail("it goes on"))
    world.run(Instant(START + 10))

    assert world.now() == START + 5
    assert world.next_at() == START + 6


def test_whatever_is_written_is_seen() -> None:
    """
    By whoever it is; an event that the log does not hold is not among those that were seen.
    """
    world = world_of(Laws())
    world.write(Write("note-1", [NewEvent("noted", b"1"), NewEvent("noted", b"2")], ANY))

    assert [event.data for event in world.events] == [b"1", b"2"]
    world.check_all()
    assert world.invariants.breaches == []
    first = world.events[0]
    world.events[0] = evolve(first, data=b"other")
    world.check_all()
    assert [breach.invariant for breach in world.invariants.breaches] == ["S7"]


def test_a_process_dies_once_and_starts_once() -> None:
    """
    What is done to one that is down, or up, or not frozen, does nothing.
    """
    with SimulatedScheduler([]) as simulated:
        simulated.crash()
        simulated.crash()
        simulated.restart()
        simulated.thaw()
        simulated.advance(1)

        told = [line.split(maxsplit=3)[3] for line in simulated.trace.splitlines()]
    assert told == ["starts", "crashes: it is killed", "starts"]
