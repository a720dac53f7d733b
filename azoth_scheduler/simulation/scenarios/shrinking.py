"""
A scenario that fails, made smaller: what is left is what the failure needs.

First the run is cut behind the failure. Then acts and faults are taken out, half of them first,
then fewer and fewer (delta debugging, Zeller and Hildebrandt 2002), as long as the same invariant
breaks. A fault that is taken out shifts no other, since each site draws its own numbers.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

from attrs import evolve

from azoth.clocks import Microseconds
from azoth_scheduler.simulation.scenarios.playing import Played, play
from azoth_scheduler.simulation.scenarios.scenario import Scenario

__all__ = ["reduced", "shrunk"]

T = TypeVar("T")


def shrunk(
    played: Played, *, player: Callable[[Scenario], Played] = play, tries: int = 400
) -> Played:
    """
    Return a smaller scenario that breaks the same invariant, played.

    Args:
        played: A run with a breach.
        player: Plays a scenario.
        tries: How often it is played at most.
    """
    search = _Search(played, player, tries)
    search.cut_short()
    for _ in range(2):
        search.take_out_acts()
        search.take_out_faults()
    return search.best


class _Search:
    def __init__(self, played: Played, player: Callable[[Scenario], Played], tries: int) -> None:
        self.best = played
        self._invariant = played.breaches[0].invariant
        self._player = player
        self._tries = tries

    def cut_short(self) -> None:
        scenario = self.best.scenario
        # What is broken before the faults end needs nothing behind it.
        self._try(evolve(scenario, span=Microseconds(min(scenario.span, self.best.simulated))))

    def take_out_acts(self) -> None:
        scenario = self.best.scenario
        reduced(scenario.acts, lambda acts: self._try(evolve(self.best.scenario, acts=tuple(acts))))

    def take_out_faults(self) -> None:
        reduced(self.best.struck, self._only)

    def _only(self, kept: Sequence[str]) -> bool:
        without = [name for name in self.best.struck if name not in kept]
        scenario = self.best.scenario
        return self._try(evolve(scenario, without=(*scenario.without, *without)))

    def _try(self, scenario: Scenario) -> bool:
        if self._tries <= 0:
            return False
        self._tries -= 1
        played = self._player(scenario)
        same = bool(played.breaches) and played.breaches[0].invariant == self._invariant
        if same:
            self.best = played
        return same


def reduced(items: Sequence[T], holds: Callable[[Sequence[T]], bool]) -> Sequence[T]:
    """
    Return fewer *items* for which *holds* is still true, taking out parts of them.
    """
    kept, parts = list(items), 2
    while kept:
        size = max(1, len(kept) // parts)
        for start in range(0, len(kept), size):
            fewer = kept[:start] + kept[start + size :]
            if holds(fewer):
                kept, parts = fewer, max(2, parts - 1)
                break
        else:
            if size == 1:
                break
            parts *= 2
    return kept
