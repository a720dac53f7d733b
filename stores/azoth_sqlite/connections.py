"""
Connections to one database: how each is set up, and a pool from which readers borrow them.
"""

import ctypes
import os
import sqlite3
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from azoth.errors import StoreClosed
from azoth_sqlite.options import SqliteOptions

__all__ = [
    "IDLE_CONNECTIONS_MAX",
    "ReaderPool",
    "can_write",
    "connect",
    "connect_looker",
    "connect_reader",
    "leave_open",
]

IDLE_CONNECTIONS_MAX: Final = 16
"""Beyond it a returned connection is closed: a burst of readers must not keep its files open."""


def connect(path: Path, options: SqliteOptions) -> sqlite3.Connection:
    """
    Open a connection that reads and writes; it makes the file if it is missing.
    """
    return _set_up(str(path), options, uri=False)


def connect_reader(path: Path, options: SqliteOptions) -> sqlite3.Connection:
    """
    Open a connection that only reads a file that is there.
    """
    connection = _set_up(f"{path.as_uri()}?mode=rw", options, uri=True)
    connection.execute("PRAGMA query_only = ON")
    return connection


def connect_looker(path: Path, options: SqliteOptions) -> sqlite3.Connection:
    """
    Open a connection that only reads a file that may be out of reach for writing.
    """
    if can_write(path):
        # It shares SQLite's table of locks (`-shm`); only such a one removes the table at its end.
        return connect_reader(path, options)
    # Without a WAL nobody has the file open, and without a right to write we can make no WAL.
    is_in_use = Path(f"{path}-wal").exists()
    how = "mode=ro" if is_in_use else "mode=ro&immutable=1"
    return _set_up(f"{path.as_uri()}?{how}", options, uri=True)


def can_write(path: Path) -> bool:
    """
    Say whether this process may write to the file and make others beside it.
    """
    return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)


def _set_up(name: str, options: SqliteOptions, *, uri: bool) -> sqlite3.Connection:
    # Transactions are begun by us alone: those of the driver begin late and fail at once when
    # somebody wrote meanwhile. One thread at a time uses a connection, though not always the same.
    connection = sqlite3.connect(
        name,
        timeout=options.busy_timeout,
        isolation_level=None,
        check_same_thread=False,
        uri=uri,
    )
    # A damaged name must reach its checksum, and the decoder of the driver would stop it.
    connection.text_factory = bytes
    for pragma in _pragmas(options):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def _pragmas(options: SqliteOptions) -> Iterable[str]:
    yield f"synchronous = {options.durability}"
    # SQLite hides a failed sync of its own checkpoints, and mapped memory hides a failed write.
    yield "wal_autocheckpoint = 0"
    yield "mmap_size = 0"
    yield "cell_size_check = ON"
    yield "trusted_schema = OFF"
    yield "cache_size = -16384"
    if sys.platform == "darwin":
        # There a plain sync stops at the drive's cache.
        yield "fullfsync = ON"


class ReaderPool:
    """
    Lend each reader a connection that nobody else uses meanwhile.

    Args:
        connect: Opens another one.
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect
        self._idle: deque[sqlite3.Connection] = deque()
        self._closed = False

    @contextmanager
    def lent(self) -> Generator[sqlite3.Connection, None, None]:
        """
        Lend a connection; whatever transaction is left open is rolled back.

        Raises:
            StoreClosed: The pool was closed.
        """
        if self._closed:
            raise StoreClosed
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._connect()
        try:
            yield connection
        finally:
            self._take_back(connection)

    def close(self) -> None:
        """
        Close the idle connections now, and each lent one when it comes back.
        """
        self._closed = True
        while self._idle:
            self._close_one()

    def leave_open(self) -> None:
        """
        Give up the connections without closing them.
        """
        leave_open(*self._idle)

    def _take_back(self, connection: sqlite3.Connection) -> None:
        if connection.in_transaction:
            connection.rollback()
        self._idle.append(connection)
        if self._closed or len(self._idle) > IDLE_CONNECTIONS_MAX:
            self._close_one()

    def _close_one(self) -> None:
        try:
            self._idle.pop().close()
        except IndexError:
            # Somebody else closed the last one.
            return


def leave_open(*connections: sqlite3.Connection) -> None:
    """
    Keep connections for as long as the process lives, since closing them in a fork does harm.

    A child that closed a connection of its parent would write to the file behind its back.
    """
    for connection in connections:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))
