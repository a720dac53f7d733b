"""
A digest of a log: whoever has the same one has the same events, bytes and times.
"""

from hashlib import blake2b
from struct import Struct
from typing import Final

from azoth.events import Event
from azoth.records import encode_metadata

__all__ = ["LogDigest"]

_BYTES: Final = 16
_NUMBERS: Final = Struct(">QQqIHHIQ")


class LogDigest:
    """
    Hash events in their order; what a store keeps beside them is not in it.

    Attributes:
        events: How many were added.
    """

    __slots__ = ("_hash", "events")

    def __init__(self) -> None:
        self._hash = blake2b(digest_size=_BYTES)
        self.events = 0

    def add(self, event: Event) -> None:
        """
        Put the next event in.
        """
        stream, type_ = event.stream.encode(), event.type.encode()
        metadata = encode_metadata(event.metadata)
        # The lengths go first, so that no byte can move from one field to the next unseen.
        numbers = _NUMBERS.pack(
            event.position,
            event.version,
            event.recorded_at,
            event.schema,
            len(stream),
            len(type_),
            len(metadata),
            len(event.data),
        )
        self._hash.update(b"".join((numbers, stream, type_, metadata, event.data)))
        self.events += 1

    def hexdigest(self) -> str:
        """
        Return the hash of what was added as 32 hexadecimal digits.
        """
        return self._hash.hexdigest()
