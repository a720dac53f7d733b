"""
What a test of a user's own schedules says: that a task ran, that it is going to, and what holds.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Final, get_args

from attrs import define

from azoth.clocks import instant_of
from azoth.events import check_integer
from azoth_scheduler.errors import SchedulerError
from azoth_scheduler.events import Outcome
from azoth_scheduler.history import TaskRun
from azoth_scheduler.requests import ScheduledTask
from azoth_scheduler.simulation.invariants import Breach, Checker, Entry

__all__ = ["InvariantBroken", "UserInvariant", "check_callable", "check_ran", "check_scheduled"]

_SHOWN_MAX: Final = 5


@define(kw_only=True, slots=False)
class InvariantBroken(SchedulerError, AssertionError):
    """
    Say what does not hold in a simulation, where that is seen, and which seed shows it.

    Attributes:
        breaches: What does not hold; the first is what to look at.
        seed: The simulation made with it shows the same again.
        events: The last events of the log up to the first breach, in words.
    """

    breaches: tuple[Breach, ...]
    seed: int
    events: tuple[str, ...]

    def __str__(self) -> str:
        first = self.breaches[0]
        where = f"{first.invariant!r} does not hold at position {first.position} (seed {self.seed})"
        more = [f"also {breach}" for breach in self.breaches[1:_SHOWN_MAX]]
        shown = ["The last events up to there:", *self.events]
        return "\n".join([f"{where}: {first.what}", *more, *shown])


class UserInvariant(Checker):
    """
    Check what a user says must always hold.

    Args:
        name: Its id in a breach.
        holds: Says whether it does.

    Attributes:
        raised: What *holds* raised, if it did; it is not asked again then.
    """

    def __init__(self, name: str, holds: Callable[[], object]) -> None:
        self.invariant = name
        self.raised: Exception | None = None
        self._holds = holds
        self._is_broken = False

    def see(self, entry: Entry) -> Iterable[str]:
        """
        Ask after each event.
        """
        if self._is_broken:
            # Said once: what follows an event that breaks it breaks it as well.
            return []
        try:
            held = self._holds()
        except Exception as error:
            self.raised = error
            raise
        # What returns nothing is full of assertions, and none of them has failed.
        self._is_broken = held is not None and not held
        return [f"it does not hold after {entry.event.type}"] if self._is_broken else []


def check_callable(asked: object, what: str) -> None:
    """
    Refuse what cannot be asked whether something holds.

    Raises:
        TypeError: It cannot be called.
    """
    if not callable(asked):
        raise TypeError(f"{what} is called with the simulation; {asked!r} cannot be called")


def check_ran(
    runs: Sequence[TaskRun],
    task_id: str,
    *,
    times: int | None,
    at: datetime | None,
    outcome: str,
) -> None:
    """
    Fail unless there are such attempts among *runs*.

    Raises:
        AssertionError: There are not.
        ValueError: No attempt could ever be so.
    """
    __tracebackhide__ = True
    if times is not None:
        check_integer(times, "times")
    if at is not None:
        instant_of(at)
    if outcome not in get_args(Outcome):
        raise ValueError(f"{outcome!r} is no outcome; there are {', '.join(get_args(Outcome))}")
    found = [run for run in runs if run.outcome == outcome]
    if at is not None:
        found = [run for run in found if run.scheduled_at == at]
    if len(found) == times or (times is None and found):
        return
    wanted = "at least once" if times is None else f"{times} times"
    when = "" if at is None else f" for {at.isoformat()}"
    told = "; ".join(_in_words(run) for run in runs[-_SHOWN_MAX:]) or "none"
    raise AssertionError(
        f"task {task_id!r} {outcome} {len(found)} times{when}, not {wanted}; "
        f"its last attempts: {told}"
    )


def check_scheduled(task: ScheduledTask | None, task_id: str, *, at: datetime | None) -> None:
    """
    Fail unless a task is going to run, at a certain time if one is given.

    Raises:
        AssertionError: It is not.
        ValueError: *at* is naive.
    """
    __tracebackhide__ = True
    if at is not None:
        instant_of(at)
    if task is None:
        raise AssertionError(f"there is no task {task_id!r}; schedule it first")
    if task.next_run_time is None or not task.enabled:
        raise AssertionError(
            f"task {task_id!r} is {task.status} ({task.reason or 'no reason given'}), and nothing "
            "of it is going to run"
        )
    if at is not None and task.next_run_time != at:
        raise AssertionError(
            f"task {task_id!r} runs next at {task.next_run_time.isoformat()}, not at "
            f"{at.isoformat()}"
        )


def _in_words(run: TaskRun) -> str:
    ended = run.outcome or "running"
    said = f" ({run.error})" if run.error else ""
    return f"{run.execution_id} {ended}{said}"
