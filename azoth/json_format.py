"""
JSON by the standard library, or by orjson where it is installed: each reads what the other wrote.

Both write compact UTF-8 without escapes, so their bytes are equal, save for the exponent of a very
large or small float (`1e+16` and `1e16`). Both refuse what the other could not read: numbers
outside 64 bits, NaN and infinity, lone surrogates, keys that are no text.
"""

import json
from collections.abc import Callable
from importlib import import_module
from typing import Any, Final, NoReturn, cast

from attrs import frozen

__all__ = ["FASTEST", "STDLIB", "JsonFormat"]

_INTEGER_MIN: Final = -(2**63)
_INTEGER_MAX: Final = 2**64 - 1


@frozen
class JsonFormat:
    """
    Name a pair of functions that write and read JSON.

    Attributes:
        name: The library.
        dumps: Write a tree of plain values; `TypeError` or `ValueError` for what JSON cannot hold.
        loads: Read it back; `ValueError` for bytes that are no JSON.
    """

    name: str
    dumps: Callable[[object], bytes]
    loads: Callable[[bytes], Any]


def _dumps(tree: object) -> bytes:
    _check(tree)
    return json.dumps(tree, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def _check(tree: object) -> None:
    # orjson refuses these by itself; the standard library would write what orjson cannot read.
    if isinstance(tree, dict):
        for key, value in cast("dict[object, object]", tree).items():
            if not isinstance(key, str):
                raise TypeError(f"a key is text, not {key!r}")
            _check(value)
    elif isinstance(tree, list | tuple):
        for value in cast("list[object]", tree):
            _check(value)
    elif isinstance(tree, int) and not _INTEGER_MIN <= tree <= _INTEGER_MAX:
        raise ValueError(f"the integer {tree} does not fit 64 bits")


def _loads(data: bytes) -> object:
    # Decoded here: the library would guess UTF-16 from the first bytes.
    return json.loads(data.decode(), parse_constant=_refuse)


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


STDLIB: Final = JsonFormat("json", _dumps, _loads)
"""The standard library's JSON."""


def _fastest() -> JsonFormat:
    try:
        orjson = import_module("orjson")
    except ImportError:
        return STDLIB
    return JsonFormat("orjson", orjson.dumps, orjson.loads)


FASTEST: Final = _fastest()
"""orjson if it is installed (the extra `fast`), else the standard library's JSON."""
