"""
Logs of several tasks, told at random from a seed: what a schedule table is folded from.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta
from random import Random
from typing import Final

from attrs import evolve

from azoth.clocks import Instant
from azoth.events import Event
from azoth.streams import Position, Version
from azoth_scheduler.events import Options, SchedulerEvent, registry, stream_of
from azoth_scheduler.retries import RetryPolicy
from azoth_scheduler.schedules import Cron, Immediate, Interval, OneTime, Schedule
from azoth_scheduler.simulation.invariants import Entry
from azoth_scheduler.task import TaskState
from tests.support.task_story import MINUTE, NOON, SECOND, Story, at

SCHEDULES: Final[Sequence[Schedule]] = [
    Interval(60),
    Interval(0.25),
    Cron("0 0 * * * *", tz="Europe/Berlin"),
    OneTime(NOON + timedelta(minutes=5)),
    Immediate(),
]
QUEUES: Final = ["default", "slow", "schnell ü"]
TAGS: Final = [(), ("night",), ("night", "billing")]
STEPS: Final = [0, 1, SECOND, MINUTE, 5 * MINUTE, 60 * MINUTE, -MINUTE]
POLICY: Final = RetryPolicy(max_attempts=2, base=timedelta(seconds=30))


class LogTeller:
    """
    Tell a log: each step is one decision about one task, its events appended together.

    Attributes:
        events: The log.
        states: What each task's stream folds to.
    """

    def __init__(self, seed: int, tasks: int = 5) -> None:
        self._random = Random(seed)
        self._stories = {f"task-{number}": Story(f"task-{number}") for number in range(tasks)}
        self._now = at()
        self.events: list[Event] = []

    @property
    def states(self) -> dict[str, TaskState]:
        """
        The states of the tasks that exist.
        """
        return {
            task_id: story.state for task_id, story in self._stories.items() if story.state.version
        }

    @property
    def now(self) -> Instant:
        """
        The time of the last step.
        """
        return self._now

    def tell(self, steps: int) -> list[Event]:
        """
        Tell so many steps more and return the log.
        """
        for _ in range(steps):
            self._now = Instant(self._now + self._random.choice(STEPS))
            task_id = self._random.choice(list(self._stories))
            story = self._stories[task_id]
            story.now = self._now
            self._append(task_id, self._step(story))
        return self.events

    def _step(self, story: Story) -> tuple[SchedulerEvent, ...]:
        state = story.state
        steps: list[Callable[[Story], tuple[SchedulerEvent, ...]]] = [self._schedule]
        if state.exists:
            steps += [_start] * 4 + [Story.cancel]
        if state.exists and not state.cancelled:
            steps += [Story.pause, Story.resume, Story.resume, Story.trigger]
        if state.active:
            steps += [self._end] * 5 + [Story.abandon]
        if any(run.attempt for run in state.runs):
            steps += [_cancel_run]
        return self._random.choice(steps)(story)

    def _schedule(self, story: Story) -> tuple[SchedulerEvent, ...]:
        options = Options(
            priority=self._random.choice([-5, 0, 0, 7]),
            queue=self._random.choice(QUEUES),
            tags=self._random.choice(TAGS),
            retry=self._random.choice([None, POLICY]),
        )
        payload = self._random.choice([b"", b"payload", bytes(range(256))])
        return story.schedule(self._random.choice(SCHEDULES), payload, options)

    def _end(self, story: Story) -> tuple[SchedulerEvent, ...]:
        outcome = self._random.choice(["succeeded", "failed", "timed_out", "cancelled"])
        error = None if outcome == "succeeded" else "boom ü"
        return story.end(outcome, policy=POLICY, error=error)  # type: ignore[arg-type] # one of them

    def _append(self, task_id: str, events: tuple[SchedulerEvent, ...]) -> None:
        version = self._stories[task_id].state.version - len(events)
        for event in events:
            version += 1
            self.events.append(logged(event, task_id, version, len(self.events) + 1))


def _start(story: Story) -> tuple[SchedulerEvent, ...]:
    return story.start(max_attempts=2)


def _cancel_run(story: Story) -> tuple[SchedulerEvent, ...]:
    run = next(run for run in story.state.runs if run.attempt)
    return story.cancel_run(run.execution_id)


def logged(event: SchedulerEvent, task_id: str, version: int, position: int) -> Event:
    """
    Return *event* as the log holds it.
    """
    new = registry.encode(event)
    return Event(
        position=Position(position),
        stream=stream_of(task_id),
        version=Version(version),
        type=new.type,
        data=new.data,
        metadata=new.metadata,
        schema=new.schema,
        recorded_at=event.at,
    )


def foreign(position: int, stream: str = "orders-1", type: str = "OrderPlaced") -> Event:
    """
    Return an event that no task can read.
    """
    return Event(
        position=Position(position),
        stream=stream,
        version=Version(1),
        type=type,
        data=b"{}",
        metadata={},
        schema=1,
        recorded_at=at(),
    )


def later(log: Sequence[Entry], position: int, by: timedelta) -> list[Entry]:
    """
    Return a log from whose *position* on all is recorded later.
    """
    shift = by // timedelta(microseconds=1)
    return [
        _recorded(entry, entry.event.recorded_at + shift * (entry.position >= position))
        for entry in log
    ]


def _recorded(entry: Entry, recorded_at: int) -> Entry:
    return evolve(entry, event=evolve(entry.event, recorded_at=Instant(recorded_at)))


def merged(*logs: Sequence[Entry]) -> list[Entry]:
    """
    Return logs of single streams as one, in the order of time.
    """
    entries = sorted((one for log in logs for one in log), key=lambda one: one.event.recorded_at)
    return [
        evolve(entry, event=evolve(entry.event, position=Position(position)))
        for position, entry in enumerate(entries, 1)
    ]
