"""
The log of one task as a tree: each node is a history, made once, folded once, checked once.
"""

from collections.abc import Sequence

from attrs import frozen

from azoth.clocks import Instant
from azoth.events import NO_METADATA, Event
from azoth.streams import Position, Version
from azoth_scheduler.changes import evolve
from azoth_scheduler.events import SchedulerEvent, stream_of
from azoth_scheduler.execution import Fence
from azoth_scheduler.settings import Settings
from azoth_scheduler.simulation.invariants import Breach, Invariants
from azoth_scheduler.simulation.search.owing import NOTHING_OWED, Owed, owed_after
from azoth_scheduler.task import NO_TASK, TaskState, wake_at

__all__ = ["Claim", "TaskLog", "TaskLogs"]


@frozen
class Claim:
    """
    Name an attempt that the log knows to run.
    """

    fence: Fence
    worker: str


@frozen(eq=False, kw_only=True)
class TaskLog:
    """
    Be one history of a task; two are equal only if they are the same object.

    Attributes:
        number: Its number among all of a search, in the order in which they were made.
        wake: When something of it is due to be decided, as `wake_at` says.
        breach: What the checkers found in it, the first of it.
    """

    number: int
    events: tuple[SchedulerEvent, ...]
    state: TaskState
    owed: Owed
    claims: tuple[Claim, ...]
    wake: Instant | None
    breach: Breach | None

    @property
    def task_id(self) -> str:
        """
        Return the task that it is the log of.
        """
        return self.state.task_id

    def concerns(self, now: int) -> bool:
        """
        Say whether a pass has to look at it: an attempt is active, or something is due.
        """
        due = self.wake is not None and self.wake <= now
        return bool(self.claims) or due or self.owed.is_due(now)


class TaskLogs:
    """
    Make each history once.
    """

    def __init__(self, settings: Settings) -> None:
        self._policies = dict.fromkeys(settings.by_type, settings.retry)
        self._settings = settings
        self._known: dict[tuple[int, tuple[SchedulerEvent, ...]], TaskLog] = {}
        self._empty = TaskLog(
            number=0,
            events=(),
            state=NO_TASK,
            owed=NOTHING_OWED,
            claims=(),
            wake=None,
            breach=None,
        )

    def __len__(self) -> int:
        return len(self._known)

    def begun(self, events: tuple[SchedulerEvent, ...]) -> TaskLog:
        """
        Return the log that begins with *events*.
        """
        return self.after(self._empty, events)

    def after(self, log: TaskLog, events: tuple[SchedulerEvent, ...]) -> TaskLog:
        """
        Return the log with *events* behind it.
        """
        key = (log.number, events)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = self._made(log, events)
        return known

    def _made(self, log: TaskLog, events: tuple[SchedulerEvent, ...]) -> TaskLog:
        state, owed, whole = log.state, log.owed, (*log.events, *events)
        given_up: Breach | None = None
        for event in events:
            if owed.gives_up(event, self._settings):
                given_up = Breach("L2", state.version + 1, "a run is given up before its time")
            state, owed = evolve(state, event), owed_after(owed, event)
        return TaskLog(
            number=len(self._known) + 1,
            events=whole,
            state=state,
            owed=owed,
            claims=tuple(
                Claim((state.task_id, run.fence or 0), run.worker_id) for run in state.active
            ),
            wake=wake_at(state),
            breach=log.breach or given_up or self._checked(whole),
        )

    def _checked(self, events: Sequence[SchedulerEvent]) -> Breach | None:
        invariants = Invariants(policies=self._policies)
        for place, told in enumerate(events, 1):
            invariants.see(_stored(place, told), told)
        invariants.end()
        return next(iter(invariants.breaches), None)


def _stored(place: int, told: SchedulerEvent) -> Event:
    # Written when it was decided: what a store adds to it is checked elsewhere.
    return Event(
        position=Position(place),
        stream=stream_of(told.task_id),
        version=Version(place),
        type=type(told).__name__,
        data=b"",
        metadata=NO_METADATA,
        schema=1,
        recorded_at=told.at,
    )
