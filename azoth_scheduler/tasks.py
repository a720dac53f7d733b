"""
Tasks as their users see them: scheduled, changed, listed, and what became of their runs.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final, get_args

from azoth.clocks import datetime_of, instant_of
from azoth.events import Write, check_integer, check_name
from azoth_scheduler import forecast as forecasts
from azoth_scheduler._arguments import (
    check_by_handler,
    check_filter,
    check_group,
    check_if_exists,
    check_limit,
    check_request,
    tagged_set,
)
from azoth_scheduler.backfilling import backfilled
from azoth_scheduler.client import Client, Command
from azoth_scheduler.commands import (
    CancelRun,
    CancelTask,
    IfExists,
    PauseTask,
    ResumeTask,
    TriggerTask,
)
from azoth_scheduler.errors import RunNotFound, TaskNotFound
from azoth_scheduler.events import Overlap
from azoth_scheduler.handlers import Handlers
from azoth_scheduler.history import TaskRun
from azoth_scheduler.projection.base import TaskFilter
from azoth_scheduler.requests import (
    ScheduledTask,
    ScheduleTaskRequest,
    check_payload,
    check_reason,
    check_text,
)
from azoth_scheduler.settings import Settings, positive
from azoth_scheduler.table import ScheduleTable
from azoth_scheduler.task import TaskState

__all__ = ["FORECAST_MAX", "Tasks"]


FORECAST_MAX: Final = 10_000
"""Of the times of one forecast: nobody reads more, and each costs a step of cron."""


class Tasks:
    """
    Be the half of a scheduler that schedules, changes and shows tasks, and runs none.

    Args:
        table: Where tasks are looked up.
        client: How changes reach the log.
        handlers: Check what is scheduled; none leaves the check to the workers.
        settings: What is shown where a request said nothing.
    """

    def __init__(
        self, table: ScheduleTable, client: Client, handlers: Handlers, settings: Settings
    ) -> None:
        self._table = table
        self._client = client
        self._handlers = handlers
        self._settings = settings

    def schedule_task(
        self,
        request: ScheduleTaskRequest,
        *,
        if_exists: IfExists = "replace",
        expected_version: int | None = None,
    ) -> ScheduledTask:
        """
        Schedule a task; the same definition again is a no-op, another one is an edit in place.

        Args:
            request: The task.
            if_exists: What becomes of a task with another definition: `"replace"` it, `"ignore"`
                the request, or `"error"`.
            expected_version: The version that the task was seen at, 0 for none; None for any.

        Returns:
            The task as it stands now.

        Raises:
            TaskExists: It has another definition, and *if_exists* is `"error"`.
            TaskChanged: It is not at the version that was expected.
            HandlerNotFound: This scheduler has handlers, and none for the type.
            InvalidTask: The handler refuses the payload.
            InvalidSchedule: The schedule never fires.
        """
        if expected_version is not None:
            check_integer(expected_version, "expected_version")
        checked = self._checked(request)
        (state,) = self._client.schedule(
            [(checked.task_id, checked.definition)],
            if_exists=check_if_exists(if_exists),
            expected_version=expected_version,
        )
        return self._shown(state)

    def schedule_tasks(
        self, requests: Iterable[ScheduleTaskRequest], *, if_exists: IfExists = "replace"
    ) -> list[ScheduledTask]:
        """
        Schedule many tasks, up to a thousand in a commit.

        All requests are checked before the first is written. *if_exists* as in `schedule_task`.

        Returns:
            The tasks as they stand now, in the order of the requests.

        Raises:
            HandlerNotFound: This scheduler has handlers, and none for a type.
            InvalidTask: A handler refuses a payload.
            InvalidSchedule: A schedule never fires.
        """
        checked = [self._checked(request) for request in requests]
        states = self._client.schedule(
            [(one.task_id, one.definition) for one in checked],
            if_exists=check_if_exists(if_exists),
        )
        return [self._shown(state) for state in states]

    def scheduling(self, request: ScheduleTaskRequest) -> tuple[Write, ...]:
        """
        Return the writes that schedule a task, for an event handler to return: one commit for both.

        Where the task changes meanwhile, the processor handles its event again.

        Raises:
            As `schedule_task` does.
        """
        checked = self._checked(request)
        return self._client.writes_of(checked.task_id, checked.definition)

    def apply_schedules(
        self,
        requests: Iterable[ScheduleTaskRequest],
        *,
        prune: bool = False,
        group: str = "default",
    ) -> list[ScheduledTask]:
        """
        Make a set of tasks be what *requests* say: for programs that declare their schedules.

        Each task gets the tag `schedules:<group>`, by which a later call knows its own tasks.

        Args:
            requests: The whole set.
            prune: Whether tasks of the group that are not in the set are cancelled.
            group: Names the set; others are left alone.

        Returns:
            The tasks as they stand now, in the order of the requests.

        Raises:
            InvalidTask: Two requests have one id, one is of another group, or a handler refuses a
                payload.
            InvalidSchedule: A schedule never fires.
        """
        tag, tagged = tagged_set(requests, group)
        wanted = {request.task_id for request in tagged}
        with self._table.look() as projection:
            check_group([projection.get(task_id) for task_id in sorted(wanted)], tag)
        applied = self.schedule_tasks(tagged)
        if prune:
            for task in self.list_tasks(TaskFilter(tag=tag)):
                if task.task_id not in wanted and task.status != "cancelled":
                    self.cancel_task(task.task_id, f"no longer in the schedules of {group!r}")
        return applied

    def cancel_task(self, task_id: str, reason: str = "") -> ScheduledTask:
        """
        End a task: no further runs, a running attempt is asked to stop, the history stays.

        Raises:
            TaskNotFound: There is no such task.
        """
        return self._command(
            task_id,
            lambda now: CancelTask(at=now, task_id=task_id, reason=check_reason(task_id, reason)),
        )

    def pause_task(self, task_id: str, reason: str = "") -> ScheduledTask:
        """
        Stop new starts by the schedule, retries too; a running attempt ends as usual.

        Raises:
            TaskNotFound: There is no such task.
            InvalidTask: It is cancelled.
        """
        return self._command(
            task_id,
            lambda now: PauseTask(at=now, task_id=task_id, reason=check_reason(task_id, reason)),
        )

    def resume_task(self, task_id: str, reason: str = "") -> ScheduledTask:
        """
        Undo a pause and a disable; what fell due in between is not owed.

        Raises:
            TaskNotFound: There is no such task.
            InvalidTask: It is cancelled.
        """
        return self._command(
            task_id,
            lambda now: ResumeTask(at=now, task_id=task_id, reason=check_reason(task_id, reason)),
        )

    def trigger_task(
        self, task_id: str, *, overlap: Overlap | None = None, payload: bytes | None = None
    ) -> ScheduledTask:
        """
        Run a task now, beside its schedule.

        Args:
            task_id: The task.
            overlap: What happens while one of its runs is open; None for what the task says.
            payload: Handed to the handler in place of the task's own.

        Raises:
            TaskNotFound: There is no such task.
            InvalidTask: It is cancelled, or the handler refuses the payload.
            ValueError: There is no such overlap.
        """
        if overlap is not None and overlap not in get_args(Overlap):
            given = ", ".join(get_args(Overlap))
            raise ValueError(f"overlap is {overlap!r}; give one of {given}, or None")
        if payload is not None:
            check_payload(task_id, payload)
            check_by_handler(
                self._handlers, self._state(task_id).definition.task_type, task_id, payload
            )
        return self._command(
            task_id,
            lambda now: TriggerTask(at=now, task_id=task_id, payload=payload, overlap=overlap),
        )

    def backfill(self, task_id: str, start: datetime, end: datetime) -> ScheduledTask:
        """
        Run a task once for each time that its schedule names from *start* to *end*, in order.

        They are runs of their own, one after another, with `ctx.scheduled_at` the time that is
        filled in; the schedule goes on behind them. What ran at these times before runs again.

        Raises:
            TaskNotFound: There is no such task.
            InvalidTask: It is cancelled or has no grid, *end* lies before *start*, or there are
                none, or more than `BACKFILL_MAX`, times between them, or *end* is yet to come.
            ValueError: A time is naive, or outside the years 1970 to 9999.
        """
        state = self._state(task_id)
        nominals = backfilled(state, instant_of(start), instant_of(end), self._client.now())
        return self._command(
            task_id, lambda now: TriggerTask(at=now, task_id=task_id, nominals=nominals)
        )

    def cancel_run(self, execution_id: str, reason: str = "") -> ScheduledTask:
        """
        Stop one run: its attempt is asked to stop, its retry does not come; the task goes on.

        Raises:
            RunNotFound: There is no such attempt, or its run is closed.
        """
        check_text(execution_id, "execution id")
        with self._table.look() as projection:
            row = projection.get_run(execution_id)
        if row is None:
            raise RunNotFound(execution_id=execution_id)
        return self._command(
            row.task_id,
            lambda now: CancelRun(
                at=now,
                task_id=row.task_id,
                execution_id=execution_id,
                reason=check_reason(row.task_id, reason),
            ),
        )

    def get_task(self, task_id: str) -> ScheduledTask | None:
        """
        Return a task as it stands; None if there is none.
        """
        check_name(task_id, "task id")
        with self._table.look() as projection:
            state = projection.get(task_id)
        return self._shown(state) if state.exists else None

    def list_tasks(
        self, chosen: TaskFilter = TaskFilter(), *, limit: int | None = None, after: str = ""
    ) -> list[ScheduledTask]:
        """
        Return tasks in the order of their ids.

        Args:
            chosen: Which tasks.
            limit: At most so many; None for all.
            after: Only ids above this one: the last of the page before.

        Raises:
            TypeError: An argument is of another type.
            ValueError: The limit is below 1, or there is no such status.
        """
        check_filter(chosen)
        check_limit(limit)
        check_text(after, "after")
        with self._table.look() as projection:
            states = projection.list(chosen, limit, after)
        return [self._shown(state) for state in states]

    def runs(self, task_id: str, *, limit: int | None = None, after: int = 0) -> list[TaskRun]:
        """
        Return the attempts of a task, the earliest first.

        Args:
            task_id: The task.
            limit: At most so many; None for all.
            after: Only those above this position: the `position` of the last of the page before.

        Raises:
            TaskNotFound: There is no such task.
        """
        check_limit(limit)
        check_integer(after, "after")
        self._state(task_id)
        with self._table.look() as projection:
            rows = projection.runs(task_id, limit, after)
        return [TaskRun.of(row) for row in rows]

    def get_run(self, execution_id: str) -> TaskRun | None:
        """
        Return one attempt; None if there is none.
        """
        check_text(execution_id, "execution id")
        with self._table.look() as projection:
            row = projection.get_run(execution_id)
        return None if row is None else TaskRun.of(row)

    def forecast(self, task_id: str, count: int = 5) -> list[datetime]:
        """
        Return the next nominal times of a task if nothing happens to it: a forecast, in UTC.

        Raises:
            TaskNotFound: There is no such task.
            ValueError: *count* is negative, or over `FORECAST_MAX`.
        """
        check_integer(count, "count", high=FORECAST_MAX)
        coming = forecasts.forecast(self._state(task_id), count, self._client.now())
        return [datetime_of(at) for at in coming]

    def busy(self, task_id: str, width: timedelta | float, count: int) -> tuple[bool, ...]:
        """
        Say for each of *count* stretches of *width* from now whether a run is due in it.

        Raises:
            TaskNotFound: There is no such task.
            ValueError: *width* is no positive time, or *count* is over `FORECAST_MAX`.
        """
        check_integer(count, "count", low=1, high=FORECAST_MAX)
        stretch = positive(width, "width")
        return forecasts.busy(self._state(task_id), self._client.now(), stretch, count)

    def digest(self) -> str:
        """
        Return a hash of the schedule table, equal wherever the same log was folded.
        """
        with self._table.look() as projection:
            return projection.digest()

    def _command(self, task_id: str, command: Command) -> ScheduledTask:
        check_name(task_id, "task id")
        return self._shown(self._client.change(task_id, command))

    def _state(self, task_id: str) -> TaskState:
        check_name(task_id, "task id")
        with self._table.look() as projection:
            state = projection.get(task_id)
        if not state.exists:
            raise TaskNotFound(task_id=task_id)
        return state

    def _shown(self, state: TaskState) -> ScheduledTask:
        return ScheduledTask.of(state, self._settings)

    def _checked(self, request: ScheduleTaskRequest) -> ScheduleTaskRequest:
        check_request(request)
        check_by_handler(self._handlers, request.task_type, request.task_id, request.payload)
        return request
