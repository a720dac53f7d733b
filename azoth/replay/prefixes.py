"""
The digests of a projection at many positions: two runs of one log are compared by them.
"""

from collections.abc import Callable, Iterator
from typing import Protocol

from attrs import frozen

from azoth.events import check_integer
from azoth.projections import Digestible, Projection
from azoth.projector import Projector
from azoth.replay.places import place_in
from azoth.store import EventStore

__all__ = ["DigestibleProjection", "PrefixDigest", "digests"]


class DigestibleProjection(Projection, Digestible, Protocol):
    """
    Be a projection that can be hashed.
    """


@frozen
class PrefixDigest:
    """
    Hold the digest of a projection at a position.
    """

    position: int
    digest: str

    def __str__(self) -> str:
        return f"{self.position} {self.digest}"


def digests(
    store: EventStore,
    projection_factory: Callable[[], DigestibleProjection],
    every: int = 1_000,
    *,
    until: int | None = None,
) -> Iterator[PrefixDigest]:
    """
    Yield the digest at every so many positions, and at the end.

    Args:
        store: The log.
        projection_factory: Makes an empty projection.
        every: How many positions lie between two digests.
        until: The last position; None for the head as it is when the first one is asked for.

    Raises:
        PositionBeyondHead: The log ends before *until*.
    """
    check_integer(every, "every", low=1)
    end, projection = place_in(store, until), projection_factory()
    projector = Projector(store, projection)
    for stop in (*range(every, end, every), *((end,) if end else ())):
        projector.catch_up(until=stop)
        yield PrefixDigest(stop, projection.digest())
