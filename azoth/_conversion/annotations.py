"""
What the annotation of a field says, and the sentence for a value that it does not allow.
"""

from collections.abc import Callable
from types import NoneType, UnionType
from typing import Any, Final, NewType, TypeAlias, Union, get_args, get_origin  # pyright: ignore[reportDeprecated]

__all__ = ["PLAIN", "Reader", "expected", "is_choice", "is_new_type", "is_optional", "members"]

Reader: TypeAlias = Callable[[Any, Any], Any]
"""A structure hook of cattrs: the JSON value and the annotation in, the instance out."""

PLAIN: Final[tuple[type, ...]] = (str, int, float, bool)
"""The types that JSON has itself."""


def is_optional(annotation: object) -> bool:
    """
    Say whether it is the union of one type and None.
    """
    return _is_union(annotation) and len(get_args(annotation)) == len(members(annotation)) + 1 == 2


def is_choice(annotation: object) -> bool:
    """
    Say whether it is a union of several types, None aside.
    """
    return _is_union(annotation) and len(members(annotation)) > 1


def is_new_type(annotation: object) -> bool:
    """
    Say whether it is a `NewType`.
    """
    return isinstance(annotation, NewType)


def members(annotation: object) -> tuple[type, ...]:
    """
    Return the members of a union, None left out.
    """
    return tuple(member for member in get_args(annotation) if member is not NoneType)


def expected(what: str, value: object) -> str:
    """
    Say what was expected and what came instead, cut where it is long.
    """
    shown = repr(value)
    return f"expected {what}, got {shown if len(shown) <= 60 else shown[:60] + '…'}"


def _is_union(annotation: object) -> bool:
    # The older spelling is still what many annotations come back as.
    return get_origin(annotation) in (Union, UnionType)  # pyright: ignore[reportDeprecated]
