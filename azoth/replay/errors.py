"""
What can be wrong with a question about the past.

```
AzothError
  ReplayError: PositionBeyondHead, BeforeFirstEvent, HoldsFromStart, NeverHolds, SearchReversed,
    UnknownPlugin
```
"""

from attrs import define

from azoth.clocks import Instant, datetime_of
from azoth.errors import AzothError

__all__ = [
    "BeforeFirstEvent",
    "HoldsFromStart",
    "NeverHolds",
    "PositionBeyondHead",
    "ReplayError",
    "SearchReversed",
    "UnknownPlugin",
]


class ReplayError(AzothError):
    """
    Be the root of what a question about the past raises.
    """


@define(kw_only=True, slots=False)
class PositionBeyondHead(ReplayError):
    """
    Say that the log has no event there yet; ask for a position up to the head.

    Attributes:
        position: What was asked for.
        head: The last position of the log.
    """

    position: int
    head: int

    def __str__(self) -> str:
        return f"position {self.position} lies beyond the head of the log, which is {self.head}"


@define(kw_only=True, slots=False)
class BeforeFirstEvent(ReplayError):
    """
    Say that nothing had been recorded at that time; ask for a later one.

    Attributes:
        when: What was asked for.
        first: When the first event was recorded; None of an empty log.
    """

    when: Instant
    first: Instant | None

    def __str__(self) -> str:
        when = datetime_of(self.when).isoformat()
        if self.first is None:
            return f"the log is empty, so there is no state at {when}"
        first = datetime_of(self.first).isoformat()
        return f"nothing was recorded at {when}; the first event was at {first}"


@define(kw_only=True, slots=False)
class HoldsFromStart(ReplayError):
    """
    Say that no event made a predicate hold, for it holds before the first one that was looked at.

    Attributes:
        after: The position that the search began after.
    """

    after: int

    def __str__(self) -> str:
        return (
            f"the predicate holds already at position {self.after}, before the first event of the "
            "search; negate it, or begin earlier"
        )


@define(kw_only=True, slots=False)
class NeverHolds(ReplayError):
    """
    Say that a predicate does not hold at the end of the search.

    Attributes:
        until: The last position that was looked at.
        linear: Whether every position was looked at, not the last one alone.
    """

    until: int
    linear: bool

    def __str__(self) -> str:
        if self.linear:
            return f"the predicate holds at no position up to {self.until}"
        return (
            f"the predicate does not hold at position {self.until}, the end of the search; if it "
            "held for a while in between, search linearly (--linear)"
        )


@define(kw_only=True, slots=False)
class SearchReversed(ReplayError):
    """
    Say that a search is to end before it begins.

    Attributes:
        after: The position to begin after.
        until: The position to end at.
    """

    after: int
    until: int

    def __str__(self) -> str:
        return f"the search is to begin after {self.after} and to end at {self.until}; end it later"


@define(kw_only=True, slots=False)
class UnknownPlugin(ReplayError, KeyError):
    """
    Say that no installed package registers the name.

    Attributes:
        group: The entry-point group.
        name: What was asked for.
        known: The names that are there.
    """

    group: str
    name: str
    known: tuple[str, ...]

    def __str__(self) -> str:
        known = ", ".join(self.known) if self.known else "none"
        return f"{self.group} has no {self.name!r}; the names known are {known}"
