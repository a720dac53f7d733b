"""
The life of one task, told in commands: each is decided on the state that the ones before left.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from azoth.clocks import Instant, Microseconds, instant_of
from azoth.events import Event
from azoth.streams import Position, Version
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
from azoth_scheduler.events import (
    Options,
    Outcome,
    Overlap,
    SchedulerEvent,
    registry,
    stream_of,
)
from azoth_scheduler.retries import RetryPolicy
from azoth_scheduler.schedules import Schedule
from azoth_scheduler.simulation.invariants import Entry
from azoth_scheduler.task import NO_TASK, Definition, TaskState

TASK: Final = "report"
NOON: Final = datetime(2026, 1, 1, 12, tzinfo=UTC)
"""When each story begins."""

SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
THREE: Final = RetryPolicy(max_attempts=3)


def at(**spans: float) -> Instant:
    """
    Return the instant so long after noon: `at(minutes=5)`.
    """
    return instant_of(NOON + timedelta(**spans))


def define(schedule: Schedule, payload: bytes = b"", options: Options = Options()) -> Definition:
    """
    Return a definition of the type `generate_report`.
    """
    return Definition(
        task_type="generate_report",
        schedule=schedule,
        payload=payload,
        options=options,
    )


class Story:
    """
    Decide commands one after the other, at a time that is moved by hand.
    """

    def __init__(self, task_id: str = TASK) -> None:
        self._task_id = task_id
        self.now = at()
        self.state: TaskState = NO_TASK
        self.told: list[SchedulerEvent] = []

    def at(self, **spans: float) -> "Story":
        """
        Set the time to so long after noon; also back.
        """
        self.now = at(**spans)
        return self

    def do(self, command: TaskCommand) -> tuple[Any, ...]:
        """
        Decide *command* and return what happened.
        """
        events = decide(self.state, command)
        for event in events:
            self.state = evolve(self.state, event)
        self.told.extend(events)
        return events

    def schedule(
        self, schedule: Schedule, payload: bytes = b"", options: Options = Options()
    ) -> tuple[Any, ...]:
        """
        Schedule the task.
        """
        definition = define(schedule, payload, options)
        return self.do(ScheduleTask(at=self.now, task_id=self._task_id, definition=definition))

    def start(
        self,
        worker_id: str = "worker-1",
        max_attempts: int = 3,
        timeout: int = 300 * SECOND,
        lease: int | None = 30 * SECOND,
    ) -> tuple[Any, ...]:
        """
        Claim what is due.
        """
        return self.do(
            StartRun(
                at=self.now,
                worker_id=worker_id,
                timeout=Microseconds(timeout),
                max_attempts=max_attempts,
                lease=None if lease is None else Microseconds(lease),
            )
        )

    def end(
        self,
        outcome: Outcome = "succeeded",
        *,
        policy: RetryPolicy = THREE,
        fence: int | None = None,
        completed_at: Instant | None = None,
        error: str | None = None,
        triggered: int = 0,
        raised: tuple[str, ...] = (),
        retry_after: int | None = None,
    ) -> tuple[Any, ...]:
        """
        Record the outcome of the attempt that runs, or of the one with *fence*.
        """
        fence = self.fence if fence is None else fence
        run = self.state.with_fence(fence)
        taken = run.deadline_at - run.started_at if run and outcome == "timed_out" else 7
        return self.do(
            RecordOutcome(
                at=self.now,
                fence=fence,
                completed_at=self.now if completed_at is None else completed_at,
                duration=Microseconds(taken),
                outcome=outcome,
                policy=policy,
                error=error,
                triggered=triggered,
                raised=raised,
                retry_after=None if retry_after is None else Microseconds(retry_after),
            )
        )

    def fail(
        self, policy: RetryPolicy = THREE, completed_at: Instant | None = None
    ) -> tuple[Any, ...]:
        """
        Record that the attempt that runs has failed.
        """
        return self.end("failed", policy=policy, completed_at=completed_at, error="boom")

    def abandon(
        self,
        *,
        given_back: bool = False,
        reason: str = "lease expired",
        lost_max: int = 3,
        policy: RetryPolicy = THREE,
        fence: int | None = None,
    ) -> tuple[Any, ...]:
        """
        Take the attempt that runs from its worker.
        """
        return self.do(
            AbandonRun(
                at=self.now,
                fence=self.fence if fence is None else fence,
                reason=reason,
                lease_until=self.now,
                given_back=given_back,
                lost_max=lost_max,
                policy=policy,
            )
        )

    def cancel(self, reason: str = "no longer needed") -> tuple[Any, ...]:
        """
        Cancel the task.
        """
        return self.do(CancelTask(at=self.now, task_id=self._task_id, reason=reason))

    def pause(self, reason: str = "maintenance") -> tuple[Any, ...]:
        """
        Pause the task.
        """
        return self.do(PauseTask(at=self.now, task_id=self._task_id, reason=reason))

    def resume(self, reason: str = "") -> tuple[Any, ...]:
        """
        Resume the task.
        """
        return self.do(ResumeTask(at=self.now, task_id=self._task_id, reason=reason))

    def trigger(
        self,
        payload: bytes | None = None,
        overlap: Overlap | None = None,
        nominals: tuple[Instant, ...] = (),
    ) -> tuple[Any, ...]:
        """
        Ask for a run now, or for one for each of *nominals*.
        """
        return self.do(
            TriggerTask(
                at=self.now,
                task_id=self._task_id,
                payload=payload,
                overlap=overlap,
                nominals=nominals,
            )
        )

    def cancel_run(self, execution_id: str, reason: str = "wrong data") -> tuple[Any, ...]:
        """
        Stop one run.
        """
        return self.do(
            CancelRun(at=self.now, task_id=self._task_id, execution_id=execution_id, reason=reason)
        )

    @property
    def fence(self) -> int:
        """
        The fence of the attempt that runs.
        """
        (run,) = self.state.active
        assert run.fence is not None
        return run.fence

    def log(self) -> list[Entry]:
        """
        Return what was told as a log, each event as it comes back from it.
        """
        return [_entry(position, event) for position, event in enumerate(self.told, 1)]


def _entry(position: int, event: SchedulerEvent) -> Entry:
    written = registry.encode(event)
    stored = Event(
        position=Position(position),
        stream=stream_of(event.task_id),
        version=Version(position),
        type=written.type,
        data=written.data,
        metadata=written.metadata,
        schema=written.schema,
        recorded_at=event.at,
    )
    told: SchedulerEvent = registry.decode(stored)
    assert told == event
    return Entry(stored, told)
