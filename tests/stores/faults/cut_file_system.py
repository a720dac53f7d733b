"""
The SQLite store over a file system that writes down what it is told: SQLite calls it, not Linux.

The store's own code runs, its statements, its pragmas and its locks; only `sqlite3.connect` opens a
connection of `apsw` instead, which is dressed as one of `sqlite3`.
"""

# ruff: noqa: ANN401, N802 - what SQLite and its driver call so, and what they are given

import sqlite3
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final
from unittest.mock import patch
from urllib.parse import unquote, urlsplit

import apsw

from azoth_sqlite import connections
from tests.stores.faults.recording import Made, Op, Removed, Resized, Synced, Wrote

__all__ = ["recording_into"]

_NAME: Final = "azoth-cut"
_WITH_NAMES: Final = ("-journal", "-wal")
"""Files whose first sync covers the folder too: so SQLite's own file system does."""


@contextmanager
def recording_into(ops: list[Op]) -> Generator[None, None, None]:
    """
    Let SQLite stores that are opened meanwhile write down what they do to their files.
    """
    system = _FileSystem(ops)
    stand_in = SimpleNamespace(connect=_connect, Connection=sqlite3.Connection)
    try:
        with patch.object(connections, "sqlite3", stand_in):
            yield
    finally:
        system.unregister()


class _FileSystem(apsw.VFS):
    """
    Be the system's own file system, and write down what goes through it.
    """

    def __init__(self, ops: list[Op]) -> None:
        super().__init__(_NAME, "unix")
        self._ops = ops

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:
        path = Path(name.filename() if isinstance(name, apsw.URIFilename) else name)
        if not path.exists():
            self._ops.append(Made(path))
        return _File(name, flags, path, self._ops)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        super().xDelete(filename, syncdir)
        self._ops.append(Removed(Path(filename)))
        if syncdir:
            self._ops.append(Synced(Path(filename).parent))


class _File(apsw.VFSFile):
    def __init__(self, name: Any, flags: list[int], path: Path, ops: list[Op]) -> None:
        super().__init__("unix", name, flags)
        self._path = path
        self._ops = ops
        self._syncs_names = path.name.endswith(_WITH_NAMES)

    def xWrite(self, data: Any, offset: int) -> None:
        super().xWrite(data, offset)
        self._ops.append(Wrote(self._path, offset, bytes(data)))

    def xTruncate(self, newsize: int) -> None:
        super().xTruncate(newsize)
        self._ops.append(Resized(self._path, newsize))

    def xSync(self, flags: int) -> None:
        super().xSync(flags)
        self._ops.append(Synced(self._path))
        if self._syncs_names:
            self._syncs_names = False
            self._ops.append(Synced(self._path.parent))


def _connect(name: str, *, timeout: float, uri: bool, **_: object) -> "_Connection":
    path = unquote(urlsplit(name).path) if uri else name
    connection = apsw.Connection(path, vfs=_NAME)
    connection.set_busy_timeout(int(timeout * 1_000))
    return _Connection(connection)


@contextmanager
def _as_sqlite3() -> Generator[None, None, None]:
    try:
        yield
    except apsw.Error as error:
        translated = sqlite3.OperationalError(str(error))
        translated.sqlite_errorcode = getattr(error, "extendedresult", 0)
        raise translated from error


class _Cursor:
    """
    Be a cursor of `apsw` in the words of `sqlite3`; text comes out as bytes, as the store has it.
    """

    def __init__(self, cursor: apsw.Cursor) -> None:
        self._cursor = cursor

    def execute(self, sql: str, parameters: Any = ()) -> "_Cursor":
        with _as_sqlite3():
            self._cursor.execute(sql, parameters)
        return self

    def executemany(self, sql: str, parameters: Sequence[Any]) -> "_Cursor":
        with _as_sqlite3():
            self._cursor.executemany(sql, parameters)
        return self

    def fetchone(self) -> tuple[Any, ...] | None:
        return next(iter(self), None)

    def fetchall(self) -> list[tuple[Any, ...]]:
        return list(self)

    def close(self) -> None:
        self._cursor.close()

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        with _as_sqlite3():
            for row in self._cursor:
                yield tuple(value.encode() if isinstance(value, str) else value for value in row)


class _Connection:
    """
    Be a connection of `apsw` in the words of `sqlite3`.
    """

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self.text_factory: object = bytes

    @property
    def in_transaction(self) -> bool:
        return self._connection.in_transaction

    def cursor(self) -> _Cursor:
        return _Cursor(self._connection.cursor())

    def execute(self, sql: str, parameters: Any = ()) -> _Cursor:
        return self.cursor().execute(sql, parameters)

    def rollback(self) -> None:
        self.execute("ROLLBACK")

    def close(self) -> None:
        with _as_sqlite3():
            self._connection.close()
