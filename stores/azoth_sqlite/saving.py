"""
The rows of a commit: what a draft holds, written in few statements.
"""

import sqlite3
from collections.abc import Mapping
from typing import Final, TypeAlias

from azoth.appending import CheckedWrite, Draft
from azoth.events import category_of
from azoth.records import crc_of_event
from azoth_sqlite.rows import (
    category_row,
    checkpoint_row,
    head_row,
    key_row,
    load_category_id,
    stream_row,
)
from azoth_sqlite.state import KnownStream, WriterState
from azoth_sqlite.statements import statement

__all__ = ["PAGE_BYTES", "EventParameters", "event_rows", "place_stream", "save"]

PAGE_BYTES: Final = 4_096
"""Of SQLite, unless a file was made otherwise; it only decides when the WAL is copied."""

_UPDATE_HEAD: Final = statement("update_head")
_INSERT_EVENT: Final = statement("insert_event")
_INSERT_STREAM: Final = statement("insert_stream")
_INSERT_CATEGORY: Final = statement("insert_category")
_INSERT_KEY: Final = statement("insert_key")
_REPLACE_CHECKPOINT: Final = statement("replace_checkpoint")
_LAST_STREAM: Final = statement("select_last_stream")
_LAST_CATEGORY: Final = statement("select_last_category")

EventParameters: TypeAlias = tuple[int, int, int, int, str, int, int, int, bytes, bytes]
"""The values of `insert_event`, in its order."""


def save(cursor: sqlite3.Cursor, draft: Draft, state: WriterState) -> int:
    """
    Write all that *draft* holds, and tell *state* of it.

    Returns:
        About how many pages the WAL grows by.
    """
    if draft.head != state.head:
        streams = _place_streams(cursor, draft, state)
        rows = _rows(draft, streams)
        if len(rows) == 1:
            cursor.execute(_INSERT_EVENT, rows[0])
        else:
            cursor.executemany(_INSERT_EVENT, rows)
        cursor.execute(_UPDATE_HEAD, head_row(draft.head, draft.recorded_at))
        state.draft(draft.head, draft.recorded_at, streams)
    if draft.keys:
        cursor.executemany(_INSERT_KEY, [key_row(*item) for item in draft.keys.items()])
    if draft.checkpoints:
        rows_ = [checkpoint_row(*item) for item in draft.checkpoints.items()]
        cursor.executemany(_REPLACE_CHECKPOINT, rows_)
    return _pages(draft)


def _pages(draft: Draft) -> int:
    size = 0
    for admitted in draft.admitted:
        size += admitted.request.size
    return 4 + len(draft.versions) + len(draft.keys) + 2 * size // PAGE_BYTES


def _place_streams(
    cursor: sqlite3.Cursor, draft: Draft, state: WriterState
) -> dict[str, KnownStream]:
    placed: dict[str, KnownStream] = {}
    for name, version in draft.versions.items():
        known = state.stream(name)
        if known is None:
            placed[name] = place_stream(cursor, name, version)
        else:
            placed[name] = KnownStream(known.id, known.category_id, version)
    return placed


def place_stream(cursor: sqlite3.Cursor, name: str, version: int) -> KnownStream:
    """
    Write a new stream, and its category if that is new too.
    """
    category = category_of(name)
    category_id = load_category_id(cursor, category)
    if category_id is None:
        category_id = _next(cursor, _LAST_CATEGORY)
        cursor.execute(_INSERT_CATEGORY, category_row(category_id, category))
    stream_id = _next(cursor, _LAST_STREAM)
    cursor.execute(_INSERT_STREAM, stream_row(stream_id, name, category_id))
    return KnownStream(stream_id, category_id, version)


def _next(cursor: sqlite3.Cursor, last: str) -> int:
    (found,) = cursor.execute(last).fetchone()
    return int(found) + 1


def _rows(draft: Draft, streams: Mapping[str, KnownStream]) -> list[EventParameters]:
    rows: list[EventParameters] = []
    recorded_at = draft.recorded_at
    for admitted in draft.admitted:
        position: int = admitted.answer.first
        for write in admitted.request.writes:
            if write.events:
                version = admitted.answer.versions[write.stream] - len(write.events) + 1
                rows += event_rows(write, streams[write.stream], position, version, recorded_at)
                position += len(write.events)
    return rows


def event_rows(
    write: CheckedWrite, stream: KnownStream, position: int, version: int, recorded_at: int
) -> list[EventParameters]:
    """
    Return the rows of a write whose first event gets *position* and *version*.
    """
    name, stream_id, category_id = write.stream.encode(), stream.id, stream.category_id
    rows: list[EventParameters] = []
    for event, metadata in zip(write.events, write.metadata, strict=True):
        type_, schema, data = event.type, event.schema, event.data
        crc = crc_of_event(
            position, name, version, type_.encode(), schema, recorded_at, metadata, data
        )
        places = position, stream_id, version, category_id
        rows.append((*places, type_, schema, recorded_at, crc, metadata, data))
        position += 1
        version += 1
    return rows
