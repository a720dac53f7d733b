"""
Taking over a log as it is, in one transaction.
"""

import sqlite3
from collections.abc import Iterable
from itertools import islice
from typing import Final

from azoth.appending import CheckedWrite
from azoth.events import Event, NewEvent
from azoth.records import encode_metadata
from azoth.restoring import checked_log
from azoth.streams import ANY
from azoth_sqlite.rows import StreamRow, head_row
from azoth_sqlite.saving import EventParameters, add_event_rows, place_stream
from azoth_sqlite.state import WriterState
from azoth_sqlite.statements import statement

__all__ = ["ROWS_AT_ONCE", "restore"]

ROWS_AT_ONCE: Final = 1_000
"""Enough for the driver to work in bulk; the log itself may be larger than the memory."""

_INSERT_EVENT: Final = statement("insert_event")
_UPDATE_HEAD: Final = statement("update_head")


def restore(cursor: sqlite3.Cursor, state: WriterState, events: Iterable[Event]) -> int:
    """
    Write *events* into an empty log.

    Returns:
        The new head.

    Raises:
        ValueError: There are events already, or *events* are not a log from 1 on.
    """
    if state.head:
        raise ValueError(f"the store has {state.head} events; restore into a new one")
    head = recorded_at = 0
    streams: dict[str, StreamRow] = {}
    log = checked_log(events)
    while batch := list(islice(log, ROWS_AT_ONCE)):
        cursor.executemany(_INSERT_EVENT, _rows(cursor, batch, streams))
        head, recorded_at = batch[-1].position, batch[-1].recorded_at
    cursor.execute(_UPDATE_HEAD, head_row(head, recorded_at))
    state.advance(head, recorded_at, {})
    return head


def _rows(
    cursor: sqlite3.Cursor, batch: Iterable[Event], streams: dict[str, StreamRow]
) -> list[EventParameters]:
    rows: list[EventParameters] = []
    for event in batch:
        stream = streams.get(event.stream)
        if stream is None:
            stream = streams[event.stream] = place_stream(cursor, event.stream)
        as_new = NewEvent(event.type, event.data, event.metadata, event.schema)
        write = CheckedWrite(event.stream, [as_new], [encode_metadata(event.metadata)], ANY)
        add_event_rows(rows, write, stream, event.position, event.version, event.recorded_at)
    return rows
