"""
Reading a page: the bounds become a range of an index, and each row is compared with its checksum.
"""

import json
import sqlite3
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from typing import Final

from attrs import frozen

from azoth.errors import StoreCorrupt
from azoth.events import Event, Page
from azoth.reading import Due, ReadRequest, page_of
from azoth.records import PAGE_EXAMINED_MAX
from azoth_sqlite.rows import (
    StreamNames,
    event_of,
    load_category_id,
    load_head,
    load_stream,
)
from azoth_sqlite.statements import statement

__all__ = ["LIMIT_MAX", "Span", "read_page"]

LIMIT_MAX: Final = 2**62
"""The page's bytes end it long before; SQLite counts in 64 bits."""

_BEGIN: Final = statement("begin_read")
_ROLLBACK: Final = statement("rollback")
_PLACE_OF_LAST: Final = statement("select_place_of_last")
_STREAM_AT: Final = statement("select_stream_at")
_POSITION_OF_VERSION: Final = statement("select_position_of_version")
_END_OF_CATEGORY_WINDOW: Final = statement("select_end_of_category_window")


@frozen
class Span:
    """
    Hold the range of an index that a read looks at.

    Attributes:
        name: Of its statement.
        id: Of the stream or category; 0 for the whole log.
        after: Exclusive: a version in a stream, else a position.
        until: Inclusive, likewise.
        examined: The last position that is looked at.
    """

    name: str
    id: int
    after: int
    until: int
    examined: int


def read_page(connection: sqlite3.Connection, names: StreamNames, read: ReadRequest) -> Page:
    """
    Return the page asked for, from one snapshot that ends before it is returned.

    Raises:
        StoreCorrupt: A record does not match its checksum, or is missing.
    """
    cursor = connection.cursor()
    cursor.execute(_BEGIN)
    try:
        head, _ = load_head(cursor)
        end = read.end(head)
        span = _span(cursor, read, end) if end > read.after else None
        if span is None:
            return page_of((), read, head, end)
        # The statement ends before its transaction does.
        with closing(_matches(connection, names, read, span)) as matches:
            return page_of(matches, read, head, span.examined)
    finally:
        cursor.execute(_ROLLBACK)


def _span(cursor: sqlite3.Cursor, read: ReadRequest, end: int) -> Span | None:
    # Going back, an empty page would not say where to go on, so it looks until it finds.
    bounded = bool(read.query.types) and not read.backwards
    if read.query.stream is not None:
        return _span_of_stream(cursor, read.query.stream, read.after, end, bounded=bounded)
    if read.query.category is not None:
        return _span_of_category(cursor, read.query.category, read.after, end, bounded=bounded)
    examined = min(end, read.after + PAGE_EXAMINED_MAX) if bounded else end
    return Span("read_all", 0, read.after, examined, examined)


def _span_of_category(
    cursor: sqlite3.Cursor, category: str, after: int, end: int, *, bounded: bool
) -> Span | None:
    category_id = load_category_id(cursor, category)
    if category_id is None:
        return None
    examined = end
    if bounded:
        bounds = (category_id, after, end, PAGE_EXAMINED_MAX - 1)
        row = cursor.execute(_END_OF_CATEGORY_WINDOW, bounds).fetchone()
        examined = end if row is None else row[0]
    return Span("read_category", category_id, after, examined, examined)


def _span_of_stream(
    cursor: sqlite3.Cursor, stream: str, after: int, end: int, *, bounded: bool
) -> Span | None:
    row = load_stream(cursor, stream)
    if row is None:
        return None
    low, high = _version_at(cursor, row.id, after), _version_at(cursor, row.id, end)
    if bounded and high > low + PAGE_EXAMINED_MAX:
        high = low + PAGE_EXAMINED_MAX
        end = _position_of(cursor, row.id, high)
    return Span("read_stream", row.id, low, high, end)


def _version_at(cursor: sqlite3.Cursor, stream_id: int, position: int) -> int:
    """
    Return how many events the stream has up to *position*.

    The index is ordered by version, and a stream's positions rise with its versions, so what no
    short cut tells is found by halving.
    """
    if position == 0:
        return 0
    last = cursor.execute(_PLACE_OF_LAST, (stream_id,)).fetchone()
    if last is None:
        return 0
    version, last_position = last
    if last_position <= position:
        return int(version)
    at = cursor.execute(_STREAM_AT, (position,)).fetchone()
    if at is not None and at[0] == stream_id:
        return int(at[1])
    low, high = 0, int(version)
    while high - low > 1:
        middle = (low + high) // 2
        if _position_of(cursor, stream_id, middle) <= position:
            low = middle
        else:
            high = middle
    return low


def _position_of(cursor: sqlite3.Cursor, stream_id: int, version: int) -> int:
    row = cursor.execute(_POSITION_OF_VERSION, (stream_id, version)).fetchone()
    if row is None:
        raise StoreCorrupt(
            position=None, reason=f"version {version} of stream number {stream_id} is missing"
        )
    return int(row[0])


def _matches(
    connection: sqlite3.Connection, names: StreamNames, read: ReadRequest, span: Span
) -> Generator[tuple[Event, int], None, None]:
    rows, lookup = connection.cursor(), connection.cursor()
    try:
        rows.execute(*_select(read, span))
        due = Due(read, span.after, span.until, complete=not read.query.types)
        for row in rows:
            event = event_of(row, names.get(lookup, row[1]))
            due.check(event)
            yield event, len(row[7]) + len(row[8])
        due.check_end()
    finally:
        rows.close()
        lookup.close()


def _select(read: ReadRequest, span: Span) -> tuple[str, Mapping[str, int | str]]:
    parameters: dict[str, int | str] = {
        "id": span.id,
        "after": span.after,
        "until": span.until,
        # One more than the page holds tells whether there is more.
        "limit": min(read.limit, LIMIT_MAX) + 1,
    }
    if read.query.types:
        parameters["types"] = json.dumps(list(read.query.types), ensure_ascii=False)
    return _SELECTS[span.name, bool(read.query.types), read.backwards], parameters


def _variants(name: str) -> Iterator[tuple[tuple[str, bool, bool], str]]:
    for has_types, types in ((False, "TRUE"), (True, statement("of_types"))):
        for backwards, order in ((False, "ASC"), (True, "DESC")):
            sql = statement(name).replace("/*types*/ TRUE", types).replace("/*order*/", order)
            yield (name, has_types, backwards), sql


_SELECTS: Final = {
    key: sql
    for name in ("read_all", "read_category", "read_stream")
    for key, sql in _variants(name)
}
"""The statement by span, whether types are asked for, and whether it goes backwards."""
