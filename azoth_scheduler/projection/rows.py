"""
The bytes of the rows, the same in every projection: JSON there and back, and what a digest hashes.

A task's state stands apart from its definition, and the definition from its payload: most events
change the state alone, and a payload of a megabyte is not written again for each of them.
"""

from collections.abc import Callable
from functools import cache, lru_cache
from hashlib import blake2b
from typing import Any, Final, TypeAlias, cast

from cattrs.gen import make_dict_unstructure_fn, override

from azoth.json_format import FASTEST
from azoth_scheduler.events import registry
from azoth_scheduler.history import AttemptRow
from azoth_scheduler.task import Definition, OpenRun, TaskState, Totals

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

_Writer: TypeAlias = Callable[[Any], dict[str, Any]]
_Reader: TypeAlias = Callable[[Any, Any], Any]


@cache
def _writer_of(cls: type, *left_out: str) -> _Writer:
    # Made when first used: by then the registry has all its hooks.
    options: dict[str, Any] = {name: override(omit=True) for name in left_out}
    options["_cattrs_omit_if_default"] = True
    write: _Writer = make_dict_unstructure_fn(cls, registry.converter, **options)
    return write


@cache
def _reader_of(annotation: Any) -> _Reader:  # noqa: ANN401 - a type, or one like tuple[OpenRun, ...]
    return registry.converter.get_structure_hook(annotation)


def state_bytes(state: TaskState) -> bytes:
    """
    Return a task's state as JSON, its definition left out.
    """
    return FASTEST.dumps(_writer_of(TaskState, "definition")(state))


def state_of(data: bytes, definition: Definition) -> TaskState:
    """
    Return the state that *data* was made of.
    """
    fields: dict[str, Any] = FASTEST.loads(data)
    for name, annotation in _NESTED.items():
        if name in fields:
            fields[name] = _reader_of(annotation)(fields[name], annotation)
    # The bytes are our own, so what is plain is taken as it is.
    return TaskState(definition=definition, **fields)


_NESTED: Final[dict[str, Any]] = {
    "runs": tuple[OpenRun, ...],
    "exhausted": OpenRun,
    "totals": Totals,
}


def definition_bytes(definition: Definition) -> bytes:
    """
    Return a definition as JSON, its payload left out.
    """
    return FASTEST.dumps(_writer_of(Definition, "payload")(definition))


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
    return FASTEST.dumps(_writer_of(AttemptRow)(attempt))


def attempt_of(data: bytes) -> AttemptRow:
    """
    Return the attempt that *data* was made of.
    """
    return cast("AttemptRow", _reader_of(AttemptRow)(FASTEST.loads(data), AttemptRow))


def row(key: str, data: bytes, beside: bytes = b"") -> bytes:
    """
    Return what a digest hashes of a row: its key, its JSON, the hash of what is kept beside it.
    """
    # Neither a key nor JSON holds a NUL, so no two rows have the same bytes.
    return b"\0".join((key.encode(), data, beside))
