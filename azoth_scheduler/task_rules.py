"""
The rules of tasks for programs that know nothing of tasks: a command is JSON with the word for it.

`{"command": "trigger", "overlap": "allow"}` needs no more than that: the task and the time are
given beside it. `schedule` takes the keys of a schedule file (`type`, `cron` or `interval` or
`one_time` or `immediate`, and the options); times are text with an offset.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, cast

from attrs import NOTHING, fields_dict

from azoth.clocks import Instant
from azoth.codec import Registry
from azoth.decider import Decider
from azoth.events import check_integer
from azoth_scheduler._arguments import check_if_exists
from azoth_scheduler.commands import (
    AbandonRun,
    CancelRun,
    CancelTask,
    PauseTask,
    RecordOutcome,
    ResumeTask,
    ScheduleTask,
    StartRun,
    TaskCommand,
    TriggerTask,
)
from azoth_scheduler.decisions import task_decider
from azoth_scheduler.events import SchedulerEvent, registry, stream_of
from azoth_scheduler.schedule_files import request_of
from azoth_scheduler.task import TaskState

__all__ = ["TaskRules", "task_rules"]

_COMMANDS: Final[Mapping[str, type]] = {
    "abandon": AbandonRun,
    "cancel": CancelTask,
    "cancel_run": CancelRun,
    "outcome": RecordOutcome,
    "pause": PauseTask,
    "resume": ResumeTask,
    "start": StartRun,
    "trigger": TriggerTask,
}
_WORDS: Final = ", ".join(sorted((*_COMMANDS, "schedule")))
_TIMES: Final = ("one_time", "start", "end")
_OF_SCHEDULING: Final = ("if_exists", "expected_version")


class TaskRules:
    """
    Be the decider of tasks, with all that a program needs to ask it.

    Example:
        >>> from azoth.clocks import Instant
        >>> task_rules.parse("daily", b'{"command": "pause", "reason": "moving"}', Instant(0))
        PauseTask(at=0, task_id='daily', reason='moving')
    """

    @property
    def registry(self) -> Registry:
        """
        Return the types of the scheduler's events.
        """
        return registry

    @property
    def decider(self) -> Decider[TaskState, TaskCommand, SchedulerEvent]:
        """
        Return the scheduler's decisions.
        """
        return task_decider

    def stream_of(self, key: str) -> str:
        """
        Return the stream of the task with the id *key*.
        """
        return stream_of(key)

    def parse(self, key: str, command: bytes, now: Instant) -> TaskCommand:
        """
        Return the command to the task with the id *key* that the JSON says, decided at *now*.

        Raises:
            ValueError: It is no JSON object, or none of the commands; the message says what fits.
        """
        given = _object(command)
        word = given.pop("command", None)
        if word == "schedule":
            return _schedule(key, given, now)
        if not isinstance(word, str) or word not in _COMMANDS:
            raise ValueError(f"command is {word!r}; give one of {_WORDS}")
        return _command(_COMMANDS[word], word, {"task_id": key, "at": now}, given)


task_rules: Final = TaskRules()
"""The rules that the entry-point group `azoth.deciders` offers as `task`."""


def _object(command: bytes) -> dict[str, Any]:
    try:
        given = json.loads(command)
    except ValueError as error:
        raise ValueError(f"the command is no JSON: {error}") from None
    if not isinstance(given, dict):
        # Text that is no command is one kind of mistake, whatever it lacks.
        raise ValueError(  # noqa: TRY004
            f'the command is {given!r:.60}; write an object: {{"command": "pause"}}'
        )
    return cast("dict[str, Any]", given)


def _command(
    cls: type, word: str, known: Mapping[str, Any], given: Mapping[str, Any]
) -> TaskCommand:
    names = fields_dict(cls)
    beside = {name: value for name, value in known.items() if name in names}
    for name in given:
        if name not in names or name in beside:
            left = ", ".join(name for name in names if name not in beside)
            raise ValueError(f"{word!r} takes no {name!r}; there are {left}")
    missing = [
        name for name in sorted(names.keys() - given.keys() - beside.keys()) if _needed(cls, name)
    ]
    if missing:
        raise ValueError(f"{word!r} needs {', '.join(missing)}")
    try:
        return cast("TaskCommand", registry.converter.structure({**given, **beside}, cls))
    except Exception as error:
        raise ValueError(f"{word!r} does not fit: {error}") from error


def _needed(cls: type, name: str) -> bool:
    return fields_dict(cls)[name].default is NOTHING


def _schedule(task_id: str, given: Mapping[str, Any], now: Instant) -> ScheduleTask:
    entry = {key: _value(key, value) for key, value in given.items() if key not in _OF_SCHEDULING}
    request = request_of({**entry, "id": task_id})
    version = given.get("expected_version")
    return ScheduleTask(
        at=now,
        task_id=task_id,
        definition=request.definition,
        if_exists=check_if_exists(given.get("if_exists", "replace")),
        expected_version=None if version is None else check_integer(version, "expected_version"),
    )


def _value(key: str, value: object) -> object:
    if key not in _TIMES or not isinstance(value, str) or value == "now":
        return value
    try:
        return datetime.fromisoformat(value)
    except ValueError as error:
        raise ValueError(f"{key}: {error}; write a time such as 2030-01-31T09:00:00Z") from None
