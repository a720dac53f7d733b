"""
The values of the log: what is written, what is read, and their limits.

Each value checks itself when it is made, so what reaches a store is well formed: a bad one is a
`TypeError` or a `ValueError` that says what was given, what is allowed, and what to do.
"""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from attrs import field, frozen

from azoth.clocks import Instant
from azoth.streams import ANY, Expected, ExpectedVersion, Position, Version

__all__ = [
    "ALL",
    "APPEND_BYTES_MAX",
    "APPEND_EVENTS_MAX",
    "APPEND_WRITES_MAX",
    "DATA_BYTES_MAX",
    "INTEGER_MAX",
    "METADATA_BYTES_MAX",
    "NAME_BYTES_MAX",
    "NO_METADATA",
    "PAGE_BYTES_MAX",
    "SCHEMA_MAX",
    "Appended",
    "Checkpoint",
    "Event",
    "Metadata",
    "NewEvent",
    "Page",
    "Query",
    "SystemWrite",
    "Write",
    "category_of",
    "check_integer",
    "check_name",
]

NAME_BYTES_MAX: Final = 255
"""Of a stream, type, consumer or key, in UTF-8: it must fit an LMDB key beside our prefix."""

DATA_BYTES_MAX: Final = 16 * 1024 * 1024
"""Of one event: larger things belong in a file or a blob store, with a reference in the event."""

METADATA_BYTES_MAX: Final = 64 * 1024
"""Of one event, keys and values in UTF-8: metadata is read with every event."""

APPEND_EVENTS_MAX: Final = 10_000
"""Of one append: its commit blocks every other writer."""

APPEND_BYTES_MAX: Final = 64 * 1024 * 1024
"""Of one append, data and metadata: it is held in memory whole."""

APPEND_WRITES_MAX: Final = 1_000
"""Of one append: each write is a check under the write lock."""

PAGE_BYTES_MAX: Final = 8 * 1024 * 1024
"""Of one page, yet always at least one event: a page is held in memory whole."""

SCHEMA_MAX: Final = 2**31 - 1
"""The largest schema number: a 32-bit integer in every store."""

INTEGER_MAX: Final = 2**63 - 1
"""The largest integer of any field: a 64-bit integer in every store."""


class Metadata(Mapping[str, str]):
    """
    Be a read-only mapping of text to text that compares, hashes, copies and pickles by value.
    """

    __slots__ = ("_items",)

    def __init__(self, items: Mapping[str, str] = MappingProxyType({})) -> None:
        self._items = dict(items)

    def __getitem__(self, key: str) -> str:
        return self._items[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __hash__(self) -> int:
        return hash(frozenset(self._items.items()))

    def __repr__(self) -> str:
        return repr(self._items)

    def __reduce__(self) -> tuple[Any, ...]:
        return Metadata, (self._items,)


NO_METADATA: Final = Metadata()
"""What most events have; compare by identity to skip them fast."""


def check_name(name: str, what: str) -> str:
    """
    Return *name* if it may name a stream, type, consumer or key.

    Args:
        name: 1 to `NAME_BYTES_MAX` bytes of UTF-8, no NUL, no lone surrogate.
        what: What it names, for the error.

    Raises:
        TypeError: It is not text.
        ValueError: It is empty, too long, or has a character that stores cannot keep.
    """
    if not isinstance(name, str):
        raise TypeError(f"a {what} is text, not {name!r}")
    try:
        size = len(name) if name.isascii() else len(name.encode())
    except UnicodeEncodeError as error:
        raise ValueError(
            f"{what} {name!r} has a lone surrogate at {error.start}; use text that UTF-8 can write"
        ) from None
    if not 0 < size <= NAME_BYTES_MAX:
        raise ValueError(f"{what} {_short(name)} has {size} bytes; give 1 to {NAME_BYTES_MAX}")
    if "\0" in name:
        raise ValueError(f"{what} {name!r} has a NUL character; leave it out")
    return name


def check_integer(value: int, what: str, *, low: int = 0, high: int = INTEGER_MAX) -> int:
    """
    Return *value* if it is an integer from *low* to *high*; a bool is none.

    Raises:
        TypeError: It is not an integer.
        ValueError: It lies outside.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{what} is an integer, not {value!r}")
    if not low <= value <= high:
        raise ValueError(f"{what} is {value}; give one from {low} to {high}")
    return value


def category_of(stream: str) -> str:
    """
    Return the text before the first hyphen of a stream's name; all of it where there is none.
    """
    return stream.partition("-")[0]


def _short(text: str) -> str:
    return repr(text) if len(text) <= 40 else f"{text[:40]!r}…"


def _to_metadata(items: Mapping[str, str]) -> Metadata:
    if isinstance(items, Metadata):
        return items
    if not isinstance(items, Mapping):
        raise TypeError(f"metadata is a mapping of text to text, not {items!r}")
    return _checked_metadata(Metadata(items)) if items else NO_METADATA


def _checked_metadata(metadata: Metadata) -> Metadata:
    size = sum(_text_size(text) for item in metadata.items() for text in item)
    if size > METADATA_BYTES_MAX:
        raise ValueError(
            f"metadata has {size} bytes; the limit is {METADATA_BYTES_MAX} an event: put what is "
            "large into the event's data"
        )
    return metadata


def _text_size(text: str) -> int:
    if not isinstance(text, str):
        raise TypeError(f"metadata is a mapping of text to text; {text!r} is no text")
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        raise ValueError(f"metadata text {_short(text)} has a lone surrogate") from None


@frozen
class NewEvent:
    """
    Describe an event that is not in the log yet.

    Attributes:
        type: Its type, the stable name that readers know it by.
        data: Its bytes, at most `DATA_BYTES_MAX`; the store never looks inside.
        metadata: Text beside it, at most `METADATA_BYTES_MAX`; copied, then read-only.
        schema: The version of the shape of *data*, from 1.
    """

    type: str
    data: bytes
    metadata: Mapping[str, str] = field(default=NO_METADATA, converter=_to_metadata)
    schema: int = 1

    def __attrs_post_init__(self) -> None:
        check_name(self.type, "type")
        if type(self.data) is not bytes:
            raise TypeError(f"data of {self.type!r} is bytes, not {type(self.data).__name__}")
        if len(self.data) > DATA_BYTES_MAX:
            raise ValueError(
                f"data of {self.type!r} has {len(self.data)} bytes; the limit is {DATA_BYTES_MAX} "
                "an event: keep large things elsewhere and write a reference"
            )
        check_integer(self.schema, "schema", low=1, high=SCHEMA_MAX)


@frozen
class Event:
    """
    Hold an event of the log.

    Attributes:
        position: Its place in the whole log, from 1.
        stream: The stream's name.
        version: Its place in the stream, from 1.
        type: Its type.
        data: Its bytes.
        metadata: Text beside it, read-only.
        schema: The version of the shape of *data*.
        recorded_at: When the store wrote it; never decreases along the log.
    """

    position: Position
    stream: str
    version: Version
    type: str
    data: bytes
    metadata: Mapping[str, str]
    schema: int
    recorded_at: Instant


def _to_events(events: Sequence[NewEvent]) -> tuple[NewEvent, ...]:
    checked = tuple(events)
    for event in checked:
        if not isinstance(event, NewEvent):
            raise TypeError(f"a write holds NewEvent values, not {event!r}")
    return checked


@frozen
class Write:
    """
    Name the events that go to one stream, and what the writer expects of it.

    Attributes:
        stream: The stream's name.
        events: In order; none makes it a pure check of a stream that is not written.
        expected: The version the stream must have (0: it must not exist), `ANY`, or `EXISTS`.
    """

    stream: str
    events: Sequence[NewEvent] = field(converter=_to_events)
    expected: ExpectedVersion

    def __attrs_post_init__(self) -> None:
        check_name(self.stream, "stream")
        if not isinstance(self.expected, Expected):
            check_integer(self.expected, "expected version")
        if not self.events and self.expected is ANY:
            raise ValueError(
                f"the write to {self.stream!r} has no events and expects ANY: it does nothing; "
                "give events, or the version to check"
            )


@frozen
class SystemWrite(Write):
    """
    Be a write of a package of ours to a stream of its own, whose name begins with `$`.

    An event handler hands it on; one that it made itself would be refused.
    """


@frozen(kw_only=True)
class Checkpoint:
    """
    Move a consumer's position, if it still stands where this runner left it.

    Attributes:
        consumer: The consumer's name.
        position: Where it stands now; any position from *previous* on, also of another log.
        previous: Where it stood; 0 if it never saved.
    """

    consumer: str
    position: int
    previous: int

    def __attrs_post_init__(self) -> None:
        check_name(self.consumer, "consumer")
        check_integer(self.previous, "previous position")
        check_integer(self.position, "position", low=self.previous)


@frozen(kw_only=True)
class Appended:
    """
    Answer an append.

    Attributes:
        first: The position of its first event; head + 1 if it had none.
        last: The position of its last event; the head if it had none.
        versions: Each stream named by a write, checked ones too, with its version afterwards.
        duplicate: Whether the key was known: nothing was written now, this is the first answer.
    """

    first: Position
    last: Position
    versions: Mapping[str, int]
    duplicate: bool = False


def _to_types(types: Sequence[str]) -> tuple[str, ...]:
    if isinstance(types, str):
        raise TypeError(f"types is a sequence of event types, not {types!r}; write ({types!r},)")
    return tuple(types)


@frozen
class Query:
    """
    Choose events: by stream or category, and by type.

    Attributes:
        stream: Only this stream; not together with *category*.
        category: Only streams whose name up to the first hyphen is this.
        types: Only these types; empty means all.
    """

    stream: str | None = None
    category: str | None = None
    types: Sequence[str] = field(default=(), converter=_to_types)

    def __attrs_post_init__(self) -> None:
        if self.stream is not None and self.category is not None:
            raise ValueError(
                f"a query has a stream ({self.stream!r}) or a category ({self.category!r}), "
                "not both: a stream lies in one category anyway"
            )
        if self.stream is not None:
            check_name(self.stream, "stream")
        if self.category is not None:
            check_name(self.category, "category")
        for name in self.types:
            check_name(name, "type")

    def matches(self, event: Event) -> bool:
        """
        Say whether *event* is one of those chosen.
        """
        if self.types and event.type not in self.types:
            return False
        if self.stream is not None:
            return event.stream == self.stream
        return self.category is None or category_of(event.stream) == self.category


ALL: Final = Query()
"""Every event."""


@frozen(kw_only=True)
class Page:
    """
    Hold what one read saw: one snapshot, fully in memory, no cursor behind it.

    Attributes:
        events: Those that match, in order.
        head: The head of the log in the same snapshot.
        next_after: The highest position examined; read on after it.
        more: Whether something within the bounds was not examined yet.
    """

    events: Sequence[Event]
    head: Position
    next_after: Position
    more: bool
