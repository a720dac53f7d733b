"""
Tests of a decider that read as sentences: given these events, when this command, then that.

They need no store: a decider is three pure functions.
"""

from collections.abc import Sequence
from typing import Generic, TypeVar

from attrs import frozen

from azoth.decider import Decider, check_decided

__all__ = ["Given", "When", "given"]

S = TypeVar("S")
C = TypeVar("C")
E = TypeVar("E")


@frozen
class When(Generic[S, E]):
    """
    Hold how a command ended, to be compared with what was expected of it.

    Attributes:
        events: What was decided.
        state: The state after it.
        error: What the decision raised, if it did.
    """

    events: tuple[E, ...]
    state: S
    error: Exception | None

    def then(self, *expected: E) -> "When[S, E]":
        """
        Assert that exactly *expected* was decided; none for a command that changes nothing.
        """
        if self.error is not None:
            raise AssertionError(f"expected {expected!r}, but it was refused") from self.error
        assert self.events == expected, f"expected {expected!r}, got {self.events!r}"
        return self

    def then_state(self, expected: S) -> "When[S, E]":
        """
        Assert the state after the command.
        """
        assert self.state == expected, f"expected {expected!r}, got {self.state!r}"
        return self

    def then_raises(self, error: type[Exception], match: str = "") -> "When[S, E]":
        """
        Assert that the command was refused with an *error* whose text contains *match*.
        """
        found = self.events if self.error is None else self.error
        assert isinstance(self.error, error), f"expected {error.__name__}, got {found!r}"
        assert match in str(self.error), f"{match!r} is not in {str(self.error)!r}"
        return self


@frozen
class Given(Generic[S, C, E]):
    """
    Hold a stream's past.
    """

    decider: Decider[S, C, E]
    events: Sequence[E]

    def when(self, *commands: C) -> When[S, E]:
        """
        Decide *commands* one after the other; the outcome is that of the last.
        """
        state: S = self.decider.fold(self.events)
        decided: tuple[E, ...] = ()
        for command in commands:
            try:
                decided = check_decided(self.decider.decide(state, command))
            except Exception as error:  # noqa: BLE001 - what it is, the test says
                return When((), state, error)
            for event in decided:
                state = self.decider.evolve(state, event)
        return When(decided, state, None)


def given(decider: Decider[S, C, E], *events: E) -> Given[S, C, E]:
    """
    Begin a test with the events of a stream, oldest first.

    Example:
        >>> from azoth import Decider
        >>> def decide(balance: int, amount: int) -> list[int]:
        ...     if balance + amount < 0:
        ...         raise ValueError("not enough")
        ...     return [amount]
        >>> account = Decider(initial=0, decide=decide, evolve=lambda a, b: a + b)
        >>> _ = given(account, 5, 2).when(-6).then(-6).then_state(1)
        >>> _ = given(account, 5).when(-6).then_raises(ValueError, "not enough")
    """
    return Given(decider, events)
