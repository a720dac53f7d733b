"""
Rows to values and back, each compared with its checksum on the way out.
"""

import json
import sqlite3
import struct
from collections.abc import Mapping
from typing import Final, TypeAlias
from zlib import crc32

from attrs import frozen

from azoth.appending import FirstAnswer
from azoth.clocks import Instant
from azoth.errors import StoreCorrupt
from azoth.events import Appended, Event
from azoth.records import crc_of_event, crc_of_record, decode_metadata
from azoth.store import Lease
from azoth.streams import Position, Version
from azoth_sqlite.statements import statement

__all__ = [
    "NAMES_MAX",
    "EventRow",
    "StreamName",
    "StreamNames",
    "StreamRow",
    "category_row",
    "checkpoint_row",
    "event_of",
    "head_row",
    "key_row",
    "lease_of",
    "lease_row",
    "load_category_id",
    "load_checkpoint",
    "load_checkpoints",
    "load_first_answer",
    "load_head",
    "load_stream",
    "stream_row",
]

NAMES_MAX: Final = 50_000
"""Of the names kept in memory, about 10 MB; beyond it they are forgotten and read again."""

EventRow: TypeAlias = tuple[int, int, int, bytes, int, int, int, bytes, bytes]
"""position, stream_id, version, type, schema, recorded_at, crc, metadata, data"""

_SELECT_HEAD: Final = statement("select_head")
_SELECT_CATEGORY: Final = statement("select_category")
_SELECT_STREAM_BY_NAME: Final = statement("select_stream_by_name")
_SELECT_STREAM_BY_ID: Final = statement("select_stream_by_id")
_SELECT_KEY: Final = statement("select_key")
_SELECT_CHECKPOINT: Final = statement("select_checkpoint")
_SELECT_CHECKPOINTS: Final = statement("select_checkpoints")


@frozen
class StreamRow:
    """
    Hold the numbers of a stream.
    """

    id: int
    category_id: int


@frozen
class StreamName:
    """
    Hold the name of a stream, as text and as it is stored, and the number of its category.
    """

    text: str
    encoded: bytes
    category_id: int


class StreamNames:
    """
    Remember the names of streams by their numbers; a committed one never changes.
    """

    def __init__(self) -> None:
        self._names: dict[int, StreamName] = {}

    def get(self, cursor: sqlite3.Cursor, stream_id: int) -> StreamName:
        """
        Return the name of a stream.

        Raises:
            StoreCorrupt: There is none, or it does not match its checksum.
        """
        name = self._names.get(stream_id)
        if name is None:
            name = _load_name(cursor, stream_id)
            if len(self._names) >= NAMES_MAX:
                self._names.clear()
            self._names[stream_id] = name
        return name


def event_of(row: EventRow, name: StreamName) -> Event:
    """
    Return the event in a row, whose stream is called *name*.

    Raises:
        StoreCorrupt: It does not match its checksum.
    """
    position, _, version, type_, schema, recorded_at, crc, metadata, data = row
    try:
        actual = crc_of_event(
            position, name.encoded, version, type_, schema, recorded_at, metadata, data
        )
    except (TypeError, struct.error):
        # A damaged row may hold a value of another type, or a number out of range.
        actual = None
    # The checksum itself may have become NULL.
    if actual is None or actual != crc:
        raise StoreCorrupt(position=position)
    return Event(
        Position(position),
        name.text,
        Version(version),
        type_.decode(),
        data,
        decode_metadata(metadata),
        schema,
        Instant(recorded_at),
    )


def head_row(position: int, recorded_at: int) -> tuple[int, int, int]:
    """
    Return the row of the head.
    """
    # Written with each commit, so its sum is made faster than those of other records.
    return position, recorded_at, crc32(b"head %d %d" % (position, recorded_at))


def load_head(cursor: sqlite3.Cursor) -> tuple[int, int]:
    """
    Return the head and the time of the event there.
    """
    # A damaged row may hold values of another type.
    match cursor.execute(_SELECT_HEAD).fetchone():
        case int(position), int(recorded_at), crc if head_row(position, recorded_at)[-1] == crc:
            return position, recorded_at
        case _:
            raise _damaged("the head")


def category_row(category_id: int, name: str | bytes) -> tuple[int, str | bytes, int]:
    """
    Return the row of a category.
    """
    return category_id, name, crc_of_record("category", category_id, name)


def load_category_id(cursor: sqlite3.Cursor, name: str) -> int | None:
    """
    Return the number of a category; None for a new one.
    """
    row = cursor.execute(_SELECT_CATEGORY, (name,)).fetchone()
    if row is None:
        return None
    if category_row(row[0], name)[-1] != row[-1]:
        raise _damaged(f"category {name!r}")
    return int(row[0])


def stream_row(
    stream_id: int, name: str | bytes, category_id: int
) -> tuple[int, str | bytes, int, int]:
    """
    Return the row of a stream.
    """
    return stream_id, name, category_id, crc_of_record("stream", stream_id, name, category_id)


def load_stream(cursor: sqlite3.Cursor, name: str) -> StreamRow | None:
    """
    Return the numbers of a stream; None for a missing one.
    """
    row = cursor.execute(_SELECT_STREAM_BY_NAME, (name,)).fetchone()
    if row is None:
        return None
    if stream_row(row[0], name, row[1])[-1] != row[-1]:
        raise _damaged(f"stream {name!r}")
    return StreamRow(row[0], row[1])


def key_row(key: str | bytes, first: FirstAnswer) -> tuple[str | bytes, bytes, int, int, str, int]:
    """
    Return the row of an idempotency key.
    """
    answer = first.answer
    versions = json.dumps(dict(answer.versions), ensure_ascii=False, separators=(",", ":"))
    fields = first.digest, int(answer.first), int(answer.last), versions
    return key, *fields, crc_of_record("key", key, *fields)


def load_first_answer(cursor: sqlite3.Cursor, key: str) -> FirstAnswer | None:
    """
    Return what a key was used for; None for a new one.
    """
    row = cursor.execute(_SELECT_KEY, (key,)).fetchone()
    if row is None:
        return None
    digest, first, last, versions, crc = row
    if crc_of_record("key", key, digest, first, last, versions) != crc:
        raise _damaged(f"key {key!r}")
    answer = Appended(first=Position(first), last=Position(last), versions=json.loads(versions))
    return FirstAnswer(digest, answer)


def checkpoint_row(consumer: str | bytes, position: int) -> tuple[str | bytes, int, int]:
    """
    Return the row of a checkpoint.
    """
    return consumer, position, crc_of_record("checkpoint", consumer, position)


def load_checkpoint(cursor: sqlite3.Cursor, consumer: str) -> int:
    """
    Return the position of a consumer; 0 if it never saved.
    """
    row = cursor.execute(_SELECT_CHECKPOINT, (consumer,)).fetchone()
    if row is None:
        return 0
    if checkpoint_row(consumer, row[0])[-1] != row[-1]:
        raise _damaged(f"the checkpoint of {consumer!r}")
    return int(row[0])


def load_checkpoints(cursor: sqlite3.Cursor) -> Mapping[str, int]:
    """
    Return the position of each consumer.
    """
    found: dict[str, int] = {}
    for consumer, position, crc in cursor.execute(_SELECT_CHECKPOINTS):
        if checkpoint_row(consumer, position)[-1] != crc:
            raise _damaged(f"the checkpoint of {consumer!r}")
        found[consumer.decode()] = int(position)
    return found


def lease_row(worker: str | bytes, until: int) -> tuple[str | bytes, int, int]:
    """
    Return the row of a worker's lease.
    """
    return worker, until, crc_of_record("lease", worker, until)


def lease_of(row: tuple[bytes, int, int]) -> Lease:
    """
    Return the lease in a row.
    """
    if lease_row(row[0], row[1]) != row:
        raise _damaged("a lease")
    return Lease(worker=row[0].decode(), until=Instant(row[1]))


def _load_name(cursor: sqlite3.Cursor, stream_id: int) -> StreamName:
    row = cursor.execute(_SELECT_STREAM_BY_ID, (stream_id,)).fetchone()
    if row is None or stream_row(stream_id, row[0], row[1])[-1] != row[-1]:
        raise _damaged(f"stream number {stream_id}")
    return StreamName(row[0].decode(), row[0], row[1])


def _damaged(what: str) -> StoreCorrupt:
    return StoreCorrupt(position=None, reason=f"{what} does not match its checksum")
