"""
Taking over events as they are.
"""

import sqlite3
from collections.abc import Sequence
from typing import Final

from azoth.appending import CheckedWrite
from azoth.events import Event, NewEvent
from azoth.records import encode_metadata
from azoth.restoring import check_restored
from azoth.streams import ANY
from azoth_sqlite.rows import StreamRow, head_row
from azoth_sqlite.saving import PAGE_BYTES, EventParameters, add_event_rows, place_stream
from azoth_sqlite.state import WriterState
from azoth_sqlite.statements import statement

__all__ = ["restore"]

_INSERT_EVENT: Final = statement("insert_event")
_UPDATE_HEAD: Final = statement("update_head")


def restore(cursor: sqlite3.Cursor, state: WriterState, events: Sequence[Event]) -> int:
    """
    Write *events*, which go on from the head, and tell *state* of them.

    Returns:
        About how many pages the WAL grows by.

    Raises:
        ValueError: They do not go on from the head.
    """
    versions = check_restored(events, state)
    if not events:
        return 0
    rows: list[EventParameters] = []
    size = 0
    for event in events:
        stream = _placed(cursor, state, event.stream)
        as_new = NewEvent(event.type, event.data, event.metadata, event.schema)
        write = CheckedWrite(event.stream, [as_new], [encode_metadata(event.metadata)], ANY)
        add_event_rows(rows, write, stream, event.position, event.version, event.recorded_at)
        size += len(event.data)
    cursor.executemany(_INSERT_EVENT, rows)
    head, recorded_at = events[-1].position, events[-1].recorded_at
    cursor.execute(_UPDATE_HEAD, head_row(head, recorded_at))
    state.advance(head, recorded_at, versions)
    return 4 + len(versions) + 2 * size // PAGE_BYTES


def _placed(cursor: sqlite3.Cursor, state: WriterState, name: str) -> StreamRow:
    stream = state.stream(name)
    if stream is None:
        stream = place_stream(cursor, name)
        state.place(name, stream)
    return stream
