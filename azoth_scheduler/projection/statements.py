"""
The SQL of the schedule table, read once from the files beside this module.
"""

from collections.abc import Iterator
from importlib.resources import files
from typing import Final

__all__ = ["SCHEMA", "statement"]

_FOLDER: Final = files("azoth_scheduler.projection")


def _statements_of(script: str) -> Iterator[str]:
    lines = [line for line in script.splitlines() if not line.lstrip().startswith("--")]
    return (sql.strip() for sql in "\n".join(lines).split(";") if sql.strip())


def _named(text: str) -> Iterator[tuple[str, str]]:
    for part in text.split("-- name: ")[1:]:
        name, _, rest = part.partition("\n")
        yield name.strip(), rest.partition(";")[0].strip()


SCHEMA: Final = tuple(_statements_of((_FOLDER / "schema.sql").read_text("utf-8")))
"""The statements that make a new table, one by one: a script would commit its transaction."""

_STATEMENTS: Final = dict(_named((_FOLDER / "statements.sql").read_text("utf-8")))


def statement(name: str) -> str:
    """
    Return the statement called *name* in `statements.sql`.
    """
    return _STATEMENTS[name]
