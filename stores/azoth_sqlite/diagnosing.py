"""
What a database stands on: the engine, the files, the file system.
"""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from azoth.diagnosing import durability_found, file_system_found, found, free_bytes_found
from azoth.store import Finding
from azoth_sqlite.connections import can_write
from azoth_sqlite.looking import LookingSession
from azoth_sqlite.rows import load_head
from azoth_sqlite.saving import PAGE_BYTES
from azoth_sqlite.statements import statement
from azoth_sqlite.writer import WAL_PAGES

__all__ = ["WAL_BYTES_MAX", "WAL_RESET_FIXED", "diagnose"]

WAL_RESET_FIXED: Final = (3, 51, 3)
"""The first SQLite in which a commit beside a checkpoint cannot damage the file."""

WAL_BYTES_MAX: Final = 4 * WAL_PAGES * PAGE_BYTES
"""A write-ahead log is copied at a quarter of it, unless something keeps that from happening."""

_COUNT_STREAMS: Final = statement("count_streams")


def diagnose(session: LookingSession) -> Sequence[Finding]:
    """
    Return what is worth knowing of the database of *session*.
    """
    path = session.path
    return [
        _engine_found(sqlite3.sqlite_version_info, is_shared=can_write(path)),
        found("format", lambda: _number(session, "PRAGMA user_version")),
        _journal_found(session),
        durability_found(session.options.durability),
        found("head", lambda: _head(session)),
        found("streams", lambda: _number(session, _COUNT_STREAMS)),
        Finding(name="file_bytes", value=path.stat().st_size),
        _wal_found(Path(f"{path}-wal")),
        file_system_found(path),
        free_bytes_found(path),
    ]


def _engine_found(version: tuple[int, ...], *, is_shared: bool) -> Finding:
    name = "SQLite " + ".".join(map(str, version))
    if version >= WAL_RESET_FIXED or not is_shared:
        return Finding(name="engine", value=name)
    advice = (
        "before 3.51.3 a commit beside a checkpoint may damage the file (the WAL-reset bug, rare); "
        "Azoth's own lock keeps them apart, so let no other program write to it, or upgrade SQLite"
    )
    return Finding(name="engine", value=name, level="warning", advice=advice)


def _journal_found(session: LookingSession) -> Finding:
    with session.reading() as connection:
        mode = connection.execute("PRAGMA journal_mode").fetchone()[0].decode()
    if mode == "wal":
        return Finding(name="journal_mode", value=mode)
    advice = "readers and writers wait for each other; who opens the store to write sets it to wal"
    return Finding(name="journal_mode", value=mode, level="warning", advice=advice)


def _wal_found(wal: Path) -> Finding:
    size = wal.stat().st_size if wal.exists() else 0
    if size <= WAL_BYTES_MAX:
        return Finding(name="wal_bytes", value=size)
    advice = (
        "a reader that does not end keeps it from being copied, or its writer was killed; end the "
        "reader, then open and close the store to write"
    )
    return Finding(name="wal_bytes", value=size, level="warning", advice=advice)


def _head(session: LookingSession) -> int:
    with session.reading() as connection:
        return load_head(connection.cursor())[0]


def _number(session: LookingSession, sql: str) -> int:
    with session.reading() as connection:
        return int(connection.execute(sql).fetchone()[0])
