"""
Looking at every record, in bounded memory and without holding up the growth of the map.

LMDB has no checksums, and a damaged page may hide records without a word. So each record is found
in ways that share no page: an event by its position, its stream and its category, a stream by its
end and by its events; and of keys, checkpoints and leases the head keeps the sum of checksums.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Final, TypeAlias

import lmdb

from azoth.errors import StoreCorrupt
from azoth.events import Event, category_of
from azoth.store import Problem, Progress
from azoth_lmdb.environment import Environment
from azoth_lmdb.records import (
    checkpoint_of,
    event_of,
    first_answer_of,
    lease_of,
    load_event,
    load_head,
    load_stream,
    sum_of,
)
from azoth_lmdb.tables import Table, Transaction, to_key

__all__ = ["BYTES_AT_ONCE", "PROBLEMS_MAX", "RECORDS_AT_ONCE", "verify"]

PROBLEMS_MAX: Final = 1_000
"""Of one run: a file that is damaged all over is told from one that has a scratch."""

RECORDS_AT_ONCE: Final = 1_000
"""Looked at in one snapshot: while one is held, the map cannot grow and no page is used again."""

BYTES_AT_ONCE: Final = 16 * 1024 * 1024
"""Looked at in one snapshot, likewise."""

_Problems: TypeAlias = Iterator[Problem]
_Tell: TypeAlias = Callable[[int, int | None], object]
_Look: TypeAlias = Callable[[Environment, _Tell], _Problems]


def verify(environment: Environment, progress: Progress) -> Sequence[Problem]:
    """
    Return what is damaged, at most `PROBLEMS_MAX`; empty when sound.

    Args:
        environment: Is read only.
        progress: Is told after each snapshot.
    """
    problems: list[Problem] = []
    for step, look in _LOOKS.items():
        found = _guarded(look, environment, partial(progress, step))
        problems += islice(found, PROBLEMS_MAX - len(problems))
    return problems


def _guarded(look: _Look, environment: Environment, tell: _Tell) -> _Problems:
    try:
        yield from look(environment, tell)
    except StoreCorrupt as error:
        yield Problem(position=error.position, reason=error.reason)
    except (lmdb.ReadersFullError, lmdb.MemoryError):
        raise
    except lmdb.Error as error:
        yield Problem(position=None, reason=f"LMDB cannot read on: {error}")


def _look_at_head(environment: Environment, _tell: _Tell) -> _Problems:
    with environment.reading() as transaction:
        head = load_head(transaction, transaction.number)
        cursor = transaction.cursor(transaction.tables.events)
        last = int.from_bytes(cursor.key()) if cursor.last() else 0
    if last != head.position:
        reason = f"the head is {head.position}, and the last event is at {last}"
        yield Problem(position=None, reason=reason)


def _look_at_events(environment: Environment, tell: _Tell) -> _Problems:
    with environment.reading() as transaction:
        head = load_head(transaction, transaction.number).position
    due, recorded_at = 1, 0
    for transaction, key, record in _walk(environment, environment.tables.events, tell):
        position = int.from_bytes(key)
        if position > head:
            break
        if position != due:
            yield Problem(position=due, reason=f"no event up to {position - 1}")
        due = position + 1
        try:
            event, _ = event_of(position, record)
            yield from _look_at_event(transaction, event, recorded_at)
            recorded_at = event.recorded_at
        except StoreCorrupt as error:
            yield Problem(position=position, reason=error.reason)
    if due <= head:
        yield Problem(position=due, reason=f"no event up to the head, {head}")


def _look_at_event(transaction: Transaction, event: Event, not_before: int) -> _Problems:
    tables, place = transaction.tables, to_key(event.position)
    stream, category = event.stream.encode(), category_of(event.stream).encode()
    if transaction.get(tables.events, place) is None:
        yield Problem(position=event.position, reason="it cannot be found by its position")
    if not transaction.cursor(tables.by_stream).set_key_dup(stream, place):
        yield Problem(position=event.position, reason="it cannot be found by its stream")
    if category and not transaction.cursor(tables.by_category).set_key_dup(category, place):
        yield Problem(position=event.position, reason="it cannot be found by its category")
    if event.recorded_at < not_before:
        yield Problem(position=event.position, reason="it was recorded before the one before it")
    end = load_stream(transaction, stream)
    if end is None or end.version < event.version or end.last < event.position:
        reason = f"stream {event.stream!r} has lost its end"
        yield Problem(position=event.position, reason=reason)


def _look_at_streams(environment: Environment, tell: _Tell) -> _Problems:
    for transaction, stream, _ in _walk(environment, environment.tables.streams, tell):
        try:
            end = load_stream(transaction, stream)
            last = None if end is None else load_event(transaction, end.last)
            if end is None or last is None or last.stream.encode() != stream:
                yield Problem(position=None, reason=f"stream {stream!r} has a wrong end")
            elif last.version != end.version:
                yield Problem(position=end.last, reason=f"stream {stream!r} has a wrong version")
        except StoreCorrupt as error:
            yield Problem(position=error.position, reason=error.reason)


def _look_at_versions(environment: Environment, tell: _Tell) -> _Problems:
    index = environment.tables.by_stream
    stream, version = b"", 0
    for transaction, key, place in _walk(environment, index, tell, is_index=True):
        version = version + 1 if key == stream else 1
        stream = key
        try:
            event = load_event(transaction, int.from_bytes(place))
        except StoreCorrupt as error:
            yield Problem(position=error.position, reason=error.reason)
            continue
        if event.stream.encode() != stream or event.version != version:
            reason = f"it stands where version {version} of stream {stream!r} belongs"
            yield Problem(position=event.position, reason=reason)


def _look_at_categories(environment: Environment, tell: _Tell) -> _Problems:
    index = environment.tables.by_category
    for transaction, category, place in _walk(environment, index, tell, is_index=True):
        try:
            event = load_event(transaction, int.from_bytes(place))
        except StoreCorrupt as error:
            yield Problem(position=error.position, reason=error.reason)
            continue
        if category_of(event.stream).encode() != category:
            yield Problem(position=event.position, reason=f"it stands in category {category!r}")


def _look_at_records(name: str, read: Callable[[bytes, bytes], object]) -> _Look:
    """
    Return a look at each record of a small table.

    Args:
        name: Of the table.
        read: Compares a record with its checksum.
    """

    def look(environment: Environment, tell: _Tell) -> _Problems:
        table: Table = getattr(environment.tables, name)
        for transaction, key, record in _walk(environment, table, tell):
            try:
                read(key, record)
            except StoreCorrupt as error:
                yield Problem(position=None, reason=error.reason)
            if transaction.get(table, key) is None:
                yield Problem(position=None, reason=f"{key!r} cannot be found in {name}")

    return look


def _look_at_sum(environment: Environment, tell: _Tell) -> _Problems:
    tell(0, None)
    found, tables = 0, environment.tables
    with environment.reading() as transaction:
        head = load_head(transaction, transaction.number)
        for table in (tables.keys, tables.checkpoints, tables.leases):
            for record in transaction.cursor(table).iternext(keys=False):
                found = sum_of(found, None, record)
    if found != head.sum:
        reason = "a key, checkpoint or lease is missing, or older than the head"
        yield Problem(position=None, reason=reason)


def _walk(
    environment: Environment, table: Table, tell: _Tell, *, is_index: bool = False
) -> Iterator[tuple[Transaction, bytes, bytes]]:
    """
    Yield each item of a table with a snapshot that it stands in, which is held for a moment only.
    """
    after: tuple[bytes, bytes] | None = None
    done, more = 0, True
    while more:
        more = False
        with environment.reading() as transaction:
            total: int = transaction.handle.stat(table)["entries"]
            count = size = 0
            behind = _behind_in_index if is_index else _behind
            for key, value in behind(transaction, table, after):
                yield transaction, key, value
                after, count, size = (key, value), count + 1, size + len(value)
                if count >= RECORDS_AT_ONCE or size >= BYTES_AT_ONCE:
                    more = True
                    break
        done += count
        # What was appended meanwhile counts from the next snapshot on.
        tell(done, max(done, total))


def _behind(
    transaction: Transaction, table: Table, after: tuple[bytes, bytes] | None
) -> Iterator[tuple[bytes, bytes]]:
    cursor = transaction.cursor(table)
    if after is None:
        return cursor.iternext()
    # The first key behind another one is that key with a zero behind it.
    return cursor.iternext() if cursor.set_range(after[0] + b"\0") else iter(())


def _behind_in_index(
    transaction: Transaction, table: Table, after: tuple[bytes, bytes] | None
) -> Iterator[tuple[bytes, bytes]]:
    cursor = transaction.cursor(table)
    if after is None:
        return cursor.iternext()
    key, place = after
    following = to_key(int.from_bytes(place) + 1)
    found = cursor.set_range_dup(key, following) or cursor.set_range(key + b"\0")
    return cursor.iternext() if found else iter(())


_LOOKS: Final[Mapping[str, _Look]] = {
    "head": _look_at_head,
    "events": _look_at_events,
    "streams": _look_at_streams,
    "versions": _look_at_versions,
    "categories": _look_at_categories,
    "sums": _look_at_sum,
    "keys": _look_at_records("keys", first_answer_of),
    "checkpoints": _look_at_records("checkpoints", checkpoint_of),
    "leases": _look_at_records("leases", lease_of),
}
