"""
How the values of events become plain JSON and come back: a cattrs converter with strict hooks.

Strict means that a field takes what was written for it and nothing else: no text where a number
belongs, no number cut to fit. A damaged or foreign event is then an error and not a wrong value.
"""

from base64 import b64encode
from binascii import a2b_base64
from collections.abc import Callable, Mapping, Set
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from math import isfinite
from types import NoneType, UnionType
from typing import Any, Final, Union, get_args, get_origin
from uuid import UUID

from attrs import has
from cattrs import Converter

__all__ = ["make_converter", "register_tagged"]

_PLAIN: Final = (str, int, float, bool)
_MICROSECOND: Final = timedelta(microseconds=1)


def make_converter() -> Converter:
    """
    Return a converter that leaves out defaults, sorts sets, and reads strictly.

    Supported are attrs classes, text, numbers, bytes (as base64), None, enums, literals, lists,
    tuples, sets, mappings, aware datetimes, dates, times, timedeltas (as microseconds), decimals
    and UUIDs, optional values, unions of plain types, and unions registered as tagged.
    """
    converter = Converter(
        omit_if_default=True,
        detailed_validation=False,
        unstruct_collection_overrides={Set: sorted},
    )
    for plain in _PLAIN:
        converter.register_structure_hook(plain, _reader_of_plain(plain))
    _register_textual(converter)
    _register_mappings(converter)
    converter.register_structure_hook_factory(_is_choice, _reader_of_choice)
    return converter


def register_tagged(converter: Converter, classes: Mapping[str, type], tag: str) -> None:
    """
    Write each of *classes* with a field *tag* that names it, in every union of some of them.
    """
    names = {cls: name for name, cls in classes.items()}

    def is_tagged(annotation: Any) -> bool:
        return _is_union(annotation) and all(member in names for member in _members(annotation))

    def writer(_annotation: Any, converter: Converter) -> Callable[[Any], Any]:
        return _writer_of_tagged(converter, names, tag)

    def reader(_annotation: Any, converter: Converter) -> Callable[[Any, Any], Any]:
        return _reader_of_tagged(converter, classes, tag)

    converter.register_unstructure_hook_factory(is_tagged, writer)
    converter.register_structure_hook_factory(is_tagged, reader)


def _writer_of_tagged(
    converter: Converter, names: Mapping[type, str], tag: str
) -> Callable[[Any], Any]:
    writers = {cls: (converter.get_unstructure_hook(cls), name) for cls, name in names.items()}

    def write(value: Any) -> Any:
        if value is None:
            return None
        unstructure, name = writers[value.__class__]
        return {tag: name, **unstructure(value)}

    return write


def _reader_of_tagged(
    converter: Converter, classes: Mapping[str, type], tag: str
) -> Callable[[Any, Any], Any]:
    readers = {name: (converter.get_structure_hook(cls), cls) for name, cls in classes.items()}

    def read(value: Any, annotation: Any) -> Any:
        if value is None and NoneType in get_args(annotation):
            return None
        name = value.get(tag) if isinstance(value, dict) else None
        if name not in readers:
            raise ValueError(f"{tag} is {name!r}, expected one of {', '.join(readers)}")
        structure, cls = readers[name]
        return structure(value, cls)

    return read


def _reader_of_plain(plain: type) -> Callable[[Any, Any], Any]:
    def read(value: Any, _: Any) -> Any:
        if value.__class__ is plain:
            return value
        raise TypeError(_expected(plain.__name__, value))

    def read_float(value: Any, _: Any) -> float:
        if value.__class__ is float or value.__class__ is int:
            return float(value)
        raise TypeError(_expected("float", value))

    return read_float if plain is float else read


def _expected(what: str, value: Any) -> str:
    shown = repr(value)
    return f"expected {what}, got {shown if len(shown) <= 60 else shown[:60] + '…'}"


def _write_finite(value: float) -> float:
    if not isfinite(value):
        raise ValueError(f"JSON has no number for {value}")
    return value


def _write_bytes(value: bytes) -> str:
    return b64encode(value).decode("ascii")


def _read_bytes(value: Any, _: Any) -> bytes:
    if value.__class__ is not str:
        raise TypeError(_expected("base64 text", value))
    return a2b_base64(value, strict_mode=True)


def _write_aware(value: datetime) -> str:
    if value.utcoffset() is None:
        raise ValueError(f"{value!r} has no time zone")
    return value.isoformat()


def _read_aware(text: str) -> datetime:
    value = datetime.fromisoformat(text)
    if value.utcoffset() is None:
        raise ValueError(f"{text!r} has no time zone")
    return value


def _write_span(value: timedelta) -> int:
    return value // _MICROSECOND


def _read_span(value: Any, _: Any) -> timedelta:
    if value.__class__ is not int:
        raise TypeError(_expected("microseconds", value))
    return timedelta(microseconds=value)


def _register_textual(converter: Converter) -> None:
    converter.register_unstructure_hook(float, _write_finite)
    converter.register_unstructure_hook(bytes, _write_bytes)
    converter.register_structure_hook(bytes, _read_bytes)
    converter.register_unstructure_hook(timedelta, _write_span)
    converter.register_structure_hook(timedelta, _read_span)
    # A datetime is a date, so its own hook must come after.
    textual: tuple[tuple[type, Callable[[Any], str], Callable[[str], Any]], ...] = (
        (date, date.isoformat, date.fromisoformat),
        (time, time.isoformat, time.fromisoformat),
        (datetime, _write_aware, _read_aware),
        (Decimal, str, Decimal),
        (UUID, str, UUID),
    )
    for cls, write, read in textual:
        converter.register_unstructure_hook(cls, write)
        converter.register_structure_hook(cls, _reader_of_text(cls, read))


def _reader_of_text(cls: type, read: Callable[[str], Any]) -> Callable[[Any, Any], Any]:
    def read_text(value: Any, _: Any) -> Any:
        if value.__class__ is not str:
            raise TypeError(_expected(f"{cls.__name__} as text", value))
        return read(value)

    return read_text


def _is_mapping(annotation: Any) -> bool:
    origin = get_origin(annotation) or annotation
    return isinstance(origin, type) and issubclass(origin, Mapping)


def _register_mappings(converter: Converter) -> None:
    converter.register_unstructure_hook_factory(_is_mapping, _writer_of_mapping)
    converter.register_structure_hook_factory(_is_mapping, _reader_of_mapping)


def _key_and_value(annotation: Any) -> tuple[Any, Any]:
    return get_args(annotation) or (str, Any)


def _writer_of_mapping(annotation: Any, converter: Converter) -> Callable[[Any], Any]:
    key_type, value_type = _key_and_value(annotation)
    write_value = converter.get_unstructure_hook(value_type)
    write_key = str if key_type is int else converter.get_unstructure_hook(key_type)

    def write(value: Mapping[Any, Any]) -> dict[str, Any]:
        return {write_key(key): write_value(item) for key, item in value.items()}

    return write


def _reader_of_mapping(annotation: Any, converter: Converter) -> Callable[[Any, Any], Any]:
    key_type, value_type = _key_and_value(annotation)
    read_value = converter.get_structure_hook(value_type)
    read_key = _read_integer_key if key_type is int else converter.get_structure_hook(key_type)

    def read(value: Any, _: Any) -> dict[Any, Any]:
        if not isinstance(value, dict):
            raise TypeError(_expected("an object", value))
        return {
            read_key(key, key_type): read_value(item, value_type) for key, item in value.items()
        }

    return read


def _read_integer_key(key: str, _: Any) -> int:
    return int(key)


def _is_union(annotation: Any) -> bool:
    return get_origin(annotation) in (Union, UnionType)


def _members(annotation: Any) -> tuple[Any, ...]:
    return tuple(member for member in get_args(annotation) if member is not NoneType)


def _is_choice(annotation: Any) -> bool:
    return _is_union(annotation) and len(_members(annotation)) > 1


def _reader_of_choice(annotation: Any, _converter: Converter) -> Callable[[Any, Any], Any]:
    members = _members(annotation)
    if not all(member in _PLAIN for member in members):
        hint = "register its classes with registry.tagged" if any(map(has, members)) else "tag it"
        raise TypeError(f"JSON does not tell the members of {annotation} apart; {hint}")
    classes = get_args(annotation)

    def read(value: Any, _: Any) -> Any:
        if value.__class__ in classes:
            return value
        if float in classes and value.__class__ is int:
            return float(value)
        raise TypeError(_expected(str(annotation), value))

    return read
