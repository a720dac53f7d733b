"""
Generate the function that reads an attrs class from JSON, for classes that only hold values.

Decoding is most of a replay, and building the instance is most of decoding. The function made here
takes half the time of cattrs's own: plain fields are checked in line, without a call, and set past
the frozen `__init__`. A class that runs code of its own when it is made (a validator, a converter,
`__attrs_post_init__`) is left to cattrs, and so is the search for the field that does not fit.
"""

from collections.abc import Callable, Mapping
from types import MemberDescriptorType
from typing import Any, Final, TypeAlias, cast, get_origin

import attrs
from cattrs import Converter
from cattrs.gen import make_dict_structure_fn

from azoth._conversion.annotations import Reader, is_optional, members

__all__ = ["ClassReaders"]

_Field: TypeAlias = "attrs.Attribute[Any]"

# To the type checkers it is a function.
_FACTORY: Final = cast("type", attrs.Factory)

_make_with_cattrs = cast("Callable[..., Reader]", make_dict_structure_fn)

_OWN_CODE: Final = ("__attrs_pre_init__", "__attrs_post_init__", "_attrs_cached_hash")


class ClassReaders:
    """
    Generate the readers of a converter's attrs classes.

    Args:
        plain: The hooks that take one class as it is, and that class.
    """

    def __init__(self, plain: Mapping[Reader, type]) -> None:
        self._plain = plain
        self._generating: list[type] = []

    def __call__(self, cls: type, converter: Converter) -> Reader:
        """
        Return the function that reads an instance of *cls* from a JSON object.
        """
        if get_origin(cls) is None:
            attrs.resolve_types(cls)
        # The detailed converter is the one that looks for the field that does not fit.
        if converter.detailed_validation or not _only_holds_values(cls):
            detailed = converter.detailed_validation
            return _make_with_cattrs(cls, converter, _cattrs_detailed_validation=detailed)
        if cls in self._generating:
            raise RecursionError(f"{cls.__qualname__} holds itself")
        self._generating.append(cls)
        try:
            return self._generate(cls, converter)
        finally:
            self._generating.remove(cls)

    def _generate(self, cls: type, converter: Converter) -> Reader:
        names: dict[str, Any] = {"cls": cls, "new": object.__new__}
        lines = ["def read(data, _):", " if data.__class__ is not dict:"]
        lines += ["  raise TypeError(f'expected an object, got {data!r:.60}')", " self = new(cls)"]
        for field in attrs.fields(cls):
            names |= _names_of(field, cls, converter)
            lines += _lines_of(field, self._plain.get(names[f"read_{field.name}"]))
        # The source holds names of fields, which are identifiers; every value is passed in.
        exec("\n".join((*lines, " return self")), names)  # noqa: S102
        return cast("Reader", names["read"])


def _only_holds_values(cls: type[Any]) -> bool:
    return (
        get_origin(cls) is None
        and BaseException not in cls.__mro__
        and not any(hasattr(cls, name) for name in _OWN_CODE)
        # Where the class has an `__init__` of its own, attrs writes this one beside it.
        and "__attrs_init__" not in vars(cls)
        and all(_only_holds_a_value(cls, field) for field in attrs.fields(cls))
    )


def _only_holds_a_value(cls: type, field: _Field) -> bool:
    return (
        field.init
        and field.validator is None
        and field.converter is None  # pyright: ignore[reportUnknownMemberType]
        and isinstance(getattr(cls, field.name, None), MemberDescriptorType)
        and not getattr(field.default, "takes_self", False)
    )


def _names_of(field: _Field, cls: type, converter: Converter) -> dict[str, Any]:
    wanted: Any = Any if field.type is None else field.type
    if is_optional(wanted):
        (wanted,) = members(wanted)
    try:
        read = converter.get_structure_hook(wanted, cache_result=False)
    except RecursionError:
        # A class that holds itself: its hook is looked up once it is there.
        read = converter.structure
    return {
        f"set_{field.name}": getattr(cls, field.name).__set__,
        f"read_{field.name}": read,
        f"type_{field.name}": wanted,
        f"default_{field.name}": _default(field),
    }


def _default(field: _Field) -> object:
    default: object = field.default
    if isinstance(default, _FACTORY):
        return cast("Any", default).factory
    return default


def _lines_of(field: _Field, plain: type | None) -> list[str]:
    name = field.name
    conditions = [f"v.__class__ is not {plain.__name__}"] if plain else []
    conditions += ["v is not None"] if is_optional(field.type) else []
    guard = f"if {' and '.join(conditions)}: " if conditions else ""
    read = [f" v = data['{name}']", f" {guard}v = read_{name}(v, type_{name})"]
    if field.default is not attrs.NOTHING:
        call = "()" if isinstance(field.default, _FACTORY) else ""
        read = [f" if '{name}' in data:", *(f" {line}" for line in read)]
        read += [f" else: v = default_{name}{call}"]
    return [*read, f" set_{name}(self, v)"]
