"""
The way of a command: load the stream, decide, append at the version that was read.

Whoever loses a race loads again and *decides* again; sending the same events again would write
what was decided on a state that is gone.
"""

from collections.abc import Mapping
from typing import Final, Generic, TypeVar

from attrs import frozen

from azoth.codec import Registry
from azoth.decider import Decider, check_decided
from azoth.errors import OutcomeUnknown, UnknownEventType
from azoth.events import NO_METADATA, Appended, Query, Write, check_integer
from azoth.store import EventStore
from azoth.streams import Position, WrongExpectedVersion

__all__ = ["ATTEMPTS_DEFAULT", "Handled", "Loaded", "handle", "load"]

ATTEMPTS_DEFAULT: Final = 10
"""Lost races of one command: with more, the stream is contended and should be split."""

S = TypeVar("S")
C = TypeVar("C")
E = TypeVar("E")

_PAGE: Final = 1_000


@frozen(kw_only=True)
class Loaded(Generic[S]):
    """
    Hold what a stream adds up to.

    Attributes:
        state: The fold of its events.
        version: How many events it had; 0 if it does not exist.
        position: The head of the log that this was seen at.
        skipped: How many of its events have a type that the registry does not know.
    """

    state: S
    version: int
    position: Position
    skipped: int = 0


@frozen(kw_only=True)
class Handled(Generic[S, E]):
    """
    Answer a command.

    Attributes:
        events: What was decided and appended; empty if nothing happened.
        state: The state after it.
        version: The stream's version after it.
        position: Where it can be read: wait for a projection to reach it.
    """

    events: tuple[E, ...]
    state: S
    version: int
    position: Position


def load(
    store: EventStore,
    stream: str,
    decider: Decider[S, C, E],
    registry: Registry,
    *,
    until: int | None = None,
    page_size: int = _PAGE,
) -> Loaded[S]:
    """
    Return the state of *stream*, all of it from one moment however many pages it takes.

    Args:
        store: Where the stream is.
        stream: The stream's name.
        decider: The rules.
        registry: The types of its events.
        until: The last position that counts; None for the head.
        page_size: How many events are held in memory.

    Raises:
        UndecodableEvent: The data of an event does not fit its class.
    """
    query = Query(stream=stream)
    page = store.read(query, until=until, limit=page_size)
    # The head of the first page bounds the later ones: their snapshots are newer.
    head = page.head if until is None else min(page.head, Position(until))
    state, version, skipped = decider.initial, 0, 0
    while True:
        for event in page.events:
            version = event.version
            try:
                state = decider.evolve(state, registry.decode(event))
            except UnknownEventType:
                skipped += 1
        if not page.more:
            return Loaded(state=state, version=version, position=head, skipped=skipped)
        page = store.read(query, after=page.next_after, until=head, limit=page_size)


def handle(
    store: EventStore,
    stream: str,
    command: C,
    decider: Decider[S, C, E],
    registry: Registry,
    *,
    attempts: int = ATTEMPTS_DEFAULT,
    metadata: Mapping[str, str] = NO_METADATA,
    key: str | None = None,
) -> Handled[S, E]:
    """
    Decide *command* on the state of *stream* and append what follows from it.

    Args:
        store: Where the stream is.
        stream: The stream's name.
        command: What is asked for.
        decider: The rules.
        registry: The types of its events.
        attempts: How often it may be decided in all, from 1, when others write to the stream.
        metadata: Goes with each event.
        key: Idempotency key of the append; with one, a lost answer is asked for again.

    Raises:
        WrongExpectedVersion: The last attempt lost its race too; the stream is contended.
        IdempotencyConflict: The *key* belongs to an earlier command, which was obeyed then.
        OutcomeUnknown: The answer was lost, and there is no *key*, or it was lost each time.
        UndecodableEvent: The data of an event does not fit its class.
        TypeError: What *decide* returned is no sequence of events; nothing was written.
        Exception: Whatever *decide* raises; nothing was written.

    Example:
        >>> from attrs import frozen
        >>> from azoth import Decider, Registry, handle, open_store
        >>> registry = Registry()
        >>> @registry.event("Counted")
        ... @frozen
        ... class Counted:
        ...     by: int
        >>> counter = Decider(
        ...     initial=0,
        ...     decide=lambda total, by: [Counted(by)] if total + by <= 10 else [],
        ...     evolve=lambda total, event: total + event.by,
        ... )
        >>> with open_store("memory://") as store:
        ...     handle(store, "counter-1", 7, counter, registry).state
        ...     handle(store, "counter-1", 7, counter, registry).events
        7
        ()
    """
    check_integer(attempts, "attempts", low=1)
    for attempt in range(attempts):
        loaded = load(store, stream, decider, registry)
        events = check_decided(decider.decide(loaded.state, command))
        if not events:
            return _handled(loaded, events, loaded.position, decider)
        write = Write(stream, [registry.encode(e, metadata) for e in events], loaded.version)
        try:
            appended = _append(store, write, key, attempts)
        except WrongExpectedVersion:
            if attempt + 1 == attempts:
                raise
        else:
            return _handled(loaded, events, appended.last, decider)
    raise AssertionError("the last attempt returns or raises")


def _append(store: EventStore, write: Write, key: str | None, attempts: int) -> Appended:
    for _ in range(attempts - 1):
        try:
            return store.append(write, key=key)
        except OutcomeUnknown:
            if key is None:
                raise
    return store.append(write, key=key)


def _handled(
    loaded: Loaded[S], events: tuple[E, ...], position: Position, decider: Decider[S, C, E]
) -> Handled[S, E]:
    state = loaded.state
    for event in events:
        state = decider.evolve(state, event)
    version = loaded.version + len(events)
    return Handled(events=events, state=state, version=version, position=position)
