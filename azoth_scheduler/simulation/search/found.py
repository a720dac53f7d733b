"""
What a search finds: how much there is, and the shortest way to what must not be.
"""

from attrs import frozen

from azoth_scheduler.events import SchedulerEvent
from azoth_scheduler.simulation.invariants import Breach

__all__ = ["Counterexample", "Found"]


@frozen(kw_only=True)
class Counterexample:
    """
    Be a shortest way from the first state to a breach.

    Attributes:
        steps: What happens, a line for each move.
        logs: The events of each task, at the end of it.
    """

    scope: str
    breach: Breach
    steps: tuple[str, ...]
    logs: tuple[tuple[SchedulerEvent, ...], ...]

    def __str__(self) -> str:
        lines = [f"{self.breach.invariant}: {self.breach.what}"]
        lines.append(f"in scope {self.scope!r}, after {len(self.steps)} steps:")
        lines += [f"{place:4} {step}" for place, step in enumerate(self.steps, 1)]
        for events in self.logs:
            lines.append(f"log of {events[0].task_id}:")
            lines += [f"{version:4} {event}" for version, event in enumerate(events, 1)]
        return "\n".join(lines)


@frozen(kw_only=True)
class Found:
    """
    Say what a search has seen.

    Attributes:
        states: How many different states were reached.
        transitions: How many moves led to them, or back to those known.
        depth: The longest path that was looked at.
        per_depth: How many states were new at each depth, from 0.
        histories: How many different logs of a task were made, each checked once.
        counterexample: None where every invariant held everywhere.
    """

    states: int
    transitions: int
    depth: int
    per_depth: tuple[int, ...]
    histories: int
    counterexample: Counterexample | None
