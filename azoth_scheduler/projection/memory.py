"""
The schedule table in memory: the reference model, rebuilt from the log at each start.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from threading import RLock

from azoth.clocks import Instant
from azoth.events import Event, Query
from azoth.json_format import FASTEST
from azoth_scheduler.history import AttemptRow
from azoth_scheduler.projection.attempt_table import AttemptTable
from azoth_scheduler.projection.base import QUERY, ActiveRun, Served, TaskFilter
from azoth_scheduler.projection.due_index import DueIndex
from azoth_scheduler.projection.fold import Folded, UnreadableLog, fold
from azoth_scheduler.projection.foreseeing import Foreseen, Known
from azoth_scheduler.projection.lazy_digest import LazyDigest
from azoth_scheduler.projection.state_dump import dump_states, load_states
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
        self._attempts = AttemptTable()
        self._index = DueIndex()
        self._active: dict[str, TaskState] = {}
        self._ids: list[str] = []
        self._unreadable = 0
        self._unreadable_log = UnreadableLog()
        self._digest = LazyDigest()
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
            self._digest.touch_task(task_id, self._put_state(task_id, state))
        for execution_id, attempt in folded.attempts.items():
            self._digest.touch_attempt(execution_id, self._attempts.put(execution_id, attempt))

    def _put_state(self, task_id: str, state: TaskState) -> TaskState | None:
        before = self._states.get(task_id)
        self._states[task_id] = state
        self._index.put(before or NO_TASK, state)
        if state.active:
            self._active[task_id] = state
        elif before is not None and before.active:
            del self._active[task_id]
        return before

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
            return self._attempts.of_task(task_id, limit, after)

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
            return self._digest.hexdigest(self._states, self._attempts)

    @property
    def rows(self) -> Mapping[str, object]:
        """
        Return every row by `task <id>` and `attempt <execution id>`.
        """
        with self._lock:
            tasks = {f"task {task_id}": state for task_id, state in self._states.items()}
            attempts = {f"attempt {row.execution_id}": row for row in self._attempts.rows()}
            return {**tasks, **attempts}

    def dump(self) -> Sequence[bytes]:
        """
        Return all that it is as bytes, for `azoth.replay.Snapshots`.
        """
        with self._lock:
            head = (self._position, self._unreadable, self.digest(), self._digest.count)
            return (FASTEST.dumps(head), dump_states(self._states), *self._attempts.dump())

    def load(self, parts: Sequence[bytes]) -> None:
        """
        Become what `dump` has written; it is called on a new one.

        Raises:
            Exception: It is something else.
        """
        head, states, *attempts = parts
        with self._lock:
            for task_id, state in load_states(states):
                self._put_state(task_id, state)
            self._attempts.load(attempts)
            self._position, self._unreadable, digest, count = FASTEST.loads(head)
            self._digest.load(digest, count)

    def close(self) -> None:
        """
        Free nothing: it goes with its owner.
        """
