"""
Many small writes, few commits: writes that stand together are packed into appends.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Generic, TypeVar

from attrs import Factory, define, field, frozen

from azoth.events import APPEND_BYTES_MAX, APPEND_EVENTS_MAX, APPEND_WRITES_MAX, NewEvent, Write

__all__ = ["Parcel", "packed"]

T = TypeVar("T")


@frozen
class Parcel(Generic[T]):
    """
    Hold writes that belong together, and what they are for.
    """

    item: T
    writes: tuple[Write, ...]
    events: int = field(init=False)
    bytes: int = field(init=False)

    @events.default  # pyright: ignore
    def _count(self) -> int:
        return sum(len(write.events) for write in self.writes)

    @bytes.default  # pyright: ignore
    def _measure(self) -> int:
        return sum(_size(event) for write in self.writes for event in write.events)


@define
class _Load:
    # What an append holds so far; a stream may stand in it once.
    streams: set[str] = Factory(set)
    events: int = 0
    bytes: int = 0

    def takes(self, parcel: "Parcel[Any]") -> bool:
        return (
            len(self.streams) + len(parcel.writes) <= APPEND_WRITES_MAX
            and self.events + parcel.events <= APPEND_EVENTS_MAX
            and self.bytes + parcel.bytes <= APPEND_BYTES_MAX
            and self.streams.isdisjoint(write.stream for write in parcel.writes)
        )

    def add(self, parcel: "Parcel[Any]") -> None:
        self.events += parcel.events
        self.bytes += parcel.bytes
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
    metadata = event.metadata
    if not metadata:
        return len(event.data)
    return len(event.data) + sum(len(key) + len(value) for key, value in metadata.items())
