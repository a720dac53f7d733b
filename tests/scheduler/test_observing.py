"""
Whoever looks on at a scheduler: told of claims, runs and catching up, and never in the way.
"""

import pytest
from attrs import define, field

from azoth import Operation, OperationEnd
from azoth_scheduler import Discard, Immediate, InlineExecutor, Interval, TaskContext, TaskEvent
from tests.support.stage import Stage, acts, fails, request


@define
class Notes:
    """
    Write down what is told.
    """

    begun: list[Operation] = field(factory=list)
    over: list[tuple[Operation, OperationEnd]] = field(factory=list)

    def started(self, operation: Operation) -> None:
        self.begun.append(operation)

    def ended(self, operation: Operation, outcome: OperationEnd) -> None:
        self.over.append((operation, outcome))

    def of(self, kind: str) -> list[tuple[str, int]]:
        """
        How operations of a kind ended.
        """
        return [(end.name, end.count) for one, end in self.over if one.kind == kind]


def greets(ctx: TaskContext, payload: bytes) -> TaskEvent:
    """
    Leave an event.
    """
    return TaskEvent("greeted", b"")


def test_a_run_is_told_from_its_claim_to_its_end(stage: Stage) -> None:
    """
    Claim, run, and the appends of both; all that started has ended.
    """
    notes = Notes()
    scheduler = stage.scheduler(acts(greets), observers=[notes])
    scheduler.schedule_tasks([request("a"), request("b")])
    scheduler.run_pending()

    assert sum(count for _, count in notes.of("claim")) == 2
    assert notes.of("run") == [("succeeded", 1)] * 2
    assert sum(count for _, count in notes.of("append")) == stage.head()
    assert {id(one) for one in notes.begun} == {id(one) for one, _ in notes.over}
    (first, _) = [one for one in notes.begun if one.kind == "run"]
    assert first.attributes == {
        "task_id": "a",
        "task_type": "work",
        "run_id": "a/1@2026-01-01T12:00:00Z",
        "execution_id": "a/1@2026-01-01T12:00:00Z#1",
        "attempt": 1,
    }


def test_a_run_is_told_with_its_outcome(stage: Stage) -> None:
    """
    In the words of the log.
    """

    def discards(ctx: TaskContext, payload: bytes) -> None:
        raise Discard("nobody wants it")

    notes, failing = Notes(), fails()
    scheduler = stage.scheduler(failing, acts(discards, "meant"), observers=[notes])
    scheduler.schedule_tasks(
        [request("a", task_type=failing.task_type), request("b", task_type="meant")]
    )
    scheduler.run_pending()

    assert notes.of("run") == [("failed", 0), ("discarded", 0)]


def test_catching_up_is_told_with_how_far_it_went(stage: Stage) -> None:
    """
    In positions of the log.
    """
    notes = Notes()
    stage.scheduler(worker_id="writer").schedule_tasks(
        [request(f"t{n}", Interval(60)) for n in range(5)]
    )

    stage.scheduler(worker_id="reader", observers=[notes]).list_tasks()

    assert notes.of("catch_up") == [("ok", 5)]


def test_an_attempt_that_cannot_begin_has_ended(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """
    With the name of what its executor raised.
    """

    class Full(InlineExecutor):
        def submit(self, *_: object) -> None:
            raise OSError("no thread left")

    notes = Notes()
    scheduler = stage.scheduler(acts(), executor=Full(), observers=[notes])
    scheduler.schedule_task(request("a", Immediate()))
    scheduler.step()

    assert notes.of("run") == [("OSError", 0)]
    assert "attempt not begun" in caplog.text


def test_an_observed_scheduler_does_the_same(stage: Stage) -> None:
    """
    Its store is still the one that it was given, and its log the same.
    """
    scheduler = stage.scheduler(acts(greets), observers=[Notes()])
    scheduler.schedule_task(request("a"))
    scheduler.run_pending()

    assert scheduler.store is stage.store
    assert scheduler.list_tasks()[0].totals.succeeded == 1


def test_what_is_no_observer_is_refused(stage: Stage) -> None:
    """
    When the scheduler is made.
    """
    with pytest.raises(TypeError, match="is no observer"):
        stage.scheduler(observers=[object()])
