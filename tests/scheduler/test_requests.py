"""
Requests and what they become: the definition as the caller wrote it, the task with defaults.
"""

from datetime import timedelta

import pytest

from azoth_scheduler import Immediate, Interval, RetryPolicy, ScheduleTaskRequest
from azoth_scheduler.events import Options
from azoth_scheduler.requests import ScheduledTask
from azoth_scheduler.settings import Settings, TypeDefaults
from azoth_scheduler.task import TaskState
from tests.support.stage import request
from tests.support.task_story import Story


def test_a_definition_holds_what_was_written_and_no_defaults() -> None:
    """
    So that a new default of a handler or a scheduler is no edit.
    """
    assert request().definition.options == Options()
    assert request(max_retries=2, timeout=1.5, priority=-1, queue="q", tags=["x"]).definition == (
        ScheduleTaskRequest(
            "a",
            "work",
            Immediate(),
            max_retries=2,
            timeout=timedelta(milliseconds=1_500),
            priority=-1,
            queue="q",
            tags=("x",),
        ).definition
    )


@pytest.mark.parametrize("max_retries", [0, 1, 1_000])
def test_retries_may_be_none_one_or_many(max_retries: int) -> None:
    """
    0 and 1 both mean one attempt.
    """
    shown = ScheduledTask.of(_scheduled(max_retries=max_retries), Settings())

    assert shown.max_retries == max(1, max_retries)


def test_what_a_request_leaves_out_is_taken_from_the_handler_then_the_scheduler() -> None:
    """
    Each option by itself.
    """
    said = TypeDefaults(max_retries=7)
    settings = Settings(
        retry=RetryPolicy(max_attempts=5, base=9), by_type={"generate_report": said}
    )
    state = _scheduled()

    assert settings.policy_of(state.definition) == RetryPolicy(max_attempts=7, base=9)
    assert settings.timeout_of(state.definition) == 300_000_000
    own = _scheduled(retry=RetryPolicy(max_attempts=2))
    assert settings.policy_of(own.definition) == RetryPolicy(max_attempts=2)


def test_a_scheduler_serves_a_definition_by_its_type_and_its_queue() -> None:
    """
    All queues, or those that it names.
    """
    definition = _scheduled(queue="slow").definition
    served = {"generate_report": TypeDefaults()}

    assert Settings(by_type=served).serves(definition)
    assert Settings(by_type=served, queues=("slow",)).serves(definition)
    assert not Settings(by_type=served, queues=("fast",)).serves(definition)
    assert not Settings(by_type={}).serves(definition)


def _scheduled(**options: object) -> TaskState:
    story = Story()
    story.schedule(Interval(60), options=Options(**options))  # type: ignore[arg-type] # as named
    return story.state
