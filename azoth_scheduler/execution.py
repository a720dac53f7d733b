"""
One attempt, carried out: the handler is called, and whatever it does becomes a `Finished`.

An executor decides where this runs; what it means is decided here, once for all of them.
"""

from asyncio import CancelledError, current_task
from collections.abc import Iterable, Sequence
from datetime import timedelta
from inspect import isasyncgenfunction, isawaitable, iscoroutine
from traceback import format_exception
from typing import Any, Final, TypeAlias, cast

from attrs import evolve, field, frozen

from azoth.clocks import Clock, Instant, Microseconds
from azoth.events import (
    APPEND_BYTES_MAX,
    APPEND_EVENTS_MAX,
    APPEND_WRITES_MAX,
    NewEvent,
    Write,
    check_name,
)
from azoth.records import encode_metadata
from azoth.streams import ANY
from azoth_scheduler.context import TaskContext
from azoth_scheduler.errors import InvalidTask, RunCancelled
from azoth_scheduler.events import Outcome
from azoth_scheduler.handlers import (
    TaskEvent,
    TaskHandler,
    TaskRequest,
    is_coroutine_handler,
)
from azoth_scheduler.middleware import Around, Middleware, is_the_operators
from azoth_scheduler.retries import dotted_name, names_of
from azoth_scheduler.signals import Discard, Retry, Snooze

__all__ = [
    "OUTPUT_BYTES_MAX",
    "OUTPUT_EVENTS_MAX",
    "OUTPUT_STREAMS_MAX",
    "Attempt",
    "Dropped",
    "Ended",
    "Fence",
    "Finished",
    "carry_out",
    "carry_out_async",
    "check_plain",
    "failed",
    "refused",
    "stopped",
    "timed_out",
]

Fence: TypeAlias = tuple[str, int]
"""A task's id and the stream version of the `TaskRunStarted` that claimed the attempt."""

OUTPUT_EVENTS_MAX: Final = APPEND_EVENTS_MAX - 10
"""Of one attempt: its events share an append with the outcome and what follows from it."""

OUTPUT_BYTES_MAX: Final = APPEND_BYTES_MAX - 1024 * 1024
"""Of one attempt, data and metadata, for the same reason."""

OUTPUT_STREAMS_MAX: Final = APPEND_WRITES_MAX - 1
"""Of one attempt: the last write of the append is the outcome's."""

_ERROR_CHARS_MAX: Final = 2_000
_TRACEBACK_CHARS_MAX: Final = 20_000
_REQUEST_BYTES: Final = 64 * 1024

_PLAIN_ONLY: Final = (
    "this executor runs plain functions: write def, or give the scheduler an AsyncExecutor"
)


@frozen(kw_only=True)
class Attempt:
    """
    Hold what an executor needs to carry out one attempt.

    Attributes:
        started: When it was handed out, by the monotonic clock of its scheduler.
    """

    fence: Fence
    handler: TaskHandler
    context: TaskContext
    payload: bytes
    started: Microseconds
    middleware: tuple[Middleware, ...] = ()

    @property
    def deadline(self) -> Microseconds:
        """
        Return when it is timed out, by the same clock.
        """
        timeout = self.context.deadline - self.context.started_at
        return Microseconds(self.started + timeout // timedelta(microseconds=1))


@frozen(kw_only=True)
class Finished:
    """
    Say how an attempt ended, and what its handler wants in the log.

    Attributes:
        output: The handler's events by stream, in the order in which the streams first appear.
        requests: The tasks that it wants scheduled.
        raised: The dotted names of the class of what it raised, and of its bases.
        retry_after: The wait that it asked for; None leaves it to the policy.
    """

    fence: Fence
    completed_at: Instant
    duration: Microseconds
    outcome: Outcome
    error: str | None = None
    error_type: str | None = None
    traceback: str | None = None
    output: tuple[Write, ...] = field(default=())
    requests: tuple[TaskRequest, ...] = ()
    raised: tuple[str, ...] = ()
    retry_after: Microseconds | None = None

    @property
    def triggered(self) -> int:
        """
        Return how many events the handler wants in the log.
        """
        return sum(len(write.events) for write in self.output)


@frozen(kw_only=True)
class Dropped:
    """
    Say that an attempt came to no end: what carried it out is gone, or gave it up.

    Attributes:
        given_back: Whether that is no loss: it was stopped on purpose, through no fault of its own.
    """

    fence: Fence
    reason: str
    given_back: bool


Ended: TypeAlias = Finished | Dropped
"""What an executor reports of an attempt."""


def check_plain(handlers: Iterable[TaskHandler]) -> None:
    """
    Refuse handlers that `carry_out` cannot call.

    Raises:
        InvalidTask: One has a coroutine function, which returns before it did anything.
    """
    for handler in handlers:
        name = f"execute of {type(handler).__name__}"
        if isasyncgenfunction(handler.execute):
            raise InvalidTask(reason=f"{name} is an asynchronous generator; return a list instead")
        if is_coroutine_handler(handler):
            raise InvalidTask(reason=f"{name} is a coroutine function; {_PLAIN_ONLY}")


def carry_out(attempt: Attempt, clock: Clock) -> Finished:
    """
    Call the handler; whatever it raises is the failure of this attempt alone.

    Raises:
        KeyboardInterrupt: In the main thread, where it is the operator who presses Ctrl-C.
    """
    began, around = clock.monotonic(), Around(attempt.middleware, attempt.context)
    try:
        around.enter()
        returned = attempt.handler.execute(attempt.context, attempt.payload)
        result = _succeeded(attempt, returned)
        around.leave(returned)
    except BaseException as error:
        if is_the_operators(error):
            raise
        around.fail(error)
        result = _ended(attempt, error)
    return _finished(attempt.fence, clock, began, result)


async def carry_out_async(attempt: Attempt, clock: Clock) -> Finished:
    """
    Await the handler; what it does means the same as in `carry_out`.

    Raises:
        KeyboardInterrupt: In the main thread, likewise.
        CancelledError: The loop cancels its tasks, because it ends.
    """
    began, around = clock.monotonic(), Around(attempt.middleware, attempt.context)
    try:
        around.enter()
        awaited = attempt.handler.execute(attempt.context, attempt.payload)
        returned = await awaited if isawaitable(awaited) else awaited
        result = _succeeded(attempt, returned)
        around.leave(returned)
    except BaseException as error:
        if is_the_operators(error):
            raise
        around.fail(error)
        if _is_the_loops(error, attempt):
            raise
        result = _ended(attempt, error)
    return _finished(attempt.fence, clock, began, result)


def failed(fence: Fence, clock: Clock, began: Microseconds, error: BaseException) -> Finished:
    """
    Return the end of an attempt whose handler did not even get to run, or was interrupted.
    """
    return _finished(fence, clock, began, {"outcome": "failed", **_said(error)})


def refused(finished: Finished, error: Exception) -> Finished:
    """
    Return the end of an attempt whose handler asked for what cannot be: a failure, and no output.
    """
    return evolve(finished, outcome="failed", output=(), requests=(), **_said(error))


def stopped(attempt: Attempt, clock: Clock) -> Finished:
    """
    Return the end of an attempt that was asked to stop, and was stopped.
    """
    context = attempt.context
    error = RunCancelled(execution_id=context.execution_id, reason=context.stop.reason)
    result = {"outcome": "cancelled", **_said(error), "traceback": None}
    return _finished(attempt.fence, clock, attempt.started, result)


def timed_out(
    fence: Fence, allowed: Microseconds, *, completed_at: Instant, ran: Microseconds
) -> Finished:
    """
    Return the end of an attempt that took longer than it may.
    """
    return Finished(
        fence=fence,
        completed_at=completed_at,
        duration=ran,
        outcome="timed_out",
        error=f"timed out after {allowed / 1_000_000:g} s",
        error_type="TimeoutError",
        raised=names_of(TimeoutError),
    )


def _is_the_loops(error: BaseException, attempt: Attempt) -> bool:
    # Cancelled from outside, and not by us; a handler may also await something that was cancelled.
    task = current_task()
    return (
        isinstance(error, CancelledError)
        and not attempt.context.cancelled
        and task is not None
        and bool(task.cancelling())
    )


def _finished(fence: Fence, clock: Clock, began: Microseconds, result: dict[str, Any]) -> Finished:
    return Finished(
        fence=fence,
        completed_at=clock.now(),
        duration=Microseconds(clock.monotonic() - began),
        **result,
    )


def _succeeded(attempt: Attempt, returned: object) -> dict[str, Any]:
    output, requests = _output(attempt, returned)
    return {"outcome": "succeeded", "output": output, "requests": requests}


def _ended(attempt: Attempt, error: BaseException) -> dict[str, Any]:
    stop = attempt.context.stop
    match error:
        case RunCancelled() if stop.is_set():
            return {"outcome": "cancelled", **_said(error)}
        case CancelledError() if stop.is_set():
            asked = RunCancelled(execution_id=attempt.context.execution_id, reason=stop.reason)
            return {"outcome": "cancelled", **_said(asked.with_traceback(error.__traceback__))}
        case Snooze():
            said = error.reason or None
            return {"outcome": "snoozed", "error": said, "retry_after": error.after}
        case Discard():
            return {"outcome": "discarded", "error": error.reason or None}
        case Retry():
            return {"outcome": "failed", **_said(error), "retry_after": error.after}
        case _:
            # SystemExit and its friends end the attempt, not us.
            return {"outcome": "failed", **_said(error)}


def _said(error: BaseException) -> dict[str, Any]:
    kind = type(error)
    lines = "".join(format_exception(error))
    return {
        "error": _storable(_words(error) or kind.__name__)[:_ERROR_CHARS_MAX],
        "error_type": dotted_name(kind),
        "traceback": _storable(lines)[-_TRACEBACK_CHARS_MAX:],
        "raised": names_of(kind),
    }


def _words(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as second:  # noqa: BLE001 - an error that cannot be printed is a failure too
        return f"it cannot be printed: {second!r:.200}"


def _storable(text: str) -> str:
    # An exception may say anything, a lone surrogate too, which no store can keep.
    return text.encode(errors="backslashreplace").decode()


def _output(
    attempt: Attempt, returned: object
) -> tuple[tuple[Write, ...], tuple[TaskRequest, ...]]:
    streams: dict[str, list[NewEvent]] = {}
    listed = _listed(returned)
    requests = tuple(one for one in listed if isinstance(one, TaskRequest))
    for event in listed:
        if isinstance(event, TaskRequest):
            continue
        default = f"{attempt.handler.task_type}-{attempt.context.task_id}"
        stream = default if event.stream is None else check_name(event.stream, "stream")
        if stream.startswith("$"):
            raise ValueError(
                f"a handler may not write to {stream!r}: names that begin with '$' are the "
                "system's; give the TaskEvent another stream"
            )
        streams.setdefault(stream, []).append(_new_event(event, attempt.context))
    _check_size(streams, requests)
    return tuple(Write(stream, events, ANY) for stream, events in streams.items()), requests


def _listed(returned: object) -> Sequence[TaskEvent | TaskRequest]:
    if returned is None:
        return ()
    if isinstance(returned, TaskEvent | TaskRequest):
        return (returned,)
    if iscoroutine(returned):
        # Closed, for nobody will await it.
        returned.close()
        raise TypeError(f"execute returned a coroutine; {_PLAIN_ONLY}")
    if not isinstance(returned, list | tuple):
        raise TypeError(
            f"execute returned {type(returned).__name__}; return a TaskEvent, a list or tuple of "
            "them, or None"
        )
    return [_told(event) for event in cast("Sequence[object]", returned)]


def _told(event: object) -> TaskEvent | TaskRequest:
    if not isinstance(event, TaskEvent | TaskRequest):
        raise TypeError(f"execute returned a sequence with {event!r}; it may hold TaskEvents")
    return event


def _new_event(event: TaskEvent, context: TaskContext) -> NewEvent:
    ids = {"causation_id": context.execution_id, "correlation_id": context.run_id}
    return NewEvent(event.event_type, event.payload, {**event.metadata, **ids})


def _check_size(streams: dict[str, list[NewEvent]], requests: Sequence[TaskRequest]) -> None:
    events = [event for written in streams.values() for event in written]
    size = sum(len(event.data) + len(encode_metadata(event.metadata)) for event in events)
    # A payload is kept as base64, among the other fields of its request.
    size += sum(2 * len(request.payload) + _REQUEST_BYTES for request in requests)
    if (
        len(events) + len(requests) > OUTPUT_EVENTS_MAX
        or size > OUTPUT_BYTES_MAX
        or len(streams) + len(requests) > OUTPUT_STREAMS_MAX
    ):
        raise ValueError(
            f"execute returned {len(events)} events for {len(streams)} streams and {len(requests)} "
            f"requests with {size} bytes; "
            f"an attempt may return {OUTPUT_EVENTS_MAX} for {OUTPUT_STREAMS_MAX} with "
            f"{OUTPUT_BYTES_MAX}: append the rest yourself, in parts"
        )
