"""
What the handlers of a scenario do: it depends on the attempt alone, never on who carries it out.
"""

from typing import Final

from azoth.clocks import Microseconds
from azoth_scheduler.context import TaskContext
from azoth_scheduler.execution import Attempt
from azoth_scheduler.handlers import TaskEvent, TaskHandler
from azoth_scheduler.requests import ScheduleTaskRequest
from azoth_scheduler.schedules import Immediate
from azoth_scheduler.signals import Discard, Retry, Snooze
from azoth_scheduler.simulation.world.chance import PER_MILLE, Dice
from azoth_scheduler.simulation.world.executor import Lasts

__all__ = ["Acting", "Extra", "lasting"]

_SECOND: Final = 1_000_000
_LASTS: Final = (
    (0, 4),
    (_SECOND // 100, 6),
    (_SECOND, 4),
    (12 * _SECOND, 2),
    (25 * _SECOND, 1),
    (120 * _SECOND, 1),
)
"""Microseconds, and how often an attempt takes so long; some take longer than they may."""


class Acting(TaskHandler):
    """
    Succeed, fail, put off or discard, as the seed says for the attempt.

    Args:
        seed: Of the run.
        failing: How many attempts in a thousand do not succeed.
    """

    task_type = "work"

    def __init__(self, seed: int, failing: int) -> None:
        self._seed = seed
        self._failing = failing

    def execute(
        self, ctx: TaskContext, payload: bytes
    ) -> list[TaskEvent | ScheduleTaskRequest] | None:
        """
        Do what is drawn for the attempt.
        """
        dice = Dice(self._seed, f"acting/{ctx.execution_id}")
        if ctx.cancelled and dice.strikes(500):
            ctx.check_cancelled()
        if dice.below(PER_MILLE) < self._failing:
            self._fail(dice, ctx)
        streams = [dice.choice((None, "all")) for _ in range(dice.below(3))]
        made: list[TaskEvent | ScheduleTaskRequest] = [
            TaskEvent("made", payload, stream=stream) for stream in streams
        ]
        if ctx.task_id != "chained" and dice.strikes(30):
            made.append(ScheduleTaskRequest("chained", self.task_type, Immediate()))
        return made

    def _fail(self, dice: Dice, ctx: TaskContext) -> None:
        match dice.below(8):
            case 0:
                raise SystemExit(1)
            case 1:
                ctx.check_cancelled()
            case 2:
                raise Retry(after=7)
            case 3:
                raise Snooze(after=20)
            case 4:
                raise Discard("gone")
            case _:
                raise ValueError("boom")


class Extra(Acting):
    """
    Do the same for tasks of another type, which not every scheduler serves.
    """

    task_type = "extra"


def lasting(seed: int) -> Lasts:
    """
    Return what says how long an attempt takes.
    """

    def lasts(attempt: Attempt) -> Microseconds:
        dice = Dice(seed, f"lasts/{attempt.context.execution_id}")
        return Microseconds(dice.weighted(_LASTS))

    return lasts
