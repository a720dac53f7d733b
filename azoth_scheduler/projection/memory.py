"""
The schedule table in memory: the reference model, rebuilt from the log at each start.
"""

from bisect import bisect_right
from collections.abc import Sequence
from threading import RLock

from azoth.clocks import Instant
from azoth.digests import Digest
from azoth.events import Event, Query
from azoth_scheduler.history import AttemptRow
from azoth_scheduler.projection.base import QUERY, ActiveRun, Served, TaskFilter
from azoth_scheduler.projection.due_index import DueIndex
from azoth_scheduler.projection.fold import Folded, UnreadableLog, fold
from azoth_scheduler.projection.foreseeing import Foreseen, Known
from azoth_scheduler.projection.rows import (
    attempt_bytes,
    definition_bytes,
    definition_hash,
    row,
    state_bytes,
)
from azoth_scheduler.task import NO_TASK, TaskState

__all__ = ["MemoryScheduleProjection"]


class MemoryScheduleProjection:
    """
    Keep the schedule table in memory.

    A batch costs O(log n) for each task that it touches, `due` O(limit), `next_wake` O(1) for each
    pair of task type and queue, also when ten thousand tasks are due and a pass takes ten.
    Of two tasks that are due, the one with the lower priority number starts first.
    """

    name: str = "schedule"
    version: int = 1
    query: Query = QUERY

    def __init__(self) -> None:
        self._lock = RLock()
        self._position = 0
        self._states: dict[str, TaskState] = {}
        self._attempts: dict[str, AttemptRow] = {}
        self._index = DueIndex()
        self._active: dict[str, TaskState] = {}
        self._ids: list[str] = []
        self._runs: dict[str, list[str]] = {}
        self._unreadable = 0
        self._unreadable_log = UnreadableLog()
        self._hashes = _Hashes()
        self._foreseen = Foreseen()

    @property
    def position(self) -> int:
        """
        Return the position up to which it has applied the log.
        """
        return self._position

    def apply(self, events: Sequence[Event], position: int) -> None:
        """
        Fold *events* and move to *position*; what it has seen before is passed over.
        """
        with self._lock:
            new = [event for event in events if event.position > self._position]
            folded = fold(new, self, self._foreseen)
            self._take(folded)
            self._position = max(self._position, position)
            self._unreadable += len(folded.unreadable)
        self._unreadable_log.report(folded.unreadable)

    def foresee(self, stream: str, version: int, known: Known) -> None:
        """
        Remember what its appender knows of an event, so that it need not be read back.
        """
        self._foreseen.add(stream, version, known)

    def _take(self, folded: Folded) -> None:
        for task_id, state in folded.states.items():
            before = self._states.get(task_id, NO_TASK)
            self._states[task_id] = state
            self._index.put(before, state)
            if state.active:
                self._active[task_id] = state
            elif before.active:
                del self._active[task_id]
        for execution_id, attempt in folded.attempts.items():
            self._take_attempt(execution_id, attempt)
        self._hashes.touch(folded)

    def _take_attempt(self, execution_id: str, attempt: AttemptRow) -> None:
        if execution_id not in self._attempts:
            self._runs.setdefault(attempt.task_id, []).append(execution_id)
        self._attempts[execution_id] = attempt

    def due(self, now: Instant, limit: int, served: Served) -> Sequence[TaskState]:
        """
        Return at most *limit* tasks with something to start, by (priority, due time, id).

        Lower numbers come first. When the clock was set back, what lies ahead of it is left out.
        """
        with self._lock:
            return [self._states[task_id] for task_id in self._index.due(now, limit, served)]

    def next_wake(self, served: Served) -> Instant | None:
        """
        Return when the next task is due, late ones included; None if none will be.
        """
        with self._lock:
            return self._index.next_wake(served)

    def get(self, task_id: str) -> TaskState:
        """
        Return a task's state; `NO_TASK` if its stream has no events.
        """
        with self._lock:
            return self._states.get(task_id, NO_TASK)

    def list(
        self, chosen: TaskFilter, limit: int | None = None, after: str = ""
    ) -> Sequence[TaskState]:
        """
        Return tasks in the order of their ids, from the one after *after*.
        """
        with self._lock:
            ids = self._sorted_ids()
            found: list[TaskState] = []
            for place in range(bisect_right(ids, after), len(ids)):
                if limit is not None and len(found) >= limit:
                    break
                state = self._states[ids[place]]
                if state.exists and chosen.matches(state):
                    found.append(state)
            return found

    def _sorted_ids(self) -> Sequence[str]:
        # Sorted when somebody asks: new ids stand at the end, and a sort of two runs is linear.
        if len(self._ids) < len(self._states):
            known = len(self._ids)
            self._ids += list(self._states)[known:]
            self._ids.sort()
        return self._ids

    def active(self) -> Sequence[ActiveRun]:
        """
        Return the attempts that run, by task id.
        """
        with self._lock:
            return [
                ActiveRun(task_id, run)
                for task_id, state in sorted(self._active.items())
                for run in state.active
            ]

    def runs(self, task_id: str, limit: int | None = None, after: int = 0) -> Sequence[AttemptRow]:
        """
        Return the attempts of a task in the order of their starts, from the one after *after*.
        """
        with self._lock:
            ids = self._runs.get(task_id, [])
            start = bisect_right(ids, after, key=lambda one: self._attempts[one].started_position)
            end = None if limit is None else start + max(0, limit)
            return [self._attempts[execution_id] for execution_id in ids[start:end]]

    def get_run(self, execution_id: str) -> AttemptRow | None:
        """
        Return one attempt; None if there is none.
        """
        with self._lock:
            return self._attempts.get(execution_id)

    def unreadable(self) -> int:
        """
        Return how many events of the category could not be read.
        """
        return self._unreadable

    def digest(self) -> str:
        """
        Return a hash of all rows; it costs O(rows touched since the last call).
        """
        with self._lock:
            return self._hashes.digest(self._states, self._attempts)

    def close(self) -> None:
        """
        Free nothing: it goes with its owner.
        """


class _Hashes:
    # Nobody may ever ask for a digest, so rows are hashed when somebody does.
    def __init__(self) -> None:
        self._digest = Digest()
        self._rows: dict[str, bytes] = {}
        self._touched_states: dict[str, None] = {}
        self._touched_attempts: dict[str, None] = {}

    def touch(self, folded: Folded) -> None:
        self._touched_states.update(dict.fromkeys(folded.states))
        self._touched_attempts.update(dict.fromkeys(folded.attempts))

    def digest(self, states: dict[str, TaskState], attempts: dict[str, AttemptRow]) -> str:
        for task_id in self._touched_states:
            self._put(f"task {task_id}", _row_of(task_id, states[task_id]))
        for execution_id in self._touched_attempts:
            data = attempt_bytes(attempts[execution_id])
            self._put(f"attempt {execution_id}", row(execution_id, data))
        self._touched_states.clear()
        self._touched_attempts.clear()
        return self._digest.hexdigest()

    def _put(self, key: str, new: bytes) -> None:
        old = self._rows.get(key)
        if old is not None:
            self._digest.remove(old)
        self._digest.add(new)
        self._rows[key] = new


def _row_of(task_id: str, state: TaskState) -> bytes:
    if not state.exists:
        return row(task_id, state_bytes(state))
    definition = state.definition
    beside = definition_hash(definition_bytes(definition), definition.payload)
    return row(task_id, state_bytes(state), beside)
