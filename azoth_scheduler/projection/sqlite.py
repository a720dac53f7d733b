"""
The schedule table in SQLite: a file beside the log, so that a start reads only what is new.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from heapq import merge
from itertools import groupby, islice
from os import PathLike, fspath
from typing import get_args

from attrs import evolve as changed
from attrs import frozen

from azoth.clocks import Instant
from azoth.digests import Digest
from azoth.errors import StoreFailed
from azoth.events import Event, Query
from azoth.marks import Mark, mark_of
from azoth_scheduler.history import AttemptRow
from azoth_scheduler.projection.base import QUERY, ActiveRun, Served, TaskFilter
from azoth_scheduler.projection.fold import UnreadableLog, fold
from azoth_scheduler.projection.foreseeing import Foreseen, Known
from azoth_scheduler.projection.rows import attempt_of, definition_of, row, state_of
from azoth_scheduler.projection.statements import statement
from azoth_scheduler.projection.table_file import MEMORY, OnVersion, TableFile
from azoth_scheduler.projection.writing import Batch, lane_key
from azoth_scheduler.task import NO_TASK, TaskState

__all__ = ["SqliteScheduleProjection", "checked_path"]


class SqliteScheduleProjection:
    """
    Keep the schedule table in a SQLite file, or in SQLite's memory.

    Rows and position are saved in one transaction, and several processes may share a file: each
    looks at the position again inside. `due` and `next_wake` cost O(log n) for each lane that they
    serve, which is a task type, a queue and a priority, and `due` O(limit) beyond that.
    Of two tasks that are due, the one with the lower priority number starts first.

    Args:
        path: The file; it is made if it is missing. It can be deleted: it is made of the log alone.
        on_version: What becomes of rows that code of another version wrote: "rebuild" drops them,
            so that the next catching up folds the log again, "refuse" raises. `rebuild_table`
            folds beside the old rows, which answer meanwhile.

    Raises:
        OutdatedTable: The rows are of another version, and are not to be dropped.
        TypeError: *path* is no path.
        ValueError: *path* is empty, or has a NUL character.
        StoreFailed: It is a folder, belongs to another program, or cannot be used.
        StoreBusy: Another process held it for more than 5 s.
    """

    name: str = "schedule"
    version: int = 1
    query: Query = QUERY

    def __init__(
        self, path: str | PathLike[str] = MEMORY, *, on_version: OnVersion = "rebuild"
    ) -> None:
        if on_version not in get_args(OnVersion):
            raise ValueError(f"on_version is {on_version!r}; give 'rebuild' or 'refuse'")
        self._file = TableFile(checked_path(path), self.version, on_version)
        self._unreadable_log = UnreadableLog()
        self._digest: Digest | None = None
        self._digest_position = 0
        self._seen = 0
        self._foreseen = Foreseen()

    @property
    def position(self) -> int:
        """
        Return the position up to which the rows have taken the log in.
        """
        with self._file.transaction() as connection:
            return self._meta(connection).position

    @property
    def mark(self) -> Mark:
        """
        Return the mark that was saved with the rows.
        """
        with self._file.transaction() as connection:
            return self._meta(connection).mark

    def apply(self, events: Sequence[Event], position: int) -> None:
        """
        Fold *events* and move to *position*; what the rows hold already is passed over.
        """
        self._save(events, position, mark_of(events[-1]) if events else None)

    def save(self, events: Sequence[Event], mark: Mark) -> None:
        """
        Fold *events* and move to *mark*; what the rows hold already is passed over.
        """
        self._save(events, mark.position, mark)

    def foresee(self, stream: str, version: int, known: Known) -> None:
        """
        Remember what its appender knows of an event, so that it need not be read back.
        """
        self._foreseen.add(stream, version, known)

    def _save(self, events: Sequence[Event], position: int, mark: Mark | None) -> None:
        with self._file.lock:
            with self._file.transaction("IMMEDIATE") as connection:
                meta = self._meta(connection)
                if position <= meta.position:
                    return
                new = [event for event in events if event.position > meta.position]
                batch = Batch(connection, new)
                folded = fold(new, batch, self._foreseen)
                batch.write(folded)
                mark = mark or meta.mark
                values = (position, mark.position, mark.crc, len(folded.unreadable))
                connection.execute(statement("update_meta"), values)
            self._seen = position
            self._replace_in_digest(meta.position, position, batch)
        self._unreadable_log.report(folded.unreadable)

    def _meta(self, connection: sqlite3.Connection) -> "_Meta":
        version, position, *mark, unreadable = connection.execute(
            statement("select_meta")
        ).fetchone()
        if version != self.version or position < self._seen:
            raise StoreFailed(
                reason="the schedule table was begun anew by another process; open it again, and "
                "give programs of different versions a file each"
            )
        self._seen = position
        return _Meta(position, Mark(position=mark[0], crc=mark[1]), unreadable)

    def due(self, now: Instant, limit: int, served: Served) -> Sequence[TaskState]:
        """
        Return at most *limit* tasks with something to start, by (priority, due time, id).

        Lower numbers come first. When the clock was set back, what lies ahead of it is left out.
        """
        with self._file.transaction() as connection:
            ids = islice(self._due_ids(connection, now, limit, served), max(0, limit))
            return [_task(connection, task_id) for task_id in ids]

    def _due_ids(
        self, connection: sqlite3.Connection, now: Instant, limit: int, served: Served
    ) -> Iterator[str]:
        lanes = sorted(lane for lane in _lanes(connection, served) if lane.wake_at <= now)
        # Lanes of one priority are merged by time; a lower priority is asked only if there is room.
        for _, alike in groupby(lanes, key=lambda lane: lane.priority):
            found = [
                connection.execute(statement("select_due"), (lane.key, now, limit))
                for lane in alike
            ]
            yield from (task_id for _, task_id in merge(*found))

    def next_wake(self, served: Served) -> Instant | None:
        """
        Return when the next task is due, late ones included; None if none will be.
        """
        with self._file.transaction() as connection:
            return min((lane.wake_at for lane in _lanes(connection, served)), default=None)

    def get(self, task_id: str) -> TaskState:
        """
        Return a task's state; `NO_TASK` if its stream has no events.
        """
        with self._file.transaction() as connection:
            return _task(connection, task_id)

    def list(
        self, chosen: TaskFilter, limit: int | None = None, after: str = ""
    ) -> Sequence[TaskState]:
        """
        Return tasks in the order of their ids, from the one after *after*.
        """
        with self._file.transaction() as connection:
            return list(islice(_chosen(connection, chosen, after), _stop(limit)))

    def active(self) -> Sequence[ActiveRun]:
        """
        Return the attempts that run, by task id.
        """
        with self._file.transaction() as connection:
            found = connection.execute(statement("select_running"))
            return [
                ActiveRun(task_id, run)
                for task_id, state in found
                for run in state_of(state, NO_TASK.definition).active
            ]

    def runs(self, task_id: str, limit: int | None = None, after: int = 0) -> Sequence[AttemptRow]:
        """
        Return the attempts of a task in the order of their starts, from the one after *after*.
        """
        values = (task_id, after, -1 if limit is None else max(0, limit))
        with self._file.transaction() as connection:
            found = connection.execute(statement("select_attempts"), values)
            return [attempt_of(attempt) for (attempt,) in found]

    def get_run(self, execution_id: str) -> AttemptRow | None:
        """
        Return one attempt; None if there is none.
        """
        with self._file.transaction() as connection:
            found = connection.execute(statement("select_attempt"), (execution_id,)).fetchone()
            return None if found is None else attempt_of(found[0])

    def unreadable(self) -> int:
        """
        Return how many events of the category could not be read.
        """
        with self._file.transaction() as connection:
            return self._meta(connection).unreadable

    def digest(self) -> str:
        """
        Return a hash of all rows; only the first call looks at each, while no other process writes.
        """
        with self._file.transaction() as connection:
            position = self._meta(connection).position
            if self._digest is None or self._digest_position != position:
                self._digest, self._digest_position = _digest_of(connection), position
            return self._digest.hexdigest()

    def _replace_in_digest(self, before: int, after: int, batch: Batch) -> None:
        if self._digest is None or self._digest_position != before:
            return
        for old in batch.old_rows:
            self._digest.remove(row(*old))
        for new in batch.new_rows:
            self._digest.add(row(*new))
        self._digest_position = after

    def close(self) -> None:
        """
        Close the file; twice is fine.
        """
        self._file.close()


def checked_path(path: str | PathLike[str]) -> str:
    """
    Return the path of a table as text.

    Raises:
        TypeError: It is no path.
        ValueError: It is empty, or has a NUL character.
    """
    named = fspath(path) if isinstance(path, PathLike) else path
    if not isinstance(named, str):
        raise TypeError(f"path is text or a Path, not {path!r}; leave it out for a table in memory")
    # SQLite takes an empty path for a file of its own that is gone when it is closed.
    if not named or "\0" in named:
        raise ValueError(f"path is {named!r}; name a file, or leave it out for a table in memory")
    return named


@frozen
class _Meta:
    position: int
    mark: Mark
    unreadable: int


@frozen(order=True)
class _Lane:
    priority: int
    key: str
    wake_at: Instant


def _lanes(connection: sqlite3.Connection, served: Served) -> Iterator[_Lane]:
    # Of those served that have a task waiting, with the time of the first.
    for key, wake_at in connection.execute(statement("select_lanes")):
        task_type, queue, priority = lane_key(key)
        if served.types is not None and task_type not in served.types:
            continue
        if served.queues is None or queue in served.queues:
            yield _Lane(priority, key, wake_at)


def _task(connection: sqlite3.Connection, task_id: str) -> TaskState:
    found = connection.execute(statement("select_task"), (task_id,)).fetchone()
    return NO_TASK if found is None else _state(*found)


def _state(state: bytes, definition: bytes | None, payload: bytes) -> TaskState:
    if definition is None:
        return state_of(state, NO_TASK.definition)
    return state_of(state, changed(definition_of(definition), payload=payload))


def _chosen(connection: sqlite3.Connection, chosen: TaskFilter, after: str) -> Iterator[TaskState]:
    for task_id, state, definition in connection.execute(statement("select_tasks_after"), (after,)):
        if chosen.matches(state_of(state, definition_of(definition))):
            (payload,) = connection.execute(statement("select_payload"), (task_id,)).fetchone()
            yield _state(state, definition, payload)


def _stop(limit: int | None) -> int | None:
    return None if limit is None else max(0, limit)


def _digest_of(connection: sqlite3.Connection) -> Digest:
    digest = Digest()
    for found in connection.execute(statement("select_all_tasks")):
        digest.add(row(*found))
    for found in connection.execute(statement("select_all_attempts")):
        digest.add(row(*found))
    return digest
