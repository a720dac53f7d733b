"""
One attempt, carried out: the handler is called, and whatever it does becomes a `Finished`.

An executor decides where this runs; what it means is decided here, once for all of them.
"""

from collections.abc import Iterable, Sequence
from inspect import isasyncgenfunction, iscoroutine, iscoroutinefunction
from threading import current_thread, main_thread
from traceback import format_exception
from typing import Any, Final, TypeAlias, cast

from attrs import field, frozen

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
from azoth_scheduler.handlers import TaskEvent, TaskHandler
from azoth_scheduler.retries import dotted_name, names_of
from azoth_scheduler.signals import Discard, Retry, Snooze

__all__ = [
    "OUTPUT_BYTES_MAX",
    "OUTPUT_EVENTS_MAX",
    "OUTPUT_STREAMS_MAX",
    "Attempt",
    "Fence",
    "Finished",
    "carry_out",
    "check_plain",
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

_PLAIN_ONLY: Final = (
    "this executor runs plain functions: write def, or give the scheduler one that runs coroutines"
)


@frozen(kw_only=True)
class Attempt:
    """
    Hold what an executor needs to carry out one attempt.
    """

    fence: Fence
    handler: TaskHandler
    context: TaskContext
    payload: bytes


@frozen(kw_only=True)
class Finished:
    """
    Say how an attempt ended, and what its handler wants in the log.

    Attributes:
        output: The handler's events by stream, in the order in which the streams first appear.
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
    raised: tuple[str, ...] = ()
    retry_after: Microseconds | None = None

    @property
    def triggered(self) -> int:
        """
        Return how many events the handler wants in the log.
        """
        return sum(len(write.events) for write in self.output)


def check_plain(handlers: Iterable[TaskHandler]) -> None:
    """
    Refuse handlers that `carry_out` cannot call.

    Raises:
        InvalidTask: One has a coroutine function, which returns before it did anything.
    """
    for handler in handlers:
        if iscoroutinefunction(handler.execute) or isasyncgenfunction(handler.execute):
            raise InvalidTask(
                reason=f"execute of {type(handler).__name__} is a coroutine function; {_PLAIN_ONLY}"
            )


def carry_out(attempt: Attempt, clock: Clock) -> Finished:
    """
    Call the handler; whatever it raises is the failure of this attempt alone.

    Raises:
        KeyboardInterrupt: In the main thread, where it is the operator who presses Ctrl-C.
    """
    began = clock.monotonic()
    try:
        returned = attempt.handler.execute(attempt.context, attempt.payload)
        result: dict[str, Any] = {"outcome": "succeeded", "output": _output(attempt, returned)}
    except RunCancelled as error:
        result = {"outcome": "cancelled" if attempt.context.cancelled else "failed", **_said(error)}
    except Snooze as asked:
        result = {"outcome": "snoozed", "error": asked.reason or None, "retry_after": asked.after}
    except Discard as asked:
        result = {"outcome": "discarded", "error": asked.reason or None}
    except Retry as asked:
        result = {"outcome": "failed", **_said(asked), "retry_after": asked.after}
    # SystemExit and its friends end the attempt, not us.
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt) and current_thread() is main_thread():
            raise
        result = {"outcome": "failed", **_said(error)}
    return Finished(
        fence=attempt.fence,
        completed_at=clock.now(),
        duration=Microseconds(clock.monotonic() - began),
        **result,
    )


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
    attempt: Attempt, returned: TaskEvent | Sequence[TaskEvent] | None
) -> tuple[Write, ...]:
    streams: dict[str, list[NewEvent]] = {}
    for event in _listed(returned):
        default = f"{attempt.handler.task_type}-{attempt.context.task_id}"
        stream = default if event.stream is None else check_name(event.stream, "stream")
        if stream.startswith("$"):
            raise ValueError(
                f"a handler may not write to {stream!r}: names that begin with '$' are the "
                "system's; give the TaskEvent another stream"
            )
        streams.setdefault(stream, []).append(_new_event(event, attempt.context))
    _check_size(streams)
    return tuple(Write(stream, events, ANY) for stream, events in streams.items())


def _listed(returned: object) -> Sequence[TaskEvent]:
    if returned is None:
        return ()
    if isinstance(returned, TaskEvent):
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


def _told(event: object) -> TaskEvent:
    if not isinstance(event, TaskEvent):
        raise TypeError(f"execute returned a sequence with {event!r}; it may hold TaskEvents")
    return event


def _new_event(event: TaskEvent, context: TaskContext) -> NewEvent:
    ids = {"causation_id": context.execution_id, "correlation_id": context.run_id}
    return NewEvent(event.event_type, event.payload, {**event.metadata, **ids})


def _check_size(streams: dict[str, list[NewEvent]]) -> None:
    events = [event for written in streams.values() for event in written]
    size = sum(len(event.data) + len(encode_metadata(event.metadata)) for event in events)
    if (
        len(events) > OUTPUT_EVENTS_MAX
        or size > OUTPUT_BYTES_MAX
        or len(streams) > OUTPUT_STREAMS_MAX
    ):
        raise ValueError(
            f"execute returned {len(events)} events for {len(streams)} streams with {size} bytes; "
            f"an attempt may return {OUTPUT_EVENTS_MAX} for {OUTPUT_STREAMS_MAX} with "
            f"{OUTPUT_BYTES_MAX}: append the rest yourself, in parts"
        )
