"""
Replay: the rows as they were at any position or time, and a hash to compare them by.
"""

from datetime import datetime
from typing import Final, TypeVar

from azoth._collecting import collecting_seldom
from azoth.clocks import instant_of
from azoth.projections import Digestible, Projection
from azoth.projector import Projector
from azoth.replay.snapshots import Snapshots
from azoth.store import EventStore
from azoth.streams import Position

__all__ = ["digest", "position_at", "replay"]

P = TypeVar("P", bound=Projection)

_PAGE: Final = 5_000
# Events that are folded at once: each row that they touch is put away once.


def replay(
    store: EventStore,
    projection: P,
    until: int | datetime | None = None,
    *,
    snapshots: Snapshots | None = None,
) -> P:
    """
    Fold the log into *projection* up to a position or a time, and return it.

    Args:
        store: The log.
        projection: A new one, or one that stands before *until*.
        until: The last position, or the time up to which events were recorded; None for the head.
        snapshots: Where to keep the rows on the way, for `state_at`.

    Raises:
        ValueError: *projection* is past *until*; a fold does not go back.
    """
    end = position_at(store, until) if isinstance(until, datetime) else until
    if end is not None and end < projection.position:
        raise ValueError(
            f"projection {projection.name!r} stands at {projection.position}, past {end}; "
            "replay into a new one"
        )
    projector = Projector(store, projection, page_size=_PAGE)
    with collecting_seldom():
        if snapshots is not None:
            head = projection.position + projector.lag()
            last = head if end is None else min(end, head)
            for stop in snapshots.stops(projection.position, last):
                projector.catch_up(until=stop)
                snapshots.keep(store, projection)
        projector.catch_up(until=end)
    return projection


def position_at(store: EventStore, when: datetime) -> Position:
    """
    Return the last position that was recorded at *when* or before; 0 if there is none.
    """
    instant = instant_of(when)
    # The time of recording never decreases along the log, so it can be searched by halving.
    low, high = 0, int(store.read(limit=1).head)
    while low < high:
        middle = (low + high + 1) // 2
        (event,) = store.read(after=middle - 1, until=middle, limit=1).events
        if event.recorded_at <= instant:
            low = middle
        else:
            high = middle - 1
    return Position(low)


def digest(projection: Digestible) -> str:
    """
    Return the hash of a projection's rows: equal for equal rows, however they came about.
    """
    return projection.digest()
