"""
Many small writes, few commits: writes that stand together are packed into appends.
"""

from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

from attrs import Factory, define, frozen

from azoth.events import APPEND_BYTES_MAX, APPEND_EVENTS_MAX, APPEND_WRITES_MAX, Write

__all__ = ["Parcel", "packed"]

T = TypeVar("T")


@frozen
class Parcel(Generic[T]):
    """
    Hold writes that belong together, and what they are for.
    """

    item: T
    writes: tuple[Write, ...]


@define
class _Load:
    # What an append holds so far; a stream may stand in it once.
    streams: set[str] = Factory(set)
    events: int = 0
    bytes: int = 0

    def takes(self, writes: tuple[Write, ...]) -> bool:
        events, size = _extent(writes)
        return (
            len(self.streams) + len(writes) <= APPEND_WRITES_MAX
            and self.events + events <= APPEND_EVENTS_MAX
            and self.bytes + size <= APPEND_BYTES_MAX
            and self.streams.isdisjoint(write.stream for write in writes)
        )

    def add(self, writes: tuple[Write, ...]) -> None:
        events, size = _extent(writes)
        self.streams.update(write.stream for write in writes)
        self.events += events
        self.bytes += size


def packed(parcels: Iterable[Parcel[T]]) -> Iterator[list[Parcel[T]]]:
    """
    Yield the parcels in order, in groups that each fit one append.
    """
    group: list[Parcel[T]] = []
    load = _Load()
    for parcel in parcels:
        if group and not load.takes(parcel.writes):
            yield group
            group, load = [], _Load()
        group.append(parcel)
        load.add(parcel.writes)
    if group:
        yield group


def _extent(writes: tuple[Write, ...]) -> tuple[int, int]:
    events = [event for write in writes for event in write.events]
    size = sum(
        len(event.data) + sum(len(key) + len(value) for key, value in event.metadata.items())
        for event in events
    )
    return len(events), size
