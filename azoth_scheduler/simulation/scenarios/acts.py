"""
What people and machines do in a run, at times that are known before it begins.
"""

from typing import Final, Literal, TypeAlias

from attrs import fields, frozen

from azoth.clocks import Microseconds, datetime_of, timedelta_of
from azoth_scheduler.events import Options, Overlap
from azoth_scheduler.requests import ScheduleTaskRequest
from azoth_scheduler.task import Definition

__all__ = ["Act", "Deed", "request_of"]

Deed: TypeAlias = Literal[
    "schedule",
    "cancel",
    "pause",
    "resume",
    "trigger",
    "cancel_run",
    "crash",
    "start",
    "freeze",
    "thaw",
    "step_clock",
    "freeze_clock",
    "thaw_clock",
    "enter",
    "rebuild",
    "write_foreign",
]
"""What can be done: by people, and by what breaks."""

_UNSAID: Final = Options()


@frozen(kw_only=True)
class Act:
    """
    Be one thing that is done, by a scheduler or to it.

    Attributes:
        after: How long after the start.
        scheduler: The number of the scheduler, from 0; of those that have come by then.
        deed: What is done.
        task_id: To which task, where it is done to one.
        definition: Of the task that is scheduled.
        overlap: Of a trigger.
        by: How far a clock is set.
    """

    after: Microseconds
    scheduler: int
    deed: Deed
    task_id: str = ""
    definition: Definition | None = None
    overlap: Overlap | None = None
    by: Microseconds = Microseconds(0)

    def __str__(self) -> str:
        words = [f"{self.after / 1_000_000:10.3f} s  w{self.scheduler} {self.deed}"]
        if self.task_id:
            words.append(self.task_id)
        if self.definition is not None:
            words.append(_said(self.definition))
        if self.overlap is not None:
            words.append(f"overlap={self.overlap}")
        if self.by:
            words.append(f"by {self.by / 1_000_000:g} s")
        return " ".join(words)


def _said(definition: Definition) -> str:
    # Only what differs from the default: that is what its author wrote.
    words = [definition.task_type, repr(definition.schedule)]
    for one in fields(Options):
        value = getattr(definition.options, one.name)
        if value != getattr(_UNSAID, one.name):
            words.append(f"{one.name}={value!r}")
    return " ".join(words)


def request_of(task_id: str, definition: Definition) -> ScheduleTaskRequest:
    """
    Return what asks for a task so defined.
    """
    options = definition.options
    said = {one.name: getattr(options, one.name) for one in fields(Options)}
    for name in ("timeout", "jitter", "expires_after", "catch_up_window", "grace"):
        if said[name] is not None:
            said[name] = timedelta_of(said[name])
    for name in ("start", "end"):
        if said[name] is not None:
            said[name] = datetime_of(said[name])
    if said.pop("start_now"):
        said["start"] = "now"
    return ScheduleTaskRequest(
        task_id, definition.task_type, definition.schedule, definition.payload, **said
    )
