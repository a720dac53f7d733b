"""
The suite of executors: each carries out an attempt, reports its end once, and hurts nobody else.
"""

from collections.abc import Generator
from datetime import timedelta
from logging import getLogger
from pathlib import Path

import pytest
from attrs import evolve

from azoth.clocks import Microseconds
from azoth.events import DATA_BYTES_MAX
from azoth.store import EventStore
from azoth.testing import ManualClock
from azoth_scheduler import (
    Executor,
    RunCancelled,
    Scheduler,
    TaskContext,
    TaskEvent,
    TaskExecuted,
    TaskHandler,
    TaskRunAbandoned,
)
from azoth_scheduler.execution import (
    OUTPUT_BYTES_MAX,
    OUTPUT_EVENTS_MAX,
    OUTPUT_STREAMS_MAX,
    Attempt,
    Ended,
    Finished,
)
from tests.support.acts import Act, Checks, Door, Hangs, Marks, Plain, Raises, Returns, Tells, Waits
from tests.support.stage import NOON, PATIENCE, Reporting, Stage, reporting, request, task

__all__ = ["BesideSuite", "ExecutorSuite", "StoppingSuite", "attempt_of"]


class Unprintable(Exception):
    """
    Be an exception that cannot even say what it is.
    """

    def __str__(self) -> str:
        raise RuntimeError("no words")


class Leaving(BaseException):
    """
    Be an exception that most code does not expect.
    """


class ExecutorSuite:
    """
    Prove what every executor promises; a subclass names the executor and its kind of handler.
    """

    @pytest.fixture
    def executor(self) -> Generator[Reporting, None, None]:
        """
        The executor, watched.
        """
        executor = reporting(self.make())
        yield executor
        executor.close()

    def make(self) -> Executor:
        """
        Return a new executor.
        """
        raise NotImplementedError

    def handler(self, act: Act) -> TaskHandler:
        """
        Return a handler, as the executor takes it, that does *act*.
        """
        return Plain(act)

    def finish(self, executor: Reporting, handler: TaskHandler) -> Finished:
        """
        Carry out one attempt of *handler* and return its report, which is the only one.
        """
        clock = ManualClock(NOON)
        return self.carry_out(executor, attempt_of(handler), clock)

    def carry_out(self, executor: Reporting, attempt: Attempt, clock: ManualClock) -> Finished:
        """
        Carry out an attempt likewise.
        """
        reports: list[Ended] = []
        executor.submit(attempt, clock, reports.append)
        executor.wait()
        (finished,) = reports
        assert isinstance(finished, Finished)
        return finished

    def test_a_success_is_reported_with_the_events_of_the_handler(
        self, executor: Reporting
    ) -> None:
        """
        Events go to the stream they name, else to that of the task, and carry the attempt's ids.
        """
        told_events = [
            TaskEvent("made", b"payload"),
            TaskEvent("told", stream="news", metadata={"tone": "calm"}),
            TaskEvent("made", b"2"),
        ]

        finished = self.finish(executor, self.handler(Returns(told_events)))

        assert finished.outcome == "succeeded"
        assert finished.triggered == 3
        assert [write.stream for write in finished.output] == ["work-a", "news"]
        made, told = (write.events for write in finished.output)
        assert [event.data for event in made] == [b"payload", b"2"]
        assert told[0].metadata == {
            "tone": "calm",
            "causation_id": "a/1@2026-01-01T12:00:00Z#1",
            "correlation_id": "a/1@2026-01-01T12:00:00Z",
        }

    def test_the_handler_gets_its_context_and_its_payload(self, executor: Reporting) -> None:
        """
        What was handed to the executor is what the handler sees.
        """
        finished = self.finish(executor, self.handler(Tells()))

        (write,) = finished.output
        assert [event.data for event in write.events[:3]] == [
            b"a/1@2026-01-01T12:00:00Z#1",
            b"2026-01-01 12:05:00+00:00",
            b"payload",
        ]

    @pytest.mark.parametrize(
        ("error", "kind"),
        [
            (ValueError("boom"), "builtins.ValueError"),
            (SystemExit(3), "builtins.SystemExit"),
            (GeneratorExit(), "builtins.GeneratorExit"),
            (Leaving("boom"), f"{__name__}.Leaving"),
            (Unprintable(), f"{__name__}.Unprintable"),
            (ExceptionGroup("boom", [ValueError("inner")]), "builtins.ExceptionGroup"),
            (RunCancelled(execution_id="a", reason="nobody asked"), None),
            (ValueError("\ud800"), "builtins.ValueError"),
        ],
        ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
    )
    def test_whatever_a_handler_raises_is_the_failure_of_its_attempt(
        self, executor: Reporting, error: BaseException, kind: str | None
    ) -> None:
        """
        Exceptions of any kind are failures of that attempt; the traceback is kept.
        """
        finished = self.finish(executor, self.handler(Raises(error)))

        assert finished.outcome == "failed"
        assert finished.output == ()
        assert finished.error
        assert kind in (None, finished.error_type)
        assert finished.traceback is not None
        assert "Traceback" in finished.traceback
        # Both can be stored.
        assert finished.error.encode()
        assert finished.traceback.encode()

    @pytest.mark.parametrize(
        ("junk", "said"),
        [
            ("text", "execute returned str"),
            (7, "execute returned int"),
            (iter([TaskEvent("made")]), "execute returned list_iterator"),
            ({"made": b""}, "execute returned dict"),
            ([TaskEvent("made"), None], "a sequence with None"),
            ([b"made"], "a sequence with b'made'"),
            (TaskEvent(7), "a type is text"),  # type: ignore[arg-type] # what users do
            (TaskEvent(""), "give 1 to 255"),
            (TaskEvent("x" * 256), "give 1 to 255"),
            (TaskEvent("\ud800"), "surrogate"),
            (TaskEvent("made", "text"), "is bytes, not str"),  # type: ignore[arg-type] # likewise
            (TaskEvent("made", bytes(DATA_BYTES_MAX + 1)), str(DATA_BYTES_MAX)),
            (TaskEvent("made", stream=""), "give 1 to 255"),
            (TaskEvent("made", stream="a\0b"), "NUL"),
            (TaskEvent("made", stream=7), "text"),  # type: ignore[arg-type] # likewise
            (TaskEvent("made", metadata={"a": 7}), "text"),  # type: ignore[dict-item] # likewise
            (TaskEvent("made", metadata=["a"]), "mapping"),  # type: ignore[arg-type] # likewise
            (TaskEvent("made", metadata={"a": "x" * 70_000}), "65536"),
            (TaskEvent("made", stream="$task-other"), "are the system's"),
            (TaskEvent("made", stream="$"), "are the system's"),
            ([TaskEvent("made")] * (OUTPUT_EVENTS_MAX + 1), str(OUTPUT_EVENTS_MAX)),
            ([TaskEvent("made", bytes(2**23))] * 8, str(OUTPUT_BYTES_MAX)),
            # 32,000 characters in 64,000 bytes, a eleven hundred times.
            ([TaskEvent("made", metadata={"a": "é" * 32_000})] * 1_100, str(OUTPUT_BYTES_MAX)),
            (
                [TaskEvent("made", stream=f"s-{n}") for n in range(OUTPUT_STREAMS_MAX + 1)],
                str(OUTPUT_STREAMS_MAX),
            ),
        ],
        ids=lambda value: value[:30] if isinstance(value, str) else "",
    )
    def test_junk_is_the_failure_of_its_attempt_and_says_what_is_allowed(
        self, executor: Reporting, junk: object, said: str
    ) -> None:
        """
        A wrong type, an oversized event, a bad name or a stream of the system: nothing is written.
        """
        finished = self.finish(executor, self.handler(Returns(junk)))

        assert finished.outcome == "failed"
        assert finished.output == ()
        assert said in (finished.error or "")

    @pytest.mark.parametrize(
        "most",
        [
            [TaskEvent("made")] * OUTPUT_EVENTS_MAX,
            [TaskEvent("made", stream=f"s-{n}") for n in range(OUTPUT_STREAMS_MAX)],
            [TaskEvent("made", bytes(DATA_BYTES_MAX))],
            [],
            (),
            None,
        ],
        ids=["events", "streams", "bytes", "empty list", "empty tuple", "None"],
    )
    def test_the_most_that_is_allowed_is_a_success(self, executor: Reporting, most: object) -> None:
        """
        The limits themselves are allowed, and so is nothing at all.
        """
        finished = self.finish(executor, self.handler(Returns(most)))

        assert finished.outcome == "succeeded"

    def test_a_handler_that_was_asked_to_stop_is_cancelled(self, executor: Reporting) -> None:
        """
        The outcome is `cancelled` where it lets the request through, or was not begun.
        """
        attempt = attempt_of(self.handler(Checks()))
        attempt.context.stop.set("no longer needed")

        finished = self.carry_out(executor, attempt, ManualClock(NOON))

        assert finished.outcome == "cancelled"
        assert "no longer needed" in (finished.error or "")

    @pytest.mark.parametrize(
        ("act", "fails_in", "expected"),
        [
            (Returns(), "", ("succeeded", "b after", "a after")),
            (Raises(KeyError()), "", ("failed", "b error KeyError", "a error KeyError")),
            (Returns(7), "", ("failed", "b error TypeError", "a error TypeError")),
            (Returns(), "before", ("failed", "a error ValueError")),
            (Returns(), "after", ("succeeded", "b after", "a after")),
            (Raises(KeyError()), "error", ("failed", "b error KeyError", "a error KeyError")),
        ],
        ids=["success", "failure", "junk", "fails before", "fails after", "fails on error"],
    )
    def test_middleware_stands_around_an_attempt(
        self,
        executor: Reporting,
        tmp_path: Path,
        act: Act,
        fails_in: str,
        expected: tuple[str, ...],
    ) -> None:
        """
        In order before, in reverse after; one that fails after the end takes no outcome away.
        """
        file = tmp_path / "marks"
        around = (Marks(file, "a"), Marks(file, "b", fails_in))
        attempt = evolve(attempt_of(self.handler(act)), middleware=around)

        finished = self.carry_out(executor, attempt, ManualClock(NOON))

        outcome, *left = expected
        assert finished.outcome == outcome
        assert file.read_text().splitlines() == ["a before", "b before", *left]

    def test_a_failure_does_not_end_the_executor(self, executor: Reporting) -> None:
        """
        The next attempt runs as if nothing had happened.
        """
        self.finish(executor, self.handler(Raises(SystemExit(1))))

        assert self.finish(executor, self.handler(Returns())).outcome == "succeeded"

    def test_closing_twice_is_fine(self) -> None:
        """
        Closing is idempotent.
        """
        executor = self.make()
        executor.close()
        executor.close()

    def test_the_largest_output_and_its_outcome_fit_one_append(
        self, executor: Reporting, store: EventStore
    ) -> None:
        """
        What `carry_out` lets through, the store takes.
        """
        many = [TaskEvent("made", stream=f"s-{n}") for n in range(OUTPUT_STREAMS_MAX)]
        finished = self.finish(executor, self.handler(Returns(many)))

        appended = store.append(*finished.output)

        assert appended.last == OUTPUT_STREAMS_MAX


class BesideSuite(ExecutorSuite):
    """
    Prove what every executor promises that runs attempts beside the scheduler.
    """

    def hangs(self, door: Door) -> Act:
        """
        Return what goes in and does not come back, not even when it is asked to.
        """
        return Hangs(door)

    def waits(self, door: Door) -> Act:
        """
        Return what goes in, and goes on when the door opens.
        """
        return Waits(door)

    @pytest.fixture
    def door(self, tmp_path: Path) -> Door:
        """
        A door that a test opens.
        """
        return Door.make(tmp_path / "door")

    def scheduler(self, stage: Stage, executor: Reporting, act: Act) -> Scheduler:
        """
        Return a scheduler whose one task `a`, scheduled and begun, does *act*.
        """
        scheduler = stage.scheduler(self.handler(act), executor=executor)
        scheduler.schedule_task(request(timeout=60))
        scheduler.step()
        return scheduler

    def test_an_attempt_is_recorded_when_it_ends(
        self, stage: Stage, executor: Reporting, door: Door
    ) -> None:
        """
        Its events and its outcome are in the log; the scheduler was free meanwhile.
        """
        scheduler = self.scheduler(stage, executor, self.waits(door))
        door.wait_inside()
        stage.clock.advance(2)
        assert task(scheduler).status == "running"

        door.open()
        executor.wait()
        scheduler.step()

        assert [event.outcome for event in stage.told(TaskExecuted)] == ["succeeded"]
        assert stage.told(TaskExecuted)[0].duration == 2_000_000
        assert sum(entry.event.type == "passed" for entry in stage.log()) == 1

    def test_a_handler_that_hangs_is_timed_out(
        self, stage: Stage, executor: Reporting, door: Door
    ) -> None:
        """
        At its deadline, to the second, whatever becomes of it.
        """
        scheduler = self.scheduler(stage, executor, self.hangs(door))
        door.wait_inside()
        stage.clock.advance(59)
        scheduler.step()
        assert stage.told(TaskExecuted) == []

        stage.clock.advance(1)
        scheduler.step()

        (told,) = stage.told(TaskExecuted)
        assert (told.outcome, told.error) == ("timed_out", "timed out after 60 s")
        self.check_timed_out(scheduler, executor)

    def check_timed_out(self, scheduler: Scheduler, executor: Reporting) -> None:
        """
        Check that nothing is left of an attempt that is timed out, so that its slot is free.
        """
        executor.wait()
        scheduler.step()
        health = scheduler.health()
        assert (health.running, health.stuck, health.late_results) == (0, 0, 0)


class StoppingSuite(BesideSuite):
    """
    Prove what every executor promises that can really stop an attempt.
    """

    def test_a_cancelled_task_is_stopped(
        self, stage: Stage, executor: Reporting, door: Door
    ) -> None:
        """
        The outcome is `cancelled`, and the slot is free.
        """
        scheduler = self.scheduler(stage, executor, self.hangs(door))
        door.wait_inside()

        scheduler.cancel_task("a", "no longer needed")
        scheduler.step()
        executor.wait()
        scheduler.step()

        (told,) = stage.told(TaskExecuted)
        assert told.outcome == "cancelled"
        assert "no longer needed" in (told.error or "")
        assert scheduler.health().running == 0

    def test_a_shutdown_gives_back_what_it_stops(
        self, stage: Stage, executor: Reporting, door: Door
    ) -> None:
        """
        No count moves, and the run is due again at once.
        """
        scheduler = self.scheduler(stage, executor, self.hangs(door))
        door.wait_inside()

        scheduler._worker.ask_to_stop()
        assert scheduler.drain(PATIENCE)

        (told,) = stage.told(TaskRunAbandoned)
        assert (told.reason, told.lost_count) == ("shutdown", 0)
        assert task(scheduler).status == "retrying"
        assert task(scheduler).retry_count == 0
        assert stage.told(TaskExecuted) == []

    def test_what_has_not_begun_is_given_back(self, executor: Reporting) -> None:
        """
        A handler that was asked to stop before it began is not called.
        """
        attempt = attempt_of(self.handler(Returns()))
        attempt.context.stop.set("shutdown")

        finished = self.carry_out(executor, attempt, ManualClock(NOON))

        assert finished.outcome == "cancelled"


def attempt_of(handler: TaskHandler) -> Attempt:
    """
    Return the first attempt of a task `a`.
    """
    context = TaskContext(
        task_id="a",
        run_id="a/1@2026-01-01T12:00:00Z",
        execution_id="a/1@2026-01-01T12:00:00Z#1",
        scheduled_at=NOON,
        started_at=NOON,
        attempt=1,
        execution_attempt=0,
        is_last_attempt=False,
        deadline=NOON + timedelta(minutes=5),
        previous_success=None,
        logger=getLogger("azoth_scheduler"),
    )
    return Attempt(
        fence=("a", 2),
        handler=handler,
        context=context,
        payload=b"payload",
        started=Microseconds(0),
    )
