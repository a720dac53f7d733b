"""
The connection that sees the commits of others.
"""

import sqlite3
from collections.abc import Callable
from threading import Lock
from typing import Final

from azoth.errors import StoreClosed
from azoth_sqlite.connections import leave_open
from azoth_sqlite.rows import load_head
from azoth_sqlite.statements import statement

__all__ = ["Lookout"]

_DATA_VERSION: Final = statement("data_version")


class Lookout:
    """
    Tell the head cheaply, whoever moved it.

    `data_version` costs 3 µs and moves with every commit of another connection. It stands still
    inside a transaction, so this connection never begins one.

    Args:
        connect: Opens its connection, when it is first asked.
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect
        self._lock = Lock()
        self._connection: sqlite3.Connection | None = None
        self._seen: int | None = None
        self._head = 0
        self._closed = False

    def head(self) -> int:
        """
        Return the head.

        Raises:
            StoreClosed: The lookout was closed.
        """
        with self._lock:
            if self._closed:
                raise StoreClosed
            if self._connection is None:
                self._connection = self._connect()
            # The version is read first: a commit between the two is seen at the next look.
            (version,) = self._connection.execute(_DATA_VERSION).fetchone()
            if version != self._seen:
                self._head, _ = load_head(self._connection.cursor())
                self._seen = version
            return self._head

    def close(self) -> None:
        """
        Close the connection, when nobody is looking.
        """
        with self._lock:
            self._closed = True
            if self._connection is not None:
                self._connection.close()

    def leave_open(self) -> None:
        """
        Give up the connection without closing it.
        """
        if self._connection is not None:
            leave_open(self._connection)
