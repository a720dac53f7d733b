"""
The port for projections, and a small one in memory to build on.

A projection is a fold of the log: rows that are computed from events and may be thrown away. It
saves its rows and its position together, so it can stop anywhere and go on.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Final, Generic, Protocol, TypeVar, cast, get_args, get_origin, runtime_checkable

from azoth._conversion import make_converter
from azoth.digests import Digest
from azoth.events import ALL, Event, Query
from azoth.json_format import FASTEST, STDLIB
from azoth.marks import Mark

__all__ = [
    "Digestible",
    "DurableProjection",
    "MemoryProjection",
    "Projection",
    "Tabular",
    "bytes_of_row",
]

R = TypeVar("R")

_CONVERTER: Final = make_converter()


@runtime_checkable
class Projection(Protocol):
    """
    Fold the events of a query into rows.

    `apply` is total: it raises on no log that can be written, nor on one that an older version
    wrote; what it does not know it passes over. It has no effects but its rows.
    """

    @property
    def name(self) -> str:
        """
        Name the projection; messages and files carry it.
        """
        ...

    @property
    def version(self) -> int:
        """
        Return the version of its code; rows of another version are rebuilt.
        """
        ...

    @property
    def query(self) -> Query:
        """
        Return which events it reads.
        """
        ...

    @property
    def position(self) -> int:
        """
        Return the position up to which the log is in its rows; 0 at first.
        """
        ...

    def apply(self, events: Sequence[Event], position: int) -> None:
        """
        Fold *events* and move to *position*, both or neither.

        Args:
            events: Those that match, in order, all after `position`; there may be none.
            position: How far the log was looked at, at or after the last of *events*.
        """
        ...


@runtime_checkable
class DurableProjection(Projection, Protocol):
    """
    Be a projection whose rows outlive the process and lie outside the store.

    It saves a mark where others save a position, so that it is told if the log has become another
    one since.
    """

    @property
    def mark(self) -> Mark:
        """
        Return the mark that was saved with the rows; `START` at first.
        """
        ...

    def save(self, events: Sequence[Event], mark: Mark) -> None:
        """
        Fold *events* and move to *mark*, both or neither; it is called in place of `apply`.
        """
        ...


@runtime_checkable
class Digestible(Protocol):
    """
    Have rows that can be hashed.
    """

    def digest(self) -> str:
        """
        Return a hash of all rows that depends on them alone.
        """
        ...


@runtime_checkable
class Tabular(Projection, Digestible, Protocol):
    """
    Be a projection whose rows can be looked at one by one, and hashed.
    """

    @property
    def rows(self) -> Mapping[str, object]:
        """
        Return the rows by key; they are values, and equal ones are equal.
        """
        ...


class MemoryProjection(Generic[R]):
    """
    Keep rows by key, in memory; subclass it and write `fold`.

    Rows are values that JSON can hold: attrs classes, numbers, text and collections of them. Each
    batch is folded as a whole or not at all, and `digest` is kept up to date as rows change.

    Attributes:
        name: The projection's name.
        version: The version of its code.
        query: Which events it reads.

    Example:
        >>> class Lengths(MemoryProjection[int]):
        ...     name = "lengths"
        ...     def fold(self, event):
        ...         self.put(event.stream, self.get(event.stream, 0) + len(event.data))
        >>> from azoth import ANY, NewEvent, Projector, Write, open_store
        >>> with open_store("memory://") as store:
        ...     answer = store.append(Write("greeting-1", [NewEvent("Said", b"hello")], ANY))
        ...     lengths = Lengths()
        ...     position = Projector(store, lengths).catch_up()
        >>> dict(lengths.rows)
        {'greeting-1': 5}
    """

    name: str = "projection"
    version: int = 1
    query: Query = ALL

    def __init__(self) -> None:
        self.position = 0
        self._rows: dict[str, R] = {}
        # What the batch at hand changes; None stands for a row that is taken out.
        self._changes: dict[str, R | None] = {}
        self._digest = Digest()

    def fold(self, event: Event) -> None:
        """
        Change rows by `get`, `put` and `drop` as *event* says.
        """
        raise NotImplementedError(f"{type(self).__name__} has no fold")

    @property
    def rows(self) -> Mapping[str, R]:
        """
        Return the rows by key; do not change them.
        """
        return self._rows

    def get(self, key: str, default: R) -> R:
        """
        Return a row, as the batch at hand left it, or *default*.
        """
        row = self._changes[key] if key in self._changes else self._rows.get(key)
        return default if row is None else row

    def put(self, key: str, row: R) -> None:
        """
        Set a row; None is no row.
        """
        self._changes[key] = row

    def drop(self, key: str) -> None:
        """
        Take a row out; it need not be there.
        """
        self._changes[key] = None

    def apply(self, events: Sequence[Event], position: int) -> None:
        """
        Fold *events* and move to *position*, both or neither.
        """
        self._changes = {}
        for event in events:
            self.fold(event)
        # Encoded first: a row that cannot be hashed must not leave half a batch behind.
        encoded = {key: bytes_of_row(key, row) for key, row in self._changes.items()}
        for key, row in self._changes.items():
            self._write(key, row, encoded[key])
        self._changes = {}
        self.position = position

    def digest(self) -> str:
        """
        Return a hash of all rows.
        """
        return self._digest.hexdigest()

    def dump(self) -> Sequence[bytes]:
        """
        Return rows, position and digest as bytes, for `azoth.replay.Snapshots`.

        Nothing is returned where the bytes would not tell all: the subclass does not say what its
        rows are (`MemoryProjection[int]` does), or keeps attributes of its own beside the rows.
        """
        if _row_type(type(self)) is None or vars(self).keys() - _attributes():
            return ()
        rows = {key: _CONVERTER.unstructure(row) for key, row in self._rows.items()}
        return (FASTEST.dumps([self.position, self.digest(), rows]),)

    def load(self, parts: Sequence[bytes]) -> None:
        """
        Become what `dump` has written.

        Raises:
            Exception: It is something else, or rows come back as other values than they were.
        """
        kind = _row_type(type(self))
        (data,) = parts
        position, digest, rows = FASTEST.loads(data)
        for key, row in rows.items():
            self._rows[key] = cast("R", _CONVERTER.structure(row, cast("type", kind)))
            self._digest.add(bytes_of_row(key, self._rows[key]))
        if self.digest() != digest:
            raise ValueError(f"the rows of {self.name!r} do not come back as they were")
        self.position = position

    def _write(self, key: str, row: R | None, encoded: bytes) -> None:
        before = self._rows.pop(key, None)
        if before is not None:
            self._digest.remove(bytes_of_row(key, before))
        if row is not None:
            self._rows[key] = row
            self._digest.add(encoded)


@cache
def _attributes() -> frozenset[str]:
    return frozenset(vars(MemoryProjection[object]()))


def _row_type(kind: type) -> object:
    # What stands in the brackets of `MemoryProjection[…]`; None where nothing does.
    for cls in kind.__mro__:
        for base in getattr(cls, "__orig_bases__", ()):
            if get_origin(base) is MemoryProjection and not isinstance(get_args(base)[0], TypeVar):
                return get_args(base)[0]
    return None


def bytes_of_row(key: str, row: object) -> bytes:
    """
    Return what is hashed of a row: it depends on the row's value alone.
    """
    # The standard library's JSON: the same bytes whatever else is installed.
    return STDLIB.dumps([key, _CONVERTER.unstructure(row)])
