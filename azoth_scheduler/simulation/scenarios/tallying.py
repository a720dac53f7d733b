"""
What many scenarios came to: how much was played, what struck, and which rare states were reached.
"""

from collections import Counter

from azoth_scheduler.simulation.scenarios.playing import Played
from azoth_scheduler.simulation.scenarios.sometimes import SOMETIMES

__all__ = ["Tally"]


class Tally:
    """
    Sum up scenarios.

    Attributes:
        scenarios: How many were played.
        failures: How many of them broke an invariant.
        steps: How many things happened.
        events: How many were written.
        simulated: Microseconds of true time that passed in them.
        faults: How often each kind struck.
        sometimes: How often each rare state was reached.
    """

    def __init__(self) -> None:
        self.scenarios = 0
        self.failures = 0
        self.steps = 0
        self.events = 0
        self.simulated = 0
        self.faults: Counter[str] = Counter()
        self.sometimes: Counter[str] = Counter()

    def add(self, played: Played) -> None:
        """
        Add what became of one.
        """
        self.scenarios += 1
        self.failures += bool(played.breaches)
        self.steps += played.steps
        self.events += played.events
        self.simulated += played.simulated
        self.faults.update(played.faults)
        # Without those that are none: what was not reached is not in it.
        self.sometimes += Counter(played.sometimes)

    @property
    def never(self) -> tuple[str, ...]:
        """
        Return the rare states that were not reached.
        """
        return tuple(name for name in SOMETIMES if not self.sometimes[name])
