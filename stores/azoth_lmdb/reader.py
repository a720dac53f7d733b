"""
Reading a page: the bounds become a range of a table, and each record is compared with its checksum.
"""

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from itertools import islice
from operator import neg
from typing import TYPE_CHECKING

from attrs import frozen

from azoth.errors import StoreCorrupt
from azoth.events import Event, Page
from azoth.reading import Due, ReadRequest, page_of
from azoth.records import PAGE_EXAMINED_MAX
from azoth_lmdb.records import StreamEnd, event_of, load_event, load_head, load_stream
from azoth_lmdb.tables import Table, Transaction, to_key

if TYPE_CHECKING:
    import lmdb

__all__ = ["Span", "read_page"]


@frozen
class Span:
    """
    Hold what a read looks at.

    Attributes:
        records: The positions and records, in the order asked for.
        after: Exclusive: a version in a stream, else a position.
        until: Inclusive, likewise.
        examined: The last position that is looked at.
    """

    records: Iterable[tuple[int, bytes]]
    after: int
    until: int
    examined: int


def read_page(transaction: Transaction, read: ReadRequest) -> Page:
    """
    Return the page asked for, copied out of one snapshot.

    Raises:
        StoreCorrupt: A record does not match its checksum, or is missing.
    """
    head = load_head(transaction, transaction.number).position
    end = read.end(head)
    span = _span(transaction, read, end) if end > read.after else None
    if span is None:
        return page_of((), read, head, end)
    # The cursors end before their transaction does.
    with closing(_matches(read, span)) as matches:
        return page_of(matches, read, head, span.examined)


def _span(transaction: Transaction, read: ReadRequest, end: int) -> Span | None:
    if read.query.stream is not None:
        return _span_of_stream(transaction, read, read.query.stream.encode(), end)
    if read.query.category is not None:
        return _span_of_category(transaction, read, read.query.category.encode(), end)
    examined = min(end, read.after + PAGE_EXAMINED_MAX) if _is_bounded(read) else end
    scan = _scan_backwards if read.backwards else _scan
    return Span(scan(transaction, read.after, examined), read.after, examined, examined)


def _span_of_category(
    transaction: Transaction, read: ReadRequest, category: bytes, end: int
) -> Span:
    positions, examined = _window(transaction, transaction.tables.by_category, category, read, end)
    return Span(_records(transaction, positions), read.after, examined, examined)


def _span_of_stream(
    transaction: Transaction, read: ReadRequest, stream: bytes, end: int
) -> Span | None:
    last = load_stream(transaction, stream)
    if last is None:
        if transaction.cursor(transaction.tables.by_stream).set_key(stream):
            raise StoreCorrupt(position=None, reason=f"stream {stream!r} has lost its end")
        return None
    positions, examined = _window(transaction, transaction.tables.by_stream, stream, read, end)
    after = _version_at(transaction, stream, last, read.after)
    until = _version_at(transaction, stream, last, examined)
    return Span(_records(transaction, positions), after, until, examined)


def _window(
    transaction: Transaction, index: Table, key: bytes, read: ReadRequest, end: int
) -> tuple[Iterable[int], int]:
    """
    Return the positions to look at, and the last one that is looked at.
    """
    follow = _follow_backwards if read.backwards else _follow
    positions = follow(transaction, index, key, read.after, end)
    if not _is_bounded(read):
        return positions, end
    window = list(islice(positions, PAGE_EXAMINED_MAX + 1))
    if len(window) <= PAGE_EXAMINED_MAX:
        return window, end
    return window[:-1], window[-2]


def _is_bounded(read: ReadRequest) -> bool:
    # Going back, an empty page would not say where to go on, so it looks until it finds.
    return bool(read.query.types) and not read.backwards


def _version_at(transaction: Transaction, stream: bytes, last: StreamEnd, position: int) -> int:
    """
    Return how many events the stream has up to *position*.
    """
    if position >= last.last:
        return last.version
    before = next(
        _follow_backwards(transaction, transaction.tables.by_stream, stream, 0, position), 0
    )
    return load_event(transaction, before).version if before else 0


def _scan(transaction: Transaction, after: int, until: int) -> Iterator[tuple[int, bytes]]:
    cursor = transaction.cursor(transaction.tables.events)
    if not cursor.set_range(to_key(after + 1)):
        return
    # The range comes first, so that nothing is read beyond it.
    yield from _in_order(zip(range(after + 1, until + 1), cursor.iternext(), strict=False))


def _scan_backwards(
    transaction: Transaction, after: int, until: int
) -> Iterator[tuple[int, bytes]]:
    cursor = transaction.cursor(transaction.tables.events)
    if not cursor.set_key(to_key(until)):
        return
    yield from _in_order(zip(range(until, after, -1), cursor.iterprev(), strict=False))


def _in_order(found: Iterable[tuple[int, tuple[bytes, bytes]]]) -> Iterator[tuple[int, bytes]]:
    for position, (key, record) in found:
        if key != to_key(position):
            raise StoreCorrupt(position=position, reason="the event is missing")
        yield position, record


def _follow(
    transaction: Transaction, index: Table, key: bytes, after: int, until: int
) -> Iterator[int]:
    cursor = transaction.cursor(index)
    if not _go_to(cursor, key, after + 1):
        return
    from_end = not (cursor.prev_dup() and cursor.prev_dup())
    if from_end:
        cursor.set_key(key)
    yield from _between(cursor.iternext_dup(), after, until, from_end=from_end)


def _follow_backwards(
    transaction: Transaction, index: Table, key: bytes, after: int, until: int
) -> Iterator[int]:
    cursor = transaction.cursor(index)
    if not _go_to(cursor, key, until + 1):
        return
    from_end = not (cursor.next_dup() and cursor.next_dup())
    if from_end:
        cursor.set_key(key)
        cursor.last_dup()
    bounds = -until - 1, -after - 1
    yield from map(neg, _between(cursor.iterprev_dup(), *bounds, sign=-1, from_end=from_end))


def _go_to(cursor: "lmdb.Cursor[bytes]", key: bytes, position: int) -> bool:
    """
    Go to a position of a key or the next one, else to its last; False if there is no such key.
    """
    return cursor.set_range_dup(key, to_key(position)) or (
        cursor.set_key(key) and cursor.last_dup()
    )


def _between(
    values: Iterable[bytes], after: int, until: int, *, sign: int = 1, from_end: bool
) -> Iterator[int]:
    """
    Yield the positions between two bounds, each times *sign*.

    A wrong one among them leads a search astray and ends a range too early. It cannot stand in
    order with its neighbours, so two more are looked at on either side.

    Args:
        values: Positions in order, beginning two before the range.
        after: Exclusive.
        until: Inclusive.
        sign: -1 where the order falls.
        from_end: Whether nothing stands before the first one.

    Raises:
        StoreCorrupt: They are not in order.
    """
    last, is_beyond = None, False
    for value in values:
        place = sign * int.from_bytes(value)
        if (place <= last) if last is not None else (place > after and not from_end):
            raise StoreCorrupt(position=abs(place), reason="an index is out of order")
        last = place
        if is_beyond:
            return
        if place > until:
            is_beyond = True
        elif place > after:
            yield place


def _records(transaction: Transaction, positions: Iterable[int]) -> Iterator[tuple[int, bytes]]:
    for position in positions:
        record = transaction.get(transaction.tables.events, to_key(position))
        if record is None:
            raise StoreCorrupt(position=position or None, reason="an index leads to no event")
        yield position, record


def _matches(read: ReadRequest, span: Span) -> Generator[tuple[Event, int], None, None]:
    types = read.query.types
    due = Due(read, span.after, span.until, complete=True)
    for position, record in span.records:
        event, weight = event_of(position, record)
        due.check(event)
        if not types or event.type in types:
            yield event, weight
    due.check_end()
