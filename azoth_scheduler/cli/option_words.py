"""
What a task was given beyond its schedule: said only where it is not the default.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from attrs import fields

from azoth import datetime_of, timedelta_of
from azoth.cli.output import time_of
from azoth_scheduler import ScheduledTask
from azoth_scheduler.cli.words import counted, local, span
from azoth_scheduler.events import Options

__all__ = ["kept_in_words", "options_in_words", "options_object"]

_UNSAID: Final = Options()
_TIMES: Final = ("start", "end")
_SPANS: Final = ("jitter", "expires_after", "catch_up_window", "grace")
# What a task shows as fields of its own.
_ELSEWHERE: Final = ("max_retries", "retry", "timeout", "priority", "queue", "tags", "start_now")


def options_in_words(task: ScheduledTask, now: datetime) -> Mapping[str, str]:
    """
    Return each option of time that is not its default, with its value for people.
    """
    said = {
        name: _in_words(name, value, task, now)
        for name, value in _values(task.options).items()
        if value != getattr(_UNSAID, name)
    }
    return {"start": "now", **said} if task.options.start_now else said


def kept_in_words(task: ScheduledTask, now: datetime) -> str | None:
    """
    Return what waits: occurrences that were kept, and runs that were asked for; None for none.
    """
    said: list[str] = []
    if task.buffered:
        kept = counted(len(task.buffered), "occurrence")
        said.append(f"{kept}, from {local(task.buffered[0], now)}")
    if task.waiting:
        said.append(f"{counted(task.waiting, 'run')} that {_were(task.waiting)} asked for")
    return "; ".join(said) or None


def _were(count: int) -> str:
    return "was" if count == 1 else "were"


def options_object(options: Options) -> dict[str, Any]:
    """
    Return all options of time for machines: times in UTC, durations in seconds.
    """
    shown = {name: _plain(name, value) for name, value in _values(options).items()}
    return {**shown, "start": "now"} if options.start_now else shown


def _values(options: Options) -> dict[str, Any]:
    names = [field.name for field in fields(Options) if field.name not in _ELSEWHERE]
    return {name: getattr(options, name) for name in names}


def _in_words(name: str, value: Any, task: ScheduledTask, now: datetime) -> str:  # noqa: ANN401 - of any option
    if name in _TIMES:
        return local(datetime_of(value), now)
    if name in _SPANS:
        return span(timedelta_of(value))
    if name == "max_runs":
        return f"{value:,}, of which {min(task.runs_started, value):,} started"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _plain(name: str, value: Any) -> object:  # noqa: ANN401 - of any option
    if value is None:
        return None
    if name in _TIMES:
        return time_of(value)
    return value / 1_000_000 if name in _SPANS else value
