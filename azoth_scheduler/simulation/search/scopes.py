"""
What is searched: a few tasks, a few schedulers, a few instants, and all that may go wrong.
"""

from typing import Final, Literal, TypeAlias

from attrs import field, frozen

from azoth.clocks import Instant, Microseconds
from azoth_scheduler.commands import (
    CancelRun,
    CancelTask,
    PauseTask,
    ResumeTask,
    ScheduleTask,
    TriggerTask,
)
from azoth_scheduler.requests import ScheduleTaskRequest
from azoth_scheduler.retries import RetryPolicy
from azoth_scheduler.settings import Settings, TypeDefaults

__all__ = ["NOON", "Asked", "Fault", "Scope", "seconds_after_noon"]

Fault: TypeAlias = Literal[
    "failure", "crash", "lost_answer", "busy", "sleep", "clock_back", "shutdown"
]
"""What may go wrong: each as often as the depth allows, a clock goes back once a scheduler."""

Asked: TypeAlias = ScheduleTask | CancelTask | PauseTask | ResumeTask | TriggerTask | CancelRun
"""What a client may ask for; its time is that at which it asks."""

NOON: Final = Instant(1_767_268_800_000_000)
"""When each search begins: 2026-01-01 12:00 UTC."""

_SECOND: Final = 1_000_000


def seconds_after_noon(seconds: int) -> Instant:
    """
    Return an instant of the search.
    """
    return Instant(NOON + seconds * _SECOND)


def _settings() -> Settings:
    return Settings(
        retry=RetryPolicy(max_attempts=2, base=60, factor=1),
        timeout=Microseconds(60 * _SECOND),
        lease=Microseconds(30 * _SECOND),
        max_lost=2,
        by_type={"work": TypeDefaults()},
    )


@frozen(kw_only=True)
class Scope:
    """
    Bound a search.

    Attributes:
        name: Names it, in what is printed.
        tasks: Scheduled at noon, before the first move.
        instants: Seconds after noon, ascending: time goes from one to the next.
        schedulers: Their names; they are alike.
        slots: Of each.
        faults: What may go wrong.
        faults_max: How often on a path, failures of attempts not counted; None leaves that to the
            depth.
        asked: What a client asks for: each once on a path, at any moment.
        proof: Whether the death of a process is proved at once, as on one host; otherwise its lease
            has to run out.
        units_per_append: How many units of a plan one append takes; the rest follows in another.
        step_back: By how many seconds a clock goes back.
        settings: Of every scheduler.
    """

    name: str
    tasks: tuple[ScheduleTaskRequest, ...]
    instants: tuple[int, ...]
    schedulers: tuple[str, ...] = ("A", "B")
    slots: int = 1
    faults: tuple[Fault, ...] = ()
    faults_max: int | None = None
    asked: tuple[Asked, ...] = ()
    proof: bool = True
    units_per_append: int = 10
    step_back: int = 30
    settings: Settings = field(factory=_settings)
