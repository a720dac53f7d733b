"""
A decision as three pure functions: how it begins, what a command leads to, what an event changes.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import reduce
from typing import Generic, TypeVar

from attrs import frozen

__all__ = ["Decider", "check_decided"]

S = TypeVar("S")
C = TypeVar("C")
E = TypeVar("E")


@frozen
class Decider(Generic[S, C, E]):
    """
    Hold the rules of one kind of stream.

    Attributes:
        initial: The state of a stream without events.
        decide: Take state and command, return the events that follow; none if nothing happened.
            A command that cannot be obeyed raises an error of the caller's own. It is a function
            of its arguments: the time, where it matters, is a field of the command.
        evolve: Take state and event, return the next state. It is total: it never raises on an
            event that *decide* can return, or once could.

    Example:
        >>> def decide(count: int, command: str) -> tuple[str, ...]:
        ...     return ("pressed",) if command == "press" and count < 2 else ()
        >>> def evolve(count: int, event: str) -> int:
        ...     return count + 1
        >>> button = Decider(initial=0, decide=decide, evolve=evolve)
        >>> button.fold(["pressed"])
        1
    """

    initial: S
    decide: Callable[[S, C], Sequence[E]]
    evolve: Callable[[S, E], S]

    def fold(self, events: Iterable[E]) -> S:
        """
        Return the state of a stream that has *events*.
        """
        return reduce(self.evolve, events, self.initial)


def check_decided(decided: Iterable[E]) -> tuple[E, ...]:
    """
    Return what a decision returned, if it is events in their order.

    Raises:
        TypeError: It is None, one event, text, or a collection without an order.
    """
    # Text is a sequence too, but of characters; nobody means these.
    unfit = isinstance(decided, str | bytes | Mapping | AbstractSet)
    if unfit or not isinstance(decided, Iterable):
        raise TypeError(
            f"decide returned {decided!r:.80}; return a sequence of events, such as [event], and "
            "an empty one where nothing happens"
        )
    return tuple(decided)
