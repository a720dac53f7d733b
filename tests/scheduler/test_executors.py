"""
Executors: each keeps to the suite, and to what it alone promises.
"""

import asyncio
import os
import signal
from asyncio import CancelledError
from collections.abc import Generator
from datetime import timedelta
from pathlib import Path
from queue import SimpleQueue
from threading import Thread, current_thread, get_ident, main_thread

import pytest

from azoth.store import EventStore
from azoth.testing import ManualClock
from azoth.urls import open_store
from azoth_scheduler import (
    AsyncExecutor,
    Executor,
    InlineExecutor,
    InvalidTask,
    ProcessExecutor,
    RunCancelled,
    Scheduler,
    StopSignal,
    TaskContext,
    TaskEvent,
    TaskExecuted,
    TaskHandler,
    TaskRunAbandoned,
    ThreadExecutor,
)
from azoth_scheduler.execution import Dropped, Ended, Finished, carry_out
from tests.support.acts import (
    Act,
    Awaiting,
    Dies,
    Door,
    Hangs,
    HangsAwaiting,
    Raises,
    Returns,
    Tells,
    Waits,
    WaitsAwaiting,
)
from tests.support.executor_suite import BesideSuite, ExecutorSuite, StoppingSuite, attempt_of
from tests.support.stage import NOON, PATIENCE, Reporting, Stage, acts, request, running, task


@pytest.fixture
def store(clock: ManualClock) -> Generator[EventStore, None, None]:
    """
    An executor touches no store, so one is enough.
    """
    with open_store("memory://", clock=clock) as store:
        yield store


class ToldSuite(ExecutorSuite):
    """
    Prove what every executor promises that can only tell a handler to stop.
    """

    def test_a_handler_that_ends_in_spite_of_a_request_has_succeeded(
        self, executor: Reporting
    ) -> None:
        """
        What was done is done: the outcome says what the handler did.
        """
        attempt = attempt_of(acts(lambda ctx, payload: TaskEvent("made")))
        attempt.context.stop.set("too late")

        assert self.carry_out(executor, attempt, ManualClock(NOON)).outcome == "succeeded"

    def test_the_duration_is_taken_from_the_monotonic_clock(self, executor: Reporting) -> None:
        """
        The wall clock may be set back meanwhile.
        """
        clock = ManualClock(NOON)

        def act(ctx: TaskContext, payload: bytes) -> None:
            clock.advance(2)
            clock.set(NOON - timedelta(hours=1))

        assert self.carry_out(executor, attempt_of(acts(act)), clock).duration == 2_000_000


class TestInlineExecutor(ToldSuite):
    """
    In the scheduler's own thread.
    """

    def make(self) -> Executor:
        return InlineExecutor()

    def test_the_attempt_is_over_when_submit_returns(self) -> None:
        """
        Nothing runs beside anything.
        """
        reports: list[Ended] = []

        InlineExecutor().submit(attempt_of(acts()), ManualClock(NOON), reports.append)

        assert len(reports) == 1

    def test_an_interrupt_from_the_keyboard_is_for_the_program(self) -> None:
        """
        In the main thread it is the operator who presses Ctrl-C, whatever is running.
        """
        worker = acts(Raises(KeyboardInterrupt()))

        with pytest.raises(KeyboardInterrupt):
            InlineExecutor().submit(attempt_of(worker), ManualClock(NOON), lambda finished: None)

    @pytest.mark.parametrize("slots", [0, -1, True, 1.5, "2"])
    def test_slots_are_a_positive_integer(self, slots: int) -> None:
        """
        Anything else is refused, with what is allowed.
        """
        with pytest.raises((TypeError, ValueError), match="slots is"):
            InlineExecutor(slots)


class TestThreadExecutor(ToldSuite, BesideSuite):
    """
    In threads.
    """

    def make(self) -> Executor:
        return ThreadExecutor()

    def test_an_interrupt_in_a_handlers_thread_is_a_failure(self, executor: Reporting) -> None:
        """
        No operator can reach that thread, so it was the handler that raised it.
        """
        finished = self.finish(executor, acts(Raises(KeyboardInterrupt("me"))))

        assert finished.outcome == "failed"
        assert finished.error_type == "builtins.KeyboardInterrupt"

    def test_handlers_run_in_daemon_threads(self, executor: Reporting) -> None:
        """
        A handler that hangs does not keep the program from ending.
        """
        seen: list[Thread] = []
        self.finish(executor, acts(lambda ctx, payload: seen.append(current_thread())))

        assert seen[0] is not main_thread()
        assert seen[0].daemon

    def test_an_idle_thread_takes_the_next_attempt(self, executor: Reporting) -> None:
        """
        Threads are kept: ten attempts one after the other need one.
        """
        seen: list[int] = []
        for _ in range(10):
            self.finish(executor, acts(lambda ctx, payload: seen.append(get_ident())))

        assert len(set(seen)) == 1

    @pytest.fixture
    def door(self, tmp_path: Path) -> Door:
        self._door = Door.make(tmp_path / "door")
        return self._door

    def hangs(self, door: Door) -> Act:
        # As long as the test wants, no longer: a thread that hangs cannot be ended.
        return Waits(door)

    def check_timed_out(self, scheduler: Scheduler, executor: Reporting) -> None:
        """
        Its slot stays taken until it comes back, and what it brings then is refused.
        """
        scheduler.step()
        assert scheduler.health().stuck == 1

        self._door.open()
        executor.wait()
        scheduler.step()

        health = scheduler.health()
        assert (health.stuck, health.late_results) == (0, 1)


class TestAsyncExecutor(StoppingSuite):
    """
    On an event loop.
    """

    def make(self) -> Executor:
        return AsyncExecutor()

    def handler(self, act: Act) -> TaskHandler:
        return Awaiting(act)

    def hangs(self, door: Door) -> Act:
        return HangsAwaiting(door)

    def waits(self, door: Door) -> Act:
        return WaitsAwaiting(door)

    def test_a_cancellation_that_nobody_asked_for_is_a_failure(self, executor: Reporting) -> None:
        """
        What a handler awaits may be cancelled by whomever; that is its own affair.
        """
        finished = self.finish(executor, self.handler(Raises(CancelledError("inner"))))

        assert finished.outcome == "failed"
        assert finished.error_type == "asyncio.exceptions.CancelledError"

    def test_an_interrupt_on_the_loop_is_a_failure(self, executor: Reporting) -> None:
        """
        The loop has a thread of its own, which no operator can reach.
        """
        finished = self.finish(executor, self.handler(Raises(KeyboardInterrupt("me"))))

        assert finished.outcome == "failed"
        assert self.finish(executor, self.handler(Returns())).outcome == "succeeded"

    def test_a_handler_that_goes_on_in_spite_of_being_cancelled_keeps_its_slot(
        self, stage: Stage, executor: Reporting, door: Door
    ) -> None:
        """
        It is stuck as a thread would be, and its result is late.
        """
        scheduler = self.scheduler(stage, executor, self.waits(door))
        door.wait_inside()
        stage.clock.advance(60)
        scheduler.step()
        scheduler.step()
        assert scheduler.health().stuck == 1

        door.open()
        executor.wait()
        scheduler.step()

        assert scheduler.health().late_results == 1
        assert [event.outcome for event in stage.told(TaskExecuted)] == ["timed_out"]

    def test_attempts_share_one_loop(self, executor: Reporting) -> None:
        """
        Ten that wait for each other need one thread.
        """
        inside = SimpleQueue[int]()
        barrier: list[asyncio.Event] = []

        async def meet(ctx: TaskContext, payload: bytes) -> None:
            barrier.append(asyncio.Event())
            inside.put(get_ident())
            if len(barrier) == 10:
                for event in barrier:
                    event.set()
            await barrier[int(ctx.stop.is_set())].wait()

        reports: list[Ended] = []
        for _ in range(10):
            executor.submit(attempt_of(Awaiting(meet)), ManualClock(NOON), reports.append)
        executor.wait(10)

        assert len({inside.get() for _ in range(10)}) == 1
        assert all(isinstance(one, Finished) and one.outcome == "succeeded" for one in reports)

    def test_a_plain_handler_runs_in_a_thread(self, executor: Reporting) -> None:
        """
        It would hold the loop up.
        """
        names: list[str] = []
        self.finish(executor, acts(lambda ctx, payload: names.append(current_thread().name)))

        assert names == ["azoth-handler"]


class Shared(Reporting):
    """
    Be watched, and closed by somebody else.
    """

    def close(self) -> None:
        return None


class TestProcessExecutor(StoppingSuite):
    """
    In processes.
    """

    @pytest.fixture(scope="class")
    @classmethod
    def shared(cls) -> Generator[Executor, None, None]:
        """
        One executor for all these tests: a process takes a while to come up.
        """
        executor = ProcessExecutor(1, grace=0)
        yield executor
        executor.close()

    def make(self) -> Executor:
        return ProcessExecutor(1, grace=0)

    @pytest.fixture
    def executor(self, shared: Executor) -> Reporting:
        return Shared(shared)

    def pid_of(self, executor: Reporting) -> int:
        """
        Return the process in which the next attempt is carried out.
        """
        (write,) = self.finish(executor, self.handler(Tells())).output
        return int(write.events[-1].data)

    def test_attempts_run_in_one_process_that_is_kept(self, executor: Reporting) -> None:
        """
        Not in ours, and not in a new one each.
        """
        first = self.pid_of(executor)

        assert first != os.getpid()
        assert self.pid_of(executor) == first

    def test_an_interrupt_in_a_process_is_a_failure(self, executor: Reporting) -> None:
        """
        It has a group of its own, so that Ctrl-C does not reach it.
        """
        finished = self.finish(executor, self.handler(Raises(KeyboardInterrupt("me"))))

        assert finished.outcome == "failed"
        assert finished.error_type == "builtins.KeyboardInterrupt"

    def test_an_attempt_that_hangs_is_killed_and_the_next_one_runs(
        self, stage: Stage, executor: Reporting, door: Door
    ) -> None:
        """
        Really: its process is gone.
        """
        pid = self.pid_of(executor)
        scheduler = self.scheduler(stage, executor, self.hangs(door))
        door.wait_inside()
        stage.clock.advance(60)
        scheduler.step()
        executor.wait()

        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
        assert self.pid_of(executor) != pid

    def test_a_handler_that_is_cancelled_may_end_by_itself(self, stage: Stage, door: Door) -> None:
        """
        It is told, and killed only after its grace.
        """
        executor = Reporting(ProcessExecutor(1, grace=PATIENCE))
        scheduler = self.scheduler(stage, executor, Hangs(door, kind=True))
        door.wait_inside()

        scheduler.cancel_task("a", "no longer needed")
        scheduler.step()
        executor.wait()
        scheduler.step()

        (told,) = stage.told(TaskExecuted)
        assert told.outcome == "cancelled"
        # The handler itself said so.
        assert "ctx.sleep" in (told.traceback or "")

    @pytest.mark.parametrize(
        ("act", "said"),
        [
            (Dies(), "its process ended with exit code 3"),
            (Dies(signal.SIGSEGV), "its process was killed by SIGSEGV"),
        ],
        ids=["exit", "signal"],
    )
    def test_a_process_that_dies_is_a_lost_attempt_and_no_failure(
        self, stage: Stage, executor: Reporting, act: Act, said: str
    ) -> None:
        """
        The run is due again at once; lost three times in a row, it is exhausted.
        """
        scheduler = self.scheduler(stage, executor, act)
        for _ in range(3):
            executor.wait()
            scheduler.step()
        scheduler.step()

        told = stage.told(TaskRunAbandoned)
        assert [(one.reason, one.lost_count) for one in told] == [(said, n) for n in (1, 2, 3)]
        assert stage.told(TaskExecuted) == []
        assert task(scheduler).status == "disabled"
        assert task(scheduler).retry_count == 0

    def test_a_result_that_cannot_cross_is_a_failure(self, executor: Reporting) -> None:
        """
        As is any junk: it says what is allowed.
        """
        finished = self.finish(executor, self.handler(Returns(signal.default_int_handler)))

        assert finished.outcome == "failed"

    def test_a_handler_that_cannot_cross_is_refused_when_the_scheduler_is_built(
        self, stage: Stage, executor: Reporting
    ) -> None:
        """
        Before anything is written, and with what to do.
        """
        with pytest.raises(InvalidTask, match=r"'work' cannot cross into a process: .*module"):
            Scheduler(stage.store, [acts()], executor=ProcessExecutor(1))

        assert stage.head() == 0

    def test_a_handler_that_turns_out_not_to_cross_is_a_failure(self, executor: Reporting) -> None:
        """
        What it holds may have changed since it was looked at.
        """
        finished = self.finish(executor, acts())

        assert finished.outcome == "failed"
        assert "pickle" in (finished.error or "")

    def test_a_process_that_does_not_come_up_is_a_loss(self) -> None:
        """
        Its initializer may be at fault; the handler is not.
        """
        executor = Reporting(ProcessExecutor(1, initializer=os.abort))
        reports: list[Ended] = []
        executor.submit(attempt_of(self.handler(Returns())), ManualClock(NOON), reports.append)
        executor.wait()
        executor.close()

        (dropped,) = reports
        assert isinstance(dropped, Dropped)
        assert not dropped.given_back
        assert dropped.reason == "its process was killed by SIGABRT"

    @pytest.mark.parametrize("processes", [0, -1, True, 1.5, "2"])
    def test_processes_are_a_positive_integer(self, processes: int) -> None:
        """
        Anything else is refused, with what is allowed.
        """
        with pytest.raises((TypeError, ValueError), match="processes is"):
            ProcessExecutor(processes)


def test_a_coroutine_is_no_answer_where_plain_functions_run() -> None:
    """
    It did nothing yet, and nobody would await it.
    """

    async def later() -> None:
        raise AssertionError("nobody runs it")

    finished = carry_out(attempt_of(acts(lambda ctx, payload: later())), ManualClock(NOON))

    assert finished.outcome == "failed"
    assert finished.error is not None
    assert "execute returned a coroutine; this executor runs plain functions" in finished.error


def test_a_coroutine_handler_runs_on_a_loop_beside_the_executor(
    stage: Stage,
) -> None:
    """
    Whatever the executor is, save the one that runs nothing beside anything.
    """
    seen: list[str] = []

    async def act(ctx: TaskContext, payload: bytes) -> None:
        seen.append(current_thread().name)

    executor = Reporting(ThreadExecutor())
    plain = acts(lambda ctx, payload: seen.append(current_thread().name), task_type="plain")
    scheduler = stage.scheduler(Awaiting(act), plain, executor=executor)
    scheduler.schedule_tasks([request("a"), request("b", task_type="plain")])

    with running(scheduler):
        stage.wait_for(TaskExecuted, 2)

    assert sorted(seen) == ["azoth-handler", "azoth-loop"]


def test_an_inline_executor_refuses_a_coroutine_handler(stage: Stage) -> None:
    """
    When the scheduler is built, and with the executor to take.
    """
    with pytest.raises(InvalidTask, match=r"a coroutine function.*an AsyncExecutor"):
        stage.scheduler(Awaiting(Returns()))


def test_a_stop_signal_keeps_its_first_reason() -> None:
    """
    Whoever asks later finds the attempt asked already.
    """
    stop = StopSignal()
    stop.set("cancelled")
    stop.set("shutdown")

    assert stop.is_set()
    assert stop.reason == "cancelled"
    assert stop.wait(0)


def test_a_sleeping_handler_wakes_when_it_should_stop() -> None:
    """
    `ctx.sleep` ends early and leaves the handler.
    """
    context = attempt_of(acts()).context
    context.sleep(0)
    context.stop.set("cancelled")

    assert context.cancelled
    with pytest.raises(RunCancelled, match="was asked to stop: cancelled"):
        context.sleep(60)
