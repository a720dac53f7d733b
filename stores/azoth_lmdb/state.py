"""
What the writer knows of the log: read once, kept while nobody else commits.

Most appends then read nothing at all. Commits are numbered without a gap, so a transaction whose
number does not follow that of our last commit tells that others committed.
"""

from collections.abc import Mapping
from typing import Final

from attrs import evolve

from azoth.appending import FirstAnswer
from azoth_lmdb.records import (
    NO_HEAD,
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
    """

    def __init__(self) -> None:
        self._streams: dict[str, int] = {}
        self._transaction: Transaction | None = None
        self._seen: int | None = None
        self._end: Head = NO_HEAD
        self._changed = False

    @property
    def head(self) -> int:
        """
        Return the position of the last event; 0 for an empty log.
        """
        return self._end.position

    @property
    def recorded_at(self) -> int:
        """
        Return the time of the last event; 0 for an empty log.
        """
        return self._end.recorded_at

    @property
    def restoring(self) -> bool:
        """
        Return whether a log is being restored, or was when its process died.
        """
        return self._end.restoring

    def refresh(self, transaction: Transaction) -> None:
        """
        Forget what others may have changed; what is known counts until `keep`.
        """
        self._transaction, self._changed = transaction, False
        # Should anything go wrong from here on, the next transaction reads everything again.
        seen, self._seen = self._seen, None
        if seen != transaction.commit - 1:
            self._streams.clear()
            self._end = load_head(transaction, transaction.commit - 1)

    def draft(self, position: int, recorded_at: int, versions: Mapping[str, int]) -> None:
        """
        Take over the events that are being committed; they count only if `keep` follows.
        """
        self._change(evolve(self._end, position=position, recorded_at=recorded_at))
        if len(self._streams) >= STREAMS_MAX:
            self._streams.clear()
        self._streams.update(versions)

    def replace(self, old: bytes | None, new: bytes) -> None:
        """
        Take over the record of a key, checkpoint or lease, likewise.
        """
        self._change(evolve(self._end, sum=sum_of(self._end.sum, old, new)))

    def restore(self, *, goes_on: bool) -> None:
        """
        Take over that a log is being restored, or no longer, likewise.
        """
        self._change(evolve(self._end, restoring=goes_on))

    def save(self) -> None:
        """
        Write the head, unless the transaction changes nothing.
        """
        transaction = self._opened()
        if self._changed:
            self._end = evolve(self._end, commit=transaction.commit)
            transaction.put(transaction.tables.azoth, b"head", head_record(self._end))

    def keep(self) -> None:
        """
        Say that the transaction is committed, so that what is known counts for the next one.
        """
        self._seen = self._end.commit

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

    def _change(self, end: Head) -> None:
        self._end, self._changed = end, True

    def _opened(self) -> Transaction:
        assert self._transaction is not None, "the state answers within a transaction"
        return self._transaction
