"""
Handlers as a scheduler keeps them, and what a user may leave out.
"""

import pytest

from azoth_scheduler import HandlerNotFound, TaskContext, TaskEvent, TaskHandler
from azoth_scheduler.handlers import Handlers, check_task_type
from tests.support.stage import acts


class Least(TaskHandler):
    """
    Be the least that a handler is.
    """

    task_type = "least"

    def execute(self, ctx: TaskContext, payload: bytes) -> None:
        """
        Do nothing.
        """


def test_a_handler_needs_a_type_and_an_execute() -> None:
    """
    Everything else has a good default: any payload is accepted, the scheduler's options apply.
    """
    least = Least()
    least.validate(b"anything")

    assert Handlers([least])["least"] is least
    assert (least.max_retries, least.retry, least.timeout) == (None, None, None)


def test_a_handler_without_execute_cannot_be_made() -> None:
    """
    Python says so when it is made, not when it runs.
    """
    with pytest.raises(TypeError, match="abstract"):
        type("Idle", (TaskHandler,), {"task_type": "idle"})()


def test_handlers_are_a_mapping_by_type() -> None:
    """
    In the order in which they were given; what is missing is an error that names them all.
    """
    handlers = Handlers([acts(), Least()])

    assert list(handlers) == ["work", "least"]
    assert len(handlers) == 2
    assert "least" in handlers
    assert "most" not in handlers
    with pytest.raises(HandlerNotFound, match="'most'; this scheduler serves work, least"):
        handlers["most"]


@pytest.mark.parametrize("task_type", ["a", "send_email", "Ünïcode", "x" * 255, "a$", "日本"])
def test_a_task_type_is_any_name_without_a_hyphen(task_type: str) -> None:
    """
    It names the category of the task's events, which ends at the first hyphen.
    """
    assert check_task_type(task_type) == task_type


def test_a_task_event_is_compared_by_what_it_says() -> None:
    """
    Payload, stream and metadata have defaults.
    """
    assert TaskEvent("made") == TaskEvent("made", b"", stream=None, metadata={})
    assert TaskEvent("made") != TaskEvent("made", b"x")
