"""
The one writer of a store object: its transactions, and the WAL's way into the database.
"""

import sqlite3
from collections.abc import Callable, Sequence
from logging import getLogger
from typing import Final, TypeVar

from azoth.appending import AppendRequest, Draft, admit_all
from azoth.clocks import Clock
from azoth.events import Event
from azoth.faults import SyncFailed
from azoth.file_locks import FileLock
from azoth.group_commit import Outcome
from azoth_sqlite.faults import ENGINE_ERRORS, Faults
from azoth_sqlite.restoring import restore
from azoth_sqlite.saving import save
from azoth_sqlite.state import WriterState
from azoth_sqlite.statements import statement

__all__ = ["WAL_PAGES", "Writer"]

WAL_PAGES: Final = 4_000
"""Written before the WAL is copied into the database: 16 MB, so that its syncs cost little."""

_LOGGER: Final = getLogger("azoth")
_BEGIN: Final = statement("begin_write")
_COMMIT: Final = statement("commit")
_CHECKPOINT_WAL: Final = statement("checkpoint_wal")
_TRUNCATE_WAL: Final = statement("truncate_wal")

Result = TypeVar("Result")


class Writer:
    """
    Write to the database; whoever calls it holds the lock of the group commit.

    Args:
        connection: For nobody else.
        lock: Keeps other processes away from a transaction and from what follows it.
        clock: Gives events their time.
        faults: Translates errors.
    """

    def __init__(
        self, connection: sqlite3.Connection, lock: FileLock, clock: Clock, faults: Faults
    ) -> None:
        self._connection = connection
        self._cursor = connection.cursor()
        self._lock = lock
        self._clock = clock
        self._faults = faults
        self._state = WriterState(self._cursor)
        self._pages = 0

    @property
    def head(self) -> int:
        """
        Return the head after the last commit.
        """
        return self._state.head

    def commit(self, requests: Sequence[AppendRequest]) -> Sequence[Outcome]:
        """
        Commit those of *requests* that are admitted, in one transaction.
        """

        def append(cursor: sqlite3.Cursor) -> Sequence[Outcome]:
            draft = Draft(self._state, self._clock.now())
            outcomes = admit_all(requests, draft)
            if draft.admitted:
                self._pages += save(cursor, draft, self._state)
            return outcomes

        return self.write(append)

    def restore(self, events: Sequence[Event]) -> None:
        """
        Write *events*, which go on from the head, in one transaction.
        """

        def take_over(cursor: sqlite3.Cursor) -> None:
            self._pages += restore(cursor, self._state, events)

        self.write(take_over)

    def write(self, work: Callable[[sqlite3.Cursor], Result]) -> Result:
        """
        Run *work* in a transaction and commit it.

        The file lock spans the checkpoint of the WAL too: before 3.51.3 SQLite may damage the
        database when another process commits while one checkpoint follows the other.

        Raises:
            StoreBusy: Another process held the store for longer than the busy timeout.
            StoreError: What SQLite reported; nothing is written, unless it is `SyncFailed`.
        """
        self._faults.check()
        # No context managers here: they would cost a tenth of an append.
        self._lock.acquire(self._faults.busy_timeout)
        try:
            return self._transact(work)
        except ENGINE_ERRORS as error:
            raise self._faults.translate(error) from error
        finally:
            self._lock.release()

    def close(self) -> None:
        """
        Copy the WAL into the database if nobody is in the way, and close the connection.
        """
        try:
            if self._lock.try_lock():
                # Readers of other objects may stand in the way for ever; then the WAL stays.
                self._cursor.execute("PRAGMA busy_timeout = 0")
                self._cursor.execute(_TRUNCATE_WAL).fetchone()
        except sqlite3.Error as error:
            _LOGGER.warning("the WAL stays as it is", extra={"reason": str(error)})
        finally:
            # A cursor left open would keep the file open too.
            self._cursor.close()
            self._connection.close()

    def _transact(self, work: Callable[[sqlite3.Cursor], Result]) -> Result:
        cursor = self._cursor
        try:
            # Not deferred: a transaction that reads first fails at once if others wrote.
            cursor.execute(_BEGIN)
            self._state.refresh()
            result = work(cursor)
            cursor.execute(_COMMIT)
        except BaseException:
            if self._connection.in_transaction:
                self._connection.rollback()
            raise
        self._state.keep()
        if self._pages >= WAL_PAGES:
            self._checkpoint()
        return result

    def _checkpoint(self) -> None:
        self._pages = 0
        try:
            self._cursor.execute(_CHECKPOINT_WAL).fetchone()
        except sqlite3.Error as error:
            translated = self._faults.translate(error)
            if isinstance(translated, SyncFailed):
                raise translated from error
            # The append is safe in the WAL, which grows until a checkpoint succeeds.
            _LOGGER.warning("the WAL was not checkpointed", extra={"reason": str(error)})
