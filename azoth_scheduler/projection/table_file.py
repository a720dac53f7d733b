"""
The file of a schedule table: opened, checked, begun anew for other code, one transaction at a time.
"""

import os
import sqlite3
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Any, Final, Literal, TypeAlias

from azoth.errors import AzothError, StoreBusy, StoreClosed, StoreFailed, StoreFull
from azoth_scheduler.errors import OutdatedTable
from azoth_scheduler.projection.statements import INDEXES, TABLES, statement

__all__ = ["BUSY_SECONDS", "MEMORY", "OnVersion", "TableFile", "make_indexes", "make_tables"]

BUSY_SECONDS: Final = 5.0
"""How long one process waits for another: a batch is written in milliseconds."""

MEMORY: Final = ":memory:"
"""The path of a table that is no file."""

OnVersion: TypeAlias = Literal["rebuild", "refuse"]
"""What becomes of rows that code of another version wrote."""

# "azsc": what SQLite keeps in the header of a file to tell whose it is.
_APPLICATION_ID: Final = 0x617A7363

# A rebuild writes at the end of each task's attempts, so a page for each task: with fewer in
# memory, or more checkpoints, the same pages are read and written again and again.
_CACHE_KIB: Final = 16 * 1024
_CHECKPOINT_PAGES: Final = 8_192

_Row: TypeAlias = tuple[Any, ...]


class TableFile:
    """
    Hold the one connection to a table; any number of threads may use it, one at a time.

    Attributes:
        lock: Held during each transaction; whoever holds it is alone.

    Args:
        path: The file; it is made if it is missing, its folder is not.
        version: Of the code that writes the rows; None to leave the rows as they are.
        on_version: What becomes of rows of another version: "rebuild" drops them, so that they are
            folded again from the log, "refuse" leaves them and raises.

    Raises:
        OutdatedTable: The rows are of another version, and are not to be dropped.
        StoreFailed: The file belongs to somebody else, or cannot be used.
        StoreBusy: Another process holds it.
    """

    def __init__(self, path: str, version: int | None, on_version: OnVersion = "rebuild") -> None:
        self._path = path
        self._version = version
        self._on_version = on_version
        self.lock = RLock()
        self._process = os.getpid()
        self._connection: sqlite3.Connection | None = None
        with self._translated():
            self._connection = self._connect()
            self._prepare(self._connection)

    def __repr__(self) -> str:
        return f"TableFile({self._path!r})"

    @contextmanager
    def transaction(self, kind: str = "DEFERRED") -> Generator[sqlite3.Connection, None, None]:
        """
        Give the connection inside a transaction, which an exception rolls back.

        A writer says `IMMEDIATE`: SQLite upgrades a reader only if nobody wrote since it read.
        """
        with self.lock, self._translated():
            connection = self._open_connection()
            connection.execute(f"BEGIN {kind}")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                # SQLite may have rolled back by itself.
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """
        Close the connection; twice is fine.
        """
        with self.lock:
            if self._connection is not None and self._process == os.getpid():
                self._connection.close()
            self._connection = None

    def _open_connection(self) -> sqlite3.Connection:
        if self._connection is None:
            raise StoreClosed
        if self._process != os.getpid():
            raise StoreFailed(
                reason=f"{self._path} was opened before this process was forked; open it again here"
            )
        return self._connection

    def _connect(self) -> sqlite3.Connection:
        if self._path != MEMORY and Path(self._path).is_dir():
            raise StoreFailed(reason=f"{self._path} is a folder; name a file in it")
        if self._path != MEMORY and not Path(self._path).absolute().parent.is_dir():
            raise StoreFailed(reason=f"{self._path}: its folder does not exist; make it first")
        return sqlite3.connect(
            self._path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )

    def _prepare(self, connection: sqlite3.Connection) -> None:
        try:
            self._refuse_foreign(connection)
            connection.execute("PRAGMA journal_mode = WAL")
            # A commit that a power cut takes back is folded again from the log.
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
            connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
            with self.transaction("IMMEDIATE"):
                self._make_tables(connection)
        except BaseException:
            self.close()
            raise

    def _refuse_foreign(self, connection: sqlite3.Connection) -> None:
        tables = _one(connection, "SELECT count(*) FROM sqlite_master")
        if tables and _one(connection, "PRAGMA application_id") != _APPLICATION_ID:
            raise StoreFailed(
                reason=f"{self._path} is another program's database, and is left as it is; "
                "give the schedule table a file of its own"
            )

    def _make_tables(self, connection: sqlite3.Connection) -> None:
        # Looked at again under the write lock: another process may have made them meanwhile.
        self._refuse_foreign(connection)
        found = _one(connection, "PRAGMA user_version")
        if self._version is None or found == self._version:
            return
        if found and self._on_version == "refuse":
            raise OutdatedTable(path=self._path, found=found, version=self._version)
        make_tables(connection, self._version)
        make_indexes(connection)

    @contextmanager
    def _translated(self) -> Generator[None, None, None]:
        try:
            yield
        except sqlite3.Error as error:
            raise self._translate(error) from error

    def _translate(self, error: sqlite3.Error) -> AzothError:
        code: int = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return StoreBusy(seconds=BUSY_SECONDS)
        if code == sqlite3.SQLITE_FULL:
            return StoreFull(reason=f"{self._path}: {error}")
        return StoreFailed(
            reason=f"{self._path}: {error}; the schedule table is made of the log alone, so a "
            "damaged file can be deleted"
        )


def make_tables(connection: sqlite3.Connection, version: int) -> None:
    """
    Make the tables, empty and not indexed, whatever was there; inside the caller's transaction.
    """
    for (table,) in connection.execute(_NAMES).fetchall():
        connection.execute(f'DROP TABLE "{table}"')
    for sql in TABLES:
        connection.execute(sql)
    connection.execute(statement("set_version"), (version,))
    connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {version}")


def make_indexes(connection: sqlite3.Connection) -> None:
    """
    Index the tables; inside the caller's transaction.
    """
    for sql in INDEXES:
        connection.execute(sql)


_NAMES: Final = "SELECT name FROM sqlite_master WHERE type = 'table'"


def _one(connection: sqlite3.Connection, sql: str, values: Sequence[Any] = ()) -> Any:  # noqa: ANN401 - a column holds anything
    row: _Row = connection.execute(sql, values).fetchone()
    return row[0]
