"""
The SQL of the schedule table, read once from the files beside this module.
"""

from collections.abc import Iterator
from importlib.resources import files
from typing import Final

__all__ = ["INDEXES", "TABLES", "statement"]

_FOLDER: Final = files("azoth_scheduler.projection")


def _statements_of(script: str) -> Iterator[str]:
    lines = [line for line in script.splitlines() if not line.lstrip().startswith("--")]
    return (sql.strip() for sql in "\n".join(lines).split(";") if sql.strip())


def _named(text: str) -> Iterator[tuple[str, str]]:
    for part in text.split("-- name: ")[1:]:
        name, _, rest = part.partition("\n")
        yield name.strip(), rest.partition(";")[0].strip()


_SCHEMA: Final = tuple(_statements_of((_FOLDER / "schema.sql").read_text("utf-8")))

INDEXES: Final = tuple(sql for sql in _SCHEMA if sql.startswith(("CREATE INDEX", "CREATE UNIQUE")))
"""The statements that make the indexes, one by one: a script would commit its transaction."""

TABLES: Final = tuple(sql for sql in _SCHEMA if sql not in INDEXES)
"""The statements that make the tables, likewise."""

_STATEMENTS: Final = dict(_named((_FOLDER / "statements.sql").read_text("utf-8")))


def statement(name: str) -> str:
    """
    Return the statement called *name* in `statements.sql`.
    """
    return _STATEMENTS[name]
