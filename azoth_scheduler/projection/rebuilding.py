"""
Rebuild the schedule table in its file, while schedulers go on with the rows that are there.

The log is folded anew beside it, and the rows then change places in one transaction.

A file that is renamed over one that is open would leave its users with a table that nobody writes,
and their write-ahead log beside ours. So the rows are handed over by SQLite itself: whoever has the
table open sees the old rows, then the new ones.
"""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from os import PathLike
from pathlib import Path
from threading import Event as Flag
from typing import Final

from azoth._collecting import collecting_seldom
from azoth.errors import CheckpointAhead, StoreDiverged
from azoth.following import Stop
from azoth.projector import Projector
from azoth.store import EventStore, Progress
from azoth_scheduler.projection.sqlite import SqliteScheduleProjection, checked_path
from azoth_scheduler.projection.table_file import TableFile, make_indexes, make_tables

__all__ = ["REBUILD_PAGE", "rebuild_table"]

_TABLES: Final = ("meta", "tasks", "definitions", "attempts")

REBUILD_PAGE: Final = 10_000
"""Events of one transaction: each row that it touches is written once, and a kill loses no more."""


def rebuild_table(
    store: EventStore,
    path: str | PathLike[str],
    *,
    stop: Stop | None = None,
    progress: Progress | None = None,
    page_size: int = REBUILD_PAGE,
) -> bool:
    """
    Fold the log into a new table and put its rows in place of those of the table at *path*.

    The table may be in use, also by programs of an older version, which are told at the switch to
    open it again. What was built stands in `<path>.rebuild` until the switch: after a stop or a
    kill the next call goes on from there.

    Args:
        store: The log; appends may go on.
        path: The file of the table; it is made if it is missing.
        stop: Ends it before the switch.
        progress: Is told how far it is; `azoth.replay.paced` adds the rate and the time left.
        page_size: Events of one transaction.

    Returns:
        Whether it was switched.

    Raises:
        StoreFailed: The file belongs to another program, or cannot be used.
        StoreBusy: Another process held the table for more than 5 s.
        StoreFull: There is no room for the second table.
    """
    live = checked_path(path)
    beside, stop = f"{live}.rebuild", stop or Flag()
    _drop_if_foreign(store, beside)
    with closing(SqliteScheduleProjection(beside)) as fresh:
        projector = Projector(store, fresh, page_size=page_size)
        with collecting_seldom():
            if not stop.is_set():
                projector.catch_up(stop=stop, progress=progress)
            if stop.is_set():
                return False
            _switch(live, beside, fresh.version, lambda end: projector.catch_up(until=end))
    _remove(beside)
    return True


def _drop_if_foreign(store: EventStore, beside: str) -> None:
    # Of another log, or of this one before it lost its tail.
    try:
        with closing(SqliteScheduleProjection(beside)) as fresh:
            Projector(store, fresh).catch_up(until=fresh.position)
    except (CheckpointAhead, StoreDiverged):
        _remove(beside)


def _switch(live: str, beside: str, version: int, catch_up: Callable[[int], int]) -> None:
    with closing(TableFile(live, None)) as old, old.transaction("IMMEDIATE") as connection:
        # Under its write lock the old table stands still, and the new one must not lie behind it.
        catch_up(_position(connection))
        make_tables(connection, version)
        with closing(TableFile(beside, None)) as new, new.transaction() as fresh:
            for table in _TABLES:
                _copy(fresh, connection, table)
        make_indexes(connection)


def _position(connection: sqlite3.Connection) -> int:
    if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        return 0
    position: int = connection.execute("SELECT position FROM meta").fetchone()[0]
    return position


def _copy(fresh: sqlite3.Connection, connection: sqlite3.Connection, table: str) -> None:
    # Both have been made by the same code, so their columns stand in the same order.
    rows = fresh.execute(f"SELECT * FROM {table}")  # noqa: S608 - a name of ours
    places = ", ".join("?" * len(rows.description))
    connection.execute(f"DELETE FROM {table}")  # noqa: S608
    connection.executemany(f"INSERT INTO {table} VALUES ({places})", rows)  # noqa: S608


def _remove(beside: str) -> None:
    for end in ("", "-wal", "-shm"):
        Path(f"{beside}{end}").unlink(missing_ok=True)
