"""
The simulation is not hollow: each bug that is planted in the scheduler breaks an invariant, by id.
"""

from collections.abc import Callable, Iterable
from itertools import chain
from typing import Final

import pytest
from attrs import frozen

from azoth_scheduler.simulation import play, scenario_of
from tests.simulation.mutants.planting import Mutant, harmless
from tests.simulation.mutants.registry import MUTANTS

pytestmark = pytest.mark.uncovered

SEEDS_MAX: Final = 1_000
"""Within so many each bug has to be found."""

HARMLESS_SEEDS: Final = 30

Tell = Callable[[str, object], None]


@frozen
class Kill:
    """
    Say which seed killed a mutant, and how many were played up to it.
    """

    seed: int
    played: int

    def __str__(self) -> str:
        begun = self.seed + 1 - self.played
        return f"seed {self.seed}" + (f", from {begun}" if begun else "")


def killed(mutant: Mutant, seeds: Iterable[int]) -> Kill | None:
    """
    Play scenarios until the invariant breaks that is to break; None if it never does.
    """
    for played, seed in enumerate(seeds, 1):
        breaches = play(scenario_of(seed)).breaches
        if any(breach.invariant == mutant.killer for breach in breaches):
            return Kill(seed, played)
    return None


def tell(record_property: Tell, mutant: Mutant, kill: Kill) -> None:
    """
    Record a kill for the table at the end of the run.
    """
    record_property("mutant", mutant.name)
    record_property("killed by", mutant.killer)
    record_property("after", str(kill))


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_planted_bug_breaks_its_invariant(
    mutant: Mutant, monkeypatch: pytest.MonkeyPatch, record_property: Tell
) -> None:
    """
    Within a thousand scenarios, of which those are played first that are known to come to it.
    """
    mutant.plant(monkeypatch)

    kill = killed(mutant, chain(range(mutant.since, SEEDS_MAX), range(mutant.since)))

    assert kill is not None, f"{mutant.fault} Nothing in {SEEDS_MAX} seeds breaks {mutant.killer}"
    tell(record_property, mutant, kill)


@pytest.mark.soak
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_planted_bug_breaks_its_invariant_from_the_first_seed(
    mutant: Mutant, monkeypatch: pytest.MonkeyPatch, record_property: Tell
) -> None:
    """
    The same, with every seed counted.
    """
    mutant.plant(monkeypatch)

    kill = killed(mutant, range(SEEDS_MAX))

    assert kill is not None, f"{mutant.fault} Nothing in {SEEDS_MAX} seeds breaks {mutant.killer}"
    tell(record_property, mutant, kill)


def test_what_changes_nothing_breaks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Functions that stand in at all places of all mutants, and do as before, survive.
    """
    for mutant in MUTANTS:
        harmless(mutant).plant(monkeypatch)

    for seed in range(HARMLESS_SEEDS):
        assert play(scenario_of(seed)).breaches == ()


def test_each_kind_of_bug_has_its_mutant() -> None:
    """
    Each mutant has a name, says what is broken, and begins where a seed may be.
    """
    names = [mutant.name for mutant in MUTANTS]

    assert len(set(names)) == len(names) >= 50
    assert all(mutant.fault.endswith(".") for mutant in MUTANTS)
    assert all(mutant.since < SEEDS_MAX for mutant in MUTANTS)
