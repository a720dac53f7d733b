"""
The bytes of the rows, the same in every projection: JSON there and back, and what a digest hashes.

A task's state stands apart from its definition, and the definition from its payload: most events
change the state alone, and a payload of a megabyte is not written again for each of them.
"""

from base64 import b64decode, b64encode
from collections.abc import Callable
from functools import cache, lru_cache
from hashlib import blake2b
from typing import Any, Final

from cattrs.gen import make_dict_unstructure_fn, override

from azoth.json_format import FASTEST
from azoth_scheduler._copies import with_changes
from azoth_scheduler.events import registry
from azoth_scheduler.history import NO_ATTEMPT, AttemptRow
from azoth_scheduler.projection.plain_fields import plain_fields_of
from azoth_scheduler.task import NO_RUN, NO_TASK, Definition, OpenRun, TaskState, Totals

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

# These hold what JSON has no word for; all other fields are numbers, text, booleans and None.
_plain_state: Final = plain_fields_of(
    TaskState, without=("definition", "runs", "exhausted", "buffered", "totals")
)
_plain_run: Final = plain_fields_of(OpenRun)
_plain_totals: Final = plain_fields_of(Totals)
_plain_attempt: Final = plain_fields_of(AttemptRow)


def state_bytes(state: TaskState) -> bytes:
    """
    Return a task's state as JSON, its definition left out.
    """
    data = _plain_state(state)
    if state.runs:
        data["runs"] = [_run_data(run) for run in state.runs]
    if state.exhausted is not None:
        data["exhausted"] = _run_data(state.exhausted)
    if state.buffered:
        data["buffered"] = state.buffered
    if state.totals != NO_TASK.totals:
        data["totals"] = _plain_totals(state.totals)
    return FASTEST.dumps(data)


def state_of(data: bytes, definition: Definition) -> TaskState:
    """
    Return the state that *data* was made of.
    """
    # The bytes are our own, so what is plain is taken as it is.
    held: dict[str, Any] = FASTEST.loads(data)
    held["definition"] = definition
    if "runs" in held:
        held["runs"] = tuple([_run_of(run) for run in held["runs"]])
    if "exhausted" in held:
        held["exhausted"] = _run_of(held["exhausted"])
    if "buffered" in held:
        held["buffered"] = tuple(held["buffered"])
    if "totals" in held:
        held["totals"] = with_changes(NO_TASK.totals, held["totals"])
    return with_changes(NO_TASK, held)


def _run_data(run: OpenRun) -> dict[str, Any]:
    data = _plain_run(run)
    if run.payload is not None:
        data["payload"] = b64encode(run.payload).decode()
    return data


def _run_of(data: dict[str, Any]) -> OpenRun:
    if "payload" in data:
        data["payload"] = b64decode(data["payload"])
    return with_changes(NO_RUN, data)


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
    return registry.converter.structure(FASTEST.loads(data), Definition)


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
    return FASTEST.dumps(_plain_attempt(attempt))


def attempt_of(data: bytes) -> AttemptRow:
    """
    Return the attempt that *data* was made of.
    """
    return with_changes(NO_ATTEMPT, FASTEST.loads(data))


def row(key: str, data: bytes, beside: bytes = b"") -> bytes:
    """
    Return what a digest hashes of a row: its key, its JSON, the hash of what is kept beside it.
    """
    # Neither a key nor JSON holds a NUL, so no two rows have the same bytes.
    return b"\0".join((key.encode(), data, beside))
