"""
Tasks that a handler wants scheduled in the commit of its outcome: looked at before they are.
"""

from azoth_scheduler.errors import InvalidTask
from azoth_scheduler.execution import Finished, refused
from azoth_scheduler.handlers import Handlers, TaskRequest
from azoth_scheduler.requests import ScheduleTaskRequest

__all__ = ["looked_at"]


def looked_at(finished: Finished, handlers: Handlers) -> Finished:
    """
    Return *finished*, or a failure where a handler refuses a payload that it is to be called with.

    A type that is not served here is left to those who serve it.
    """
    try:
        for request in finished.requests:
            _check(request, finished.fence[0], handlers)
    except Exception as error:  # noqa: BLE001 - a handler of the user's looked at it
        return refused(finished, error)
    return finished


def _check(request: TaskRequest, parent: str, handlers: Handlers) -> None:
    if not isinstance(request, ScheduleTaskRequest):
        raise TypeError(f"execute returned {request!r}; a task is asked for by ScheduleTaskRequest")
    if request.task_id == parent:
        reason = "a handler may not schedule the task it runs for; give the next its own id"
        raise InvalidTask(task_id=parent, reason=reason)
    if request.task_type in handlers:
        handlers[request.task_type].validate(request.payload)
