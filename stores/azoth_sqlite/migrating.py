"""
Opening the writing connection: a new file gets its tables, an old one what it lacks.
"""

import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Final

from azoth.errors import StoreCorrupt, StoreFailed
from azoth.file_locks import FileLock
from azoth_sqlite.connections import connect
from azoth_sqlite.options import SqliteOptions
from azoth_sqlite.place import APPLICATION_ID
from azoth_sqlite.rows import head_row
from azoth_sqlite.statements import MIGRATIONS, statement

__all__ = ["open_writer"]

_INSERT_HEAD: Final = statement("insert_head")


def open_writer(path: Path, options: SqliteOptions, lock: FileLock) -> sqlite3.Connection:
    """
    Open the database at *path* for writing, and bring its tables up to date.

    Args:
        path: The database file; made if it is missing.
        options: Of the store.
        lock: Of the store; it lets one process at a time do this.
    """
    if lock.is_marked() and path.exists() and path.stat().st_size == 0:
        raise StoreCorrupt(position=None, reason=f"{path} is empty, and it was not")
    connection = connect(path, options)
    try:
        # The usual case needs no lock, so that nobody waits for an append to open a store.
        if not _is_up_to_date(connection):
            with lock.held(options.busy_timeout):
                _migrate(connection, path)
                _use_wal(connection, path)
        if not lock.is_marked():
            # Where that fails, as on a full disk, the next opening does it.
            with suppress(OSError):
                _mark(path, lock)
    except BaseException:
        connection.close()
        raise
    return connection


def _mark(path: Path, lock: FileLock) -> None:
    # An empty file is made a database, so only the lock file can tell one that lost all it had.
    # A journal that a power cut brought back would empty it too, so its end is made sure first.
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    lock.mark()


def _is_up_to_date(connection: sqlite3.Connection) -> bool:
    (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    return _version(connection) == len(MIGRATIONS) and mode == b"wal"


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    if _version(connection) == len(MIGRATIONS):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = _version(connection)
        if version > len(MIGRATIONS):
            raise StoreFailed(
                reason=f"{path} has format {version}, and this Azoth knows {len(MIGRATIONS)}; "
                "upgrade Azoth"
            )
        for migration in MIGRATIONS[version:]:
            for sql in migration:
                connection.execute(sql)
        if version == 0:
            connection.execute(_INSERT_HEAD, head_row(0, 0))
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.rollback()


def _use_wal(connection: sqlite3.Connection, path: Path) -> None:
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != b"wal":
        raise StoreFailed(
            reason=f"{path} lies where SQLite cannot keep a write-ahead log, as on a network; "
            "use a local disk"
        )


def _version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)
