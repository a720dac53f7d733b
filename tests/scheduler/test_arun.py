"""
A scheduler beside the event loop of an application: neither holds up the other.
"""

import asyncio
from collections.abc import Coroutine
from threading import Event, current_thread, main_thread

import pytest

from azoth.errors import StoreFailed
from azoth.events import Appended, Checkpoint, Write
from azoth_scheduler import (
    AsyncExecutor,
    Scheduler,
    TaskContext,
    TaskEvent,
    TaskExecuted,
    TaskRunAbandoned,
)
from tests.scheduler.test_scheduler_loop import LONG, Hurrying
from tests.support.acts import Awaiting
from tests.support.faults import WithoutLeases, tells
from tests.support.stage import NOON, PATIENCE, Stage, acts, request, task


class SlowLog(WithoutLeases):
    """
    Be a log whose outcomes are written when a test lets them be.
    """

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage.store)
        self.begun = Event()
        self.going_on = Event()

    def append(
        self, *writes: Write, checkpoint: Checkpoint | None = None, key: str | None = None
    ) -> Appended:
        if tells("TaskExecuted")(writes):
            self.begun.set()
            assert self.going_on.wait(PATIENCE), "the loop was held up"
        return super().append(*writes, checkpoint=checkpoint, key=key)


def play(main: Coroutine[None, None, None]) -> None:
    """
    Run a coroutine, but not for ever.
    """
    asyncio.run(asyncio.wait_for(main, PATIENCE))


async def told(stage: Stage, count: int = 1) -> None:
    """
    Await so many outcomes in the log.
    """
    await asyncio.to_thread(stage.wait_for, TaskExecuted, count)


def test_coroutines_are_tasks_of_the_applications_loop(stage: Stage) -> None:
    """
    So they share its connections and its locks; plain handlers run in threads.
    """
    seen: list[object] = []

    async def act(ctx: TaskContext, payload: bytes) -> TaskEvent:
        await asyncio.to_thread(int)
        seen.append(asyncio.get_running_loop())
        return TaskEvent("made")

    plain = acts(lambda ctx, payload: seen.append(current_thread().name), task_type="plain")
    scheduler = stage.scheduler(Awaiting(act), plain, executor=AsyncExecutor())

    async def main() -> None:
        running = asyncio.create_task(scheduler.arun())
        scheduler.schedule_task(request())
        await told(stage)
        scheduler.schedule_task(request("b", task_type="plain"))
        await told(stage, 2)
        scheduler.shutdown()
        await running
        assert seen == [asyncio.get_running_loop(), "azoth-handler"]

    play(main())

    assert current_thread() is main_thread()
    assert task(scheduler).status == "completed"


def test_the_loop_goes_on_while_the_store_is_slow(stage: Stage) -> None:
    """
    The store's work is done in a thread: what the append waits for happens on the loop.
    """
    log = SlowLog(stage)
    scheduler = stage.scheduler(acts(), store=log, executor=AsyncExecutor())
    scheduler.schedule_task(request())

    async def main() -> None:
        running = asyncio.create_task(scheduler.arun())
        await asyncio.to_thread(log.begun.wait, PATIENCE)
        log.going_on.set()
        await told(stage)
        scheduler.shutdown()
        await running

    play(main())

    assert task(scheduler).status == "completed"


def test_cancelling_it_shuts_the_scheduler_down(stage: Stage) -> None:
    """
    What runs is cancelled in the end, and given back.
    """
    cancelled: list[str] = []
    inside = asyncio.Event()

    async def act(ctx: TaskContext, payload: bytes) -> None:
        inside.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.append(ctx.stop.reason)

    scheduler = hurried(stage, Awaiting(act))

    async def main() -> None:
        running = asyncio.create_task(scheduler.arun())
        await inside.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    play(main())

    assert cancelled == ["shutdown"]
    (abandoned,) = stage.told(TaskRunAbandoned)
    assert (abandoned.reason, abandoned.lost_count) == ("shutdown", 0)


def test_cancelling_it_twice_does_not_wait(stage: Stage) -> None:
    """
    The second time, whoever cancels wants to leave.
    """
    log = SlowLog(stage)
    scheduler = stage.scheduler(acts(), store=log, executor=AsyncExecutor())
    scheduler.schedule_task(request())

    async def main() -> None:
        running = asyncio.create_task(scheduler.arun())
        await asyncio.to_thread(log.begun.wait, PATIENCE)
        running.cancel()
        await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    play(main())
    log.going_on.set()
    stage.wait_for(TaskExecuted)


def test_attempts_that_the_loop_cancels_when_it_ends_are_given_back(stage: Stage) -> None:
    """
    A program that ends its loop loses no run, and no attempt counts as failed.
    """
    inside = asyncio.Event()

    async def act(ctx: TaskContext, payload: bytes) -> None:
        inside.set()
        await asyncio.Event().wait()

    scheduler = hurried(stage, Awaiting(act))

    async def main() -> None:
        main.running = asyncio.create_task(scheduler.arun())  # type: ignore[attr-defined] # held
        await inside.wait()

    play(main())

    assert stage.told(TaskExecuted) == []
    (abandoned,) = stage.told(TaskRunAbandoned)
    assert abandoned.lost_count == 0
    assert task(scheduler).retry_count == 0


def test_an_error_of_the_loop_is_raised_where_it_is_awaited(stage: Stage) -> None:
    """
    As `run` would raise it.
    """

    class Broken(WithoutLeases):
        def wait(self, after: int, timeout: float | None = None) -> int:
            return 0

        def append(self, *writes: Write, **said: object) -> Appended:
            raise StoreFailed(reason="broken")

    healthy = stage.scheduler()
    healthy.schedule_task(request())
    scheduler = stage.scheduler(acts(), store=Broken(stage.store), worker_id="broken")

    with pytest.raises(StoreFailed):
        play(scheduler.arun())


def hurried(stage: Stage, handler: Awaiting) -> Scheduler:
    """
    Return a scheduler whose grace is soon over, with one task that is due.
    """
    scheduler = stage.scheduler(
        handler,
        executor=AsyncExecutor(),
        clock=Hurrying(NOON),
        default_timeout=100 * LONG,
        lease=100 * LONG,
    )
    scheduler.schedule_task(request())
    return scheduler
