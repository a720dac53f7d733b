"""
What every store keeps beside an event: its encoded metadata, its checksum, its size in a page.

A checksum covers the fields *and the key* of a record, so that a record which is whole but stands
in the wrong place is found too. CRC-32 finds every change of up to 32 neighbouring bits.
"""

import json
from collections.abc import Mapping
from struct import Struct
from typing import Final
from zlib import crc32

from azoth.events import NO_METADATA, Metadata

__all__ = [
    "PAGE_EXAMINED_MAX",
    "crc_of_event",
    "crc_of_record",
    "decode_metadata",
    "encode_metadata",
]

PAGE_EXAMINED_MAX: Final = 10_000
"""Of one page of a query by type: a rare type must not turn one read into a scan of the log."""

_NUMBERS: Final = Struct(">QQqIHHI")


def encode_metadata(metadata: Mapping[str, str]) -> bytes:
    """
    Return metadata as JSON in UTF-8; no bytes for none, the usual case.
    """
    if metadata is NO_METADATA or not metadata:
        return b""
    return json.dumps(dict(metadata), ensure_ascii=False, separators=(",", ":")).encode()


def decode_metadata(encoded: bytes) -> Metadata:
    """
    Return what `encode_metadata` was given; its record's checksum was compared before.
    """
    return Metadata(json.loads(encoded)) if encoded else NO_METADATA


def crc_of_event(  # noqa: PLR0917 - called for each event: names would cost a tenth of its time
    position: int,
    stream: bytes,
    version: int,
    type: bytes,
    schema: int,
    recorded_at: int,
    metadata: bytes,
    data: bytes,
) -> int:
    """
    Return the CRC-32 of an event; names are UTF-8.

    The lengths go first, so that no byte can move from one field to the next unseen.
    """
    numbers = _NUMBERS.pack(
        position, version, recorded_at, schema, len(stream), len(type), len(metadata)
    )
    return crc32(data, crc32(b"".join((numbers, stream, type, metadata))))


def crc_of_record(kind: str, *fields: int | str | bytes) -> int:
    """
    Return the CRC-32 of a key, checkpoint, head or other small record.

    Args:
        kind: What the record is, so that one kind is never taken for another.
        *fields: Its key and its fields, in a fixed order.
    """
    crc = crc32(kind.encode())
    for field in fields:
        encoded = field if isinstance(field, bytes) else str(field).encode()
        crc = crc32(b"%d:%b" % (len(encoded), encoded), crc)
    return crc
