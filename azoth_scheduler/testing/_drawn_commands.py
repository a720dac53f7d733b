"""
Commands to tasks as a test draws them, the logs that they leave, and orders in which actors step.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final, get_args

from attrs import Factory, define, frozen

from azoth.clocks import Instant, Microseconds, instant_of
from azoth.events import Event
from azoth.streams import Position, Version
from azoth.testing._hypothesis import st
from azoth_scheduler.changes import evolve
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
from azoth_scheduler.decisions import decide
from azoth_scheduler.errors import InvalidSchedule
from azoth_scheduler.events import Outcome, Overlap, SchedulerEvent, registry, stream_of
from azoth_scheduler.settings import Settings
from azoth_scheduler.task import NO_TASK, Definition, OpenRun, TaskState, wake_at
from azoth_scheduler.testing._drawn_tasks import definitions

__all__ = ["BEGIN", "STEPS", "commands", "interleavings", "logged", "task_logs"]

_SECOND: Final = 1_000_000
_MINUTE: Final = 60 * _SECOND
BEGIN: Final = instant_of(datetime(2026, 1, 1, 12, tzinfo=UTC))
"""When drawn logs begin."""

STEPS: Final = (
    0,
    1,
    _SECOND,
    _MINUTE - 1,
    _MINUTE,
    5 * _MINUTE,
    8 * _MINUTE,
    61 * _MINUTE,
    -_MINUTE,
)
"""How far a clock goes between two commands; back too."""

_REASONS: Final = st.sampled_from(["", "maintenance", "\u00fc"])
_WORKERS: Final = st.sampled_from(["worker-1/1", "worker-2/1"])
_SELDOM: Final = st.sampled_from([False, False, True])
_OUTCOMES: Final[st.SearchStrategy[Outcome]] = st.sampled_from(get_args(Outcome))
_OVERLAPS: Final[st.SearchStrategy[Overlap | None]] = st.sampled_from(
    [None, None, *get_args(Overlap)]
)
_WAITS: Final = st.sampled_from([Microseconds(1), Microseconds(_MINUTE)])
_FILLED_IN: Final = st.sampled_from([0, 0, 0, 1, 3])
_PAYLOADS: Final = st.sampled_from([None, b"by hand"])
_STEPS: Final = st.sampled_from(STEPS)
_UNSAID: Final = Settings()


@st.composite
def commands(
    draw: st.DrawFn,
    task_id: str,
    state: TaskState,
    now: Instant,
    *,
    settings: Settings = _UNSAID,
    of: st.SearchStrategy[Definition] | None = None,
) -> TaskCommand:
    """
    Draw what may be asked of a task as it stands: whatever its users and its workers can ask.

    Only a definition that ends before it begins is refused, by `InvalidSchedule`.

    Args:
        draw: Given by Hypothesis.
        task_id: The task.
        state: What it folded to.
        now: The time of the command.
        settings: Of the scheduler.
        of: The definitions that are scheduled; `definitions(now)` unless given.
    """
    asker = _Asker(draw, task_id, state, now, settings, definitions(now) if of is None else of)
    ask = draw(st.sampled_from(asker.choices()))
    return ask()


@frozen
class _Asker:
    # Makes a command of each kind, as the task stands.
    draw: st.DrawFn
    task_id: str
    state: TaskState
    now: Instant
    settings: Settings
    definitions: st.SearchStrategy[Definition]

    def choices(self) -> Sequence[Callable[[], TaskCommand]]:
        # Each as often as it is named: most tasks live long, and most attempts end.
        found: list[Callable[[], TaskCommand]] = [self.schedule]
        if self.state.exists:
            found += [self.start] * 6
        if self.state.exists and not self.state.cancelled:
            found += [self.trigger, self.pause, self.resume, self.resume, self.cancel]
        if self.state.active:
            found += [*[self.end] * 8, self.abandon]
        if any(run.attempt for run in self.state.runs):
            found.append(self.stop)
        return found

    def schedule(self) -> ScheduleTask:
        definition = self.draw(self.definitions)
        return ScheduleTask(at=self.now, task_id=self.task_id, definition=definition)

    def start(self) -> StartRun:
        definition = self.state.definition
        return StartRun(
            at=self.now,
            worker_id=self.draw(_WORKERS),
            timeout=self.settings.timeout_of(definition),
            max_attempts=self.settings.policy_of(definition).max_attempts,
            lease=self.settings.lease,
        )

    def trigger(self) -> TriggerTask:
        filled_in = range(self.draw(_FILLED_IN), 0, -1)
        return TriggerTask(
            at=self.now,
            task_id=self.task_id,
            payload=self.draw(_PAYLOADS),
            nominals=tuple(Instant(max(0, self.now - n * _MINUTE)) for n in filled_in),
            overlap=self.draw(_OVERLAPS),
        )

    def pause(self) -> PauseTask:
        return PauseTask(at=self.now, task_id=self.task_id, reason=self.draw(_REASONS))

    def resume(self) -> ResumeTask:
        return ResumeTask(at=self.now, task_id=self.task_id, reason=self.draw(_REASONS))

    def cancel(self) -> CancelTask:
        return CancelTask(at=self.now, task_id=self.task_id, reason=self.draw(_REASONS))

    def stop(self) -> CancelRun:
        run = self.draw(st.sampled_from([run for run in self.state.runs if run.attempt]))
        said = self.draw(_REASONS)
        return CancelRun(
            at=self.now, task_id=self.task_id, execution_id=run.execution_id, reason=said
        )

    def end(self) -> RecordOutcome:
        outcome = self.draw(_OUTCOMES)
        asked = outcome == "snoozed" or (outcome == "failed" and self.draw(_SELDOM))
        # As its worker's clock has it, which may be behind.
        behind = _SECOND if self.draw(_SELDOM) else 0
        run, fence = self._running()
        # By its monotonic clock it has taken its time, or ended before that.
        took = run.deadline_at - run.started_at if outcome == "timed_out" else 0
        return RecordOutcome(
            at=self.now,
            fence=fence,
            completed_at=Instant(max(0, self.now - behind)),
            duration=Microseconds(took),
            outcome=outcome,
            policy=self.settings.policy_of(self.state.definition),
            error="boom \u00fc" if outcome in ("failed", "timed_out") else None,
            error_type="builtins.ValueError" if outcome == "failed" else None,
            raised=("builtins.ValueError",) if outcome == "failed" else (),
            retry_after=self.draw(_WAITS) if asked else None,
        )

    def abandon(self) -> AbandonRun:
        run, fence = self._running()
        given_back = self.draw(_SELDOM)
        lost = "its lease has run out" if run.lease_until <= self.now else "its worker is dead"
        return AbandonRun(
            at=self.now,
            fence=fence,
            reason="shutdown" if given_back else lost,
            lease_until=run.lease_until,
            given_back=given_back,
            lost_max=self.settings.max_lost,
            policy=self.settings.policy_of(self.state.definition),
        )

    def _running(self) -> tuple[OpenRun, int]:
        found = [(run, run.fence) for run in self.state.active if run.fence is not None]
        return self.draw(st.sampled_from(found))


@define
class _Telling:
    # A log while it is drawn.
    now: Instant = BEGIN
    recorded_at: Instant = BEGIN
    states: dict[str, TaskState] = Factory(dict[str, TaskState])
    log: list[Event] = Factory(list[Event])

    def tell(self, task_id: str, command: TaskCommand) -> None:
        state = self.states.get(task_id, NO_TASK)
        self.recorded_at = max(self.recorded_at, self.now)
        for told in decide(state, command):
            state = evolve(state, told)
            self.log.append(
                logged(told, task_id, state.version, len(self.log) + 1, self.recorded_at)
            )
        self.states[task_id] = state


@st.composite
def task_logs(
    draw: st.DrawFn,
    *,
    tasks: int = 3,
    steps: int = 30,
    settings: Settings = _UNSAID,
    of: st.SearchStrategy[Definition] | None = None,
) -> Sequence[Event]:
    """
    Draw logs of tasks as schedulers write them: each event was decided on those before it.

    Args:
        draw: Given by Hypothesis.
        tasks: How many tasks at most.
        steps: How many commands at most.
        settings: Of the schedulers.
        of: The definitions that are scheduled; `definitions` around each time unless given.

    >>> from azoth_scheduler.projection import MemoryScheduleProjection
    >>> from hypothesis import given
    >>> @given(task_logs(steps=5))
    ... def a_table_reads_them_all(log):
    ...     table = MemoryScheduleProjection()
    ...     table.apply(log, len(log))
    ...     assert table.unreadable() == 0
    >>> a_table_reads_them_all()
    """
    telling = _Telling()
    for _ in range(draw(st.integers(0, steps))):
        task_id = f"task-{draw(st.integers(1, tasks))}"
        state = telling.states.get(task_id, NO_TASK)
        telling.now = _later(draw, telling.now, state)
        command = draw(commands(task_id, state, telling.now, settings=settings, of=of))
        try:
            telling.tell(task_id, command)
        except InvalidSchedule:
            continue
    return tuple(telling.log)


def _later(draw: st.DrawFn, now: Instant, state: TaskState) -> Instant:
    wake = wake_at(state)
    if wake is not None and wake > now and draw(st.booleans()):
        return wake
    return Instant(max(0, now + draw(_STEPS)))


def logged(
    told: SchedulerEvent, task_id: str, version: int, position: int, recorded_at: Instant
) -> Event:
    """
    Return an event of a task as the log holds it.
    """
    new = registry.encode(told)
    return Event(
        position=Position(position),
        stream=stream_of(task_id),
        version=Version(version),
        type=new.type,
        data=new.data,
        metadata=new.metadata,
        schema=new.schema,
        recorded_at=recorded_at,
    )


def interleavings(*steps: int) -> st.SearchStrategy[tuple[int, ...]]:
    """
    Draw orders in which actors take their steps, each as often as is said.

    Args:
        steps: How many the first actor takes, the second, and so on.

    Returns:
        The number of the actor that steps, from 0, for each step; simplest where one ends before
        the next begins.

    >>> from hypothesis import find
    >>> find(interleavings(2, 2), lambda order: order[0] == 1)
    (1, 0, 0, 1)
    """
    in_turn = [actor for actor, count in enumerate(steps) for _ in range(count)]
    return st.permutations(in_turn).map(tuple)
