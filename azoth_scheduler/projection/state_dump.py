"""
The states of all tasks as one piece of bytes, and back.
"""

from collections.abc import Iterator, Mapping

from attrs import evolve

from azoth_scheduler.projection.packed import packed, unpacked
from azoth_scheduler.projection.rows import (
    definition_bytes,
    definition_of,
    state_bytes,
    state_of,
)
from azoth_scheduler.task import NO_TASK, TaskState

__all__ = ["dump_states", "load_states"]


def dump_states(states: Mapping[str, TaskState]) -> bytes:
    """
    Return *states* by task id as bytes.
    """
    return packed(piece for task_id, state in states.items() for piece in _pieces(task_id, state))


def load_states(data: bytes) -> Iterator[tuple[str, TaskState]]:
    """
    Yield each state with its task id, in the order in which they were given.
    """
    pieces = iter(unpacked(data))
    for task_id, state, definition, payload in zip(pieces, pieces, pieces, pieces, strict=True):
        written = NO_TASK.definition if not definition else definition_of(definition)
        # A definition is kept by its bytes, and these have no payload.
        held = evolve(written, payload=payload) if payload else written
        yield task_id.decode(), state_of(state, held)


def _pieces(task_id: str, state: TaskState) -> tuple[bytes, bytes, bytes, bytes]:
    definition = state.definition
    written = definition_bytes(definition) if state.exists else b""
    return task_id.encode(), state_bytes(state), written, definition.payload
