"""
Why a stream is in its state: its events in order, what each changed, and what each was caused by.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, Generic, TypeVar

from attrs import frozen

from azoth.codec import Registry
from azoth.decider import Decider
from azoth.errors import CodecError
from azoth.events import Event, Query
from azoth.following import iterate
from azoth.replay.field_changes import FieldChange, changes_between
from azoth.replay.places import place_in
from azoth.store import EventStore

__all__ = ["Explanation", "Step", "why"]

S = TypeVar("S")


@frozen(kw_only=True)
class Step:
    """
    Hold one event of a stream, and what it did.

    Attributes:
        event: As it is in the log.
        change: What it was decoded to; None if this code cannot read it.
        changes: The fields of the state that it changed.
        causes: The events that led to it, as far as is known.
    """

    event: Event
    change: object
    changes: tuple[FieldChange, ...]
    causes: tuple[Event, ...]

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        event = self.event
        yield f"{event.position} {event.type} ({event.stream}@{event.version})"
        for key, value in event.metadata.items():
            yield f"  {key}: {value}"
        for cause in self.causes:
            yield f"  because of {cause.position} {cause.type} ({cause.stream}@{cause.version})"
        if self.change is None:
            yield "  this code cannot read it, so it changed nothing"
        for change in self.changes:
            yield f"  {change}"


@frozen(kw_only=True)
class Explanation(Generic[S]):
    """
    Hold the state of a stream at a position, and the events that made it.

    Attributes:
        stream: The stream.
        position: The position.
        state: What the events add up to.
        steps: The events, in order.
    """

    stream: str
    position: int
    state: S
    steps: tuple[Step, ...]

    def __str__(self) -> str:
        head = f"{self.stream} at {self.position}: {len(self.steps)} events"
        return "\n".join((head, *map(str, self.steps)))


def why(
    store: EventStore,
    stream: str,
    decider: Decider[S, Any, Any],
    registry: Registry,
    *,
    at: int | datetime | None = None,
    causes_of: Callable[[Sequence[Step], Event], Sequence[Event]] | None = None,
) -> Explanation[S]:
    """
    Return the events that made the state of *stream* as it was.

    Args:
        store: The log.
        stream: The stream's name.
        decider: The rules.
        registry: The types of its events.
        at: The position, or a time; None for the head.
        causes_of: Takes the steps so far and an event, and returns what led to it. Where nothing
            is said, a `causation_id` in its metadata that is a position names the cause.

    Raises:
        PositionBeyondHead: The log ends before it.
        BeforeFirstEvent: Nothing had been recorded at that time.
    """
    end = place_in(store, at)
    state, steps = decider.initial, list[Step]()
    for event in iterate(store, Query(stream=stream), until=end):
        change, after = _evolved(decider, registry, state, event)
        causes = causes_of(steps, event) if causes_of else _named(store, event)
        steps.append(
            Step(
                event=event,
                change=change,
                changes=changes_between(state, after),
                causes=tuple(causes),
            )
        )
        state = after
    return Explanation(stream=stream, position=end, state=state, steps=tuple(steps))


def _evolved(
    decider: Decider[S, Any, Any], registry: Registry, state: S, event: Event
) -> tuple[object, S]:
    try:
        change = registry.decode(event)
    except CodecError:
        return None, state
    return change, decider.evolve(state, change)


def _named(store: EventStore, event: Event) -> Sequence[Event]:
    named = event.metadata.get("causation_id", "")
    if not (named.isascii() and named.isdecimal()) or not 0 < int(named) < event.position:
        return ()
    return store.read(after=int(named) - 1, until=int(named), limit=1).events
