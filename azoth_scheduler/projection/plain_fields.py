"""
Generate the function that takes the fields out of a value that are not as they are by default.

A good part of a rebuild is writing rows, and most fields of a row are None. A function that says
each comparison outright takes a fifth of the time of one that goes through the fields.
"""

from collections.abc import Callable
from typing import Any, Final, TypeAlias, cast

from attrs import NOTHING, Attribute, fields

__all__ = ["PlainFields", "plain_fields_of"]

PlainFields: TypeAlias = Callable[[object], dict[str, Any]]
"""The value in, its fields by name out."""

_SINGLE: Final = (None, NOTHING)


def plain_fields_of(cls: type, *, without: tuple[str, ...] = ()) -> PlainFields:
    """
    Return the function for *cls*, whose instances have a dictionary.

    Args:
        cls: A class of attrs; its fields stand in the answer in their order.
        without: Fields that are left out.
    """
    chosen = [field for field in fields(cls) if field.name not in without]
    names: dict[str, Any] = {f"default_{field.name}": field.default for field in chosen}
    lines = ["def plain(value):", " held = value.__dict__", " found = {}", *map(_line_of, chosen)]
    # The source holds names of fields, which are identifiers; every value is passed in.
    exec("\n".join((*lines, " return found")), names)  # noqa: S102
    return cast("PlainFields", names["plain"])


def _line_of(field: "Attribute[Any]") -> str:
    differs = "is not" if any(field.default is one for one in _SINGLE) else "!="
    name = field.name
    return f" if (v := held['{name}']) {differs} default_{name}: found['{name}'] = v"
