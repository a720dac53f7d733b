"""
Chains: a handler returns the tasks that come next, and they are in the commit of its outcome.
"""

from datetime import timedelta

import pytest

from azoth_scheduler import (
    Immediate,
    Interval,
    TaskEvent,
    TaskExecuted,
    TaskScheduled,
    task_handler,
)
from tests.support.faults import FaultyLog, tells
from tests.support.stage import NOON, Stage, acts, request, task


@task_handler("numbers", payload=int)
def numbers(number: int) -> None:
    """
    Take a number.
    """


def test_what_a_handler_asks_for_is_in_the_commit_of_its_outcome(stage: Stage) -> None:
    """
    Its events stand directly before the outcome, as always.
    """
    worker = acts(lambda ctx, payload: [request("next", Interval(60)), TaskEvent("made")])
    scheduler = stage.scheduler(worker)
    scheduler.schedule_task(request())
    scheduler.step()
    before = stage.head()

    scheduler.step()

    after = [entry.event.type for entry in stage.log()][before:]
    assert after == ["TaskScheduled", "made", "TaskExecuted"]
    assert task(scheduler, "next").status == "scheduled"


def test_a_chain_runs_to_its_end(stage: Stage) -> None:
    """
    Each step begins when the one before it is recorded, and is begun once.
    """
    seen: list[str] = []

    def act(ctx: object, payload: bytes) -> object:
        seen.append(payload.decode())
        left = int(payload)
        return request(f"step-{left - 1}", payload=str(left - 1).encode()) if left else None

    scheduler = stage.scheduler(acts(act))
    scheduler.schedule_task(request("step-3", payload=b"3"))
    scheduler.run_pending()

    assert seen == ["3", "2", "1", "0"]
    assert len(stage.told(TaskScheduled)) == 4


@pytest.mark.parametrize(
    ("child", "said"),
    [
        (request("a", Interval(60)), "its own id"),
        (request("b", Interval(60), end=NOON - timedelta(days=1)), "end"),
        (request("b", task_type="numbers", payload=b"x"), "payload of 'numbers'"),
    ],
    ids=["itself", "never fires", "bad payload"],
)
def test_a_request_that_cannot_be_is_the_failure_of_its_attempt(
    stage: Stage, child: object, said: str
) -> None:
    """
    Nothing of its output is written.
    """
    worker = acts(lambda ctx, payload: [TaskEvent("made"), child], max_retries=1)
    scheduler = stage.scheduler(worker, numbers)
    scheduler.schedule_task(request())

    scheduler.run_pending()

    (told,) = stage.told(TaskExecuted)
    assert told.outcome == "failed"
    assert said in (told.error or "")
    assert len(stage.told(TaskScheduled)) == 1
    assert not any(entry.event.type == "made" for entry in stage.log())


def test_a_task_that_changed_meanwhile_makes_the_pass_decide_again(stage: Stage) -> None:
    """
    The outcome is not lost, and the task is as the chain wants it.
    """
    faulty = FaultyLog(stage.store)
    client = stage.scheduler(worker_id="client")
    worker = acts(lambda ctx, payload: request("next", Interval(60)))
    scheduler = stage.scheduler(worker, store=faulty)
    scheduler.schedule_task(request())
    raced = iter([True])

    def race(writes: object) -> bool:
        if tells("TaskExecuted")(writes) and next(raced, False):  # type: ignore[arg-type] # writes
            client.schedule_task(request("next", Interval(30)))
        return False

    faulty.fail(ValueError(), on=race)  # type: ignore[arg-type] # it never comes
    scheduler.run_pending()

    assert task(scheduler).status == "completed"
    assert task(scheduler, "next").schedule == Interval(60)
    assert stage.types("next") == ["Scheduled", "Scheduled"]
    assert stage.types("a") == ["Scheduled", "RunStarted", "Executed"]


def test_a_handler_that_schedules_nothing_new_writes_nothing_of_it(stage: Stage) -> None:
    """
    The same definition again is a no-op here too.
    """
    worker = acts(lambda ctx, payload: request("next", Interval(60)))
    scheduler = stage.scheduler(worker)
    scheduler.schedule_tasks([request("a"), request("b", Immediate())])
    scheduler.run_pending()

    assert stage.types("next") == ["Scheduled"]
