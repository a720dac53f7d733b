"""
The scopes that are searched again and again, each small enough to be gone through.
"""

from typing import Final

from attrs import evolve

from azoth.clocks import Instant, datetime_of
from azoth_scheduler.commands import (
    CancelRun,
    CancelTask,
    PauseTask,
    ResumeTask,
    ScheduleTask,
    TriggerTask,
)
from azoth_scheduler.events import Overlap
from azoth_scheduler.requests import ScheduleTaskRequest
from azoth_scheduler.schedules import Immediate, Interval, OneTime
from azoth_scheduler.simulation.search.scopes import Scope, seconds_after_noon

__all__ = ["SCOPES"]

_JOB: Final = ScheduleTaskRequest("job", "work", Immediate())
_LATER: Final = ScheduleTaskRequest("later", "work", OneTime(datetime_of(seconds_after_noon(60))))
_TICK: Final = ScheduleTaskRequest("tick", "work", Interval(60), max_runs=2)
_ASKED: Final = Instant(0)
# A command is stamped when it is asked.


def _tick(overlap: Overlap = "skip", priority: int = 0) -> ScheduleTaskRequest:
    return evolve(_TICK, max_runs=None, overlap=overlap, priority=priority)


SCOPES: Final = (
    Scope(
        name="failures and deaths",
        tasks=(_JOB, _TICK),
        instants=(0, 60, 120),
        faults=("failure", "crash"),
    ),
    Scope(
        name="leases that run out",
        tasks=(_JOB, _LATER),
        instants=(0, 30, 60, 90),
        faults=("crash", "sleep"),
        faults_max=2,
        proof=False,
    ),
    Scope(
        name="lost answers",
        tasks=(_JOB, _LATER),
        instants=(0, 60, 120),
        faults=("lost_answer", "busy"),
        units_per_append=1,
    ),
    Scope(
        name="paused and resumed",
        tasks=(_JOB, _TICK),
        instants=(0, 60, 120),
        asked=(PauseTask(at=_ASKED, task_id="tick"), ResumeTask(at=_ASKED, task_id="tick")),
    ),
    Scope(
        name="cancelled and triggered",
        tasks=(_JOB, _TICK),
        instants=(0, 60),
        asked=(
            CancelTask(at=_ASKED, task_id="tick"),
            TriggerTask(at=_ASKED, task_id="tick"),
            CancelRun(at=_ASKED, task_id="job", execution_id="job/1@2026-01-01T12:00:00Z#1"),
        ),
    ),
    Scope(
        name="edited",
        tasks=(_JOB, _TICK),
        instants=(0, 60, 120),
        faults=("failure",),
        asked=(ScheduleTask(at=_ASKED, task_id="tick", definition=_tick(priority=-1).definition),),
    ),
    Scope(
        name="side by side",
        tasks=(_JOB, _tick("allow")),
        instants=(0, 60, 120),
        slots=2,
    ),
    Scope(
        name="one makes way",
        tasks=(_tick("cancel_other"), _LATER),
        instants=(0, 60, 120, 180),
    ),
    Scope(
        name="one is kept",
        tasks=(_tick("buffer_one"), _LATER),
        instants=(0, 60, 120, 180),
        faults=("failure",),
    ),
    Scope(
        name="clocks and shutdowns",
        tasks=(_JOB, _TICK),
        instants=(0, 60, 90),
        faults=("clock_back", "shutdown"),
        faults_max=2,
    ),
    Scope(
        name="one of everything",
        tasks=(_JOB, _LATER),
        instants=(0, 60),
        faults=("failure", "crash", "lost_answer", "busy", "sleep", "clock_back", "shutdown"),
        faults_max=1,
        asked=(CancelTask(at=_ASKED, task_id="job"),),
        proof=False,
    ),
)
"""Two schedulers and two tasks each; what may go wrong differs."""
