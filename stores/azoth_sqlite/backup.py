"""
Copying a database while it is in use: whole and under its name, or not at all.
"""

import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from azoth.errors import StoreFailed

__all__ = ["back_up"]


def back_up(connection: sqlite3.Connection, path: Path) -> None:
    """
    Write a snapshot of *connection*'s database to *path*.

    Raises:
        FileExistsError: Something is at *path*.
        StoreFailed: Its folder is missing.
    """
    if path.exists():
        raise FileExistsError(f"{path} exists; a backup overwrites nothing")
    if not path.parent.is_dir():
        raise StoreFailed(reason=f"the folder {path.parent} does not exist; make it first")
    unfinished = Path(f"{path}.unfinished-{os.getpid()}")
    try:
        _copy(connection, unfinished)
        # A link, since renaming would overwrite what came to be at the path meanwhile.
        os.link(unfinished, path)
    finally:
        with suppress(FileNotFoundError):
            unfinished.unlink()
    _sync(path.parent)


def _copy(connection: sqlite3.Connection, path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as copy:
        # One step is one snapshot; in several, each write would begin it again.
        connection.backup(copy, pages=-1)
        # A write-ahead log beside an unfinished copy would be left behind.
        copy.execute("PRAGMA journal_mode = DELETE")
    _sync(path)


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
