"""
What a user writes to do the work: handlers, and the events that they return.
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from inspect import iscoroutinefunction
from typing import ClassVar, TypeAlias

from attrs import field, frozen

from azoth.events import Metadata, check_name
from azoth_scheduler.context import TaskContext
from azoth_scheduler.errors import HandlerNotFound, InvalidTask
from azoth_scheduler.middleware import Middleware, check_middleware
from azoth_scheduler.retries import RetryPolicy

__all__ = [
    "Handlers",
    "Returned",
    "TaskEvent",
    "TaskHandler",
    "TaskRequest",
    "check_task_type",
    "is_coroutine_handler",
]


@frozen
class TaskEvent:
    """
    Describe an event that a handler wants in the log, in one commit with its outcome.

    Attributes:
        event_type: The event's type.
        payload: Its bytes.
        stream: The stream it goes to; None for `<task_type>-<task_id>`. Not one that begins with
            `$`: those are the system's.
        metadata: Text beside it; the ids of the run and the attempt are added.
    """

    event_type: str
    payload: bytes = b""
    stream: str | None = field(default=None, kw_only=True)
    metadata: Mapping[str, str] = field(default=Metadata(), kw_only=True)


class TaskRequest:
    """
    Be what asks for a task: a `ScheduleTaskRequest`, by the name under which handlers return it.
    """

    __slots__ = ()

    task_id: str
    task_type: str
    payload: bytes


Returned: TypeAlias = TaskEvent | TaskRequest | Sequence[TaskEvent | TaskRequest] | None
"""What a handler returns: events and tasks, appended in one commit with the outcome."""


class TaskHandler(ABC):
    """
    Do the work of one task type; subclass it and set `task_type`.

    `execute` may be a coroutine function (`async def`): it then runs on an event loop, and is
    really cancelled where a plain function is only told.

    An attempt starts at least once and its outcome is recorded exactly once, so work outside the
    log is guarded by `ctx.run_id`, which is the same for each attempt of a run.

    Attributes:
        task_type: The type it serves: text without a hyphen, not beginning with `$`.
        max_retries: Failures that disable its tasks where a request says nothing.
        retry: The same in full; give one of the two.
        timeout: Seconds, or a timedelta, that an attempt may take where a request says nothing.
    """

    task_type: ClassVar[str]
    max_retries: ClassVar[int | None] = None
    retry: ClassVar[RetryPolicy | None] = None
    timeout: ClassVar[timedelta | float | None] = None

    def validate(self, payload: bytes) -> None:  # noqa: B027 - accepting everything is a good default
        """
        Refuse a payload when a task is scheduled with it; nothing is written then.

        Raises:
            InvalidTask: The payload does not fit; any other exception is taken as one.
        """

    @abstractmethod
    def execute(self, ctx: TaskContext, payload: bytes) -> Returned | Awaitable[Returned]:
        """
        Do the work; whatever it raises is the failure of this attempt and of nothing else.

        Args:
            ctx: The attempt: its ids, its deadline, whether it is asked to stop.
            payload: The bytes that the task was scheduled with.

        Returns:
            Events for the log, and requests for tasks: all are appended in one commit with the
            outcome, or none.
        """


def is_coroutine_handler(handler: TaskHandler) -> bool:
    """
    Say whether a handler's `execute` has to be awaited.
    """
    return iscoroutinefunction(handler.execute)


def check_task_type(task_type: str) -> str:
    """
    Return *task_type* if it may name a task type, and so the category of its events.

    Raises:
        InvalidTask: It is no name, has a hyphen, or begins with `$`.
    """
    try:
        check_name(task_type, "task type")
    except (TypeError, ValueError) as error:
        raise InvalidTask(reason=str(error)) from None
    if "-" in task_type or task_type.startswith("$"):
        raise InvalidTask(
            reason=f"task type {task_type!r} has a hyphen or begins with '$'; it names the "
            f"category of its events: write {task_type.lstrip('$').replace('-', '_')!r}"
        )
    return task_type


class Handlers(Mapping[str, TaskHandler]):
    """
    Be the handlers of a scheduler by their types.

    Attributes:
        middleware: What stands around each of them.

    Raises:
        InvalidTask: Two serve one type, or one has no good type.
        TypeError: Something is no middleware.
    """

    def __init__(
        self, handlers: Iterable[TaskHandler], middleware: Sequence[Middleware] = ()
    ) -> None:
        self.middleware = check_middleware(middleware)
        if isinstance(handlers, TaskHandler):
            raise InvalidTask(reason=f"handlers are a sequence; write [{handlers!r}]")
        self._by_type: dict[str, TaskHandler] = {}
        for handler in handlers:
            task_type = _type_of(handler)
            if task_type in self._by_type:
                raise InvalidTask(
                    reason=f"two handlers serve {task_type!r}: {self._by_type[task_type]!r} and "
                    f"{handler!r}; give each its own type"
                )
            self._by_type[task_type] = handler

    def __getitem__(self, task_type: str) -> TaskHandler:
        handler = self._by_type.get(task_type)
        if handler is None:
            raise HandlerNotFound(task_type=task_type, known=tuple(self._by_type))
        return handler

    def __contains__(self, task_type: object) -> bool:
        return task_type in self._by_type

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_type)

    def __len__(self) -> int:
        return len(self._by_type)


def _type_of(handler: TaskHandler) -> str:
    if isinstance(handler, type):
        raise InvalidTask(
            reason=f"{handler!r} is a class; register an instance: {handler.__name__}()"
        )
    if not isinstance(handler, TaskHandler):
        raise InvalidTask(reason=f"{handler!r} is no TaskHandler; subclass it")
    task_type: str | None = getattr(handler, "task_type", None)
    if task_type is None:
        raise InvalidTask(reason=f"{type(handler).__name__} has no task_type; set it in the class")
    return check_task_type(task_type)
