"""
Many small writes, few commits: writes that stand together are packed into appends.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Generic, TypeVar

from attrs import define, field, frozen

from azoth.events import APPEND_BYTES_MAX, APPEND_EVENTS_MAX, APPEND_WRITES_MAX, NewEvent, Write

__all__ = ["Parcel", "packed", "parcel_of"]

T = TypeVar("T")


@frozen
class Parcel(Generic[T]):
    """
    Hold writes that belong together, and what they are for.

    Attributes:
        count: How many events they hold.
        size: How many bytes those have at most, data and metadata.
    """

    item: T
    writes: tuple[Write, ...]
    count: int
    size: int


def parcel_of(item: T, writes: tuple[Write, ...]) -> Parcel[T]:
    """
    Return the parcel of *writes*, measured once.
    """
    events = [event for write in writes for event in write.events]
    return Parcel(item, writes, len(events), sum(map(_size, events)))


@define
class _Load:
    # What an append holds so far; a stream may stand in it once.
    streams: set[str] = field(factory=set[str])
    count: int = 0
    size: int = 0

    def takes(self, parcel: "Parcel[Any]") -> bool:
        return (
            len(self.streams) + len(parcel.writes) <= APPEND_WRITES_MAX
            and self.count + parcel.count <= APPEND_EVENTS_MAX
            and self.size + parcel.size <= APPEND_BYTES_MAX
            and self.streams.isdisjoint(write.stream for write in parcel.writes)
        )

    def add(self, parcel: "Parcel[Any]") -> None:
        self.count += parcel.count
        self.size += parcel.size
        self.streams.update(write.stream for write in parcel.writes)


def packed(parcels: Iterable[Parcel[T]]) -> Iterator[list[Parcel[T]]]:
    """
    Yield the parcels in order, in groups that each fit one append.
    """
    group: list[Parcel[T]] = []
    load = _Load()
    for parcel in parcels:
        if group and not load.takes(parcel):
            yield group
            group, load = [], _Load()
        group.append(parcel)
        load.add(parcel)
    if group:
        yield group


def _size(event: NewEvent) -> int:
    if not event.metadata:
        return len(event.data)
    # At most: a character of metadata takes up to six bytes, and each pair its quotes and commas.
    chars = sum(len(key) + len(value) + 1 for key, value in event.metadata.items())
    return len(event.data) + 6 * chars
