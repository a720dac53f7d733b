"""
What goes wrong, where, and how often: drawn at each seam, and told so that it can be taken out.

A seam is where a scheduler meets the world: its appends and reads, its lease, what wakes it, its
attempts, its schedule table. Which faults may strike is drawn for each run anew (swarm testing,
Groce and others 2012): a run with few kinds of faults goes deeper than one with all of them.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Final

from azoth.events import check_integer
from azoth_scheduler.simulation.world.chance import PER_MILLE, Dice

__all__ = ["FAULTS", "SEAMS", "Faults", "check_faults"]

FAULTS: Final[Mapping[str, str]] = {
    "append.busy": "another process holds the store; nothing is written",
    "append.full": "there is no room; nothing is written",
    "append.failed": "the engine fails; nothing is written, and the process has to be restarted",
    "append.conflict": "another writer is said to have been faster",
    "append.lost_answer": "it is written, and the answer is lost",
    "append.lost_request": "nothing is written, and nobody can tell",
    "append.crash_before": "the process ends before it is written",
    "append.crash_after": "the process ends after it is written",
    "append.slow": "the answer takes seconds, and others go on meanwhile",
    "read.busy": "another process holds the store",
    "read.failed": "the engine fails, and the process has to be restarted",
    "lease.busy": "the lease can be neither written nor looked at",
    "table.torn": "the process ends between the rows of the schedule table and its position",
    "wake.lost": "nobody hears that something was appended",
    "wake.late": "it is heard seconds later",
    "wake.spurious": "something wakes a scheduler for nothing",
    "attempt.hang": "the handler comes back long after its deadline, whoever asks it to stop",
    "attempt.lost": "the handler is done, and its result never comes",
    "attempt.late": "the result comes seconds after the handler was done",
    "attempt.duplicate": "the result comes twice",
}
"""What may strike at a seam, by `seam.fault`."""

SEAMS: Final = ("append", "read", "lease", "table", "wake", "attempt")
"""Where a scheduler meets the world."""


class Faults:
    """
    Say what strikes, each time that a scheduler comes to a seam.

    Args:
        seed: Of the run.
        chances: How many times in a thousand, by the names in `FAULTS`; a missing one never.
        without: Faults that are taken out of the run, by the names under which they struck.

    Attributes:
        struck: What struck so far, in order, each under a name of its own such as
            `append.busy@w0#7`: at the seventh append of scheduler w0.
        counts: How often each kind struck.
    """

    def __init__(
        self, seed: int, chances: Mapping[str, int], without: frozenset[str] = frozenset()
    ) -> None:
        self._seed = seed
        self._without = without
        self._by_seam = {
            seam: [(name, chance) for name, chance in chances.items() if name.startswith(seam)]
            for seam in SEAMS
        }
        self._dice: dict[tuple[str, str], Dice] = {}
        self._seen: Counter[tuple[str, str]] = Counter()
        self._over = False
        self.struck: list[str] = []
        self.counts: Counter[str] = Counter()

    def end(self) -> None:
        """
        Let nothing strike any more.
        """
        self._over = True

    def may_strike(self, seam: str) -> bool:
        """
        Say whether anything is to be feared at a seam.
        """
        return not self._over and bool(self._by_seam[seam])

    def strike(self, seam: str, scheduler: str) -> str | None:
        """
        Return what strikes at this visit of a scheduler to a seam; None if all is well.
        """
        if self._over or not (chances := self._by_seam[seam]):
            return None
        site = (seam, scheduler)
        self._seen[site] += 1
        dice = self._dice.get(site)
        if dice is None:
            dice = self._dice[site] = Dice(self._seed, f"{seam}@{scheduler}")
        left = dice.number() % PER_MILLE
        for name, chance in chances:
            left -= chance
            if left < 0:
                return self._told(name, f"{name}@{scheduler}#{self._seen[site]}")
        return None

    def _told(self, name: str, struck: str) -> str | None:
        if struck in self._without:
            return None
        self.struck.append(struck)
        self.counts[name] += 1
        return name.partition(".")[2]


def check_faults(chances: Mapping[str, int]) -> Mapping[str, int]:
    """
    Return *chances* if each names a fault and says how often it strikes.

    Raises:
        TypeError: It is no mapping, or a chance is no integer.
        ValueError: No fault has the name, or a chance is not from 0 to 1,000.
    """
    if not isinstance(chances, Mapping):
        raise TypeError(f"faults maps names to thousandths, not {chances!r}")
    for name, chance in chances.items():
        if name not in FAULTS:
            raise ValueError(f"there is no fault {name!r}; there are {', '.join(FAULTS)}")
        check_integer(chance, f"the chance of {name}", high=PER_MILLE)
    return chances
