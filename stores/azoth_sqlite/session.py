"""
What a store object holds in one process: connections, locks, the queue, and who waits.
"""

import sqlite3
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from azoth.appending import AppendRequest
from azoth.clocks import Clock
from azoth.errors import StoreFailed
from azoth.events import Event
from azoth.file_locks import FileLock
from azoth.group_commit import GroupCommit, Outcome
from azoth.waiting import Bell
from azoth_sqlite.connections import ReaderPool, connect_reader, leave_open
from azoth_sqlite.faults import Faults
from azoth_sqlite.lookout import Lookout
from azoth_sqlite.migrating import open_writer
from azoth_sqlite.options import SqliteOptions
from azoth_sqlite.place import check_place
from azoth_sqlite.rows import StreamNames
from azoth_sqlite.statements import MIGRATIONS
from azoth_sqlite.workers import Workers
from azoth_sqlite.writer import Writer

__all__ = ["Session"]


class Session:
    """
    Hold all that must not cross a fork.

    Args:
        path: The database file.
        options: Of the store.
        clock: Gives events their time.

    Raises:
        StoreFailed: No database of ours is or can be made there.
        StoreBusy: Another process is opening it for longer than the busy timeout.
    """

    def __init__(self, path: Path, options: SqliteOptions, clock: Clock) -> None:
        self._faults = Faults(path, options.busy_timeout)
        self.names: Final = StreamNames()
        self.options: Final = options
        check_place(path, len(MIGRATIONS))
        self._lock = _open_lock(path)
        try:
            with self._faults.translated():
                self._writing = open_writer(path, options, self._lock)
        except BaseException:
            self._lock.close()
            raise
        self.writer: Final = Writer(self._writing, self._lock, clock, self._faults)
        self.queue: Final = GroupCommit(self._commit)
        self._readers = ReaderPool(lambda: connect_reader(path, options))
        self._lookout = Lookout(lambda: connect_reader(path, options))
        self.bell: Final = Bell(self._head, foreign=True)
        self.workers: Final = Workers(Path(f"{path}-workers"))

    def check(self) -> None:
        """
        Raise again if a sync failed.
        """
        self._faults.check()

    @contextmanager
    def reading(self) -> Generator[sqlite3.Connection, None, None]:
        """
        Lend a connection that reads, and translate its errors.

        Raises:
            StoreClosed: The session was closed.
        """
        with self._faults.translated(), self._readers.lent() as connection:
            yield connection

    def restore(self, events: Iterable[Event]) -> None:
        """
        Write *events* into an empty log; the queue's lock is held.
        """
        self.bell.ring(self.writer.restore(events))

    def close(self) -> None:
        """
        Let running calls end, and free everything.
        """
        self.queue.close()
        self.bell.close()
        self._lookout.close()
        self._readers.close()
        self.workers.close()
        self.writer.close()
        self._lock.close()

    def leave_to_parent(self) -> None:
        """
        Give up everything after a fork; the locks were given up by the fork itself.
        """
        self._readers.leave_open()
        self._lookout.leave_open()
        leave_open(self._writing)

    def _commit(self, requests: Sequence[AppendRequest]) -> Sequence[Outcome]:
        outcomes = self.writer.commit(requests)
        self.bell.ring(self.writer.head)
        return outcomes

    def _head(self) -> int:
        with self._faults.translated():
            return self._lookout.head()


def _open_lock(path: Path) -> FileLock:
    try:
        return FileLock(Path(f"{path}-lock"))
    except OSError as error:
        raise StoreFailed(
            reason=f"{path}-lock cannot be written ({error.strerror}); check the permissions"
        ) from error
