"""
The reading half of a session, which is all that there is of one that only looks.
"""

import sqlite3
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from azoth.errors import StoreFailed
from azoth.waiting import Bell
from azoth_sqlite.connections import ReaderPool, connect_looker
from azoth_sqlite.faults import Faults
from azoth_sqlite.lookout import Lookout
from azoth_sqlite.options import SqliteOptions
from azoth_sqlite.place import check_is_there
from azoth_sqlite.rows import StreamNames
from azoth_sqlite.statements import MIGRATIONS

__all__ = ["LookingSession", "look"]


class LookingSession:
    """
    Hold what reads, and who waits.

    Args:
        path: The database file.
        options: Of the store.
        connect: Opens a connection that reads.
    """

    def __init__(
        self, path: Path, options: SqliteOptions, connect: Callable[[], sqlite3.Connection]
    ) -> None:
        self._faults = Faults(path, options.busy_timeout)
        self._readers = ReaderPool(connect)
        self._lookout = Lookout(connect)
        self.path: Final = path
        self.options: Final = options
        self.names: Final = StreamNames()
        self.bell: Final = Bell(self._head, foreign=True)

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

    def close(self) -> None:
        """
        Let running calls end, and free everything.
        """
        self.bell.close()
        self._lookout.close()
        self._readers.close()

    def leave_to_parent(self) -> None:
        """
        Give up everything after a fork.
        """
        self._readers.leave_open()
        self._lookout.leave_open()

    def _head(self) -> int:
        with self._faults.translated():
            return self._lookout.head()


def look(path: Path, options: SqliteOptions) -> LookingSession:
    """
    Return a session that looks at the database at *path* and leaves it as it is.

    SQLite itself takes over what a crash left in its write-ahead log, if it may write.

    Raises:
        StoreFailed: No database of ours is there, or one of another format.
        StoreCorrupt: The file is empty, and it was not.
    """
    check_is_there(path, len(MIGRATIONS), was_made=_is_marked(Path(f"{path}-lock")))
    session = LookingSession(path, options, lambda: connect_looker(path, options))
    with session.reading() as connection:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version != len(MIGRATIONS):
        session.close()
        raise StoreFailed(
            reason=f"{path} has format {version}, and this Azoth reads {len(MIGRATIONS)}; "
            "whoever opens it to write brings it up to date"
        )
    return session


def _is_marked(lock: Path) -> bool:
    return lock.is_file() and lock.stat().st_size > 0
