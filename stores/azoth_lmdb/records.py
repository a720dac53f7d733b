"""
Records to bytes and back, each compared with its checksum on the way out.

A small record is its checksum, then its numbers, then its text; the checksum covers the key too.
"""

import json
import struct
from collections.abc import Mapping
from struct import Struct
from typing import Final
from zlib import crc32

from attrs import frozen

from azoth.appending import FirstAnswer
from azoth.clocks import Instant
from azoth.errors import StoreCorrupt
from azoth.events import Appended, Event
from azoth.records import crc_of_event, decode_metadata
from azoth.store import Lease
from azoth.streams import Position, Version
from azoth_lmdb.tables import Transaction, to_key

__all__ = [
    "FORMAT",
    "NO_HEAD",
    "SUM_MODULUS",
    "Head",
    "StreamEnd",
    "checkpoint_of",
    "checkpoint_record",
    "event_of",
    "event_record",
    "first_answer_of",
    "format_of",
    "format_record",
    "head_record",
    "key_record",
    "lease_of",
    "lease_record",
    "load_checkpoint",
    "load_checkpoints",
    "load_event",
    "load_first_answer",
    "load_head",
    "load_stream",
    "stream_record",
    "sum_of",
]

FORMAT: Final = 1
"""The newest format that is understood; the only one."""

SUM_MODULUS: Final = 2**64
"""The sum of checksums in the head wraps around."""

_CRC: Final = Struct(">I")
_FORMAT: Final = Struct(">I")
_HEAD: Final = Struct(">QqQQ")
_STREAM: Final = Struct(">QQ")
_POSITION: Final = Struct(">Q")
_KEY: Final = Struct(">32sQQ")
_EVENT: Final = Struct(">IQqIIBB")


@frozen
class Head:
    """
    Hold the end of the log.

    Attributes:
        position: Of the last event; 0 for an empty log.
        recorded_at: The time of that event.
        commit: The number of the commit that wrote this: every commit does, so that a snapshot
            of another commit than it claims to be is found.
        sum: Of the checksums of all keys, checkpoints and leases, so that a lost one is found.
    """

    position: int
    recorded_at: int
    commit: int
    sum: int


NO_HEAD: Final = Head(0, 0, 0, 0)
"""Before the first commit."""


@frozen
class StreamEnd:
    """
    Hold where a stream ends.

    Attributes:
        version: Of its last event, which is how many it has.
        last: The position of that event.
    """

    version: int
    last: int


def sum_of(sum_: int, old: bytes | None, new: bytes | None) -> int:
    """
    Return the head's sum of checksums after one record took the place of another.
    """
    return (sum_ - _crc_in(old) + _crc_in(new)) % SUM_MODULUS


def format_record(version: int) -> bytes:
    """
    Return the record of the environment's format.
    """
    return _sealed(b"format", b"format", _FORMAT.pack(version))


def format_of(record: bytes | None) -> int:
    """
    Return the format of the environment.
    """
    (version,) = _opened(b"format", b"format", record, _FORMAT)
    return version


def head_record(head: Head) -> bytes:
    """
    Return the record of the head.
    """
    fields = head.position, head.recorded_at, head.commit, head.sum
    return _sealed(b"head", b"head", _HEAD.pack(*fields))


def load_head(transaction: Transaction, commit: int) -> Head:
    """
    Return the head, which the commit of that number wrote.
    """
    record = transaction.get(transaction.tables.azoth, b"head")
    position, recorded_at, by, sum_ = _opened(b"head", b"head", record, _HEAD)
    if by != commit:
        reason = f"commit {by} wrote the head, and the snapshot is of {commit}"
        raise StoreCorrupt(position=None, reason=reason)
    return Head(position, recorded_at, by, sum_)


def stream_record(name: bytes, version: int, last: int) -> bytes:
    """
    Return the record of a stream's end.
    """
    return _sealed(b"stream", name, _STREAM.pack(version, last))


def load_stream(transaction: Transaction, name: bytes) -> StreamEnd | None:
    """
    Return where a stream ends; None for a missing one.
    """
    record = transaction.get(transaction.tables.streams, name)
    return None if record is None else StreamEnd(*_opened(b"stream", name, record, _STREAM))


def event_record(  # noqa: PLR0917 - called for each event: names would cost a tenth of its time
    position: int,
    stream: bytes,
    version: int,
    type: bytes,
    schema: int,
    recorded_at: int,
    metadata: bytes,
    data: bytes,
) -> bytes:
    """
    Return the record of an event.
    """
    crc = crc_of_event(position, stream, version, type, schema, recorded_at, metadata, data)
    numbers = _EVENT.pack(crc, version, recorded_at, schema, len(metadata), len(stream), len(type))
    return b"".join((numbers, stream, type, metadata, data))


def event_of(position: int, record: bytes) -> tuple[Event, int]:
    """
    Return the event in a record, and the size of its data and metadata.

    Raises:
        StoreCorrupt: It does not match its checksum.
    """
    try:
        crc, version, recorded_at, schema, size, stream_size, type_size = _EVENT.unpack_from(record)
    except struct.error:
        raise StoreCorrupt(position=position) from None
    end_of_stream = _EVENT.size + stream_size
    end_of_type = end_of_stream + type_size
    stream, type_ = record[_EVENT.size : end_of_stream], record[end_of_stream:end_of_type]
    metadata, data = record[end_of_type : end_of_type + size], record[end_of_type + size :]
    if crc != crc_of_event(position, stream, version, type_, schema, recorded_at, metadata, data):
        raise StoreCorrupt(position=position)
    event = Event(
        Position(position),
        stream.decode(),
        Version(version),
        type_.decode(),
        data,
        decode_metadata(metadata),
        schema,
        Instant(recorded_at),
    )
    return event, len(record) - end_of_type


def load_event(transaction: Transaction, position: int) -> Event:
    """
    Return the event at a position.

    Raises:
        StoreCorrupt: There is none, or it does not match its checksum.
    """
    record = transaction.get(transaction.tables.events, to_key(position))
    if record is None:
        raise StoreCorrupt(position=position, reason="the event is missing")
    return event_of(position, record)[0]


def key_record(key: bytes, first: FirstAnswer) -> bytes:
    """
    Return the record of an idempotency key.
    """
    answer = first.answer
    versions = json.dumps(dict(answer.versions), ensure_ascii=False, separators=(",", ":"))
    fields = _KEY.pack(first.digest, answer.first, answer.last)
    return _sealed(b"key", key, fields + versions.encode())


def load_first_answer(transaction: Transaction, key: bytes) -> FirstAnswer | None:
    """
    Return what a key was used for; None for a new one.
    """
    record = transaction.get(transaction.tables.keys, key)
    return None if record is None else first_answer_of(key, record)


def first_answer_of(key: bytes, record: bytes) -> FirstAnswer:
    """
    Return what the record of a key says.
    """
    body = _body(b"key", key, record)
    digest, first, last = _KEY.unpack_from(body)
    versions = json.loads(body[_KEY.size :])
    answer = Appended(first=Position(first), last=Position(last), versions=versions)
    return FirstAnswer(digest, answer)


def checkpoint_record(consumer: bytes, position: int) -> bytes:
    """
    Return the record of a checkpoint.
    """
    return _sealed(b"checkpoint", consumer, _POSITION.pack(position))


def load_checkpoint(transaction: Transaction, consumer: bytes) -> int:
    """
    Return the position of a consumer; 0 if it never saved.
    """
    record = transaction.get(transaction.tables.checkpoints, consumer)
    return 0 if record is None else checkpoint_of(consumer, record)


def load_checkpoints(transaction: Transaction) -> Mapping[str, int]:
    """
    Return the position of each consumer.
    """
    records = transaction.cursor(transaction.tables.checkpoints).iternext()
    return {consumer.decode(): checkpoint_of(consumer, record) for consumer, record in records}


def checkpoint_of(consumer: bytes, record: bytes) -> int:
    """
    Return the position in the record of a checkpoint.
    """
    (position,) = _opened(b"checkpoint", consumer, record, _POSITION)
    return position


def lease_record(worker: bytes, until: int) -> bytes:
    """
    Return the record of a worker's lease.
    """
    return _sealed(b"lease", worker, _POSITION.pack(until))


def lease_of(worker: bytes, record: bytes) -> Lease:
    """
    Return the lease in a record.
    """
    (until,) = _opened(b"lease", worker, record, _POSITION)
    return Lease(worker=worker.decode(), until=Instant(until))


def _sealed(kind: bytes, key: bytes, body: bytes) -> bytes:
    # The numbers at the begin of a body have one length, so nothing can move between it and a key.
    return _CRC.pack(crc32(body, crc32(key, crc32(kind)))) + body


def _opened(kind: bytes, key: bytes, record: bytes | None, layout: Struct) -> tuple[int, ...]:
    body = _body(kind, key, record)
    return layout.unpack(body)


def _body(kind: bytes, key: bytes, record: bytes | None) -> bytes:
    body = b"" if record is None else record[_CRC.size :]
    if record is None or _sealed(kind, key, body) != record:
        reason = f"the {kind.decode()} of {key!r} does not match its checksum"
        raise StoreCorrupt(position=None, reason=reason)
    return body


def _crc_in(record: bytes | None) -> int:
    return 0 if record is None else int.from_bytes(record[: _CRC.size])
