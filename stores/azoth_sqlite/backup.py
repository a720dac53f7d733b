"""
Copying a database while it is in use: whole and under its name, or not at all.
"""

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import mkstemp

from azoth.errors import StoreFailed, StoreFull
from azoth.faults import NO_ROOM
from azoth_sqlite.faults import Faults

__all__ = ["back_up"]


def back_up(connection: sqlite3.Connection, path: Path) -> None:
    """
    Write a snapshot of *connection*'s database to *path*.

    Raises:
        FileExistsError: Something is at *path*.
        StoreFull: There is no room for it.
        StoreFailed: Its folder is missing or cannot be written.
    """
    if path.exists():
        raise FileExistsError(f"{path} exists; a backup overwrites nothing")
    if not path.parent.is_dir():
        raise StoreFailed(reason=f"the folder {path.parent} does not exist; make it first")
    try:
        _write(connection, path)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno in NO_ROOM:
            raise StoreFull(reason=str(error)) from error
        raise StoreFailed(reason=f"{path} cannot be written ({error})") from error


def _write(connection: sqlite3.Connection, path: Path) -> None:
    file, name = mkstemp(prefix=f"{path.name}.unfinished-", dir=path.parent)
    os.close(file)
    unfinished = Path(name)
    try:
        with Faults(unfinished, busy_timeout=0).translated():
            _copy(connection, unfinished)
        _sync(unfinished)
        # A link, since renaming would overwrite what came to be at the path meanwhile.
        os.link(unfinished, path)
    finally:
        unfinished.unlink()
    _sync(path.parent)


def _copy(connection: sqlite3.Connection, path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as copy:
        # One step is one snapshot; in several, each write would begin it again.
        connection.backup(copy, pages=-1)
        # A write-ahead log beside an unfinished copy would be left behind.
        copy.execute("PRAGMA journal_mode = DELETE")


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
