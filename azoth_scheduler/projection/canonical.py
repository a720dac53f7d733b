"""
The bytes of a row, the same in every projection, and the hash that a digest is the sum of.

A sum does not depend on the order of its parts, and one row that changes takes its old hash out
and puts its new one in; so comparing two projections at every prefix of a log is cheap.
"""

from collections.abc import Callable, Mapping
from functools import cache
from hashlib import blake2b
from typing import Any, Final, TypeAlias, cast

from cattrs.gen import make_dict_unstructure_fn, override

from azoth.json_format import FASTEST
from azoth_scheduler.events import registry
from azoth_scheduler.history import AttemptRow
from azoth_scheduler.task import Definition, TaskState

__all__ = [
    "DIGEST_BYTES",
    "attempt_bytes",
    "definition_bytes",
    "definition_hash",
    "digest_of",
    "row_hash",
    "state_bytes",
]

DIGEST_BYTES: Final = 32
"""Of the hash of a row and of their sum: no two different tables meet by chance."""

_MODULUS: Final = 1 << (8 * DIGEST_BYTES)

_Writer: TypeAlias = Callable[[Any], Mapping[str, Any]]


@cache
def _writer_of(cls: type, *left_out: str) -> _Writer:
    # Made when first used: by then the registry has all its hooks.
    options: dict[str, Any] = {name: override(omit=True) for name in left_out}
    options["_cattrs_omit_if_default"] = True
    return cast("_Writer", make_dict_unstructure_fn(cls, registry.converter, **options))


def state_bytes(state: TaskState) -> bytes:
    """
    Return a task's state as JSON, its definition left out.
    """
    return FASTEST.dumps(_writer_of(TaskState, "definition")(state))


def definition_bytes(definition: Definition) -> bytes:
    """
    Return a definition as JSON, its payload left out.
    """
    return FASTEST.dumps(_writer_of(Definition, "payload")(definition))


def definition_hash(data: bytes, payload: bytes) -> bytes:
    """
    Return the hash of a definition, which stands in the row of its task's state.
    """
    return blake2b(payload, key=blake2b(data).digest(), digest_size=DIGEST_BYTES).digest()


def attempt_bytes(row: AttemptRow) -> bytes:
    """
    Return an attempt as JSON.
    """
    return FASTEST.dumps(_writer_of(AttemptRow)(row))


def row_hash(key: str, data: bytes, beside: bytes = b"") -> int:
    """
    Return the hash of a row: of its key, its JSON, and the hash of what is kept beside it.
    """
    # Neither a key nor JSON holds a NUL, so no two rows have the same bytes.
    row = b"\0".join((key.encode(), data, beside))
    return int.from_bytes(blake2b(row, digest_size=DIGEST_BYTES).digest())


def digest_of(total: int) -> str:
    """
    Return the sum of all hashes as text.
    """
    return (total % _MODULUS).to_bytes(DIGEST_BYTES).hex()
