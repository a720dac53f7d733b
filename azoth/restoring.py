"""
Taking over events as they are, for store authors: only what goes on from the log's end is taken.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from azoth.clocks import INSTANT_MAX
from azoth.events import (
    APPEND_BYTES_MAX,
    APPEND_EVENTS_MAX,
    Event,
    NewEvent,
    check_integer,
    check_name,
)

__all__ = ["LogEnd", "as_batch", "check_restored"]


class LogEnd(Protocol):
    """
    Be what a store knows of the end of its log, under its write lock.
    """

    @property
    def head(self) -> int:
        """
        Return the position of the last event; 0 for an empty log.
        """
        ...

    @property
    def recorded_at(self) -> int:
        """
        Return the time of the last event; 0 for an empty log.
        """
        ...

    def version(self, stream: str) -> int:
        """
        Return the version of *stream*; 0 for a missing one.
        """
        ...


def as_batch(events: Iterable[Event]) -> Sequence[Event]:
    """
    Return *events* if one commit may hold them; whoever reads them on reads outside its lock.

    Raises:
        TypeError: A field of an event is of another type.
        ValueError: There are too many, they are too large, or a field is over its limit.
    """
    batch, size = list(events), 0
    for event in batch:
        _check_fields(event)
        size += len(event.data)
    if len(batch) > APPEND_EVENTS_MAX or size > APPEND_BYTES_MAX:
        raise ValueError(
            f"{len(batch)} events with {size} bytes are restored at once; give at most "
            f"{APPEND_EVENTS_MAX} and {APPEND_BYTES_MAX}, several times"
        )
    return batch


def check_restored(events: Sequence[Event], end: LogEnd) -> Mapping[str, int]:
    """
    Return the new version of each stream of *events*, which go on from *end*.

    Raises:
        ValueError: A position or version is missing or doubled, or a time goes back.
    """
    head, recorded_at = end.head, end.recorded_at
    versions: dict[str, int] = {}
    for event in events:
        due = versions.get(event.stream)
        due = 1 + (end.version(event.stream) if due is None else due)
        if event.position != head + 1:
            raise ValueError(f"position {event.position} follows {head}; a log has no holes")
        if event.version != due:
            raise ValueError(
                f"position {event.position} has version {event.version} of stream "
                f"{event.stream!r}, expected {due}"
            )
        if event.recorded_at < recorded_at:
            raise ValueError(f"position {event.position} was recorded before the one before it")
        head, recorded_at, versions[event.stream] = event.position, event.recorded_at, due
    return versions


def _check_fields(event: Event) -> None:
    check_name(event.stream, "stream")
    check_integer(event.recorded_at, "recorded_at", high=INSTANT_MAX)
    # An event that was never written is checked by the value that checks those.
    NewEvent(event.type, event.data, event.metadata, event.schema)
