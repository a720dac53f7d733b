"""
The stores that faults are tried on, each as one small description; a new one adds an entry.
"""

import importlib
from collections.abc import Callable, Sequence
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final, Literal, TypeAlias, cast

from attrs import frozen

from azoth.store import EventStore
from azoth.testing import ManualClock
from azoth.urls import STORES, StoreUrl

__all__ = ["DURABILITIES", "SUBJECTS", "Durability", "Subject", "subject"]

Durability: TypeAlias = Literal["full", "normal"]

DURABILITIES: Final[tuple[Durability, ...]] = ("full", "normal")


@frozen(kw_only=True)
class Subject:
    """
    Describe a store.

    Attributes:
        name: The scheme of its URL.
        file: What its path is called, a file or a folder.
        data: The files that hold its records, as they are named from the folder that it lies in.
        tail: Files that hold what is not in *data* yet: damage there may shorten the log.
        hurry: Makes the rare happen often in this process, such as a checkpoint of the WAL.
        may_crash: Whether a damaged file may end the process, by a signal, instead of an error.
    """

    name: str
    file: str
    data: Sequence[str]
    tail: Sequence[str] = ()
    hurry: Callable[[], None] = lambda: None
    may_crash: bool = False

    def load(self) -> None:
        """
        Import the store, so that nobody has to who is traced.
        """
        _factory(self.name)

    def open(self, folder: Path, durability: Durability = "full") -> EventStore:
        """
        Open the store in *folder*; it is made if it is missing.
        """
        where = StoreUrl(self.name, f"{folder}/{self.file}")
        return _factory(self.name)(where, clock=ManualClock(), durability=durability)


@cache
def _factory(name: str) -> Callable[..., EventStore]:
    # `open_store` reads the entry points each time, which takes longer than all else here.
    (entry,) = entry_points(group=STORES, name=name)
    return cast("Callable[..., EventStore]", entry.load())


def _hurry_sqlite() -> None:
    # A checkpoint every few batches, so that faults meet it and the WAL begins again.
    vars(importlib.import_module("azoth_sqlite.writer"))["WAL_PAGES"] = 20


_SQLITE: Final = Subject(
    name="sqlite", file="log.db", data=("log.db",), tail=("log.db-wal",), hurry=_hurry_sqlite
)
_LMDB: Final = Subject(name="lmdb", file="log.lmdb", data=("log.lmdb/data.mdb",), may_crash=True)

SUBJECTS: Final = (_SQLITE, *([_LMDB] if "lmdb" in entry_points(group=STORES).names else []))


def subject(name: str) -> Subject:
    """
    Return the subject called *name*.
    """
    return next(subject for subject in SUBJECTS if subject.name == name)
