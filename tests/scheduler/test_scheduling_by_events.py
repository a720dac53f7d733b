"""
An event handler that schedules tasks: in the commit that moves its checkpoint, once.
"""

from collections.abc import Sequence
from typing import Final

import pytest

from azoth import ANY, Event, EventProcessor, NewEvent, SystemWrite, Write
from azoth.testing.faulty import Fault, FaultyStore
from azoth_scheduler import Interval, InvalidSchedule, OneTime, Scheduler, TaskScheduled
from azoth_scheduler.events import stream_of
from tests.core.reacting import Waits
from tests.support.faults import FaultyLog
from tests.support.stage import NOON, Stage, request

ORDERED: Final = Write("order-1", [NewEvent("ordered", b"{}")], ANY)


class Reminders:
    """
    Schedule a reminder for each order.
    """

    name = "reminders"
    types: Sequence[str] = ("ordered",)

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler

    def handle(self, event: Event) -> Sequence[Write]:
        return (
            *self.scheduler.scheduling(request(f"remind-{event.position}", OneTime(NOON))),
            Write("reminders", [NewEvent("reminded", b"")], ANY),
        )


def test_the_task_the_event_and_the_checkpoint_are_one_commit(stage: Stage) -> None:
    """
    They stand together, and once.
    """
    client = stage.scheduler()
    processor = EventProcessor(stage.store, [Reminders(client)], name="shop")
    stage.store.append(ORDERED)
    processor.catch_up()

    assert [entry.event.type for entry in stage.log()] == ["ordered", "TaskScheduled", "reminded"]
    assert stage.store.checkpoint("shop") >= 1
    EventProcessor(stage.store, [Reminders(client)], name="shop").catch_up()
    assert len(stage.told(TaskScheduled)) == 1


def test_an_answer_that_was_lost_schedules_nothing_twice(stage: Stage) -> None:
    """
    The commit is made again under its key, or found to be there.
    """
    faulty = FaultyStore(stage.store, appends=lambda n: Fault.LOST_ANSWER if n == 1 else None)
    processor = EventProcessor(faulty, [Reminders(stage.scheduler())], name="shop")
    stage.store.append(ORDERED)
    processor.catch_up(Waits())

    assert len(stage.told(TaskScheduled)) == 1


def test_a_task_that_changed_meanwhile_is_decided_anew(stage: Stage) -> None:
    """
    The write names the version it was decided on, so the event is handled again.
    """
    log = FaultyLog(stage.store)
    other = stage.scheduler()
    processor = EventProcessor(log, [Reminders(stage.scheduler())], name="shop")
    stage.store.append(ORDERED)
    log.before(
        lambda: other.schedule_task(request("remind-1", Interval(60))), on=lambda writes: True
    )
    processor.catch_up()

    assert [event.schedule for event in stage.told(TaskScheduled)] == [Interval(60), OneTime(NOON)]


def test_what_cannot_be_scheduled_is_said_before_anything_is_written(stage: Stage) -> None:
    """
    As `schedule_task` says it.
    """
    client = stage.scheduler()
    with pytest.raises(InvalidSchedule, match="never fires after now"):
        client.scheduling(request("a", Interval(60), end=NOON))

    assert client.scheduling(request("b")) != ()
    assert stage.head() == 0


def test_a_handler_does_not_write_to_the_system_by_itself(stage: Stage) -> None:
    """
    Only what a package of ours made is handed on.
    """

    class Forger:
        name = "forger"
        types: Sequence[str] = ("ordered",)

        def handle(self, event: Event) -> Write:
            return Write(stream_of("a"), [NewEvent("TaskCancelled", b"{}")], ANY)

    stage.store.append(ORDERED)
    with pytest.raises(ValueError, match="are the system's"):
        EventProcessor(stage.store, [Forger()], name="shop").catch_up()

    made = SystemWrite(stream_of("a"), [NewEvent("T", b"")], ANY)
    assert isinstance(made, Write)
