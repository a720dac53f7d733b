"""
Taking over a log as it is, in several transactions of which all count or none.

A transaction of LMDB's cannot outgrow the map it began with, nor the memory. So the head is written
last, and until then it says that what stands beyond it is no log. Whoever writes next, after a
crash, removes that.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from typing import Final, Protocol, TypeVar

from azoth.appending import CheckedWrite
from azoth.errors import StoreError
from azoth.events import Event, NewEvent
from azoth.records import encode_metadata
from azoth.restoring import checked_log
from azoth.streams import ANY
from azoth_lmdb.saving import EventBatch
from azoth_lmdb.state import WriterState
from azoth_lmdb.tables import Transaction

__all__ = ["BYTES_AT_ONCE", "EVENTS_AT_ONCE", "Transact", "Work", "clear", "restore"]

EVENTS_AT_ONCE: Final = 10_000
"""Of one transaction: enough for its syncs to cost little."""

BYTES_AT_ONCE: Final = 16 * 1024 * 1024
"""Of one transaction, likewise; it is held in memory whole."""

Result = TypeVar("Result")

Work = Callable[[Transaction, WriterState], Result]
"""What is done in a transaction; done again, from the start, where the map had to grow."""


class Transact(Protocol):
    """
    Be what runs work in a transaction and commits it.
    """

    def __call__(self, work: Work[Result], /) -> Result:
        """
        Return what *work* returns, once it is committed.
        """
        ...


def restore(transact: Transact, events: Iterable[Event]) -> int:
    """
    Write *events* into an empty log.

    Returns:
        The new head.

    Raises:
        ValueError: There are events already, or *events* are not a log from 1 on.
    """
    transact(_begin)
    try:
        head = recorded_at = 0
        for batch, last in _batches(events):
            transact(partial(_save, batch))
            head, recorded_at = last.position, last.recorded_at
        transact(lambda _, state: _end(state, head, recorded_at))
    except BaseException:
        # Should this fail too, the next writer does it.
        with suppress(StoreError):
            transact(clear)
        raise
    return head


def clear(transaction: Transaction, state: WriterState) -> None:
    """
    Remove what was restored of a log that is not whole.
    """
    tables = transaction.tables
    for table in (tables.events, tables.streams, tables.by_stream, tables.by_category):
        transaction.handle.drop(table, delete=False)
    state.restore(goes_on=False)


def _begin(transaction: Transaction, state: WriterState) -> None:
    if state.restoring:
        clear(transaction, state)
    if state.head:
        raise ValueError(f"the store has {state.head} events; restore into a new one")
    state.restore(goes_on=True)


def _save(batch: EventBatch, transaction: Transaction, state: WriterState) -> None:
    batch.save(transaction)
    state.restore(goes_on=True)


def _end(state: WriterState, head: int, recorded_at: int) -> None:
    state.advance(head, recorded_at, {})
    state.restore(goes_on=False)


def _batches(events: Iterable[Event]) -> Iterator[tuple[EventBatch, Event]]:
    batch, count, size, last = EventBatch(), 0, 0, None
    for event in checked_log(events):
        if last is not None and (count >= EVENTS_AT_ONCE or size >= BYTES_AT_ONCE):
            yield batch, last
            batch, count, size = EventBatch(), 0, 0
        _add(batch, event)
        count, size, last = count + 1, size + len(event.data), event
    if last is not None:
        yield batch, last


def _add(batch: EventBatch, event: Event) -> None:
    as_new = NewEvent(event.type, event.data, event.metadata, event.schema)
    write = CheckedWrite(event.stream, [as_new], [encode_metadata(event.metadata)], ANY)
    batch.add(write, event.position, event.version, event.recorded_at)
