"""
Executors: each carries out an attempt, reports its end once, and lets no handler hurt anybody else.
"""

from collections.abc import Callable, Generator
from datetime import timedelta
from logging import getLogger
from threading import Thread, current_thread, get_ident, main_thread

import pytest

from azoth.events import DATA_BYTES_MAX
from azoth.store import EventStore
from azoth.testing import ManualClock
from azoth_scheduler import (
    Executor,
    InlineExecutor,
    RunCancelled,
    StopSignal,
    TaskContext,
    TaskEvent,
    ThreadExecutor,
)
from azoth_scheduler.execution import (
    OUTPUT_BYTES_MAX,
    OUTPUT_EVENTS_MAX,
    OUTPUT_STREAMS_MAX,
    Attempt,
    Finished,
    carry_out,
)
from tests.support.stage import NOON, Reporting, Worker, acts


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
    Prove what every executor promises; a subclass names the executor.
    """

    @pytest.fixture
    def executor(self) -> Generator[Reporting, None, None]:
        """
        The executor, watched.
        """
        executor = Reporting(self.make())
        yield executor
        executor.close()

    def make(self) -> Executor:
        """
        Return a new executor.
        """
        raise NotImplementedError

    def finish(self, executor: Reporting, worker: Worker) -> Finished:
        """
        Carry out one attempt of *worker* and return its report, which is the only one.
        """
        reports: list[Finished] = []
        executor.submit(attempt_of(worker), ManualClock(NOON), reports.append)
        executor.wait()
        (finished,) = reports
        return finished

    def test_a_success_is_reported_with_the_events_of_the_handler(
        self, executor: Reporting
    ) -> None:
        """
        Events go to the stream they name, else to that of the task, and carry the attempt's ids.
        """
        worker = acts(
            lambda ctx, payload: [
                TaskEvent("made", payload),
                TaskEvent("told", stream="news", metadata={"tone": "calm"}),
                TaskEvent("made", b"2"),
            ]
        )

        finished = self.finish(executor, worker)

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
        worker = acts()

        self.finish(executor, worker)

        assert worker.executions == ["a/1@2026-01-01T12:00:00Z#1"]
        assert worker.payloads == [b"payload"]

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
        finished = self.finish(executor, acts(raising(error)))

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
        finished = self.finish(executor, acts(lambda ctx, payload: junk))

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
        finished = self.finish(executor, acts(lambda ctx, payload: most))

        assert finished.outcome == "succeeded"

    def test_a_handler_that_was_asked_to_stop_is_cancelled(self, executor: Reporting) -> None:
        """
        The outcome is `cancelled` where it lets the request through.
        """
        reports: list[Finished] = []
        attempt = attempt_of(acts(lambda ctx, payload: ctx.check_cancelled()))
        attempt.context.stop.set("no longer needed")

        executor.submit(attempt, ManualClock(NOON), reports.append)
        executor.wait()

        assert reports[0].outcome == "cancelled"
        assert "no longer needed" in (reports[0].error or "")

    def test_a_handler_that_ends_in_spite_of_a_request_has_succeeded(
        self, executor: Reporting
    ) -> None:
        """
        What was done is done: the outcome says what the handler did.
        """
        reports: list[Finished] = []
        attempt = attempt_of(acts(lambda ctx, payload: TaskEvent("made")))
        attempt.context.stop.set("too late")

        executor.submit(attempt, ManualClock(NOON), reports.append)
        executor.wait()

        assert reports[0].outcome == "succeeded"

    def test_the_duration_is_taken_from_the_monotonic_clock(self, executor: Reporting) -> None:
        """
        The wall clock may be set back meanwhile.
        """
        clock = ManualClock(NOON)

        def act(ctx: TaskContext, payload: bytes) -> None:
            clock.advance(2)
            clock.set(NOON - timedelta(hours=1))

        reports: list[Finished] = []
        executor.submit(attempt_of(acts(act)), clock, reports.append)
        executor.wait()

        assert reports[0].duration == 2_000_000

    def test_a_failure_does_not_end_the_executor(self, executor: Reporting) -> None:
        """
        The next attempt runs as if nothing had happened.
        """
        self.finish(executor, acts(raising(SystemExit(1))))

        assert self.finish(executor, acts()).outcome == "succeeded"

    def test_closing_twice_is_fine(self, executor: Reporting) -> None:
        """
        Closing is idempotent.
        """
        executor.close()
        executor.close()

    def test_the_largest_output_and_its_outcome_fit_one_append(
        self, executor: Reporting, store: EventStore
    ) -> None:
        """
        What `carry_out` lets through, the store takes.
        """
        many = [TaskEvent("made", stream=f"s-{n}") for n in range(OUTPUT_STREAMS_MAX)]
        finished = self.finish(executor, acts(lambda ctx, payload: many))

        appended = store.append(*finished.output)

        assert appended.last == OUTPUT_STREAMS_MAX


class TestInlineExecutor(ExecutorSuite):
    """
    In the scheduler's own thread.
    """

    def make(self) -> Executor:
        return InlineExecutor()

    def test_the_attempt_is_over_when_submit_returns(self) -> None:
        """
        Nothing runs beside anything.
        """
        reports: list[Finished] = []

        InlineExecutor().submit(attempt_of(acts()), ManualClock(NOON), reports.append)

        assert len(reports) == 1

    def test_an_interrupt_from_the_keyboard_is_for_the_program(self) -> None:
        """
        In the main thread it is the operator who presses Ctrl-C, whatever is running.
        """
        worker = acts(raising(KeyboardInterrupt()))

        with pytest.raises(KeyboardInterrupt):
            InlineExecutor().submit(attempt_of(worker), ManualClock(NOON), lambda finished: None)

    @pytest.mark.parametrize("slots", [0, -1, True, 1.5, "2"])
    def test_slots_are_a_positive_integer(self, slots: int) -> None:
        """
        Anything else is refused, with what is allowed.
        """
        with pytest.raises((TypeError, ValueError), match="slots is"):
            InlineExecutor(slots)


class TestThreadExecutor(ExecutorSuite):
    """
    In threads.
    """

    def make(self) -> Executor:
        return ThreadExecutor()

    def test_an_interrupt_in_a_handlers_thread_is_a_failure(self, executor: Reporting) -> None:
        """
        No operator can reach that thread, so it was the handler that raised it.
        """
        finished = self.finish(executor, acts(raising(KeyboardInterrupt("me"))))

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


def attempt_of(worker: Worker) -> Attempt:
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
    return Attempt(fence=("a", 2), handler=worker, context=context, payload=b"payload")


def raising(error: BaseException) -> Callable[[TaskContext, bytes], object]:
    """
    Return what raises *error*.
    """

    def act(ctx: TaskContext, payload: bytes) -> object:
        raise error

    return act


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
