"""
Handlers as people write them: a function, and a class for what it is called with.
"""

import inspect
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Generic, Protocol, TypeAlias, TypeVar, cast, overload

from cattrs import Converter

from azoth.typed_json import TypedJson
from azoth_scheduler.context import TaskContext
from azoth_scheduler.errors import InvalidTask
from azoth_scheduler.handlers import Returned, TaskHandler, check_task_type
from azoth_scheduler.requests import ScheduleTaskRequest
from azoth_scheduler.retries import RetryPolicy
from azoth_scheduler.schedules import Schedule

__all__ = ["FunctionHandler", "task_handler"]

P = TypeVar("P")


class _Codec(Protocol[P]):
    def encode(self, value: P) -> bytes: ...

    def decode(self, data: bytes) -> P: ...


class FunctionHandler(TaskHandler, Generic[P]):
    """
    Be a handler that was made of a function by `task_handler`, and is called like it.
    """

    def __init__(self, function: Callable[..., Any], codec: _Codec[P], **said: object) -> None:
        self.__doc__ = function.__doc__
        self.__name__ = function.__name__
        # With its qualified name, by which it crosses into a process.
        self.__module__ = function.__module__
        self.__qualname__ = function.__qualname__
        self._function = function
        self._codec = codec
        self._takes_context = _takes_context(function)
        # Its own, where a class that is written by hand says it for all of its instances.
        vars(self).update(said)

    def __repr__(self) -> str:
        return f"<task handler {self.__module__}.{self.__qualname__}>"

    def __reduce__(self) -> str:
        return self.__qualname__

    def __call__(self, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - the function's
        """
        Call the function itself, as a test does.
        """
        return self._function(*arguments, **named)

    def request(
        self,
        task_id: str,
        schedule: Schedule,
        payload: P,
        **options: Any,  # noqa: ANN401 - those of the request
    ) -> ScheduleTaskRequest:
        """
        Return the request for a task that is called with *payload*.

        Args:
            task_id: Names the task.
            schedule: When it runs.
            payload: What the function is called with.
            **options: Those of `ScheduleTaskRequest`.

        Raises:
            InvalidTask: The payload does not fit, or an option is out of its range.
        """
        try:
            data = self.encode(payload)
        except InvalidTask as error:
            raise InvalidTask(task_id=str(task_id), reason=error.reason) from error
        return ScheduleTaskRequest(task_id, self.task_type, schedule, data, **options)

    def encode(self, payload: P) -> bytes:
        """
        Return *payload* as it is kept in the log; equal ones have equal bytes.

        Raises:
            InvalidTask: It does not fit: each field that is wrong is named with its path.
        """
        try:
            return self._codec.encode(payload)
        except (TypeError, ValueError) as error:
            raise InvalidTask(reason=f"payload of {self.task_type!r}: {error}") from error

    def validate(self, payload: bytes) -> None:
        """
        Refuse a payload that the function cannot be called with.

        Raises:
            InvalidTask: Likewise.
        """
        self._decoded(payload)

    def _decoded(self, payload: bytes) -> P:
        try:
            return self._codec.decode(payload)
        except ValueError as error:
            raise InvalidTask(reason=f"payload of {self.task_type!r}: {error}") from error

    def _called(self, ctx: TaskContext, payload: bytes) -> Any:  # noqa: ANN401 - whatever it returns
        decoded = self._decoded(payload)
        return self._function(ctx, decoded) if self._takes_context else self._function(decoded)


class _Plain(FunctionHandler[P]):
    def execute(self, ctx: TaskContext, payload: bytes) -> Returned:
        return cast("Returned", self._called(ctx, payload))


class _Coroutine(FunctionHandler[P]):
    async def execute(self, ctx: TaskContext, payload: bytes) -> Returned:
        return cast("Returned", await self._called(ctx, payload))


class _Bytes:
    # For a function that takes its payload as it is kept.

    def encode(self, value: bytes) -> bytes:
        return value

    def decode(self, data: bytes) -> bytes:
        return data


# The context may be left out, and it may be a coroutine function.
_Function: TypeAlias = (
    Callable[[P], Returned | Awaitable[Returned]]
    | Callable[[TaskContext, P], Returned | Awaitable[Returned]]
)


@overload
def task_handler(
    task_type: str,
    *,
    max_retries: int | None = None,
    retry: RetryPolicy | None = None,
    timeout: timedelta | float | None = None,
) -> Callable[[_Function[bytes]], FunctionHandler[bytes]]: ...


@overload
def task_handler(
    task_type: str,
    *,
    payload: type[P],
    converter: Converter | None = None,
    max_retries: int | None = None,
    retry: RetryPolicy | None = None,
    timeout: timedelta | float | None = None,
) -> Callable[[_Function[P]], FunctionHandler[P]]: ...


def task_handler(
    task_type: str,
    *,
    payload: type[Any] | None = None,
    converter: Converter | None = None,
    max_retries: int | None = None,
    retry: RetryPolicy | None = None,
    timeout: timedelta | float | None = None,
) -> Callable[[Any], Any]:
    """
    Make a handler of a function, or of a coroutine function.

    It is called with the context and the payload, or with the payload alone if it has one
    parameter.

    Args:
        task_type: The type it serves.
        payload: The class of its payload, kept as JSON; bytes where nothing is said.
        converter: One with hooks for types of your own, such as `registry.converter`.
        max_retries: Failures that disable its tasks where a request says nothing.
        retry: The same in full; give one of the two.
        timeout: Seconds, or a timedelta, that an attempt may take where a request says nothing.

    Raises:
        InvalidTask: The type is none.
        TypeError: The function has no or more than two parameters, or the class has a field that
            JSON cannot hold.

    Example:
        >>> from attrs import frozen
        >>> from azoth_scheduler import Immediate, TaskEvent, task_handler
        >>> @frozen
        ... class Email:
        ...     to: str
        >>> @task_handler("send_email", payload=Email, timeout=60)
        ... def send_email(email):
        ...     return TaskEvent("email_sent", email.to.encode())
        >>> send_email.request("welcome", Immediate(), Email("ada@example.org")).payload
        b'{"to":"ada@example.org"}'
    """
    check_task_type(task_type)
    codec: _Codec[Any] = _Bytes() if payload is None else TypedJson(payload, converter=converter)
    said = {"task_type": task_type, "max_retries": max_retries, "retry": retry, "timeout": timeout}

    def decorate(function: Callable[..., Any]) -> FunctionHandler[Any]:
        if inspect.iscoroutinefunction(function):
            return _Coroutine[Any](function, codec, **said)
        return _Plain[Any](function, codec, **said)

    return decorate


def _takes_context(function: Callable[..., Any]) -> bool:
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = inspect.signature(function).parameters.values()
    count = sum(one.kind in kinds for one in parameters)
    if count not in {1, 2}:
        raise TypeError(
            f"{function.__qualname__} has {count} parameters; a task handler takes the context "
            "and the payload, or the payload alone"
        )
    return count == 2
