"""
One batch in SQLite: the rows that it finds, and each that it touched written once.
"""

import sqlite3
from collections.abc import Iterable
from typing import Final

from attrs import frozen

from azoth.events import Event
from azoth.json_format import FASTEST
from azoth_scheduler.events import task_of
from azoth_scheduler.history import AttemptRow
from azoth_scheduler.projection.fold import Folded
from azoth_scheduler.projection.rows import (
    attempt_bytes,
    attempt_of,
    definition_bytes,
    definition_hash,
    definition_of,
    state_bytes,
    state_of,
)
from azoth_scheduler.projection.statements import statement
from azoth_scheduler.task import NO_TASK, Definition, TaskState, wake_at

__all__ = ["Batch", "lane_key"]


def lane_key(lane: str) -> tuple[str, str, int]:
    """
    Return the task type, the queue and the priority of a lane.
    """
    task_type, queue, priority = FASTEST.loads(lane.encode())
    return task_type, queue, priority


def _lane_of(definition: Definition) -> str:
    options = definition.options
    return FASTEST.dumps([definition.task_type, options.queue, options.priority]).decode()


@frozen
class _Found:
    # A task as a batch found it, not yet read: a fold that knows the state has no need to. The
    # payload is left where it is, only its hash is known.
    data: bytes
    definition: bytes | None
    generation: int
    definition_hash: bytes


_NOTHING: Final = _Found(b"", None, 0, b"")


class Batch:
    """
    Be the rows as a fold finds them, and write what it leaves; inside one transaction.

    Attributes:
        old_rows: Of each row that was there and was touched, what a digest takes out, by `row`.
        new_rows: What it puts in.
    """

    def __init__(self, connection: sqlite3.Connection, events: Iterable[Event]) -> None:
        self._connection = connection
        wanted = FASTEST.dumps(list(dict.fromkeys(task_of(event.stream) for event in events)))
        # One statement for all of them: the call takes longer than the search.
        found = connection.execute(statement("select_for_fold"), (wanted.decode(),))
        self._tasks = {task_id: _Found(*row) for task_id, *row in found}
        self._attempts: dict[str, bytes] = {}
        self.old_rows: list[tuple[str, bytes, bytes]] = []
        self.new_rows: list[tuple[str, bytes, bytes]] = []

    def get(self, task_id: str) -> TaskState:
        """
        Return a task's state, its payload left out; `NO_TASK` if it has none.
        """
        found = self._tasks.get(task_id)
        if found is None:
            return NO_TASK
        written = found.definition
        definition = NO_TASK.definition if written is None else definition_of(written)
        return state_of(found.data, definition)

    def get_run(self, execution_id: str) -> AttemptRow | None:
        """
        Return one attempt; None if there is none.
        """
        found = self._connection.execute(statement("select_attempt"), (execution_id,)).fetchone()
        if found is None:
            return None
        self._attempts[execution_id] = found[0]
        return attempt_of(found[0])

    def write(self, folded: Folded) -> None:
        """
        Write each row that the fold touched.
        """
        self._write_tasks(folded)
        self._write_attempts(folded)

    def _write_tasks(self, folded: Folded) -> None:
        tasks: list[tuple[str, str | None, int | None, bool, bytes]] = []
        definitions: list[tuple[str, int, bytes, bytes, bytes]] = []
        for task_id, state in folded.states.items():
            found, definition = self._tasks.get(task_id, _NOTHING), state.definition
            hashed, generation = found.definition_hash, state.generation
            # A definition changes with its generation and never else.
            if generation != found.generation:
                written = definition_bytes(definition)
                hashed = definition_hash(written, definition.payload)
                definitions.append((task_id, generation, written, hashed, definition.payload))
            data, wake = state_bytes(state), wake_at(state)
            lane = None if wake is None else _lane_of(definition)
            tasks.append((task_id, lane, wake, bool(state.active), data))
            if found is not _NOTHING:
                self.old_rows.append((task_id, found.data, found.definition_hash))
            self.new_rows.append((task_id, data, hashed))
        self._connection.executemany(statement("put_definition"), definitions)
        self._connection.executemany(statement("put_task"), tasks)

    def _write_attempts(self, folded: Folded) -> None:
        attempts: list[tuple[int, str, str, bytes]] = []
        for execution_id, attempt in folded.attempts.items():
            data = attempt_bytes(attempt)
            attempts.append((attempt.started_position, execution_id, attempt.task_id, data))
            if execution_id in self._attempts:
                self.old_rows.append((execution_id, self._attempts[execution_id], b""))
            self.new_rows.append((execution_id, data, b""))
        self._connection.executemany(statement("put_attempt"), attempts)
