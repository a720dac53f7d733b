"""
The hooks of unions: of plain types, told apart by their class, and of classes, told apart by a tag.
"""

from collections.abc import Callable, Mapping
from types import NoneType
from typing import Any, cast, get_args

from attrs import fields_dict
from cattrs import Converter

from azoth._conversion.annotations import PLAIN, Reader, expected, is_choice, members

__all__ = ["register_tagged", "register_unions"]


def register_unions(converter: Converter) -> None:
    """
    Read a union of plain types, and refuse one that needs a tag and has none.
    """
    converter.register_structure_hook_factory(is_choice, _reader_of_choice)


def register_tagged(converter: Converter, classes: Mapping[str, type], tag: str) -> None:
    """
    Write each of *classes* with a field *tag* that names it, in every union of some of them.

    Raises:
        ValueError: One of the classes has a field of that name.
    """
    names = {cls: name for name, cls in classes.items()}
    for cls in names:
        if tag in fields_dict(cls):
            raise ValueError(f"{cls.__qualname__} has a field {tag!r}; give another tag")

    def is_tagged(annotation: object) -> bool:
        return is_choice(annotation) and all(member in names for member in members(annotation))

    def writer(_annotation: object, converter: Converter) -> Callable[[Any], object]:
        return _writer_of_tagged(converter, names, tag)

    def reader(annotation: object, converter: Converter) -> Reader:
        read = _reader_of_tagged(converter, classes, tag)
        return _or_none(read) if NoneType in get_args(annotation) else read

    converter.register_unstructure_hook_factory(is_tagged, writer)
    converter.register_structure_hook_factory(is_tagged, reader)


def _writer_of_tagged(
    converter: Converter, names: Mapping[type, str], tag: str
) -> Callable[[Any], object]:
    writers = {cls: (converter.get_unstructure_hook(cls), name) for cls, name in names.items()}

    def write(value: object) -> object:
        if value is None:
            return None
        unstructure, name = writers[value.__class__]
        return {tag: name, **unstructure(value)}

    return write


def _reader_of_tagged(converter: Converter, classes: Mapping[str, type], tag: str) -> Reader:
    readers = {name: (converter.get_structure_hook(cls), cls) for name, cls in classes.items()}

    def read(value: object, _: object) -> object:
        data = cast("dict[str, object]", value if isinstance(value, dict) else {})
        name = data.get(tag)
        if not isinstance(name, str) or name not in readers:
            raise ValueError(f"{tag} is {name!r}, expected one of {', '.join(readers)}")
        structure, cls = readers[name]
        return structure(data, cls)

    return read


def _or_none(read: Reader) -> Reader:
    return lambda value, annotation: None if value is None else read(value, annotation)


def _reader_of_choice(annotation: object, _converter: Converter) -> Reader:
    # cattrs would guess the class from its fields, and a field at its default is not written.
    if not all(member in PLAIN for member in members(annotation)):
        raise TypeError(
            f"JSON does not tell the members of {annotation} apart; register them with "
            "registry.tagged, or a hook with registry.converter"
        )
    classes = get_args(annotation)

    def read(value: object, _: object) -> object:
        if value.__class__ in classes:
            return value
        if float in classes and value.__class__ is int:
            return float(cast("float", value))
        raise TypeError(expected(str(annotation), value))

    return read
