"""
The hooks of lists, tuples, sets and mappings.
"""

from collections.abc import (
    Callable,
    Collection,
    Iterable,
    Mapping,
    MutableMapping,
    MutableSequence,
    Sequence,
)
from collections.abc import Set as AbstractSet
from typing import Any, Final, cast, get_args, get_origin

from cattrs import Converter

from azoth._conversion.annotations import Reader, expected

__all__ = ["register_collections"]

_MAKERS: Final[dict[object, Callable[[Iterable[object]], object]]] = {
    list: list,
    MutableSequence: list,
    tuple: tuple,
    Sequence: tuple,
    Collection: tuple,
    Iterable: tuple,
    set: set,
    frozenset: frozenset,
    AbstractSet: frozenset,
}


def register_collections(converter: Converter) -> None:
    """
    Read each collection from a JSON list or object and nothing else; write sets sorted.
    """
    converter.register_structure_hook_factory(_is_collection, _reader_of_items)
    converter.register_structure_hook_factory(_is_pair, _reader_of_pair)
    converter.register_unstructure_hook_factory(_is_set, _writer_of_set)
    converter.register_unstructure_hook_factory(_is_mapping, _writer_of_mapping)
    converter.register_structure_hook_factory(_is_mapping, _reader_of_mapping)


def _kind(annotation: object) -> object:
    return get_origin(annotation) or annotation


def _is_collection(annotation: object) -> bool:
    return _kind(annotation) in _MAKERS


def _is_pair(annotation: object) -> bool:
    return (
        _kind(annotation) is tuple
        and bool(get_args(annotation))
        and ... not in get_args(annotation)
    )


def _is_set(annotation: object) -> bool:
    kind = _kind(annotation)
    return kind is set or kind is frozenset or kind is AbstractSet


def _is_mapping(annotation: object) -> bool:
    kind = _kind(annotation)
    return kind is dict or kind is Mapping or kind is MutableMapping


def _reader_of_items(annotation: object, converter: Converter) -> Reader:
    make = _MAKERS[_kind(annotation)]
    item_type = (*get_args(annotation), Any)[0]
    read_item = converter.get_structure_hook(item_type)

    def read(value: object, _: object) -> object:
        return make([read_item(item, item_type) for item in _items(value)])

    return read


def _reader_of_pair(annotation: object, converter: Converter) -> Reader:
    item_types = get_args(annotation)
    readers = [converter.get_structure_hook(item_type) for item_type in item_types]

    def read(value: object, _: object) -> tuple[object, ...]:
        items = _items(value)
        if len(items) != len(readers):
            raise ValueError(expected(f"{len(readers)} items", value))
        together = zip(readers, items, item_types, strict=True)
        return tuple(read_item(item, item_type) for read_item, item, item_type in together)

    return read


def _items(value: object) -> list[object]:
    if not isinstance(value, list):
        raise TypeError(expected("a list", value))
    return cast("list[object]", value)


def _writer_of_set(annotation: object, converter: Converter) -> Callable[[Any], object]:
    write_item = converter.get_unstructure_hook((*get_args(annotation), Any)[0])
    # A set has no order, and what is written must not depend on the hash seed.
    return lambda value: sorted(write_item(item) for item in value)


def _key_and_value(annotation: object) -> tuple[Any, Any]:
    key_type, value_type = get_args(annotation) or (str, Any)
    return key_type, value_type


def _writer_of_mapping(annotation: object, converter: Converter) -> Callable[[Any], object]:
    key_type, value_type = _key_and_value(annotation)
    write_value = converter.get_unstructure_hook(value_type)
    write_key = str if key_type is int else converter.get_unstructure_hook(key_type)

    def write(value: Mapping[object, object]) -> dict[object, object]:
        return {write_key(key): write_value(item) for key, item in value.items()}

    return write


def _reader_of_mapping(annotation: object, converter: Converter) -> Reader:
    key_type, value_type = _key_and_value(annotation)
    read_value = converter.get_structure_hook(value_type)
    read_key = _read_integer_key if key_type is int else converter.get_structure_hook(key_type)

    def read(value: object, _: object) -> dict[object, object]:
        if not isinstance(value, dict):
            raise TypeError(expected("an object", value))
        pairs = cast("dict[str, object]", value).items()
        return {read_key(key, key_type): read_value(item, value_type) for key, item in pairs}

    return read


def _read_integer_key(key: str, _: object) -> int:
    return int(key)
