"""
The tables of an environment, and a transaction that reads or writes them.

Numbers in keys are eight bytes, the highest first, so that LMDB's order of bytes is their order.
"""

from struct import Struct
from typing import TYPE_CHECKING, Final, TypeAlias

import lmdb
from attrs import fields, frozen

if TYPE_CHECKING:
    from lmdb import _Database

__all__ = [
    "TABLES_MAX",
    "Table",
    "Tables",
    "Transaction",
    "look_at_tables",
    "make_tables",
    "open_tables",
    "to_key",
]

TABLES_MAX: Final = 16
"""More than there are: a later format may add some without a new environment."""

_PLACE: Final = Struct(">Q")
_INDEXES: Final = ("by_stream", "by_category")

Table: TypeAlias = "_Database"
"""A table; the binding does not promise the name of its class."""


def to_key(position: int) -> bytes:
    """
    Return the key of a position.
    """
    return _PLACE.pack(position)


@frozen
class Tables:
    """
    Hold the tables; each is open for as long as the environment is.

    Attributes:
        azoth: The format of the environment, and the head.
        events: By position.
        streams: By name: the version and the last position.
        by_stream: By the stream's name, the positions of its events; several values to a key.
        by_category: By the category, likewise; streams without a category are left out.
        keys: By idempotency key: its content and its answer.
        checkpoints: By consumer.
        leases: By worker.
    """

    azoth: Table
    events: Table
    streams: Table
    by_stream: Table
    by_category: Table
    keys: Table
    checkpoints: Table
    leases: Table


@frozen
class Transaction:
    """
    Hold a transaction of LMDB, which sees one snapshot, and the tables.
    """

    handle: "lmdb.Transaction[bytes]"
    tables: Tables

    @property
    def number(self) -> int:
        """
        Return the number of the commit that a reader sees, or that a writer makes.
        """
        return self.handle.id()

    def get(self, table: Table, key: bytes) -> bytes | None:
        """
        Return the value of a key; None where there is none.
        """
        return self.handle.get(key, db=table)

    def put(self, table: Table, key: bytes, value: bytes) -> None:
        """
        Write a value, instead of what the key had.
        """
        written = self.handle.put(key, value, db=table)
        assert written, "LMDB refuses to overwrite only when it is asked to"

    def append(self, table: Table, items: list[tuple[bytes, bytes]]) -> bool:
        """
        Write values whose keys stand in order behind all that there are.

        Returns:
            Whether all were written: LMDB reports a refusal by its count alone.
        """
        if len(items) == 1:
            (item,) = items
            return self.handle.put(*item, overwrite=False, append=True, db=table)
        cursor = self.handle.cursor(db=table)
        _, added = cursor.putmulti(items, overwrite=False, append=True)
        return added == len(items)

    def index(self, table: Table, items: list[tuple[bytes, bytes]]) -> bool:
        """
        Write further values of keys.

        Returns:
            Whether all were new.
        """
        if len(items) == 1:
            (item,) = items
            return self.handle.put(*item, dupdata=False, db=table)
        cursor = self.handle.cursor(db=table)
        _, added = cursor.putmulti(items, dupdata=False)
        return added == len(items)

    def cursor(self, table: Table) -> "lmdb.Cursor[bytes]":
        """
        Return a cursor, which ends with the transaction.
        """
        return self.handle.cursor(db=table)


def open_tables(environment: lmdb.Environment) -> Tables:
    """
    Open the tables that are there; the writer's lock is held.

    A table stays open only if a writing transaction opened it, which changes nothing.
    """
    with environment.begin(write=True) as handle:
        opened = {
            field.name: environment.open_db(field.name.encode(), txn=handle, create=False)
            for field in fields(Tables)
        }
    return Tables(**opened)


def look_at_tables(environment: lmdb.Environment) -> Tables:
    """
    Open the tables of an environment that only reads; each in a transaction of the binding's own.
    """
    opened = {
        field.name: environment.open_db(field.name.encode(), create=False)
        for field in fields(Tables)
    }
    return Tables(**opened)


def make_tables(environment: lmdb.Environment, handle: "lmdb.Transaction[bytes]") -> Tables:
    """
    Make the tables in a writing transaction.
    """
    made = {
        field.name: environment.open_db(
            field.name.encode(),
            txn=handle,
            dupsort=field.name in _INDEXES,
            dupfixed=field.name in _INDEXES,
        )
        for field in fields(Tables)
    }
    return Tables(**made)
