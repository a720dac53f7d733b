"""
Commands to a task as JSON.
"""

import json
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest

from azoth.clocks import Instant, Microseconds, instant_of
from azoth.replay import Rules
from azoth_scheduler.commands import (
    CancelRun,
    PauseTask,
    ScheduleTask,
    StartRun,
    TaskCommand,
    TriggerTask,
)
from azoth_scheduler.decisions import task_decider
from azoth_scheduler.requests import ScheduleTaskRequest
from azoth_scheduler.schedules import Interval, OneTime
from azoth_scheduler.task_rules import task_rules

NOW: Final = Instant(1_767_268_800_000_000)


def parsed(**command: object) -> TaskCommand:
    """
    Return the command that the JSON of *command* says.
    """
    return task_rules.parse("daily", json.dumps(command).encode(), NOW)


def test_the_rules_are_those_of_tasks() -> None:
    """
    A program that knows the port alone can decide.
    """
    assert isinstance(task_rules, Rules)
    assert task_rules.decider is task_decider
    assert "TaskScheduled" in task_rules.registry
    assert task_rules.stream_of("daily") == "$task-daily"


def test_task_and_time_are_given_beside_the_command() -> None:
    """
    The JSON has the word and what belongs to it.
    """
    assert parsed(command="pause") == PauseTask(at=NOW, task_id="daily")
    assert parsed(command="trigger", overlap="allow", payload="YQ==") == TriggerTask(
        at=NOW, task_id="daily", overlap="allow", payload=b"a"
    )
    assert parsed(command="cancel_run", execution_id="x#1") == CancelRun(
        at=NOW, task_id="daily", execution_id="x#1"
    )
    assert parsed(
        command="start", worker_id="w", timeout=5, max_attempts=1, lease=None
    ) == StartRun(at=NOW, worker_id="w", timeout=Microseconds(5), max_attempts=1, lease=None)


def test_scheduling_takes_the_keys_of_a_schedule_file() -> None:
    """
    Times are text with an offset.
    """
    start = datetime(2030, 1, 1, tzinfo=UTC)
    once = ScheduleTaskRequest("daily", "report", OneTime(start)).definition
    often = ScheduleTaskRequest("daily", "report", Interval(30), start=start, payload=b"x")

    assert parsed(command="schedule", type="report", one_time=start.isoformat()) == ScheduleTask(
        at=NOW, task_id="daily", definition=once
    )
    assert parsed(
        command="schedule",
        type="report",
        interval=30,
        start="2030-01-01T00:00:00Z",
        payload="x",
        if_exists="error",
        expected_version=3,
    ) == ScheduleTask(
        at=NOW,
        task_id="daily",
        definition=often.definition,
        if_exists="error",
        expected_version=3,
    )
    assert often.definition.options.start == instant_of(start) > NOW + timedelta(1).seconds


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (b"{", "no JSON"),
        (b"[]", "write an object"),
        (b"{}", "command is None; give one of abandon, cancel"),
        (b'{"command":"stop"}', "'stop'; give one of"),
        (b'{"command":"pause","why":"x"}', "takes no 'why'; there are reason"),
        (b'{"command":"pause","at":1}', "takes no 'at'"),
        (b'{"command":"pause","reason":1}', "expected str, got 1"),
        (b'{"command":"start"}', "needs lease, max_attempts, timeout, worker_id"),
        (b'{"command":"schedule","interval":1}', "type: it is missing"),
        (b'{"command":"schedule","type":"r","one_time":"noon"}', "write a time such as"),
        (b'{"command":"schedule","type":"r","interval":1,"if_exists":"no"}', "if_exists is 'no'"),
        (b'{"command":"schedule","type":"r","interval":1,"expected_version":-1}', "expected_ver"),
    ],
)
def test_what_does_not_fit_is_said(command: bytes, said: str) -> None:
    """
    The message names what would.
    """
    with pytest.raises(ValueError, match=said):
        task_rules.parse("daily", command, NOW)
