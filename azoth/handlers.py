"""
Event handlers: what users write to react to events.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Protocol, TypeAlias, cast, runtime_checkable

from attrs import frozen

from azoth.codec import Registry
from azoth.events import Event, SystemWrite, Write

__all__ = ["SYSTEM", "EventHandler", "Reaction", "event_handler", "react"]

SYSTEM: Final = "$"
"""What the names of the system's own streams begin with; handlers may not write to them."""

Reaction: TypeAlias = Iterable[Write] | Write | None
"""What a handler returns: writes that are appended in the commit that moves its checkpoint."""


@runtime_checkable
class EventHandler(Protocol):
    """
    React to events of some types.

    It runs at least once for each event, and what it returns is in the log exactly once: so an
    effect that is an event needs no care, and one outside the log needs a key to be told apart by,
    such as the event's position.
    """

    @property
    def name(self) -> str:
        """
        Name the handler; dead letters carry it, so it stays the same.
        """
        ...

    @property
    def types(self) -> Sequence[str]:
        """
        Return the event types it wants; none means all but the system's own.
        """
        ...

    def handle(self, event: Event) -> Reaction:
        """
        React to *event*; an error is for the processor's policy.
        """
        ...


@frozen
class _FunctionHandler:
    name: str
    classes: tuple[type, ...]
    registry: Registry
    function: Callable[[Any, Event], Reaction]

    @property
    def types(self) -> tuple[str, ...]:
        # Asked for late: to ask is to use the registry, and upcasters may still be registered.
        return self.registry.types_of(*self.classes)

    def handle(self, event: Event) -> Reaction:
        return self.function(self.registry.decode(event), event)


def event_handler(
    registry: Registry, *classes: type, name: str | None = None
) -> Callable[[Callable[[Any, Event], Reaction]], EventHandler]:
    """
    Make a handler of a function that takes the decoded event and the event as it was read.

    Args:
        registry: The types of the events.
        *classes: The classes that it wants, at least one.
        name: The handler's name; the function's own unless given.

    Example:
        >>> from attrs import frozen
        >>> from azoth import Registry
        >>> registry = Registry()
        >>> @registry.event("Deposited")
        ... @frozen
        ... class Deposited:
        ...     amount: int
        >>> @event_handler(registry, Deposited)
        ... def alert(deposited: Deposited, event: Event) -> None:
        ...     print(f"{event.stream} got {deposited.amount}")
        >>> alert.name, alert.types
        ('alert', ('Deposited',))
    """
    if not classes:
        raise ValueError("name the classes of events that the handler wants")

    def decorate(function: Callable[[Any, Event], Reaction]) -> EventHandler:
        return _FunctionHandler(name or function.__name__, classes, registry, function)

    return decorate


def react(handler: EventHandler, event: Event) -> tuple[Write, ...]:
    """
    Run *handler* and return its writes, checked.

    Raises:
        TypeError: It returned something else than writes.
        ValueError: It writes to a stream of the system.
        Exception: Whatever the handler raises.
    """
    reaction: object = handler.handle(event)
    if reaction is None:
        return ()
    writes = (reaction,) if isinstance(reaction, Write) else _listed(handler, reaction)
    for write in writes:
        if write.stream.startswith(SYSTEM) and not isinstance(write, SystemWrite):
            raise ValueError(
                f"handler {handler.name!r} writes to {write.stream!r}; streams that begin with "
                f"{SYSTEM!r} are the system's: choose another name"
            )
    return writes


def _listed(handler: EventHandler, reaction: object) -> tuple[Write, ...]:
    items: tuple[object, ...] = (
        tuple(cast("Iterable[object]", reaction)) if isinstance(reaction, Iterable) else (reaction,)
    )
    for item in items:
        if not isinstance(item, Write):
            raise TypeError(
                f"handler {handler.name!r} returned {item!r:.60}; return Write values, or None"
            )
    return cast("tuple[Write, ...]", items)
