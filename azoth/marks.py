"""
Marks: how a reader that keeps its position elsewhere notices that the log is another one.

A log can lose its tail (a power cut at relaxed durability, a restored backup, a fail-over), and the
same positions are given to other events later. A reader that remembers only a number would pass
over them in silence; one that remembers the event's checksum as well is told.
"""

from typing import Final

from attrs import frozen

from azoth.errors import CheckpointAhead, StoreDiverged
from azoth.events import Event
from azoth.records import crc_of_event, encode_metadata
from azoth.store import EventStore

__all__ = ["START", "Mark", "check_mark", "mark_at", "mark_of"]


@frozen(kw_only=True)
class Mark:
    """
    Hold a position and the checksum of the event there.

    Attributes:
        position: The position; 0 before the first event.
        crc: The CRC-32 of all that the event is; 0 at position 0.
    """

    position: int
    crc: int


START: Final = Mark(position=0, crc=0)
"""The mark of a reader that has read nothing."""


def mark_of(event: Event) -> Mark:
    """
    Return the mark of a reader that has read up to *event*.
    """
    crc = crc_of_event(
        event.position,
        event.stream.encode(),
        event.version,
        event.type.encode(),
        event.schema,
        event.recorded_at,
        encode_metadata(event.metadata),
        event.data,
    )
    return Mark(position=event.position, crc=crc)


def mark_at(store: EventStore, position: int) -> Mark:
    """
    Return the mark at *position*, which must not lie beyond the head.
    """
    if position == 0:
        return START
    (event,) = store.read(after=position - 1, until=position, limit=1).events
    return mark_of(event)


def check_mark(store: EventStore, consumer: str, mark: Mark) -> None:
    """
    Compare what a consumer remembers with the log; do nothing where they agree.

    Raises:
        CheckpointAhead: The log ends before the mark.
        StoreDiverged: The event there is another one.
    """
    if mark.position == 0:
        return
    page = store.read(after=mark.position - 1, until=mark.position, limit=1)
    if not page.events:
        raise CheckpointAhead(consumer=consumer, position=mark.position, head=page.head)
    if mark_of(page.events[0]) != mark:
        raise StoreDiverged(position=mark.position)
