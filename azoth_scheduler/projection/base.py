"""
The port for the schedule table: a fold of the category `$task` that can be asked what is due.
"""

from collections.abc import Sequence
from typing import Protocol

from attrs import frozen

from azoth.clocks import Instant
from azoth.events import Event, Query
from azoth_scheduler.events import CATEGORY
from azoth_scheduler.history import AttemptRow
from azoth_scheduler.projection.foreseeing import Known
from azoth_scheduler.task import OpenRun, Status, TaskState, status_of

__all__ = ["QUERY", "ActiveRun", "ScheduleProjection", "Served", "TaskFilter"]

QUERY = Query(category=CATEGORY)
"""What the projection reads; an application's own events cost it nothing."""


@frozen(kw_only=True)
class Served:
    """
    Name what a scheduler serves; None serves all of them.
    """

    types: tuple[str, ...] | None = None
    queues: tuple[str, ...] | None = None


@frozen(kw_only=True)
class TaskFilter:
    """
    Choose tasks; every field that is given must match.

    Attributes:
        enabled: Whether the task is scheduled, running or retrying.
        task_type: Its type.
        status: Its status.
        queue: Its queue.
        tag: One of its tags.
    """

    enabled: bool | None = None
    task_type: str | None = None
    status: Status | None = None
    queue: str | None = None
    tag: str | None = None

    def matches(self, state: TaskState) -> bool:
        """
        Say whether the task is one of those chosen.
        """
        status, options = status_of(state), state.definition.options
        enabled = status in ("scheduled", "running", "retrying")
        return (
            self.enabled in (None, enabled)
            and self.task_type in (None, state.definition.task_type)
            and self.status in (None, status)
            and self.queue in (None, options.queue)
            and (self.tag is None or self.tag in options.tags)
        )


@frozen
class ActiveRun:
    """
    Name an attempt that is running, as far as the log knows.
    """

    task_id: str
    run: OpenRun


class ScheduleProjection(Protocol):
    """
    Keep the schedule table, the due index and the history of attempts.

    Every method sees one position; `apply` moves it with the rows, in one transaction. Several
    objects may share one file: `apply` of events that another one applied before is a no-op.
    """

    @property
    def name(self) -> str:
        """
        Name the projection, for messages.
        """
        ...

    @property
    def version(self) -> int:
        """
        Return the version of its code; rows of another one are rebuilt.
        """
        ...

    @property
    def query(self) -> Query:
        """
        Return what it reads.
        """
        ...

    @property
    def position(self) -> int:
        """
        Return the position up to which it has applied the log.
        """
        ...

    def apply(self, events: Sequence[Event], position: int) -> None:
        """
        Fold *events* and move to *position*; each touched row is written once.
        """
        ...

    def foresee(self, stream: str, version: int, known: Known) -> None:
        """
        Remember what its appender knows of an event, so that it need not be read back.
        """
        ...

    def due(self, now: Instant, limit: int, served: Served) -> Sequence[TaskState]:
        """
        Return at most *limit* tasks with something to start, by (priority, due time, id).

        Lower numbers come first. What lies ahead of *now* is left out, also if an earlier call
        came with a later *now*. It costs O(due), whatever the number of tasks.
        """
        ...

    def next_wake(self, served: Served) -> Instant | None:
        """
        Return when the next task is due, late ones included; None if none will be.
        """
        ...

    def get(self, task_id: str) -> TaskState:
        """
        Return a task's state; `NO_TASK` if its stream has no events.
        """
        ...

    def list(
        self, chosen: TaskFilter, limit: int | None = None, after: str = ""
    ) -> Sequence[TaskState]:
        """
        Return tasks in the order of their ids, from the one after *after*.

        A stream of which no event could be read is no task.
        """
        ...

    def active(self) -> Sequence[ActiveRun]:
        """
        Return the attempts that run, by task id; it costs O(active).
        """
        ...

    def runs(self, task_id: str, limit: int | None = None, after: int = 0) -> Sequence[AttemptRow]:
        """
        Return the attempts of a task in the order of their starts.

        Args:
            task_id: The task.
            limit: At most so many; None for all.
            after: Only attempts whose `started_position` is above this.
        """
        ...

    def get_run(self, execution_id: str) -> AttemptRow | None:
        """
        Return one attempt; None if there is none.
        """
        ...

    def unreadable(self) -> int:
        """
        Return how many events of the category could not be decoded and were passed over.
        """
        ...

    def digest(self) -> str:
        """
        Return a hash of all rows, the same for every implementation and every order of calls.
        """
        ...

    def close(self) -> None:
        """
        Free what it holds; twice is fine.
        """
        ...
