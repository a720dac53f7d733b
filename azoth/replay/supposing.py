"""
What would follow from a command: it is decided as it would be, and nothing is written.
"""

from datetime import datetime
from typing import Generic, TypeVar

from attrs import frozen

from azoth.codec import Registry
from azoth.decider import Decider, check_decided
from azoth.events import NewEvent
from azoth.handling import load
from azoth.replay.field_changes import FieldChange, changes_between
from azoth.replay.places import place_in
from azoth.store import EventStore

__all__ = ["Supposed", "what_if"]

S = TypeVar("S")
C = TypeVar("C")
E = TypeVar("E")


@frozen(kw_only=True)
class Supposed(Generic[S, E]):
    """
    Hold what a command would lead to.

    Attributes:
        stream: The stream.
        position: The position whose state it meets.
        version: The version of the stream there.
        before: The state.
        events: What would be written; empty if nothing would happen.
        after: The state after it.
        encoded: The events as the log would hold them.
    """

    stream: str
    position: int
    version: int
    before: S
    events: tuple[E, ...]
    after: S
    encoded: tuple[NewEvent, ...]

    @property
    def changes(self) -> tuple[FieldChange, ...]:
        """
        Return the fields of the state that would change.
        """
        return changes_between(self.before, self.after)

    def __str__(self) -> str:
        if not self.events:
            return f"nothing would be written to {self.stream}, as it was at {self.position}"
        lines = [f"{self.stream} at {self.position}, version {self.version}, would get"]
        lines += [f"  {new.type} {new.data.decode(errors='replace')}" for new in self.encoded]
        return "\n".join((*lines, *(f"  {change}" for change in self.changes)))


def what_if(
    store: EventStore,
    stream: str,
    command: C,
    decider: Decider[S, C, E],
    registry: Registry,
    *,
    at: int | datetime | None = None,
) -> Supposed[S, E]:
    """
    Decide *command* on the state of *stream* as it was, and write nothing.

    The time at which it is decided is a field of the command, as everywhere.

    Args:
        store: The log.
        stream: The stream's name.
        command: What is asked for.
        decider: The rules.
        registry: The types of its events.
        at: The position, or a time; None for the head.

    Raises:
        PositionBeyondHead: The log ends before it.
        BeforeFirstEvent: Nothing had been recorded at that time.
        Exception: Whatever *decide* raises.
    """
    end = place_in(store, at)
    loaded = load(store, stream, decider, registry, until=end)
    events = check_decided(decider.decide(loaded.state, command))
    after = loaded.state
    for event in events:
        after = decider.evolve(after, event)
    return Supposed(
        stream=stream,
        position=end,
        version=loaded.version,
        before=loaded.state,
        events=events,
        after=after,
        encoded=tuple(registry.encode(event) for event in events),
    )
