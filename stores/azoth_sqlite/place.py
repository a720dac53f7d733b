"""
Where a database may be opened: what is there is looked at before SQLite may change it.
"""

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from azoth.errors import StoreCorrupt, StoreFailed
from azoth_sqlite.faults import ENGINE_ERRORS

__all__ = ["APPLICATION_ID", "check_is_there", "check_place"]

APPLICATION_ID: Final = 0x417A6F74
"""`Azot`, in the header of every file of ours."""


def check_place(path: Path, newest: int) -> None:
    """
    Refuse a place where no database of ours is or can be made; nothing is changed.

    Args:
        path: The database file.
        newest: The newest version of the tables that is understood.

    Raises:
        StoreFailed: The folder is missing, something else is there, or a newer Azoth wrote it.
    """
    if not path.parent.is_dir():
        raise StoreFailed(reason=f"the folder {path.parent} does not exist; make it first")
    _check_is_file(path)
    holds_something = path.exists() and path.stat().st_size > 0
    if not os.access(path if holds_something else path.parent, os.W_OK):
        raise StoreFailed(reason=f"{path} cannot be written; check the permissions")
    if holds_something:
        _check_header(path, newest)


def check_is_there(path: Path, newest: int, *, was_made: bool) -> None:
    """
    Refuse a place where no database of ours is; nothing is changed.

    Args:
        path: The database file.
        newest: The newest version of the tables that is understood.
        was_made: Whether one was made there once.

    Raises:
        StoreFailed: Nothing is there, or something else, or what a newer Azoth wrote.
        StoreCorrupt: The file is empty, and it was not.
    """
    _check_is_file(path)
    if not path.exists():
        raise StoreFailed(reason=f"there is no store at {path}; check the path")
    if path.stat().st_size == 0:
        if was_made:
            raise StoreCorrupt(position=None, reason=f"{path} is empty, and it was not")
        raise StoreFailed(reason=f"{path} is empty, no store was made in it; check the path")
    _check_header(path, newest, looking=True)


def _check_is_file(path: Path) -> None:
    if path.is_dir():
        raise StoreFailed(reason=f"{path} is a folder; name a file in it")
    if path.exists() and not path.is_file():
        raise StoreFailed(reason=f"{path} is no file; name one")


def _check_header(path: Path, newest: int, *, looking: bool = False) -> None:
    try:
        application_id, version = _read_header(path, looking=looking)
    except ENGINE_ERRORS as error:
        raise StoreFailed(
            reason=f"{path} is not a database of Azoth ({error}); it was left as it is"
        ) from error
    if path.stat().st_size == 0:
        # What its maker had begun before it died was taken back.
        return
    if application_id != APPLICATION_ID:
        raise StoreFailed(reason=f"{path} belongs to another program; it was left as it is")
    if version > newest:
        raise StoreFailed(
            reason=f"{path} has format {version}, and this Azoth knows {newest}; upgrade Azoth"
        )


def _read_header(path: Path, *, looking: bool) -> tuple[int, int]:
    # SQLite reads it: if we opened and closed the file ourselves, the system would free the locks
    # that other connections of this process hold on it. Immutable, it takes none, writes nothing.
    left_over = any(Path(f"{path}{suffix}").exists() for suffix in ("-journal", "-wal"))
    try:
        return _header(f"{path.as_uri()}?mode=ro&immutable=1")
    except ENGINE_ERRORS:
        # Whoever died in the middle of a write left a file that is whole only with its journal.
        if not left_over:
            raise
    return _header(f"{path.as_uri()}?mode={'ro' if looking else 'rw'}")


def _header(uri: str) -> tuple[int, int]:
    with closing(sqlite3.connect(uri, uri=True)) as connection:
        (application_id,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
    return application_id, version
