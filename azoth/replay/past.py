"""
The past: a projection as it was.
"""

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from azoth.projections import Projection
from azoth.replay.places import place_in
from azoth.replay.replaying import replay
from azoth.replay.snapshots import Snapshots
from azoth.store import EventStore

__all__ = ["state_at"]

P = TypeVar("P", bound=Projection)


def state_at(
    store: EventStore,
    projection_factory: Callable[[], P],
    at: int | datetime | None = None,
    *,
    snapshots: Snapshots | None = None,
) -> P:
    """
    Return a projection as it was at a position or a time.

    Args:
        store: The log.
        projection_factory: Makes an empty projection.
        at: The position, or the time up to which events were recorded; None for the head.
        snapshots: Where the rows of some positions are kept: the replay begins at the nearest one
            before *at*, and keeps those that it passes.

    Raises:
        PositionBeyondHead: The log ends before it.
        BeforeFirstEvent: Nothing had been recorded at that time.

    Example:
        >>> from azoth import ANY, MemoryProjection, NewEvent, Write, open_store
        >>> from azoth.replay import state_at
        >>> class Counts(MemoryProjection[int]):
        ...     name = "counts"
        ...     def fold(self, event):
        ...         self.put(event.stream, self.get(event.stream, 0) + 1)
        >>> with open_store("memory://") as store:
        ...     answer = store.append(Write("s-1", [NewEvent("Said", b"")] * 3, ANY))
        ...     [dict(state_at(store, Counts, position).rows) for position in (0, 2)]
        [{}, {'s-1': 2}]
    """
    end = place_in(store, at)
    if snapshots is None:
        projection = projection_factory()
    else:
        projection = snapshots.nearest(store, projection_factory, end)
    return replay(store, projection, end, snapshots=snapshots)
