"""
The rows of a commit: what a draft holds, written in few statements.
"""

import sqlite3
from typing import Final, TypeAlias

from azoth.appending import CheckedWrite, Draft
from azoth.events import category_of
from azoth.records import crc_of_event
from azoth_sqlite.rows import (
    StreamRow,
    category_row,
    checkpoint_row,
    head_row,
    key_row,
    load_category_id,
    stream_row,
)
from azoth_sqlite.state import WriterState
from azoth_sqlite.statements import statement

__all__ = ["PAGE_BYTES", "EventParameters", "add_event_rows", "place_stream", "save"]

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
        rows = _rows(cursor, draft, state)
        if len(rows) == 1:
            cursor.execute(_INSERT_EVENT, rows[0])
        else:
            cursor.executemany(_INSERT_EVENT, rows)
        cursor.execute(_UPDATE_HEAD, head_row(draft.head, draft.recorded_at))
        state.advance(draft.head, draft.recorded_at, draft.versions)
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


def place_stream(cursor: sqlite3.Cursor, name: str) -> StreamRow:
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
    return StreamRow(stream_id, category_id)


def _next(cursor: sqlite3.Cursor, last: str) -> int:
    (found,) = cursor.execute(last).fetchone()
    return int(found) + 1


def _rows(cursor: sqlite3.Cursor, draft: Draft, state: WriterState) -> list[EventParameters]:
    rows: list[EventParameters] = []
    for request, answer in draft.admitted:
        position: int = answer.first
        for write in request.writes:
            count = len(write.events)
            if count == 0:
                continue
            stream = state.stream(write.stream)
            if stream is None:
                stream = place_stream(cursor, write.stream)
                state.place(write.stream, stream)
            version = answer.versions[write.stream] - count + 1
            add_event_rows(rows, write, stream, position, version, draft.recorded_at)
            position += count
    return rows


def add_event_rows(  # noqa: PLR0917 - called for each write: names would cost a tenth of its time
    rows: list[EventParameters],
    write: CheckedWrite,
    stream: StreamRow,
    position: int,
    version: int,
    recorded_at: int,
) -> None:
    """
    Add the rows of a write whose first event gets *position* and *version*.
    """
    stream_id, category_id, name = stream.id, stream.category_id, write.stream.encode()
    for event, metadata in zip(write.events, write.metadata, strict=True):
        type_, schema, data = event.type, event.schema, event.data
        crc = crc_of_event(
            position, name, version, type_.encode(), schema, recorded_at, metadata, data
        )
        places = position, stream_id, version, category_id
        rows.append((*places, type_, schema, recorded_at, crc, metadata, data))
        position += 1
        version += 1
