"""
How commands reach the log: decided on the table as it stands, again whenever the log was quicker.
"""

from functools import partial
from threading import Thread

import pytest

from azoth.errors import OutcomeUnknown, StoreBusy, StoreError, StoreFull
from azoth.streams import WrongExpectedVersion
from azoth_scheduler import Interval, TaskCancelled, TaskPaused, TaskScheduled, TaskTriggered
from tests.support.faults import FaultyLog, tells
from tests.support.stage import Stage, acts, request, task


@pytest.fixture
def faulty(stage: Stage) -> FaultyLog:
    """
    The stage's log, with races and faults to be chosen.
    """
    return FaultyLog(stage.store)


def test_a_command_that_lost_a_race_is_decided_again(stage: Stage, faulty: FaultyLog) -> None:
    """
    On the state that the winner left.
    """
    client, other = stage.scheduler(store=faulty), stage.scheduler()
    client.schedule_task(request("a", Interval(60)))
    faulty.before(partial(other.pause_task, "a", "by another"), on=tells("TaskPaused"))

    paused = client.pause_task("a", "by me")

    assert paused.reason == "by another"
    assert [event.reason for event in stage.told(TaskPaused)] == ["by another"]


def test_a_schedule_that_lost_a_race_is_decided_again(stage: Stage, faulty: FaultyLog) -> None:
    """
    Two programs that register the same task at once make one task.
    """
    client, other = stage.scheduler(store=faulty), stage.scheduler()
    faulty.before(partial(other.schedule_task, request()), on=tells("TaskScheduled"))

    assert client.schedule_task(request()).generation == 1

    assert len(stage.told(TaskScheduled)) == 1


def test_a_batch_that_lost_a_race_is_scheduled_once(stage: Stage, faulty: FaultyLog) -> None:
    """
    What has landed is a no-op when all is decided again.
    """
    client, other = stage.scheduler(store=faulty), stage.scheduler()
    batch = [request(f"t{n:04}") for n in range(1_500)]
    faulty.before(
        partial(other.schedule_task, batch[1_400]),
        on=lambda writes: any(write.stream == "$task-t1400" for write in writes),
    )

    client.schedule_tasks(batch)

    assert [event.task_id for event in stage.told(TaskScheduled)].count("t1400") == 1
    assert len(stage.told(TaskScheduled)) == 1_500


def test_a_command_that_loses_every_race_gives_up(stage: Stage, faulty: FaultyLog) -> None:
    """
    A bounded number of times, then the conflict is raised.
    """
    client, other = stage.scheduler(store=faulty), stage.scheduler()
    client.schedule_task(request("a", Interval(60)))
    races = 0

    def win() -> None:
        nonlocal races
        races += 1
        other.trigger_task("a")
        faulty.before(win, on=tells("TaskCancelled"))

    faulty.before(win, on=tells("TaskCancelled"))

    with pytest.raises(WrongExpectedVersion):
        client.cancel_task("a")

    assert races == 100
    assert stage.told(TaskCancelled) == []


@pytest.mark.parametrize(
    "trouble",
    [StoreBusy(seconds=5), StoreFull(reason="no space"), OutcomeUnknown(reason="lost")],
    ids=lambda error: type(error).__name__,
)
def test_trouble_of_the_store_is_raised_to_who_asked(
    stage: Stage, faulty: FaultyLog, trouble: StoreError
) -> None:
    """
    A schedule that returned is in the log; one that raised may be tried again.
    """
    client = stage.scheduler(store=faulty)
    faulty.fail(trouble, on=tells("TaskScheduled"))

    with pytest.raises(type(trouble)):
        client.schedule_task(request())
    client.schedule_task(request())

    assert len(stage.told(TaskScheduled)) == 1


def test_a_schedule_whose_answer_was_lost_may_be_tried_again(
    stage: Stage, faulty: FaultyLog
) -> None:
    """
    It landed: the same definition again is a no-op.
    """
    client = stage.scheduler(store=faulty)
    faulty.fail(OutcomeUnknown(reason="lost"), on=tells("TaskScheduled"), after_commit=True)

    with pytest.raises(OutcomeUnknown):
        client.schedule_task(request())

    assert client.schedule_task(request()).version == 1


def test_commands_of_many_threads_all_land(stage: Stage) -> None:
    """
    Each is decided until it has won.
    """
    client = stage.scheduler(acts())
    client.schedule_task(request("a", Interval(60)))
    threads = [
        Thread(target=lambda: [client.trigger_task("a") for _ in range(5)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert len(stage.told(TaskTriggered)) == 20
    assert len({event.run_id for event in stage.told(TaskTriggered)}) == 20
    assert task(client).version == len(stage.types("a"))
