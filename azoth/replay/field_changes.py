"""
What two values have not in common: by the path of each field, before and after.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any, Final, TypeAlias, cast

from attrs import AttrsInstance, fields, frozen, has

from azoth.clocks import INSTANT_MAX, Instant, datetime_of

__all__ = ["ABSENT", "FieldChange", "changes_between", "is_instant"]


class _Absent:
    def __repr__(self) -> str:
        return "nothing"


ABSENT: Final = _Absent()
"""What stands for a field, a row or an entry that is not there."""


_INSTANTS: Final = ("_at", "_until", "anchor")


@frozen
class FieldChange:
    """
    Name one field that differs.

    Attributes:
        path: Such as `totals.succeeded` or `runs[0].attempt`; empty for the value as a whole.
        before: The one value, `ABSENT` where there is none.
        after: The other.

    Example:
        >>> print(FieldChange("next_run_at", 1767225600000000, None))
        next_run_at: 2026-01-01T00:00:00+00:00 → None
    """

    path: str
    before: object
    after: object

    def __str__(self) -> str:
        before, after = _in_words(self.path, self.before), _in_words(self.path, self.after)
        return f"{self.path or 'value'}: {before} → {after}"


def is_instant(path: str, value: int) -> bool:
    """
    Say whether a field holds an instant, by the names that instants have everywhere here.
    """
    return path.endswith(_INSTANTS) and 0 <= value <= INSTANT_MAX


def _in_words(path: str, value: object) -> str:
    # Nobody reads microseconds.
    if isinstance(value, int) and is_instant(path, value):
        return datetime_of(Instant(value)).isoformat()
    return repr(value) if not _is_attrs(value) else _row_in_words(cast("AttrsInstance", value))


def _row_in_words(row: AttrsInstance) -> str:
    names = [field.name for field in fields(type(row)) if getattr(row, field.name) != field.default]
    words = (f"{name}={_in_words(name, getattr(row, name))}" for name in names)
    return f"{type(row).__name__}({', '.join(words)})"


def changes_between(before: object, after: object) -> tuple[FieldChange, ...]:
    """
    Return every field in which two values differ, in the order of the fields.

    Example:
        >>> [str(change) for change in changes_between({"a": 1, "b": [1]}, {"a": 2, "b": [1, 5]})]
        ['a: 1 → 2', 'b[1]: nothing → 5']
    """
    return tuple(_changes("", before, after))


def _changes(path: str, before: Any, after: Any) -> Iterator[FieldChange]:  # noqa: ANN401 - any row
    if before == after and type(before) is type(after):
        return
    parts = _parts(before, after) if type(before) is type(after) else None
    if parts is None:
        yield FieldChange(path, before, after)
        return
    for one, other, way in parts:
        yield from _changes(f"{path}{way}".removeprefix("."), one, other)


_Parts: TypeAlias = Iterator[tuple[Any, Any, str]]
# What both have in that place, and the way to it.


def _parts(before: Any, after: Any) -> _Parts | None:  # noqa: ANN401 - any row
    match before:
        case Mapping():
            return _entries(cast("Any", before), after)
        case list() | tuple():
            return _items(cast("Any", before), after)
        case _ if _is_attrs(before):
            return _fields(before, after)
        case _:
            return None


def _is_attrs(value: object) -> bool:
    return has(type(value))


def _entries(before: Mapping[Any, Any], after: Mapping[Any, Any]) -> _Parts:
    for key in dict.fromkeys((*before, *after)):
        yield before.get(key, ABSENT), after.get(key, ABSENT), f".{key}"


def _items(before: Sequence[Any], after: Sequence[Any]) -> _Parts:
    for place, (one, other) in enumerate(zip_longest(before, after, fillvalue=ABSENT)):
        yield one, other, f"[{place}]"


def _fields(before: AttrsInstance, after: AttrsInstance) -> _Parts:
    for field in fields(type(before)):
        yield getattr(before, field.name), getattr(after, field.name), f".{field.name}"
