"""
Checks of what `Tasks` is called with.
"""

from collections.abc import Iterable, Sequence
from typing import Final, get_args

from attrs import evolve

from azoth.events import check_integer, check_name
from azoth_scheduler.commands import IfExists
from azoth_scheduler.errors import InvalidTask
from azoth_scheduler.handlers import Handlers
from azoth_scheduler.projection.base import TaskFilter
from azoth_scheduler.requests import ScheduleTaskRequest
from azoth_scheduler.task import Status, TaskState

__all__ = [
    "check_by_handler",
    "check_filter",
    "check_group",
    "check_if_exists",
    "check_limit",
    "check_names",
    "check_port",
    "check_request",
    "tagged_set",
]

_GROUP: Final = "schedules:"


def check_if_exists(if_exists: IfExists) -> IfExists:
    """
    Return *if_exists* if it is one of its words.

    Raises:
        ValueError: It is not.
    """
    if if_exists not in get_args(IfExists):
        given = ", ".join(get_args(IfExists))
        raise ValueError(f"if_exists is {if_exists!r}; give one of {given}")
    return if_exists


def check_limit(limit: int | None) -> None:
    """
    Refuse a limit that is none.

    Raises:
        TypeError: It is no number.
        ValueError: It is below 1.
    """
    if limit is not None:
        check_integer(limit, "limit", low=1)


def check_filter(chosen: TaskFilter) -> None:
    """
    Refuse what chooses no tasks.

    Raises:
        TypeError: It is no filter.
        ValueError: There is no such status.
    """
    if not isinstance(chosen, TaskFilter):
        raise TypeError(f"tasks are chosen by a TaskFilter, not by {chosen!r}")
    if chosen.status is not None and chosen.status not in get_args(Status):
        raise ValueError(f"status is {chosen.status!r}; give one of {', '.join(get_args(Status))}")


def check_request(request: ScheduleTaskRequest) -> ScheduleTaskRequest:
    """
    Return *request* if it is one.

    Raises:
        TypeError: It is something else.
    """
    if not isinstance(request, ScheduleTaskRequest):
        raise TypeError(f"expected a ScheduleTaskRequest, got {request!r}")
    return request


def tagged_set(
    requests: Iterable[ScheduleTaskRequest], group: str
) -> tuple[str, list[ScheduleTaskRequest]]:
    """
    Return the tag of a group, and the requests of its set with it.

    Raises:
        ValueError: The group has no good name.
        InvalidTask: Two requests have one id.
    """
    tag = f"{_GROUP}{check_name(group, 'group')}"
    tagged: dict[str, ScheduleTaskRequest] = {}
    for request in requests:
        check_request(request)
        if request.task_id in tagged:
            reason = "it is in the set twice; leave one out"
            raise InvalidTask(task_id=request.task_id, reason=reason)
        tags = (*(one for one in request.tags if one != tag), tag)
        tagged[request.task_id] = evolve(request, tags=tags)
    return tag, list(tagged.values())


def check_by_handler(handlers: Handlers, task_type: str, task_id: str, payload: bytes) -> None:
    """
    Let the handler of a type look at a payload; a scheduler without handlers leaves it to others.

    Raises:
        HandlerNotFound: There are handlers, and none for the type.
        InvalidTask: The handler refuses the payload.
    """
    if not handlers:
        return
    handler = handlers[task_type]
    try:
        handler.validate(payload)
    except InvalidTask as error:
        raise InvalidTask(task_id=error.task_id or task_id, reason=error.reason) from error
    except Exception as error:
        raise InvalidTask(
            task_id=task_id, reason=f"{task_type!r} refuses the payload: {error!r}"
        ) from error


def check_group(states: Iterable[TaskState], tag: str) -> None:
    """
    Refuse to take a task over from another set of schedules.

    Raises:
        InvalidTask: A task that is not cancelled has the tag of another group.
    """
    for state in states:
        others = [one for one in state.definition.options.tags if one.startswith(_GROUP)]
        if others and tag not in others and not state.cancelled:
            reason = f"it is of the group {others[0].removeprefix(_GROUP)!r}"
            raise InvalidTask(
                task_id=state.task_id, reason=f"{reason}; take another id, or leave it out there"
            )


def check_port(what: str, port: object, method: str) -> None:
    """
    Refuse what cannot be a port; None is one that is not given, of all but a store.

    Raises:
        TypeError: It is a class, or has not the method.
    """
    if what != "store" and port is None:
        return
    if isinstance(port, type) or not callable(getattr(port, method, None)):
        raise TypeError(f"{what} is {port!r}; give an object that has the method {method}")


def check_names(names: Sequence[str] | None, what: str) -> tuple[str, ...] | None:
    """
    Return *names* as they are kept; None for all there are.

    Raises:
        TypeError: They are one name, or no text.
        ValueError: One cannot be a name.
    """
    if names is None:
        return None
    if isinstance(names, str):
        raise TypeError(f"{what} are a sequence of names, not {names!r}; write [{names!r}]")
    return tuple(check_name(name, what) for name in names)
