"""
The first event after which something holds: found by halving, or by looking at each.
"""

from collections.abc import Callable
from datetime import datetime
from math import isqrt
from typing import Generic, TypeVar

from attrs import frozen

from azoth.events import Event
from azoth.following import iterate_pages
from azoth.projections import Projection
from azoth.replay.errors import HoldsFromStart, NeverHolds, SearchReversed
from azoth.replay.past import state_at
from azoth.replay.places import place_in
from azoth.replay.replaying import replay
from azoth.replay.snapshots import Snapshots
from azoth.store import EventStore

__all__ = ["bisect"]

P = TypeVar("P", bound=Projection)


def bisect(
    store: EventStore,
    projection_factory: Callable[[], P],
    predicate: Callable[[P], bool],
    *,
    after: int | datetime = 0,
    until: int | datetime | None = None,
    snapshots: Snapshots | None = None,
    linear: bool = False,
) -> Event:
    """
    Return the first event after which *predicate* holds.

    For the event that breaks an invariant give its negation: `lambda table: not sound(table)`.

    Args:
        store: The log.
        projection_factory: Makes an empty projection.
        predicate: Is asked about the projection at many positions. Once it holds it must hold on:
            the search halves. If it does not, say *linear*.
        after: Where the search begins: the predicate must not hold there yet.
        until: Where it ends; None for the head.
        snapshots: Where rows of some positions are kept; in memory where nothing is said.
        linear: Whether to ask after each event, in their order.

    Raises:
        HoldsFromStart: It holds at *after* already.
        NeverHolds: It does not hold at *until*; with *linear*, at no position.
        SearchReversed: *until* lies before *after*.
        PositionBeyondHead: The log ends before *after* or *until*.
        BeforeFirstEvent: Nothing had been recorded at one of these times.
    """
    low, high = place_in(store, after), place_in(store, until)
    if high < low:
        raise SearchReversed(after=low, until=high)
    search = _Search(store, projection_factory, predicate, snapshots or Snapshots())
    if search.holds(low):
        raise HoldsFromStart(after=low)
    found = search.linear(low, high) if linear else search.halving(low, high)
    (event,) = store.read(after=found - 1, until=found, limit=1).events
    return event


@frozen
class _Search(Generic[P]):
    store: EventStore
    factory: Callable[[], P]
    predicate: Callable[[P], bool]
    snapshots: Snapshots

    def at(self, position: int) -> P:
        return state_at(self.store, self.factory, position, snapshots=self.snapshots)

    def holds(self, position: int) -> bool:
        return self.predicate(self.at(position))

    def linear(self, low: int, high: int) -> int:
        projection = self.at(low)
        query = projection.query
        for page in iterate_pages(self.store, query, after=low, until=high):
            for event in page.events:
                projection.apply((event,), event.position)
                if self.predicate(projection):
                    return event.position
        raise NeverHolds(until=high, linear=True)

    def halving(self, low: int, high: int) -> int:
        if high <= low or not self.holds(high):
            raise NeverHolds(until=high, linear=False)
        # Between two snapshots a look costs a fold from the first of them, so from there on it is
        # walked: in strides, and through the last stride step by step.
        every = self.snapshots.every
        while (middle := _middle(low, high, every)) is not None:
            low, high = (low, middle) if self.holds(middle) else (middle, high)
        for stride in (isqrt(high - low), 1):
            low, high = self.walked(low, high, max(1, stride))
        return high

    def walked(self, low: int, high: int, stride: int) -> tuple[int, int]:
        projection = self.at(low)
        for position in range(low + stride, high, stride):
            if self.predicate(replay(self.store, projection, position)):
                return low, position
            low = position
        return low, high


def _middle(low: int, high: int, every: int) -> int | None:
    # The position of a snapshot near the middle; None where there is none between the two.
    middle = (low + high) // 2 // every * every
    return next((one for one in (middle, middle + every) if low < one < high), None)
