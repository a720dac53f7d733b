"""
What a store object holds in one process: connections, locks, the queue, and who waits.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from azoth.appending import AppendRequest
from azoth.clocks import Clock
from azoth.errors import StoreFailed
from azoth.events import Event
from azoth.file_locks import FileLock
from azoth.group_commit import GroupCommit, Outcome
from azoth.options import LOOKING
from azoth_sqlite.connections import connect_reader, leave_open
from azoth_sqlite.looking import LookingSession, look
from azoth_sqlite.migrating import open_writer
from azoth_sqlite.options import SqliteOptions
from azoth_sqlite.place import check_place
from azoth_sqlite.statements import MIGRATIONS
from azoth_sqlite.workers import Workers
from azoth_sqlite.writer import Writer

__all__ = ["Session", "open_session"]


def open_session(path: Path, options: SqliteOptions, clock: Clock) -> LookingSession:
    """
    Return a session that does what the mode allows: only a `Session` writes.
    """
    return look(path, options) if options.mode == LOOKING else Session(path, options, clock)


class Session(LookingSession):
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
        super().__init__(path, options, lambda: connect_reader(path, options))
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
        self.workers: Final = Workers(Path(f"{path}-workers"))

    def restore(self, events: Sequence[Event]) -> None:
        """
        Write *events*, which go on from the head; the queue's lock is held.
        """
        self.writer.restore(events)
        self.bell.ring(self.writer.head)

    def close(self) -> None:
        """
        Let running calls end, and free everything.
        """
        self.queue.close()
        super().close()
        self.workers.close()
        self.writer.close()
        self._lock.close()

    def leave_to_parent(self) -> None:
        """
        Give up everything after a fork; the locks were given up by the fork itself.
        """
        super().leave_to_parent()
        leave_open(self._writing)

    def _commit(self, requests: Sequence[AppendRequest]) -> Sequence[Outcome]:
        outcomes = self.writer.commit(requests)
        self.bell.ring(self.writer.head)
        return outcomes


def _open_lock(path: Path) -> FileLock:
    try:
        return FileLock(Path(f"{path}-lock"))
    except OSError as error:
        raise StoreFailed(
            reason=f"{path}-lock cannot be written ({error.strerror}); check the permissions"
        ) from error
