"""
Tasks and attempts as JSON objects: every field, times in UTC, payloads parsed where they are JSON.
"""

from base64 import b64encode
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from attrs import asdict

from azoth import instant_of
from azoth.cli.output import time_of
from azoth.json_format import STDLIB
from azoth_scheduler import (
    Cron,
    Immediate,
    Interval,
    OneTime,
    Schedule,
    ScheduledTask,
    TaskRun,
)
from azoth_scheduler.cli.option_words import options_object

__all__ = ["run_object", "task_object", "utc"]


def utc(when: datetime | None) -> str | None:
    """
    Return a time in UTC to the microsecond; None for none.
    """
    return None if when is None else time_of(instant_of(when))


def task_object(task: ScheduledTask) -> dict[str, Any]:
    """
    Return a task as a JSON object.
    """
    fields = asdict(task, recurse=False)
    payload = fields.pop("payload")
    return {
        **{name: _plain(value) for name, value in fields.items()},
        "schedule": _schedule_object(task.schedule),
        "buffered": [utc(when) for when in task.buffered],
        "options": options_object(task.options),
        "totals": asdict(task.totals),
        **_payload(payload),
    }


def run_object(run: TaskRun) -> dict[str, Any]:
    """
    Return an attempt as a JSON object.
    """
    return {name: _plain(value) for name, value in asdict(run, recurse=False).items()}


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return utc(value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    return value


def _schedule_object(schedule: Schedule) -> dict[str, Any]:
    kinds: Mapping[type, str] = {
        Cron: "cron",
        Interval: "interval",
        OneTime: "one_time",
        Immediate: "immediate",
    }
    fields = asdict(schedule)
    if isinstance(schedule, OneTime):
        fields["at"] = time_of(schedule.at)
    return {"kind": kinds[type(schedule)], **fields}


def _payload(payload: bytes) -> dict[str, Any]:
    if not payload:
        return {"payload": None}
    try:
        return {"payload": STDLIB.loads(payload)}
    except (ValueError, RecursionError):
        return {"payload_base64": b64encode(payload).decode("ascii")}
