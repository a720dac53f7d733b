"""
The hooks of single values: text, numbers, bytes, times, decimals, UUIDs.
"""

from base64 import b64encode
from binascii import a2b_base64
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from math import isfinite
from typing import Any, Final, cast
from uuid import UUID

from cattrs import Converter

from azoth._conversion.annotations import PLAIN, Reader, expected

__all__ = ["register_scalars"]

_MICROSECOND: Final = timedelta(microseconds=1)


def register_scalars(converter: Converter) -> Mapping[Reader, type]:
    """
    Read each scalar strictly; return the hooks that take one plain class as it is.
    """
    plain = {_reader_of_plain(cls): cls for cls in PLAIN}
    for read, cls in plain.items():
        converter.register_structure_hook(cls, read)
    _register_written(converter)
    return plain


def _reader_of_plain(cls: type) -> Reader:
    def read(value: object, _: object) -> object:
        if value.__class__ is cls:
            return value
        raise TypeError(expected(cls.__name__, value))

    return _read_float if cls is float else read


def _read_float(value: object, _: object) -> float:
    if value.__class__ is float or value.__class__ is int:
        return float(cast("float", value))
    raise TypeError(expected("float", value))


def _register_written(converter: Converter) -> None:
    converter.register_unstructure_hook(float, _write_finite)
    # A datetime is a date, so its own hooks come after.
    scalars: tuple[tuple[type, Callable[[Any], object], type, Callable[[Any], object]], ...] = (
        (bytes, _write_bytes, str, _read_bytes),
        (timedelta, _write_span, int, _read_span),
        (date, date.isoformat, str, date.fromisoformat),
        (time, time.isoformat, str, time.fromisoformat),
        (datetime, _write_aware, str, _read_aware),
        (Decimal, str, str, Decimal),
        (UUID, str, str, UUID),
    )
    for cls, write, plain, read in scalars:
        converter.register_unstructure_hook(cls, write)
        converter.register_structure_hook(cls, _reader_from(plain, cls, read))


def _reader_from(plain: type, cls: type, convert: Callable[[Any], object]) -> Reader:
    def read(value: object, _: object) -> object:
        if value.__class__ is not plain:
            raise TypeError(expected(f"{cls.__name__} as {plain.__name__}", value))
        return convert(value)

    return read


def _write_finite(value: float) -> float:
    if not isfinite(value):
        raise ValueError(f"JSON has no number for {value}")
    return value


def _write_bytes(value: bytes) -> str:
    return b64encode(value).decode("ascii")


def _read_bytes(text: str) -> bytes:
    return a2b_base64(text, strict_mode=True)


def _write_span(value: timedelta) -> int:
    return value // _MICROSECOND


def _read_span(micros: int) -> timedelta:
    return timedelta(microseconds=micros)


def _write_aware(value: datetime) -> str:
    _check_aware(value)
    return value.isoformat()


def _read_aware(text: str) -> datetime:
    return _check_aware(datetime.fromisoformat(text))


def _check_aware(value: datetime) -> datetime:
    if value.utcoffset() is None:
        raise ValueError(f"{value!r} has no time zone")
    return value
