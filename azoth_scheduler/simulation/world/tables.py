"""
A schedule table in a real SQLite file, whose process may end in the middle of a transaction.
"""

import sqlite3
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, Final

from azoth.testing import SimulatedCrash
from azoth_scheduler.projection import SqliteScheduleProjection
from azoth_scheduler.projection.statements import statement
from azoth_scheduler.projection.table_file import TableFile

__all__ = ["TornTable"]

_POSITION: Final = statement("update_meta")
"""The statement that stands behind the rows of each batch."""


class TornTable(SqliteScheduleProjection):
    """
    Keep the schedule table in a file, and end the process between rows and position at times.

    Args:
        path: The file; a process that starts again opens it again.
        strikes: Says each time whether the process ends there.
    """

    def __init__(self, path: str, strikes: Callable[[], bool]) -> None:
        super().__init__(path)
        self._file.close()
        self._file = _TornFile(path, self.version, strikes)


class _TornFile(TableFile):
    def __init__(self, path: str, version: int, strikes: Callable[[], bool]) -> None:
        # First: to make the tables is a transaction, too.
        self._strikes = strikes
        super().__init__(path, version)

    @contextmanager
    def transaction(self, kind: str = "DEFERRED") -> Generator[sqlite3.Connection, None, None]:
        with super().transaction(kind) as connection:
            torn: Any = _TornConnection(connection, self._strikes)
            yield torn


class _TornConnection:
    def __init__(self, connection: sqlite3.Connection, strikes: Callable[[], bool]) -> None:
        self._connection = connection
        self._strikes = strikes

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever a connection has
        return getattr(self._connection, name)

    def execute(self, sql: str, values: Any = ()) -> sqlite3.Cursor:  # noqa: ANN401 - as there
        if sql == _POSITION and self._strikes():
            raise SimulatedCrash("the process ends between the rows and their position")
        return self._connection.execute(sql, values)
