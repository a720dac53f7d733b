"""
What the tests of the SQLite store share: a store, another program, and a failing disk.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from azoth.clocks import SystemClock
from azoth.events import NewEvent, Query, Write
from azoth.streams import ANY
from azoth.urls import StoreUrl
from azoth_sqlite.session import Session
from azoth_sqlite.store import SqliteStore, open_sqlite

PATIENCE: Final = 0.05
"""Seconds that a store of these tests waits for another process."""


def opened(path: Path, **options: object) -> SqliteStore:
    """
    Open the store at *path*.
    """
    return open_sqlite(StoreUrl("sqlite", str(path)), clock=SystemClock(), **options)


def session(store: SqliteStore) -> Session:
    """
    Return what *store* holds in this process.
    """
    return store._writing()


def write(stream: str = "a", count: int = 1, data: bytes = b"") -> Write:
    """
    Return a write of so many events.
    """
    return Write(stream, [NewEvent("t", data)] * count, ANY)


def traced(store: SqliteStore, watch: Callable[[str], object]) -> None:
    """
    Let *watch* hear each statement of the writer.
    """
    session(store).writer._connection.set_trace_callback(watch)


def damage(path: Path, sql: str) -> None:
    """
    Change the file as a failing disk would, behind the triggers.
    """
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for trigger in ("events_are_never_updated", "events_are_never_deleted"):
            connection.execute(f"DROP TRIGGER {trigger}")
        connection.execute(sql)


def every_call(store: SqliteStore) -> Iterator[Callable[[], object]]:
    """
    Yield calls that between them meet each kind of record.
    """
    yield store.read
    yield lambda: store.read(Query(stream="a"))
    yield lambda: store.read(Query(category="a"))
    yield lambda: store.checkpoint("c")
    yield store.leases
    yield lambda: store.append(write("a", 3), write("b"), key="k")
    yield lambda: store.append(write("a"))
    yield lambda: store.append(write("a-new"))
    yield lambda: store.wait(0, 0)


def call_all(calls: Iterator[Callable[[], object]]) -> None:
    """
    Make one call after the other.
    """
    for call in calls:
        call()


class FailingCursor:
    """
    Fail as a disk does that cannot sync, at the statements that begin so.
    """

    def __init__(self, cursor: sqlite3.Cursor, begin: str) -> None:
        self._cursor = cursor
        self._begin = begin

    def execute(self, sql: str, parameters: Sequence[int | str | bytes] = ()) -> sqlite3.Cursor:
        if sql.startswith(self._begin):
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
            error.sqlite_errorname = "SQLITE_IOERR_FSYNC"
            raise error
        return self._cursor.execute(sql, parameters)

    def __getattr__(self, name: str) -> object:
        return getattr(self._cursor, name)
