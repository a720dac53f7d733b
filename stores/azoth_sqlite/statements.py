"""
The SQL of the store, read once from the files beside this module.
"""

import sqlite3
from collections.abc import Iterator
from importlib.resources import files
from typing import Final

__all__ = ["MIGRATIONS", "statement"]

_FOLDER: Final = files("azoth_sqlite")
_IS_STRICT: Final = sqlite3.sqlite_version_info >= (3, 37)


def _named(text: str) -> Iterator[tuple[str, str]]:
    for part in text.split("-- name: ")[1:]:
        name, _, sql = part.partition("\n")
        yield name.strip(), sql.strip().rstrip(";")


def _migration(text: str) -> tuple[str, ...]:
    """
    Return the statements of a migration: a script would commit the transaction it runs in.
    """
    found: list[str] = []
    rest = ""
    for line in text.splitlines(keepends=True):
        rest += line
        if sqlite3.complete_statement(rest):
            found.append(_as_understood(rest))
            rest = ""
    return tuple(found)


def _as_understood(sql: str, *, strict: bool = _IS_STRICT) -> str:
    # Tables are strict where SQLite knows the word, from 3.37 on; older ones read the same file.
    if strict:
        return sql
    return sql.replace(" STRICT, WITHOUT", " WITHOUT").replace(" STRICT;", ";")


def _read_migrations() -> tuple[tuple[str, ...], ...]:
    scripts = sorted(
        (file for file in (_FOLDER / "migrations").iterdir() if file.name.endswith(".sql")),
        key=lambda file: file.name,
    )
    return tuple(_migration(script.read_text("utf-8")) for script in scripts)


_STATEMENTS: Final = dict(_named((_FOLDER / "statements.sql").read_text("utf-8")))

MIGRATIONS: Final = _read_migrations()
"""The statements of each migration; the first makes version 1 of a new file."""


def statement(name: str) -> str:
    """
    Return the statement called *name* in `statements.sql`.
    """
    return _STATEMENTS[name]
