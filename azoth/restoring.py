"""
Taking over a log as it is, for store authors: only a whole log, from position 1 on, is one.
"""

from collections.abc import Iterable, Iterator

from azoth.clocks import INSTANT_MAX
from azoth.events import Event, NewEvent, check_integer, check_name

__all__ = ["checked_log"]


def checked_log(events: Iterable[Event]) -> Iterator[Event]:
    """
    Yield *events* as they are, as long as they are a log from 1 on.

    Raises:
        TypeError: A field of an event is of another type.
        ValueError: A position or version is missing or doubled, a time goes back, or a field is
            over its limit.
    """
    head = recorded_at = 0
    versions: dict[str, int] = {}
    for event in events:
        _check_fields(event)
        due = versions.get(event.stream, 0) + 1
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
        yield event


def _check_fields(event: Event) -> None:
    check_name(event.stream, "stream")
    check_integer(event.recorded_at, "recorded_at", high=INSTANT_MAX)
    # An event that was never written is checked by the value that checks those.
    NewEvent(event.type, event.data, event.metadata, event.schema)
