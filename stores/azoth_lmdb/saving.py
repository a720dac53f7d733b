"""
The records of a commit: what a draft holds, written in few calls.
"""

from azoth.appending import CheckedWrite, Draft
from azoth.errors import StoreCorrupt
from azoth.events import category_of
from azoth_lmdb.records import (
    checkpoint_record,
    event_record,
    key_record,
    stream_record,
)
from azoth_lmdb.state import WriterState
from azoth_lmdb.tables import Table, Transaction, to_key

__all__ = ["EventBatch", "save", "save_counted"]


class EventBatch:
    """
    Collect what events add to the tables, each table to be written in one call.
    """

    def __init__(self) -> None:
        self._events: list[tuple[bytes, bytes]] = []
        self._by_stream: list[tuple[bytes, bytes]] = []
        self._by_category: list[tuple[bytes, bytes]] = []
        self._ends: dict[bytes, bytes] = {}

    def add(self, write: CheckedWrite, position: int, version: int, recorded_at: int) -> None:
        """
        Add the events of a write, of which the first gets *position* and *version*.
        """
        stream, category = write.stream.encode(), category_of(write.stream).encode()
        for event, metadata in zip(write.events, write.metadata, strict=True):
            place, type_ = to_key(position), event.type.encode()
            record = event_record(
                position, stream, version, type_, event.schema, recorded_at, metadata, event.data
            )
            self._events.append((place, record))
            self._by_stream.append((stream, place))
            # A key of LMDB's is never empty, and nobody can ask for an empty category.
            if category:
                self._by_category.append((category, place))
            position += 1
            version += 1
        self._ends[stream] = stream_record(stream, version - 1, position - 1)

    def save(self, transaction: Transaction) -> None:
        """
        Write all.

        Raises:
            StoreCorrupt: Something stands where the log should end.
        """
        tables = transaction.tables
        is_new = (
            transaction.append(tables.events, self._events)
            and transaction.index(tables.by_stream, self._by_stream)
            and transaction.index(tables.by_category, self._by_category)
        )
        if not is_new:
            raise StoreCorrupt(position=None, reason="something stands beyond the head")
        for stream, end in self._ends.items():
            transaction.put(tables.streams, stream, end)


def save(transaction: Transaction, draft: Draft, state: WriterState) -> None:
    """
    Write all that *draft* holds, and tell *state* of it.
    """
    tables = transaction.tables
    if draft.head != state.head:
        _batch(draft).save(transaction)
        state.advance(draft.head, draft.recorded_at, draft.versions)
    for key, first in draft.keys.items():
        name = key.encode()
        save_counted(transaction, state, tables.keys, name, key_record(name, first))
    for consumer, position in draft.checkpoints.items():
        name = consumer.encode()
        record = checkpoint_record(name, position)
        save_counted(transaction, state, tables.checkpoints, name, record)


def save_counted(
    transaction: Transaction, state: WriterState, table: Table, name: bytes, record: bytes
) -> None:
    """
    Write a record that nothing else in the log tells of, so that the head's sum does.
    """
    state.replace(transaction.get(table, name), record)
    transaction.put(table, name, record)


def _batch(draft: Draft) -> EventBatch:
    batch, recorded_at = EventBatch(), draft.recorded_at
    for request, answer in draft.admitted:
        position: int = answer.first
        for write in request.writes:
            count = len(write.events)
            if count:
                version = answer.versions[write.stream] - count + 1
                batch.add(write, position, version, recorded_at)
                position += count
    return batch
