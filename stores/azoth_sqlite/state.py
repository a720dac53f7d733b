"""
What the writer knows of the log: read once, kept while nobody else commits.

Most appends then read nothing at all. `data_version` moves when another connection commits, and
whatever that commit may have changed is read again.
"""

import sqlite3
from collections.abc import Mapping
from typing import Final

from attrs import frozen

from azoth.appending import FirstAnswer
from azoth.errors import StoreCorrupt
from azoth_sqlite.rows import (
    StreamName,
    event_of,
    load_checkpoint,
    load_first_answer,
    load_head,
    load_stream,
)
from azoth_sqlite.statements import statement

__all__ = ["STREAMS_MAX", "KnownStream", "WriterState"]

STREAMS_MAX: Final = 50_000
"""Of the streams kept in memory, about 15 MB; beyond it they are forgotten and read again."""

_DATA_VERSION: Final = statement("data_version")
_LAST_OF_STREAM: Final = statement("select_last_of_stream")


@frozen
class KnownStream:
    """
    Hold the numbers of a stream, and its version.
    """

    id: int
    category_id: int
    version: int


class WriterState:
    """
    Answer what `admit` asks; within a transaction of the writing connection only.

    Args:
        cursor: Of the writing connection.
    """

    def __init__(self, cursor: sqlite3.Cursor) -> None:
        self._cursor = cursor
        self._streams: dict[str, KnownStream] = {}
        self._seen: int | None = None
        self._current: int | None = None
        self.head = 0
        self.recorded_at = 0

    def refresh(self) -> None:
        """
        Forget what another connection may have changed; what is known counts until `keep`.
        """
        (self._current,) = self._cursor.execute(_DATA_VERSION).fetchone()
        # Should anything go wrong from here on, the next transaction reads everything again.
        seen, self._seen = self._seen, None
        if seen == self._current:
            return
        head, self.recorded_at = load_head(self._cursor)
        if seen is None or head != self.head:
            self._streams.clear()
        self.head = head

    def draft(self, head: int, recorded_at: int, streams: Mapping[str, KnownStream]) -> None:
        """
        Take over what is being committed; it counts only if `keep` follows.
        """
        self.head, self.recorded_at = head, recorded_at
        if len(self._streams) >= STREAMS_MAX:
            self._streams.clear()
        self._streams.update(streams)

    def keep(self) -> None:
        """
        Say that the transaction is committed, so that what is known counts for the next one.
        """
        self._seen = self._current

    def stream(self, name: str) -> KnownStream | None:
        """
        Return what is known of a stream; None for a missing one.
        """
        known = self._streams.get(name)
        if known is None:
            known = self._load(name)
            if known is not None:
                self._streams[name] = known
        return known

    def version(self, stream: str) -> int:
        """
        Return the version of *stream*; 0 for a missing one.
        """
        known = self.stream(stream)
        return 0 if known is None else known.version

    def checkpoint(self, consumer: str) -> int:
        """
        Return the position saved for *consumer*; 0 if it never saved.
        """
        return load_checkpoint(self._cursor, consumer)

    def first_answer(self, key: str) -> FirstAnswer | None:
        """
        Return what *key* was used for; None if it is new.
        """
        return load_first_answer(self._cursor, key)

    def _load(self, name: str) -> KnownStream | None:
        row = load_stream(self._cursor, name)
        if row is None:
            return None
        last = self._cursor.execute(_LAST_OF_STREAM, (row.id,)).fetchone()
        if last is None:
            raise StoreCorrupt(position=None, reason=f"stream {name!r} has lost its events")
        event = event_of(last, StreamName(name, name.encode(), row.category_id))
        return KnownStream(row.id, row.category_id, event.version)
