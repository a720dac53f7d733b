"""
Taking over events as they are.
"""

from collections.abc import Sequence

from azoth.appending import CheckedWrite
from azoth.events import Event, NewEvent
from azoth.records import encode_metadata
from azoth.restoring import check_restored
from azoth.streams import ANY
from azoth_lmdb.saving import EventBatch
from azoth_lmdb.state import WriterState
from azoth_lmdb.tables import Transaction

__all__ = ["restore"]


def restore(transaction: Transaction, state: WriterState, events: Sequence[Event]) -> None:
    """
    Write *events*, which go on from the head, and tell *state* of them.

    Raises:
        ValueError: They do not go on from the head.
    """
    versions = check_restored(events, state)
    if not events:
        return
    batch = EventBatch()
    for event in events:
        as_new = NewEvent(event.type, event.data, event.metadata, event.schema)
        write = CheckedWrite(event.stream, [as_new], [encode_metadata(event.metadata)], ANY)
        batch.add(write, event.position, event.version, event.recorded_at)
    batch.save(transaction)
    state.advance(events[-1].position, events[-1].recorded_at, versions)
