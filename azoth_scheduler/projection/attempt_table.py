"""
The attempts of a table in memory: by execution id, and by task in the order of their starts.

An attempt that has ended does not change any more. In a dump such attempts stand in chunks, which
are made once, and a table that was loaded reads them when somebody asks for what is in them.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from itertools import chain
from struct import iter_unpack
from typing import Final

from azoth_scheduler.history import AttemptRow
from azoth_scheduler.projection.packed import packed, unpacked
from azoth_scheduler.projection.rows import attempt_bytes, attempt_of

__all__ = ["AttemptTable"]

_CHUNK: Final = 5_000
# Rows of a chunk: what a dump writes again and again is at most one, and the open attempts.

_KEY_BYTES: Final = 8


class AttemptTable:
    """
    Hold attempts.
    """

    def __init__(self) -> None:
        self._rows: dict[str, AttemptRow] = {}
        self._ids_by_task: dict[str, list[str]] = {}
        # Of the dump: the chunks, what has ended since the last one, and what must be written
        # again though a chunk holds it.
        self._chunks: list[bytes] = []
        self._ended: list[str] = []
        self._rewritten: dict[str, None] = {}
        # Of chunks that were loaded and not yet read: the hashes of the ids in them.
        self._unread: Sequence[bytes] = ()
        self._unread_keys: frozenset[bytes] = frozenset()

    def get(self, execution_id: str) -> AttemptRow | None:
        """
        Return an attempt; None if there is none.
        """
        found = self._rows.get(execution_id)
        if found is None and self._unread and _key(execution_id) in self._unread_keys:
            self._read()
            return self._rows.get(execution_id)
        return found

    def put(self, execution_id: str, row: AttemptRow) -> AttemptRow | None:
        """
        Set an attempt, and return what it was before.
        """
        before = self.get(execution_id)
        if before is None or before.started_position != row.started_position:
            self._put_last(execution_id, row.task_id, is_new=before is None)
        self._rows[execution_id] = row
        if before is not None and before.ended_position is not None:
            self._rewritten[execution_id] = None
        elif row.ended_position is not None:
            self._ended.append(execution_id)
        return before

    def _put_last(self, execution_id: str, task_id: str, *, is_new: bool) -> None:
        ids = self._ids_by_task.setdefault(task_id, [])
        if not is_new:
            # No decision starts an attempt again, but a log may say so.
            self._read()
            ids = self._ids_by_task[task_id]
            ids.remove(execution_id)
        ids.append(execution_id)

    def of_task(self, task_id: str, limit: int | None, after: int) -> Sequence[AttemptRow]:
        """
        Return a task's attempts in the order of their starts, from the one after *after*.
        """
        self._read()
        ids = self._ids_by_task.get(task_id, [])
        start = bisect_right(ids, after, key=lambda one: self._rows[one].started_position)
        end = None if limit is None else start + max(0, limit)
        return [self._rows[execution_id] for execution_id in ids[start:end]]

    def rows(self) -> Iterable[AttemptRow]:
        """
        Return every attempt.
        """
        self._read()
        return self._rows.values()

    def dump(self) -> Sequence[bytes]:
        """
        Return all attempts as bytes; of each chunk first the hashes of its ids.
        """
        while len(self._ended) >= _CHUNK:
            ids, self._ended = self._ended[:_CHUNK], self._ended[_CHUNK:]
            keys = b"".join(map(_key, ids))
            self._chunks += [keys, self._packed(ids)]
        open_ids = [key for key, row in self._rows.items() if row.ended_position is None]
        lists = (self._ended, open_ids, self._rewritten)
        return (*map(self._packed, lists), *self._chunks)

    def load(self, parts: Sequence[bytes]) -> None:
        """
        Become what was dumped; it is called on an empty one.
        """
        ended, open_rows, rewritten, *self._chunks = parts
        lists = [list(map(attempt_of, unpacked(part))) for part in (ended, open_rows, rewritten)]
        self._take(row for rows in lists for row in rows)
        self._ended = [row.execution_id for row in lists[0]]
        self._rewritten = {row.execution_id: None for row in lists[2]}
        self._unread = self._chunks[1::2]
        keys = b"".join(self._chunks[::2])
        self._unread_keys = frozenset(key for (key,) in iter_unpack(f"{_KEY_BYTES}s", keys))

    def _packed(self, ids: Iterable[str]) -> bytes:
        return packed(attempt_bytes(self._rows[execution_id]) for execution_id in ids)

    def _take(self, rows: Iterable[AttemptRow]) -> None:
        # A row may stand in two places; it is the later one that counts.
        self._rows = {row.execution_id: row for row in rows}
        self._ids_by_task = {}
        for row in sorted(self._rows.values(), key=lambda row: row.started_position):
            self._ids_by_task.setdefault(row.task_id, []).append(row.execution_id)

    def _read(self) -> None:
        if not self._unread:
            return
        chunks, self._unread, self._unread_keys = self._unread, (), frozenset()
        held = map(attempt_of, chain.from_iterable(map(unpacked, chunks)))
        # What is known already is as new as what the chunks hold, or newer.
        self._take(chain(held, list(self._rows.values())))


def _key(execution_id: str) -> bytes:
    return blake2b(execution_id.encode(), digest_size=_KEY_BYTES).digest()
