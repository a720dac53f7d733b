"""
The bytes of the rows, the same in every projection: JSON there and back, and what a digest hashes.

A task's state stands apart from its definition, and the definition from its payload: most events
change the state alone, and a payload of a megabyte is not written again for each of them.
"""

from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from hashlib import blake2b
from typing import Any, Final, TypeAlias, cast

from attrs import fields
from cattrs.gen import make_dict_unstructure_fn, override

from azoth.clocks import Instant
from azoth.json_format import FASTEST
from azoth_scheduler._copies import changed
from azoth_scheduler.events import registry
from azoth_scheduler.history import AttemptRow
from azoth_scheduler.task import NO_TASK, Definition, OpenRun, TaskState, Totals

__all__ = [
    "attempt_bytes",
    "attempt_of",
    "definition_bytes",
    "definition_hash",
    "definition_of",
    "row",
    "state_bytes",
    "state_of",
]

_HASH_BYTES: Final = 16
_DEFINITIONS_KEPT: Final = 1_024

_Field: TypeAlias = tuple[str, Any]
_Reader: TypeAlias = Callable[[Any, Any], Any]


def _plain_fields(cls: type, nested: Mapping[str, Any]) -> tuple[_Field, ...]:
    return tuple((field.name, field.default) for field in fields(cls) if field.name not in nested)


# By name, what JSON has no word for; all other fields are numbers, text, booleans and None.
_NESTED: Final[Mapping[str, Any]] = {
    "runs": tuple[OpenRun, ...],
    "exhausted": OpenRun | None,
    "buffered": tuple[Instant, ...],
    "totals": Totals,
}
_STATE_FIELDS: Final = _plain_fields(TaskState, {**_NESTED, "definition": Definition})
_ATTEMPT_FIELDS: Final = _plain_fields(AttemptRow, {})


def _plain(value: object, plain_fields: tuple[_Field, ...]) -> dict[str, Any]:
    # What equals its default is left out. Half of a fold is reading and writing rows, and this
    # takes a third of the time of what cattrs generates.
    held = vars(value)
    return {name: held[name] for name, default in plain_fields if held[name] != default}


@cache
def _reader_of(annotation: Any) -> _Reader:  # noqa: ANN401 - a type, or one like tuple[OpenRun, ...]
    # Made when first used: by then the registry has all its hooks.
    return registry.converter.get_structure_hook(annotation)


def state_bytes(state: TaskState) -> bytes:
    """
    Return a task's state as JSON, its definition left out.
    """
    data = _plain(state, _STATE_FIELDS)
    for name, annotation in _NESTED.items():
        value = getattr(state, name)
        if value != getattr(NO_TASK, name):
            data[name] = registry.converter.unstructure(value, annotation)
    return FASTEST.dumps(data)


def state_of(data: bytes, definition: Definition) -> TaskState:
    """
    Return the state that *data* was made of.
    """
    # The bytes are our own, so what is plain is taken as it is.
    held: dict[str, Any] = FASTEST.loads(data)
    for name, annotation in _NESTED.items():
        if name in held:
            held[name] = _reader_of(annotation)(held[name], annotation)
    return changed(NO_TASK, definition=definition, **held)


def definition_bytes(definition: Definition) -> bytes:
    """
    Return a definition as JSON, its payload left out.
    """
    return FASTEST.dumps(_definition_writer()(definition))


@cache
def _definition_writer() -> Callable[[Definition], dict[str, Any]]:
    options: dict[str, Any] = {"payload": override(omit=True), "_cattrs_omit_if_default": True}
    write: Callable[[Definition], dict[str, Any]] = make_dict_unstructure_fn(
        Definition, registry.converter, **options
    )
    return write


@lru_cache(maxsize=_DEFINITIONS_KEPT)
def definition_of(data: bytes) -> Definition:
    """
    Return the definition that *data* was made of, with an empty payload.
    """
    return cast("Definition", _reader_of(Definition)(FASTEST.loads(data), Definition))


def definition_hash(data: bytes, payload: bytes) -> bytes:
    """
    Return the hash of a definition and its payload, which stands in the row of its task's state.
    """
    key = blake2b(data, digest_size=_HASH_BYTES).digest()
    return blake2b(payload, key=key, digest_size=_HASH_BYTES).digest()


def attempt_bytes(attempt: AttemptRow) -> bytes:
    """
    Return an attempt as JSON.
    """
    return FASTEST.dumps(_plain(attempt, _ATTEMPT_FIELDS))


def attempt_of(data: bytes) -> AttemptRow:
    """
    Return the attempt that *data* was made of.
    """
    return AttemptRow(**FASTEST.loads(data))


def row(key: str, data: bytes, beside: bytes = b"") -> bytes:
    """
    Return what a digest hashes of a row: its key, its JSON, the hash of what is kept beside it.
    """
    # Neither a key nor JSON holds a NUL, so no two rows have the same bytes.
    return b"\0".join((key.encode(), data, beside))
