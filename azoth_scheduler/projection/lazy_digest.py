"""
The digest of a table in memory: nobody may ever ask, so rows are hashed when somebody does.
"""

from collections.abc import Mapping
from typing import Protocol

from azoth.digests import Digest
from azoth_scheduler.history import AttemptRow
from azoth_scheduler.projection.rows import (
    attempt_bytes,
    definition_bytes,
    definition_hash,
    row,
    state_bytes,
)
from azoth_scheduler.task import TaskState

__all__ = ["Attempts", "LazyDigest"]


class Attempts(Protocol):
    """
    Be where an attempt is looked up.
    """

    def get(self, execution_id: str) -> AttemptRow | None:
        """
        Return an attempt; None if there is none.
        """
        ...


class LazyDigest:
    """
    Remember of each row that was touched what it was at the last digest, and hash both when asked.
    """

    def __init__(self) -> None:
        self._digest = Digest()
        self._tasks: dict[str, TaskState | None] = {}
        self._attempts: dict[str, AttemptRow | None] = {}

    def touch_task(self, task_id: str, before: TaskState | None) -> None:
        """
        Note that a task's row changes, and what it was; None for one that was not there.
        """
        self._tasks.setdefault(task_id, before)

    def touch_attempt(self, execution_id: str, before: AttemptRow | None) -> None:
        """
        Note likewise that an attempt's row changes.
        """
        self._attempts.setdefault(execution_id, before)

    def hexdigest(self, states: Mapping[str, TaskState], attempts: Attempts) -> str:
        """
        Return the hash of all rows; it costs O(rows touched since the last call).
        """
        for task_id, before in self._tasks.items():
            if before is not None:
                self._digest.remove(_task_row(task_id, before))
            self._digest.add(_task_row(task_id, states[task_id]))
        for execution_id, known in self._attempts.items():
            if known is not None:
                self._digest.remove(row(execution_id, attempt_bytes(known)))
            now = attempts.get(execution_id)
            assert now is not None, "an attempt is never taken out"
            self._digest.add(row(execution_id, attempt_bytes(now)))
        self._tasks.clear()
        self._attempts.clear()
        return self._digest.hexdigest()

    @property
    def count(self) -> int:
        """
        Return how many rows the last hash was of.
        """
        return self._digest.count

    def load(self, digest: str, rows: int) -> None:
        """
        Begin with the hash of *rows* rows.
        """
        self._digest = Digest.of(digest, rows)


def _task_row(task_id: str, state: TaskState) -> bytes:
    if not state.exists:
        return row(task_id, state_bytes(state))
    definition = state.definition
    beside = definition_hash(definition_bytes(definition), definition.payload)
    return row(task_id, state_bytes(state), beside)
