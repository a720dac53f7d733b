"""
What the tests of the LMDB store share: a store, another program, and the file's own pages.
"""

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import lmdb
from attrs import evolve

from azoth.clocks import Clock, SystemClock
from azoth.events import NewEvent, Write
from azoth.streams import ANY
from azoth.urls import StoreUrl
from azoth_lmdb.environment import Environment
from azoth_lmdb.options import MAP_BYTES_MIN
from azoth_lmdb.records import head_record, load_head
from azoth_lmdb.session import Session
from azoth_lmdb.store import LmdbStore, open_lmdb
from azoth_lmdb.tables import Transaction, open_tables

__all__ = [
    "PATIENCE",
    "SMALL",
    "environment",
    "opened",
    "run",
    "session",
    "tampered",
    "write",
]

PATIENCE: Final = 0.05
"""Seconds that a store of these tests waits for another process."""

SMALL: Final = MAP_BYTES_MIN
"""Bytes of a map that is soon full."""


def opened(path: Path, *, clock: Clock | None = None, **options: object) -> LmdbStore:
    """
    Open the store at *path*.
    """
    return open_lmdb(StoreUrl("lmdb", str(path)), clock=clock or SystemClock(), **options)


def session(store: LmdbStore) -> Session:
    """
    Return what *store* holds in this process.
    """
    return store._writing()


def environment(store: LmdbStore) -> Environment:
    """
    Return the environment of *store*.
    """
    return session(store)._environment


def write(stream: str = "a", count: int = 1, data: bytes = b"") -> Write:
    """
    Return a write of so many events.
    """
    return Write(stream, [NewEvent("t", data)] * count, ANY)


@contextmanager
def tampered(path: Path, *, forgets_commit: bool = False) -> Generator[Transaction, None, None]:
    """
    Let a test write as another program would, or a page that went bad.

    Args:
        path: The folder of a store that nobody has open.
        forgets_commit: Whether the head is left as it was; else the commit is not what is noticed.
    """
    with lmdb.open(str(path), max_dbs=16, create=False) as raw:
        tables = open_tables(raw)
        with raw.begin(write=True) as handle:
            transaction = Transaction(handle, tables)
            head = load_head(transaction, transaction.number - 1)
            yield transaction
            if not forgets_commit:
                record = head_record(evolve(head, commit=transaction.number))
                transaction.put(tables.azoth, b"head", record)


def run(program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """
    Run a program of Python's in another process, to its end.
    """
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
