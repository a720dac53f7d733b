"""
What the writer knows of the log: read once, kept while nobody else commits.

Most appends then read nothing at all. Commits are numbered without a gap, so a transaction whose
number does not follow that of our last commit tells that others committed.
"""

from collections.abc import Mapping
from typing import Final

from azoth.appending import FirstAnswer
from azoth_lmdb.records import (
    Head,
    head_record,
    load_checkpoint,
    load_first_answer,
    load_head,
    load_stream,
    sum_of,
)
from azoth_lmdb.tables import Transaction

__all__ = ["STREAMS_MAX", "WriterState"]

STREAMS_MAX: Final = 50_000
"""Of the streams kept in memory, about 10 MB; beyond it they are forgotten and read again."""


class WriterState:
    """
    Answer what `admit` asks; within a writing transaction only.

    Attributes:
        head: The position of the last event; 0 for an empty log.
        recorded_at: The time of the last event; 0 for an empty log.
    """

    def __init__(self) -> None:
        self._streams: dict[str, int] = {}
        self._transaction: Transaction | None = None
        self._seen: int | None = None
        self._before = 0
        self._changed = False
        self._sum = 0
        self.head = 0
        self.recorded_at = 0

    def refresh(self, transaction: Transaction) -> None:
        """
        Forget what others may have changed; what is known counts until `keep`.
        """
        self._transaction, self._changed = transaction, False
        self._before = before = transaction.number - 1
        # Should anything go wrong from here on, the next transaction reads everything again.
        seen, self._seen = self._seen, None
        if seen != before:
            self._streams.clear()
            end = load_head(transaction, before)
            self.head, self.recorded_at = end.position, end.recorded_at
            self._sum = end.sum

    def advance(self, head: int, recorded_at: int, versions: Mapping[str, int]) -> None:
        """
        Take over the events that are being committed; they count only if `keep` follows.
        """
        self.head, self.recorded_at, self._changed = head, recorded_at, True
        if len(self._streams) >= STREAMS_MAX:
            self._streams.clear()
        self._streams.update(versions)

    def replace(self, old: bytes | None, new: bytes) -> None:
        """
        Take over the record of a key, checkpoint or lease, likewise.
        """
        self._sum, self._changed = sum_of(self._sum, old, new), True

    def save(self, transaction: Transaction) -> None:
        """
        Write the head, unless the transaction changes nothing.
        """
        if self._changed:
            head = Head(self.head, self.recorded_at, self._before + 1, self._sum)
            transaction.put(transaction.tables.azoth, b"head", head_record(head))

    def keep(self) -> None:
        """
        Say that the transaction is committed, so that what is known counts for the next one.
        """
        # A transaction that changed nothing is no commit.
        self._seen = self._before + self._changed

    def version(self, stream: str) -> int:
        """
        Return the version of *stream*; 0 for a missing one.
        """
        known = self._streams.get(stream)
        if known is None:
            end = load_stream(self._opened(), stream.encode())
            known = self._streams[stream] = 0 if end is None else end.version
        return known

    def checkpoint(self, consumer: str) -> int:
        """
        Return the position saved for *consumer*; 0 if it never saved.
        """
        return load_checkpoint(self._opened(), consumer.encode())

    def first_answer(self, key: str) -> FirstAnswer | None:
        """
        Return what *key* was used for; None if it is new.
        """
        return load_first_answer(self._opened(), key.encode())

    def _opened(self) -> Transaction:
        assert self._transaction is not None, "the state answers within a transaction"
        return self._transaction
