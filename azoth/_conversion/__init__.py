"""
How the values of events become plain JSON and come back: a cattrs converter with strict hooks.

Strict means that a field takes what was written for it and nothing else: no text where a number
belongs, no number cut to fit. A damaged or foreign event is then an error and not a wrong value.
What is written depends on the value alone: sets are sorted, and NaN, which JSON lacks, is refused.
"""

from typing import Any

from attrs import has
from cattrs import Converter

from azoth._conversion.annotations import Reader, is_new_type
from azoth._conversion.class_readers import ClassReaders
from azoth._conversion.collections import register_collections
from azoth._conversion.reasons import reason_of
from azoth._conversion.scalars import register_scalars
from azoth._conversion.unions import register_tagged, register_unions

__all__ = ["make_converter", "reason_of", "register_tagged"]


def make_converter() -> Converter:
    """
    Return a converter that leaves out defaults, sorts sets, and reads strictly.

    Supported are attrs classes, text, numbers, bytes (as base64), None, enums, literals, lists,
    tuples, sets, mappings with text or integers as keys, aware datetimes, dates, times, timedeltas
    (as microseconds), decimals, UUIDs, optional values, unions of plain types, and tagged unions.
    """
    converter = Converter(omit_if_default=True, detailed_validation=False)
    plain = register_scalars(converter)
    register_collections(converter)
    register_unions(converter)
    converter.register_structure_hook_factory(is_new_type, _reader_of_new_type)
    converter.register_structure_hook_factory(has, ClassReaders(plain))
    return converter


def _reader_of_new_type(annotation: Any, converter: Converter) -> Reader:  # noqa: ANN401 - it is no type
    return converter.get_structure_hook(annotation.__supertype__)
