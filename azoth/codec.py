"""
The registry: stable event types on one side, attrs classes on the other, JSON in between.

A type's name and schema are written into the log and never change with the code: a class may be
renamed or moved freely, and a change of its shape is a new schema with an upcaster.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from threading import RLock
from typing import Any, TypeVar, cast

from attrs import frozen, has
from cattrs import Converter

from azoth._conversion import make_converter, reason_of, register_tagged
from azoth.errors import UndecodableEvent, UnknownEventType
from azoth.events import NO_METADATA, SCHEMA_MAX, Event, NewEvent, check_integer, check_name
from azoth.json_format import FASTEST, JsonFormat
from azoth.upcasting import Upcaster, Upcasters, chains

__all__ = ["Registry"]

T = TypeVar("T")
U = TypeVar("U", bound=Upcaster)


@frozen
class _Entry:
    # What the decorator said; the functions are generated when the registry is first used.
    name: str
    schema: int
    cls: type
    aliases: tuple[str, ...]


@frozen
class _Encoder:
    name: str
    schema: int
    unstructure: Callable[[Any], object]


@frozen
class _Decoder:
    schema: int
    structure: Callable[[object, type], object]
    cls: type
    chains: Mapping[int, tuple[Upcaster, ...]]


class Registry:
    """
    Know the event types of a program, and turn events into bytes and back.

    Fields that equal their default are left out, so a field added with a default needs no new
    schema; keys that the class does not know are ignored, so a field may also be dropped. Register
    hooks with `registry.converter` for types that JSON does not know, before the first event.

    Attributes:
        converter: The cattrs converter that reads and writes fields.

    Example:
        >>> from attrs import frozen
        >>> registry = Registry()
        >>> @registry.event("AccountOpened", schema=2)
        ... @frozen
        ... class AccountOpened:
        ...     owner: str
        ...     limit: int = 0
        >>> @registry.upcast("AccountOpened", from_schema=1)
        ... def name_to_owner(data):
        ...     return {"owner": data["name"]}
        >>> registry.encode(AccountOpened("Ada")).data
        b'{"owner":"Ada"}'
        >>> from azoth.events import NewEvent
        >>> registry.decode(NewEvent("AccountOpened", b'{"name":"Ada"}', schema=1))
        AccountOpened(owner='Ada', limit=0)
    """

    def __init__(self, json: JsonFormat = FASTEST) -> None:
        self.converter = make_converter()
        self._json = json
        self._lock = RLock()
        self._entries: dict[str, _Entry] = {}
        self._names: dict[str, str] = {}
        self._pending: list[_Entry] = []
        self._upcasters: dict[str, Upcasters] = {}
        self._encoders: dict[type, _Encoder] = {}
        self._decoders: dict[str, _Decoder] = {}

    def event(self, type: str, *, schema: int = 1, aliases: Sequence[str] = ()) -> Callable[[T], T]:
        """
        Register an attrs class as an event type.

        Args:
            type: The name that is written into the log; keep it for ever.
            schema: The version of the class's shape, from 1; raise it with an upcaster.
            aliases: Names that the type had before; they are read, never written.

        Raises:
            ValueError: A name or the class is registered already.
            TypeError: What is decorated is no attrs class; put `@frozen` below this decorator.
        """
        names = tuple(check_name(name, "type") for name in (type, *aliases))
        check_integer(schema, "schema", low=1, high=SCHEMA_MAX)

        def register(cls: T) -> T:
            self._add(_Entry(type, schema, _attrs_class(cls), names[1:]))
            return cls

        return register

    def upcast(
        self, type: str, *, from_schema: int, to_schema: int | None = None
    ) -> Callable[[U], U]:
        """
        Register a pure function that brings the data of an older schema forward.

        Args:
            type: The event type, by the name that is written today.
            from_schema: The schema that it takes.
            to_schema: The schema that it returns; None for the next one.

        Raises:
            ValueError: Another one starts there, it leads backwards, or the type is in use already.
        """

        def register(upcast: U) -> U:
            if type in self._decoders:
                raise ValueError(f"{type!r} is in use; register upcasters before the first event")
            upcasters = self._upcasters.setdefault(type, Upcasters(type))
            upcasters.add(from_schema, to_schema or from_schema + 1, upcast)
            return upcast

        return register

    def tagged(self, classes: Mapping[str, type], *, tag: str = "kind") -> None:
        """
        Tell the members of a union apart by a name that is written with each.

        It serves every union of some of *classes*, with or without None.

        Args:
            classes: The names that are written, and their attrs classes.
            tag: The key under which the name is written; no field may be called so.
        """
        register_tagged(self.converter, dict(classes), tag)

    def freeze(self) -> None:
        """
        Generate the functions and check the upcast chains of all types registered so far.

        The first event encoded or decoded does the same.

        Raises:
            ValueError: A chain has a hole, or upcasters have no type.
            TypeError: A field has a type that JSON cannot hold.
        """
        with self._lock:
            for name in self._upcasters:
                if name not in self._entries:
                    raise ValueError(f"upcasters are registered for {name!r}, but no class is")
            while self._pending:
                self._build(self._pending[0])
                del self._pending[0]

    def encode(self, event: object, metadata: Mapping[str, str] = NO_METADATA) -> NewEvent:
        """
        Return *event* as it is written into the log.

        Raises:
            UnknownEventType: Its class is not registered.
            ValueError: A field holds a value that JSON cannot: NaN, more than 64 bits, a lone
                surrogate, a naive datetime.
        """
        encoder = self._encoders.get(event.__class__) or self._encoder_of(event.__class__)
        try:
            data = self._json.dumps(encoder.unstructure(event))
        except Exception as error:
            raise ValueError(f"{event!r} cannot be encoded: {error}") from error
        return NewEvent(encoder.name, data, metadata, encoder.schema)

    def decode(self, event: Event | NewEvent) -> Any:  # noqa: ANN401 - the caller knows its classes
        """
        Return the instance that *event* was encoded from, its data upcast where it is old.

        Raises:
            UnknownEventType: No class is registered for its type.
            UndecodableEvent: Its data does not fit, or its schema is newer than the class.
        """
        decoder = self._decoders.get(event.type) or self._decoder_of(event)
        try:
            data = self._json.loads(event.data)
            if event.schema != decoder.schema:
                data = _upcast(data, decoder, event.schema)
            return decoder.structure(data, decoder.cls)
        except Exception as error:
            raise UndecodableEvent(
                position=_position(event),
                type=event.type,
                reason=self._reason(event, decoder, error),
            ) from error

    def __contains__(self, type: str) -> bool:
        return type in self._names

    def type_of(self, cls: type) -> str:
        """
        Return the type that instances of *cls* are written under.

        Raises:
            UnknownEventType: It is not registered.
        """
        return (self._encoders.get(cls) or self._encoder_of(cls)).name

    def types_of(self, *classes: type) -> tuple[str, ...]:
        """
        Return every name that events of *classes* have in logs, aliases included, for a `Query`.

        Raises:
            UnknownEventType: One is not registered.
        """
        entries = [self._entries[self.type_of(cls)] for cls in classes]
        return tuple(name for entry in entries for name in (entry.name, *entry.aliases))

    def _add(self, entry: _Entry) -> None:
        names = (entry.name, *entry.aliases)
        with self._lock:
            for name in names:
                if name in self._names:
                    raise ValueError(f"event type {name!r} is registered already")
            if any(entry.cls is other.cls for other in self._entries.values()):
                raise ValueError(f"{entry.cls.__qualname__} is registered already, by another name")
            self._names.update(dict.fromkeys(names, entry.name))
            self._entries[entry.name] = entry
            self._pending.append(entry)

    def _build(self, entry: _Entry) -> None:
        upcasters = self._upcasters.get(entry.name, Upcasters(entry.name))
        unstructure = self.converter.get_unstructure_hook(entry.cls)
        structure = self.converter.get_structure_hook(entry.cls)
        decoder = _Decoder(entry.schema, structure, entry.cls, chains(upcasters, entry.schema))
        self._encoders[entry.cls] = _Encoder(entry.name, entry.schema, unstructure)
        self._decoders.update(dict.fromkeys((entry.name, *entry.aliases), decoder))

    def _encoder_of(self, cls: type) -> _Encoder:
        self.freeze()
        encoder = self._encoders.get(cls)
        if encoder is None:
            raise UnknownEventType(type=cls.__qualname__, is_class=True)
        return encoder

    def _decoder_of(self, event: Event | NewEvent) -> _Decoder:
        self.freeze()
        decoder = self._decoders.get(event.type)
        if decoder is None:
            raise UnknownEventType(type=event.type, position=_position(event))
        return decoder

    @cached_property
    def _detailed(self) -> Converter:
        return self.converter.copy(detailed_validation=True)

    def _reason(self, event: Event | NewEvent, decoder: _Decoder, error: Exception) -> str:
        try:
            data = _upcast(self._json.loads(event.data), decoder, event.schema)
        except Exception:  # noqa: BLE001 - it is *error* again
            return str(error)
        return reason_of(self._detailed, data, decoder.cls, error)


def _attrs_class(cls: object) -> type:
    if isinstance(cls, type) and has(cls):
        return cls
    raise TypeError(f"{cls!r} is no attrs class; put @frozen below this decorator")


def _position(event: Event | NewEvent) -> int | None:
    return event.position if isinstance(event, Event) else None


def _upcast(data: object, decoder: _Decoder, schema: int) -> object:
    if schema > decoder.schema:
        raise ValueError(
            f"its schema {schema} is newer than {decoder.schema}, which this program knows; "
            "update the program"
        )
    for step in decoder.chains.get(schema, ()):
        try:
            data = step(cast("dict[str, object]", data))
        except Exception as error:
            raise ValueError(f"an upcaster from schema {schema} on failed: {error!r}") from error
    return data
