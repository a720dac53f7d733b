"""
A play that a seed writes: schedulers come, work, fail and vanish, and much goes wrong at times.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from random import Random
from typing import Final, get_args

from azoth.clocks import Clock
from azoth.errors import AzothError, OutcomeUnknown, StoreBusy, StoreError, StoreFull
from azoth.testing import ManualClock
from azoth.urls import open_store
from azoth_scheduler import (
    Cron,
    Discard,
    Immediate,
    InlineExecutor,
    Interval,
    OneTime,
    Retry,
    RetryPolicy,
    Schedule,
    Scheduler,
    Snooze,
    SqliteScheduleProjection,
    TaskContext,
    TaskEvent,
    TaskExecuted,
    TaskRunAbandoned,
    TaskRunStarted,
)
from azoth_scheduler.events import CatchUp, Overlap
from azoth_scheduler.execution import Attempt, carry_out
from azoth_scheduler.executors.base import Report
from azoth_scheduler.schedules import is_recurring
from azoth_scheduler.simulation.invariants import assert_sound
from tests.support.faults import FaultyLog
from tests.support.stage import NOON, Said, Stage, acts, request

__all__ = ["Chaos", "play"]

STEPS: Final = 250
QUIET_SECONDS: Final = 131
QUIET_STEPS: Final = 12
"""Far longer than any clock was set back, so that every lease has run out."""

PASSES_MAX: Final = 200
"""Of one scheduler at one moment: more is a loop that spins."""


def play(seed: int) -> None:
    """
    Play what *seed* writes; then let all faults stop, and check what is left.
    """
    clock = ManualClock(NOON)
    with open_store("memory://", clock=clock) as store:
        stage = Stage(store, clock)
        chaos = Chaos(stage, Random(seed))
        for _ in range(STEPS):
            chaos.step()
        chaos.calm_down()
        assert_sound(stage.log(), **chaos.slots)
        begun = {event.execution_id for event in stage.told(TaskRunStarted)}
        ended = {event.execution_id for event in stage.told(TaskExecuted)}
        ended |= {event.execution_id for event in stage.told(TaskRunAbandoned)}
        assert begun == ended
        stage.close()


class Later:
    """
    Be an executor that carries out what it has when somebody says so, in any order.
    """

    def __init__(self, slots: int, random: Random) -> None:
        self.slots: int | None = slots
        self._random = random
        self._jobs: list[tuple[Attempt, Clock, Report]] = []

    def submit(self, attempt: Attempt, clock: Clock, report: Report) -> None:
        self._jobs.append((attempt, clock, report))

    def close(self) -> None:
        pass

    def carry_out(self, share: float) -> None:
        """
        Carry out about so many of the attempts.
        """
        self._random.shuffle(self._jobs)
        for _ in range(round(share * len(self._jobs))):
            attempt, clock, report = self._jobs.pop()
            report(carry_out(attempt, clock))


class Actor:
    """
    Hold a scheduler, the faults of its log, and its executor.
    """

    def __init__(self, scheduler: Scheduler, log: FaultyLog, executor: Later | None) -> None:
        self.scheduler = scheduler
        self.log = log
        self._executor = executor

    def carry_out(self, share: float) -> None:
        """
        Carry out about so many of the attempts that were claimed.
        """
        if self._executor is not None:
            self._executor.carry_out(share)


class Chaos:
    """
    Do one thing after the other, as a seed says.

    Attributes:
        slots: Of the workers, by their names.
    """

    def __init__(self, stage: Stage, random: Random) -> None:
        self.slots: dict[str, int] = {}
        self._stage = stage
        self._random = random
        self._cast: list[Actor] = []
        self._deeds: list[tuple[Callable[[Actor], object], int]] = [
            (self._schedule, 12),
            (lambda actor: actor.scheduler.cancel_task(self._task()), 4),
            (lambda actor: actor.scheduler.pause_task(self._task()), 4),
            (lambda actor: actor.scheduler.resume_task(self._task()), 5),
            (self._trigger, 5),
            (self._cancel_run, 3),
            (lambda _: stage.clock.advance(random.choice([0.1, 1, 5, 31, 70, 400, 4_000])), 18),
            (lambda _: stage.clock.set(stage.now - timedelta(seconds=random.choice([1, 60]))), 2),
            (self._fail, 5),
            (lambda actor: actor.log.fail_leases(StoreBusy(seconds=5)), 2),
            (self._race, 4),
            (self._cast.remove, 3),
            (lambda _: self._enter(), 3),
            (lambda actor: actor.carry_out(random.random()), 30),
            (lambda actor: actor.scheduler.step(), 60),
        ]

    def step(self) -> None:
        """
        Let somebody do something; what is refused was worth a try.
        """
        if not self._cast:
            self._enter()
        actor = self._random.choice(self._cast)
        deeds, weights = zip(*self._deeds, strict=True)
        (deed,) = self._random.choices(deeds, weights)
        with suppress(AzothError):
            deed(actor)

    def calm_down(self) -> None:
        """
        Let all faults stop and all tasks be cancelled, and whoever is left finish what was begun.
        """
        self._enter()
        for actor in self._cast:
            actor.log.heal()
        for task in self._cast[-1].scheduler.list_tasks():
            self._cast[-1].scheduler.cancel_task(task.task_id)
        for _ in range(QUIET_STEPS):
            self._stage.clock.advance(QUIET_SECONDS)
            for actor in self._cast:
                actor.carry_out(1)
                assert actor.scheduler.run_pending() < PASSES_MAX, "a scheduler spins"

    def _enter(self) -> None:
        random, log = self._random, FaultyLog(self._stage.store)
        slots, name = random.randint(1, 3), f"w{len(self.slots)}"
        executor = Later(slots, random) if random.random() < 0.7 else None
        options: dict[str, Said] = {
            "store": log,
            "worker_id": name,
            "max_concurrent_tasks": slots,
            "executor": executor or InlineExecutor(slots),
            "poll_interval": random.choice([1, 5]),
            "queues": random.choice([None, None, ["default"], ["other"]]),
            "max_lost": random.choice([1, 3, 100]),
            "default_timeout": random.choice([20, 300]),
        }
        if random.random() < 0.5:
            options["projection"] = SqliteScheduleProjection()
        self._cast.append(Actor(self._stage.scheduler(acts(self._act), **options), log, executor))
        self.slots[name] = slots

    def _act(self, ctx: TaskContext, payload: bytes) -> object:
        match self._random.randrange(12):
            case 0 | 1:
                raise ValueError("boom")
            case 2:
                raise SystemExit(1)
            case 3:
                self._stage.clock.advance(self._random.choice([1, 40, 400]))
            case 4:
                ctx.check_cancelled()
            case 5:
                return "junk"
            case 6:
                raise self._random.choice([Retry(after=7), Snooze(after=20), Discard("gone")])
            case _:
                pass
        streams = self._random.choices([None, "all"], k=self._random.randint(0, 2))
        return [TaskEvent("made", stream=stream) for stream in streams]

    def _schedule(self, actor: Actor) -> None:
        random = self._random
        schedules: list[Schedule] = [
            Immediate(),
            Interval(random.choice([0.5, 1, 10, 60])),
            OneTime(NOON + timedelta(seconds=random.randint(-100, 1_000))),
            Cron("*/30 * * * * *"),
            Cron("0 */5 * * * *"),
        ]
        again = RetryPolicy(3, base=random.choice([0, 5]), on_exhausted="continue")
        more: dict[str, Said] = random.choice(
            [{}, {"max_retries": 1}, {"timeout": 15}, {"retry": again}]
        )
        schedule = random.choice(schedules)
        said: dict[str, Said] = {
            "priority": random.choice([0, 0, 1]),
            "queue": random.choice(["default", "other"]),
            "payload": random.choice([b"", b"1"]),
            **more,
            **(self._times() if is_recurring(schedule) else {}),
        }
        actor.scheduler.schedule_task(request(self._task(), schedule, **said))

    def _times(self) -> dict[str, Said]:
        random = self._random
        return {
            "overlap": random.choice(["skip", *get_args(Overlap)]),
            "buffer_limit": random.choice([1, 3]),
            "catch_up": random.choice(["latest", *get_args(CatchUp)]),
            "catch_up_limit": random.choice([1, 4]),
            "jitter": random.choice([0, 0, 3, 90]),
            "max_runs": random.choice([None, None, 2]),
            "expires_after": random.choice([None, None, 45]),
            "start": random.choice([None, None, NOON + timedelta(seconds=200)]),
        }

    def _trigger(self, actor: Actor) -> None:
        overlap = self._random.choice([None, *get_args(Overlap)])
        actor.scheduler.trigger_task(self._task(), overlap=overlap)

    def _task(self) -> str:
        return self._random.choice("abcd")

    def _cancel_run(self, actor: Actor) -> None:
        task = actor.scheduler.get_task(self._task())
        if task is not None and task.last_execution_id is not None:
            actor.scheduler.cancel_run(task.last_execution_id)

    def _fail(self, actor: Actor) -> None:
        errors: list[StoreError] = [
            StoreBusy(seconds=5),
            StoreFull(reason="no space"),
            OutcomeUnknown(reason="lost"),
        ]
        error = self._random.choice(errors)
        after_commit = isinstance(error, OutcomeUnknown) and self._random.random() < 0.6
        times = self._random.randint(1, 2)
        actor.log.fail(error, times, on=lambda writes: True, after_commit=after_commit)

    def _race(self, actor: Actor) -> None:
        other, task_id = self._random.choice(self._cast).scheduler, self._task()

        def win() -> None:
            with suppress(AzothError):
                other.pause_task(task_id)
                other.resume_task(task_id)

        actor.log.before(win, on=lambda writes: True)
