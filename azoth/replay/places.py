"""
A place in a log: a position, or a time that stands for the last position recorded by then.
"""

from datetime import datetime

from azoth.clocks import instant_of
from azoth.events import check_integer
from azoth.replay.errors import BeforeFirstEvent, PositionBeyondHead
from azoth.replay.replaying import position_at
from azoth.store import EventStore
from azoth.streams import Position

__all__ = ["place_in"]


def place_in(store: EventStore, at: int | datetime | None) -> Position:
    """
    Return the position that *at* means; None means the head.

    Raises:
        PositionBeyondHead: There is no such position yet.
        BeforeFirstEvent: Nothing had been recorded at that time.
        TypeError: It is neither a position nor a time.
        ValueError: It is negative, or a time without an offset.
    """
    if isinstance(at, datetime):
        return _place_at(store, at)
    head = int(store.read(limit=1).head)
    if at is None:
        return Position(head)
    if check_integer(at, "position") > head:
        raise PositionBeyondHead(position=at, head=head)
    return Position(at)


def _place_at(store: EventStore, when: datetime) -> Position:
    position = position_at(store, when)
    if not position:
        events = store.read(limit=1).events
        first = events[0].recorded_at if events else None
        raise BeforeFirstEvent(when=instant_of(when), first=first)
    return position
