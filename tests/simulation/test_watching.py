"""
Handlers that read the real clock or sleep by it: each is named, with the call and its place.
"""

import asyncio
import cProfile
import logging
import sys
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from threading import Event
from time import time as read_the_clock
from typing import Any

import pytest

from azoth_scheduler import Immediate, ScheduleTaskRequest, TaskContext, TaskHandler, task_handler
from azoth_scheduler.simulation import RealTimeUsed, SimulatedScheduler


def helper() -> float:
    """
    Read the clock by a name of its own.
    """
    return read_the_clock()


class Inherited(datetime):
    """
    Be a datetime by another name.
    """


CALLS: list[tuple[Callable[[], object], str]] = [
    (lambda: time.sleep(60), "time.sleep"),
    (lambda: time.monotonic_ns() // 1_000, "time.monotonic_ns"),
    (lambda: time.clock_gettime(time.CLOCK_REALTIME), "time.clock_gettime"),
    (helper, "time.time"),
    (lambda: datetime.now(UTC), "datetime.now"),
    (lambda: Inherited.now(UTC), "Inherited.now"),
    (lambda: date.today().year, "date.today"),  # noqa: DTZ011 - it is what is found out
    (lambda: sorted([1], key=lambda _: time.perf_counter()), "time.perf_counter"),
]


def handler(call: Callable[[], object]) -> TaskHandler:
    """
    Make a handler that does something.
    """

    @task_handler("reads", max_retries=1)
    def reads(ctx: TaskContext, payload: bytes) -> None:
        call()

    return reads


def run(served: TaskHandler, *, real_time: bool = False) -> str | None:
    """
    Run it once, and return how that ended.
    """
    with SimulatedScheduler([served], real_time=real_time) as simulated:
        simulated.schedule_task(ScheduleTaskRequest("once", "reads", Immediate()))
        simulated.advance(60)
        return simulated.runs("once")[0].outcome


@pytest.mark.parametrize(("call", "name"), CALLS)
def test_who_reads_the_clock_or_sleeps_is_named(call: Callable[[], object], name: str) -> None:
    """
    Whatever it was imported as, and wherever in the user's code it stands.
    """
    with pytest.raises(RealTimeUsed) as used:
        run(handler(call))

    assert (used.value.task_type, used.value.call) == ("reads", name)
    assert used.value.handler == "handler.<locals>.reads"
    assert used.value.place.startswith(f"{__file__}:")
    assert "Take it from ctx.started_at" in str(used.value)


def test_a_coroutine_is_watched_too_and_may_sleep() -> None:
    """
    `asyncio.sleep` takes virtual time, before and after which it is watched.
    """

    @task_handler("reads")
    async def reads(ctx: TaskContext, payload: bytes) -> None:
        await asyncio.sleep(5)
        await asyncio.wait_for(asyncio.sleep(5), timeout=20)
        time.time()

    with pytest.raises(RealTimeUsed, match=r"time\.time"):
        run(reads)
    assert sys.getprofile() is None


def test_a_class_is_named_by_its_class() -> None:
    """
    As its author knows it.
    """

    class Reads(TaskHandler):
        task_type = "reads"

        def execute(self, ctx: TaskContext, payload: bytes) -> None:
            time.time()

    with pytest.raises(RealTimeUsed, match=r"handler .*Reads of 'reads' calls time.time at "):
        run(Reads())


def test_whoever_hides_it_is_found_out() -> None:
    """
    A handler that catches everything has used it nevertheless.
    """

    def hiding() -> None:
        try:
            time.time()
        except Exception:  # noqa: BLE001 - it hides what it can
            return

    with pytest.raises(RealTimeUsed):
        run(handler(hiding))


@pytest.mark.parametrize(
    "call",
    [
        lambda: logging.getLogger("mine").warning("a record has a time"),
        lambda: Event().wait(0),
        lambda: datetime(2026, 1, 1, tzinfo=UTC).timestamp(),
        lambda: time.strftime("%Y", (2026, 1, 1, 0, 0, 0, 0, 1, 0)),
    ],
)
def test_what_the_standard_library_does_for_itself_is_passed_over(
    call: Callable[[], object],
) -> None:
    """
    A handler may log, and reckon with times that it was given.
    """
    assert run(handler(call)) == "succeeded"


def test_a_folder_with_a_standard_name_is_watched() -> None:
    """
    What belongs to the standard library is told by its place: tests may stand in `test`.
    """
    source = compile(
        "def call():\n    import time\n    time.time()\n", "/home/me/test/x.py", "exec"
    )
    module: dict[str, Any] = {"__name__": "test.x"}
    exec(source, module)

    with pytest.raises(RealTimeUsed, match=r"/home/me/test/x.py:3"):
        run(handler(module["call"]))


def test_real_time_may_be_allowed() -> None:
    """
    Where it does no harm.
    """
    assert run(handler(time.time), real_time=True) == "succeeded"


def test_a_profiler_is_left_alone() -> None:
    """
    There is one hook; who measures has it, and nobody is watched meanwhile.
    """
    called: list[str] = []
    sys.setprofile(lambda frame, event, _: called.append(event))
    try:
        outcome = run(handler(time.time))
    finally:
        sys.setprofile(None)

    assert outcome == "succeeded"
    assert "c_call" in called


def test_a_simulation_may_be_profiled() -> None:
    """
    By the standard profiler, which has a hook of its own in newer versions of Python.
    """
    profile = cProfile.Profile()

    assert profile.runcall(run, handler(list)) == "succeeded"
