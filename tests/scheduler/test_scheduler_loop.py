"""
The loop: what wakes it, what it costs when nothing happens, and how it ends.
"""

import sys
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Thread
from types import FrameType

import pytest

from azoth.clocks import Microseconds
from azoth.errors import StoreBusy, StoreClosed, StoreFailed
from azoth.store import EventStore
from azoth.testing import ManualClock
from azoth.urls import open_store
from azoth_scheduler import (
    Interval,
    Scheduler,
    SqliteScheduleProjection,
    TaskContext,
    TaskExecuted,
    TaskRunAbandoned,
    TaskRunStarted,
    bell,
)
from azoth_scheduler.bell import Bell, Watcher
from azoth_scheduler.simulation.invariants import assert_sound
from tests.support.faults import FaultyLog
from tests.support.stage import NOON, PATIENCE, Said, Stage, acts, request, running, task

pytestmark = pytest.mark.uncovered

LONG = 3_600.0
"""A poll interval that no test waits for."""


class Hurrying(ManualClock):
    """
    Be a clock on which two seconds pass whenever somebody looks how many have.
    """

    def monotonic(self) -> Microseconds:
        self.advance(2)
        return super().monotonic()


def waits_of(scheduler: Scheduler) -> "SimpleQueue[float]":
    """
    Return where each wait of a scheduler's loop is noted before it begins.
    """
    noted: SimpleQueue[float] = SimpleQueue()
    wait = scheduler._bell.wait

    def noting(seconds: float) -> None:
        noted.put(seconds)
        wait(seconds)

    scheduler._bell.wait = noting  # type: ignore[method-assign] # the loop is watched
    return noted


@pytest.mark.rule("S-38")
def test_a_schedule_wakes_the_loop(stage: Stage) -> None:
    """
    No poll delay: the loop would look again in an hour.
    """
    scheduler = stage.scheduler(acts(), poll_interval=LONG)
    waits = waits_of(scheduler)

    with running(scheduler):
        while waits.get(timeout=PATIENCE) < LONG:
            pass
        scheduler.schedule_task(request())
        stage.wait_for(TaskExecuted)


@pytest.mark.rule("S-38")
def test_an_append_of_another_scheduler_wakes_the_loop(stage: Stage) -> None:
    """
    By whomever, as long as it is the same log.
    """
    scheduler = stage.scheduler(acts(), poll_interval=LONG)
    client = stage.scheduler(worker_id="client")
    waits = waits_of(scheduler)

    with running(scheduler):
        while waits.get(timeout=PATIENCE) < LONG:
            pass
        client.schedule_task(request())
        stage.wait_for(TaskExecuted)


@pytest.mark.rule("S-38")
def test_an_append_through_another_object_wakes_the_loop(
    tmp_path: Path, clock: ManualClock
) -> None:
    """
    As another process would make it.
    """
    url = f"sqlite:///{tmp_path}/log.db?durability=normal"
    with open_store(url, clock=clock) as store, open_store(url, clock=clock) as other:
        stage, foreign = Stage(store, clock), Stage(other, clock)
        scheduler = stage.scheduler(acts(), poll_interval=LONG)
        waits = waits_of(scheduler)

        with running(scheduler):
            while waits.get(timeout=PATIENCE) < LONG:
                pass
            foreign.scheduler(worker_id="client").schedule_task(request())
            foreign.wait_for(TaskExecuted)
        stage.close()


def test_an_attempt_that_ends_wakes_the_loop(stage: Stage) -> None:
    """
    Its slot is taken at once by the next task.
    """
    gate = stage.gate()
    scheduler, _ = stage.threaded(acts(gate), poll_interval=LONG, max_concurrent_tasks=1)
    scheduler.schedule_tasks([request("a"), request("b")])
    waits = waits_of(scheduler)

    with running(scheduler):
        gate.wait_inside()
        # Timed by the deadline of the attempt that runs, and by nothing sooner.
        while waits.get(timeout=PATIENCE) < 300:
            pass
        gate.open()
        stage.wait_for(TaskExecuted, 2)


@pytest.mark.rule("S-37")
def test_an_idle_loop_makes_no_passes(stage: Stage) -> None:
    """
    It waits for the whole poll interval; each thing that happens costs it a handful of passes.
    """
    scheduler = stage.scheduler(acts(), poll_interval=LONG)
    waits = waits_of(scheduler)
    passes = 0

    with running(scheduler):
        for number in range(20):
            while waits.get(timeout=PATIENCE) < LONG:
                passes += 1
            passes += 1
            scheduler.schedule_task(request(f"t{number}"))
            stage.wait_for(TaskExecuted, number + 1)

    assert passes < 20 * 8


@pytest.mark.rule("S-37")
def test_a_loop_waits_exactly_until_something_is_due(stage: Stage) -> None:
    """
    The timer is set to the next due time, not to a tick.
    """
    scheduler = stage.scheduler(acts(), poll_interval=LONG)
    scheduler.schedule_task(request("a", Interval(12.5)))
    waits = waits_of(scheduler)

    with running(scheduler):
        assert waits.get(timeout=PATIENCE) == 12.5


def test_a_loop_looks_again_after_its_poll_interval(stage: Stage) -> None:
    """
    Also where something lies further ahead: a clock may be set.
    """
    scheduler = stage.scheduler(acts(), poll_interval=2)
    scheduler.schedule_task(request("a", Interval(60)))
    waits = waits_of(scheduler)

    with running(scheduler):
        assert waits.get(timeout=PATIENCE) == 2


@pytest.mark.rule("S-39")
def test_a_shutdown_starts_nothing_more(stage: Stage) -> None:
    """
    Two thousand tasks are due, ten run: those end, and no other begins.
    """
    gate = stage.gate()
    worker = acts(gate)
    scheduler, _ = stage.threaded(worker, max_concurrent_tasks=10)
    scheduler.schedule_tasks([request(f"t{n:04}") for n in range(2_000)])

    with running(scheduler):
        gate.wait_inside(10)
        scheduler.shutdown()
        gate.open()

    assert len(worker.contexts) == 10
    assert len(stage.told(TaskExecuted)) == 10
    assert stage.told(TaskRunAbandoned) == []


def test_a_shutdown_gives_back_what_stops_when_it_is_asked_to(stage: Stage) -> None:
    """
    That is no loss and no failure; another scheduler begins it at once.
    """
    gate = stage.gate()
    clock = Hurrying(NOON)
    worker = acts(gate.until_stopped)
    scheduler, _ = stage.threaded(worker, clock=clock, default_timeout=LONG, lease=LONG)
    scheduler.schedule_task(request())
    scheduler.step()
    gate.wait_inside()

    assert scheduler.drain(60)

    (abandoned,) = stage.told(TaskRunAbandoned)
    assert (abandoned.reason, abandoned.lost_count) == ("shutdown", 0)
    assert worker.contexts[0].stop.reason == "shutdown"
    next_worker = acts()
    stage.scheduler(next_worker, worker_id="next", clock=clock).run_pending()
    assert [context.attempt for context in next_worker.contexts] == [2]


def test_a_shutdown_ends_within_its_grace_also_with_a_hung_handler(stage: Stage) -> None:
    """
    A thread that still runs keeps its claim; nobody waits for it any longer.
    """
    gate = stage.gate()
    clock = Hurrying(NOON)
    worker = acts(gate)
    scheduler, _ = stage.threaded(worker, clock=clock, default_timeout=LONG, lease=LONG)
    scheduler.schedule_task(request())
    scheduler.step()
    gate.wait_inside()
    began = clock.now()

    assert not scheduler.drain(60)

    assert clock.now() - began < 80_000_000
    assert worker.contexts[0].cancelled
    assert task(scheduler).status == "running"
    assert stage.told(TaskRunAbandoned) == []


def test_a_drain_records_what_ends_in_time(stage: Stage) -> None:
    """
    Handlers are left alone for three quarters of the grace.
    """
    gate = stage.gate()
    worker = acts(gate)
    scheduler, _ = stage.threaded(worker)
    scheduler.schedule_tasks([request("a"), request("b", Interval(60))])
    scheduler.step()
    gate.wait_inside()
    drained: list[bool] = []

    draining = Thread(target=lambda: drained.append(scheduler.drain(PATIENCE)))
    draining.start()
    gate.open()
    draining.join(PATIENCE)

    assert drained == [True]
    assert task(scheduler).status == "completed"
    assert not worker.contexts[0].cancelled


def test_a_drain_from_another_thread_does_not_disturb_the_loop(stage: Stage) -> None:
    """
    Passes of two threads come one after the other.
    """
    scheduler, _ = stage.threaded(acts())
    scheduler.schedule_tasks([request(f"t{n}") for n in range(20)])

    with running(scheduler):
        stage.wait_for(TaskRunStarted)
        assert scheduler.drain(PATIENCE)

    assert scheduler.health().running == 0


def test_a_scheduler_that_was_shut_down_returns_at_once(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """
    A shutdown before the loop begins is not missed, and the log says why nothing runs.
    """
    caplog.set_level("INFO", logger="azoth_scheduler")
    worker = acts()
    scheduler = stage.scheduler(worker)
    scheduler.schedule_task(request())
    scheduler.shutdown()

    scheduler.run()

    assert worker.contexts == []
    assert [one.getMessage() for one in caplog.records] == [
        "run ends at once: the scheduler was shut down; make another one to run"
    ]


def test_a_scheduler_that_ends_as_it_should_says_nothing(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """
    A shutdown while it runs is how it ends.
    """
    caplog.set_level("INFO", logger="azoth_scheduler")
    scheduler = stage.scheduler(acts(lambda ctx, payload: scheduler.shutdown()))
    scheduler.schedule_task(request())

    scheduler.run()

    assert caplog.records == []


def test_a_scheduler_closes_what_it_opened_where_its_block_ends(tmp_path: Path) -> None:
    """
    Its table and its executor; the store is not its own.
    """
    table = SqliteScheduleProjection(tmp_path / "table.db")
    with open_store("memory://") as store:
        with Scheduler(store, projection=table) as scheduler:
            scheduler.schedule_task(request())

        assert store.wait(0, 0) == 1
        with pytest.raises(StoreClosed):
            table.get("a")


def test_schedulers_in_several_threads_share_the_work(stage: Stage) -> None:
    """
    Each task runs once, and no scheduler exceeds its slots.
    """
    workers = [acts() for _ in range(3)]
    schedulers = [
        stage.threaded(worker, worker_id=f"w{n}", max_concurrent_tasks=2)[0]
        for n, worker in enumerate(workers)
    ]
    schedulers[0].schedule_tasks([request(f"t{n:03}") for n in range(150)])

    with running(*schedulers):
        stage.wait_for(TaskExecuted, 150)

    ran = [context.task_id for worker in workers for context in worker.contexts]
    assert sorted(ran) == [f"t{n:03}" for n in range(150)]
    assert_sound(stage.log(), w0=2, w1=2, w2=2)


@pytest.mark.parametrize("threaded", [False, True], ids=["inline", "threads"])
def test_a_handler_may_schedule_and_ask(stage: Stage, threaded: bool) -> None:
    """
    Its own scheduler serves it while it runs, and starts what it scheduled.
    """
    seen: list[str] = []

    def act(ctx: TaskContext, payload: bytes) -> None:
        seen.append(task(scheduler, ctx.task_id).status)
        if ctx.task_id == "a":
            scheduler.schedule_task(request("b"))
            scheduler.cancel_task("c")

    worker = acts(act)
    scheduler = stage.threaded(worker)[0] if threaded else stage.scheduler(worker)
    scheduler.schedule_tasks([request("a"), request("c", Interval(60))])

    with running(scheduler):
        stage.wait_for(TaskExecuted, 2)

    assert seen == ["running", "running"]
    assert task(scheduler, "c").status == "cancelled"


def test_an_interrupt_from_the_keyboard_ends_the_loop(stage: Stage) -> None:
    """
    It is raised where the program runs the loop; run again, it goes on with what was claimed.
    """
    interrupts = iter([True, False])

    def act(ctx: TaskContext, payload: bytes) -> None:
        if next(interrupts):
            raise KeyboardInterrupt
        scheduler.shutdown()

    scheduler = stage.scheduler(acts(act), poll_interval=0.01)
    scheduler.schedule_task(request())

    with pytest.raises(KeyboardInterrupt):
        scheduler.run()
    stage.clock.advance(1)
    scheduler.run()

    assert [run.outcome for run in scheduler.runs("a")] == ["abandoned", "succeeded"]


def test_a_store_in_trouble_does_not_end_the_loop(stage: Stage) -> None:
    """
    It is busy now and works later.
    """
    faulty = FaultyLog(stage.store)
    scheduler = stage.scheduler(acts(), store=faulty)
    faulty.fail_leases(StoreBusy(seconds=5), 2)
    waits = waits_of(scheduler)

    with running(scheduler):
        scheduler.schedule_task(request())
        # Its wait is over as soon as the clock says so; the poll interval wakes it then.
        while waits.get(timeout=PATIENCE) != 0.05:
            pass
        stage.clock.advance(1)
        while waits.get(timeout=PATIENCE) != 0.1:
            pass
        stage.clock.advance(1)
        stage.wait_for(TaskExecuted)


def test_a_closed_store_ends_the_loop(stage: Stage) -> None:
    """
    With the store's own error: nothing can be done any more.
    """
    scheduler = stage.scheduler(acts(), poll_interval=0.01)
    stage.sound = False

    with pytest.raises(StoreClosed), running(scheduler):
        stage.store.close()


def test_a_watcher_outlives_trouble_of_the_store(
    store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The pass meets the same trouble and deals with it; the watcher waits and looks again.
    """

    class Troubled(FaultyLog):
        """
        Fail the first wait.
        """

        troubles = 1

        def wait(self, after: int, timeout: float | None = None) -> int:
            if self.troubles:
                self.troubles = 0
                raise StoreFailed(reason="the disk is gone")
            return max(1, super().wait(after, timeout))

    monkeypatch.setattr(bell, "_LOOK_SECONDS", 0.01)
    heard, rings = Event(), Bell()
    rings.ring = heard.set  # type: ignore[method-assign] # the bell is watched

    with Watcher(Troubled(store), rings):
        assert heard.wait(PATIENCE)


def test_a_ring_before_the_wait_is_heard() -> None:
    """
    Level-triggered; and it is forgotten once it was heard.
    """
    rings = Bell()
    rings.ring()
    rings.ring()

    rings.wait(PATIENCE)
    rings.wait(0)


def test_a_ring_is_heard_by_who_waits() -> None:
    """
    From another thread.
    """
    rings = Bell()
    waiting = Thread(target=rings.wait, args=(PATIENCE,), daemon=True)
    waiting.start()

    rings.ring()
    waiting.join(PATIENCE / 2)

    assert not waiting.is_alive()


@pytest.mark.parametrize("method", ["ring", "wait"])
def test_a_signal_handler_may_ring_at_any_moment(method: str) -> None:
    """
    Between any two lines of the thread that it interrupts; no ring is lost, and nothing locks.
    """
    line = 0
    while True:
        interrupted = Interrupted(line, method)
        thread = Thread(target=interrupted.run, daemon=True)
        thread.start()
        thread.join(PATIENCE)
        assert not thread.is_alive(), f"a ring before line {line} of {method} locks the bell"
        assert interrupted.heard, f"a ring before line {line} of {method} is lost"
        if interrupted.lines <= line:
            break
        line += 1

    assert line > 1


class Interrupted:
    """
    Ring a bell before the n-th line that one of its methods executes, in the same thread.
    """

    def __init__(self, line: int, method: str) -> None:
        self.heard = False
        self.lines = 0
        self._line = line
        self._bell = Bell()
        self._method: Callable[[], None] = (
            self._bell.ring if method == "ring" else partial(self._bell.wait, 0)
        )

    def run(self) -> None:
        """
        Call the method, be interrupted once, and hear the ring that follows.
        """
        sys.settrace(self._trace)
        try:
            self._method()
        finally:
            sys.settrace(None)
        self._bell.ring()
        waiting = Thread(target=self._bell.wait, args=(PATIENCE,), daemon=True)
        waiting.start()
        waiting.join(PATIENCE / 2)
        self.heard = not waiting.is_alive()

    def _trace(self, frame: FrameType, event: str, arg: object) -> Said:
        if event == "line":
            self.lines += 1
            if self.lines == self._line + 1:
                self._bell.ring()
        return self._trace


def test_a_pass_that_waits_for_a_retry_says_when_it_comes(stage: Stage) -> None:
    """
    The retry's time counts like that of an occurrence.
    """
    scheduler = stage.scheduler(acts(lambda ctx, payload: 1 / 0))
    scheduler.schedule_task(request())
    scheduler.run_pending()

    assert scheduler.step() == NOON + timedelta(minutes=1)
