"""
What the writer knows of the log: read once, kept while nobody else commits.

Most appends then read nothing at all. `data_version` moves when another connection commits, and
whatever that commit may have changed is read again.
"""

import sqlite3
from collections.abc import Mapping
from typing import Final

from azoth.appending import FirstAnswer
from azoth.errors import StoreCorrupt
from azoth_sqlite.rows import (
    StreamName,
    StreamRow,
    event_of,
    load_checkpoint,
    load_first_answer,
    load_head,
    load_stream,
)
from azoth_sqlite.statements import statement

__all__ = ["STREAMS_MAX", "WriterState"]

STREAMS_MAX: Final = 50_000
"""Of the streams kept in memory, about 15 MB; beyond it they are forgotten and read again."""

_DATA_VERSION: Final = statement("data_version")
_LAST_OF_STREAM: Final = statement("select_last_of_stream")


class WriterState:
    """
    Answer what `admit` asks; within a transaction of the writing connection only.

    Args:
        cursor: Of the writing connection.
    """

    def __init__(self, cursor: sqlite3.Cursor) -> None:
        self._cursor = cursor
        self._streams: dict[str, StreamRow] = {}
        self._versions: dict[str, int] = {}
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
            self._forget()
        self.head = head

    def advance(self, head: int, recorded_at: int, versions: Mapping[str, int]) -> None:
        """
        Take over what is being committed; it counts only if `keep` follows.
        """
        self.head, self.recorded_at = head, recorded_at
        self._versions.update(versions)
        if len(self._versions) > STREAMS_MAX:
            self._forget()

    def keep(self) -> None:
        """
        Say that the transaction is committed, so that what is known counts for the next one.
        """
        self._seen = self._current

    def version(self, stream: str) -> int:
        """
        Return the version of *stream*; 0 for a missing one.
        """
        known = self._versions.get(stream)
        return self._load(stream) if known is None else known

    def stream(self, name: str) -> StreamRow | None:
        """
        Return the numbers of a stream whose version was asked for; None for a missing one.
        """
        return self._streams.get(name)

    def place(self, name: str, stream: StreamRow) -> None:
        """
        Take over a stream that is being made.
        """
        self._streams[name] = stream

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

    def _load(self, name: str) -> int:
        row = load_stream(self._cursor, name)
        if row is None:
            return 0
        last = self._cursor.execute(_LAST_OF_STREAM, (row.id,)).fetchone()
        if last is None:
            raise StoreCorrupt(position=None, reason=f"stream {name!r} has lost its events")
        event = event_of(last, StreamName(name, name.encode(), row.category_id))
        self._streams[name] = row
        self._versions[name] = event.version
        return event.version

    def _forget(self) -> None:
        self._streams.clear()
        self._versions.clear()
