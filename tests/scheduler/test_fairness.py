"""
How late a task can be in a full house: never later than the bound, whatever the others do.

Passes are made so far apart as the poll interval and no others, as if nothing woke the scheduler:
that is the worst case.
"""

from collections.abc import Generator, Sequence
from datetime import timedelta
from random import Random
from typing import Final

import pytest

from azoth.clocks import datetime_of, instant_of, microseconds_of
from azoth.store import EventStore
from azoth.testing import ManualClock
from azoth.urls import open_store
from azoth_scheduler import Immediate, Interval, RetryPolicy, ScheduleTaskRequest, TaskContext
from azoth_scheduler.events import TaskExecuted, TaskRunStarted
from azoth_scheduler.simulation.invariants import Breach, Entry, Fairness, Invariants
from tests.support.lasting import Lasting, run_until
from tests.support.stage import NOON, Stage, acts, request
from tests.support.task_logs import later

pytestmark = pytest.mark.uncovered

SECOND: Final = timedelta(seconds=1)
TIMEOUT: Final = 10 * SECOND
POLL: Final = SECOND
AT_ONCE: Final = RetryPolicy(max_attempts=1_000, base=0, factor=1)


@pytest.fixture
def store(clock: ManualClock) -> Generator[EventStore, None, None]:
    """
    The order of claims is that of the table, whatever the store.
    """
    with open_store("memory://", clock=clock) as store:
        yield store


def bound(ahead: int, slots: int) -> timedelta:
    """
    Return how late a task can be with so many runs ahead of it, those that run included.
    """
    # One poll until a deadline is seen to have passed, one until the slot is seen to be free.
    return ahead // slots * (TIMEOUT + 2 * POLL) + POLL


def fails(ctx: TaskContext, payload: bytes) -> None:
    """
    Be a handler of which nothing good comes.
    """
    raise ValueError("boom")


def played(
    stage: Stage,
    requests: Sequence[ScheduleTaskRequest],
    *,
    slots: int,
    seed: int = 0,
    lasts: timedelta | None = None,
    until: timedelta = timedelta(minutes=5),
) -> None:
    """
    Run tasks of the types `good` and `bad`; each attempt takes up to the timeout, some more.
    """
    random = Random(seed)

    def seconds(ctx: TaskContext) -> float:
        return random.uniform(0, 12) if lasts is None else lasts / SECOND

    executor = Lasting(seconds)
    handlers = [acts(task_type="good"), acts(fails, task_type="bad", retry=AT_ONCE)]
    options = {"default_timeout": TIMEOUT, "poll_interval": POLL, "executor": executor}
    scheduler = stage.scheduler(*handlers, max_concurrent_tasks=slots, **options)
    scheduler.schedule_tasks(requests)
    run_until(NOON + until, scheduler, executor, stage.clock, POLL)


def latenesses(stage: Stage, *task_ids: str) -> dict[str, timedelta]:
    """
    Return how late each attempt of some tasks began, by its id; of all where none is named.
    """
    due = {one.run_id: one.retry_at for one in stage.told(TaskExecuted)}
    due.clear()
    found: dict[str, timedelta] = {}
    for entry in stage.log():
        match entry.told:
            case TaskExecuted() as told if told.retry_at is not None:
                due[told.run_id] = told.retry_at
            case TaskRunStarted() as told if not task_ids or told.task_id in task_ids:
                since = due.get(told.run_id) or told.due_at
                found[told.execution_id] = datetime_of(told.at) - datetime_of(since)
            case _:
                pass
    return found


def unfair(log: Sequence[Entry], slots: int) -> list[Breach]:
    """
    Return what the checker of C15 finds in a log.
    """
    fairness = Fairness(
        since=instant_of(NOON),
        slots=slots,
        timeout=microseconds_of(TIMEOUT),
        poll=microseconds_of(POLL),
    )
    invariants = Invariants(checkers=[fairness])
    for entry in log:
        invariants.see(entry.event, entry.told)
    invariants.end()
    return [breach for breach in invariants.breaches if breach.invariant == "C15"]


@pytest.mark.parametrize("slots", [1, 3, 4])
@pytest.mark.parametrize("seed", range(3))
def test_in_a_full_house_nobody_waits_longer_than_the_bound(
    stage: Stage, seed: int, slots: int
) -> None:
    """
    C15: a task that fails and is tried again at once queues up behind those that wait already.
    """
    bad = [request(f"bad-{n:02}", task_type="bad") for n in range(12)]
    good = [
        request("a-good", Interval(60), "good"),
        request("z-good", Interval(47), "good"),
        request("z-once", Immediate(), "good"),
    ]
    played(stage, bad + good, slots=slots, seed=seed)

    late = latenesses(stage)
    assert len(late) > 20 * slots
    assert max(late.values()) <= bound(len(bad) + len(good) - 1, slots)
    assert max(late.values()) > TIMEOUT, "the house was not full"
    assert latenesses(stage, "z-good")
    assert unfair(stage.log(), slots) == []
    last = next(one for one in reversed(stage.log()) if isinstance(one.told, TaskRunStarted))
    assert unfair(later(stage.log(), last.position, timedelta(hours=1)), slots)


def test_the_bound_is_reached(stage: Stage) -> None:
    """
    By handlers that hang, each until its deadline: no shorter time can be promised.
    """
    bad = [request(f"bad-{n}", task_type="bad") for n in range(4)]
    played(stage, [*bad, request("good", task_type="good")], slots=2, lasts=timedelta(hours=1))

    late = next(iter(latenesses(stage, "good").values()))
    rounds = 4 // 2
    assert rounds * (TIMEOUT + POLL) <= late <= bound(4, 2)


def test_what_was_kept_stands_in_the_queue_since_its_nominal_time(stage: Stage) -> None:
    """
    So a backlog is ahead of what falls due after it, and is counted run by run.
    """
    backlog = request("backlog", Interval(1), "good", catch_up="all", catch_up_limit=6)
    client = stage.scheduler(worker_id="client")
    client.schedule_task(backlog)
    stage.clock.advance(30)
    client.schedule_task(request("good", Immediate(), "good"))
    played(stage, [], slots=1, lasts=TIMEOUT - SECOND)

    (late,) = latenesses(stage, "good").values()
    assert 6 * (TIMEOUT - SECOND) <= late <= bound(6, 1)


def test_less_important_work_delays_by_what_runs_already_and_no_more(stage: Stage) -> None:
    """
    However long its queue is: attempts are not interrupted, and the next slot is taken from it.
    """
    bad = [request(f"bad-{n:02}", task_type="bad", priority=1) for n in range(20)]
    played(stage, [*bad, request("good", Interval(7), "good")], slots=2)

    late = latenesses(stage, "good")
    assert len(late) > 10
    assert max(late.values()) <= bound(2, 2)


def test_more_important_work_that_fills_all_slots_starves_the_rest(stage: Stage) -> None:
    """
    A priority is an order and not a share: the bound counts what is more important until it ends.
    """
    five = RetryPolicy(max_attempts=5, base=0, factor=1)
    bad = [request(f"bad-{n}", task_type="bad", priority=-1, retry=five) for n in "xy"]
    played(stage, [*bad, request("good", task_type="good")], slots=1, lasts=8 * SECOND)

    ((execution_id, late),) = latenesses(stage, "good").items()
    attempts_ahead = 2 * 5
    assert execution_id.startswith("good/1@")
    assert attempts_ahead * 8 * SECOND <= late <= bound(attempts_ahead, 1)
    assert max(latenesses(stage, "bad-x", "bad-y").values()) <= late


def test_a_task_that_fails_at_once_and_for_ever_delays_nobody(stage: Stage) -> None:
    """
    With immediate retries and no time spent: the others begin in the pass in which they are due.
    """
    bad = [request(f"bad-{n}", task_type="bad", retry=AT_ONCE) for n in range(3)]
    played(stage, [*bad, request("good", Interval(5), "good")], slots=4, lasts=timedelta(0))

    late = latenesses(stage, "good")
    assert len(late) == 60
    assert max(late.values()) <= bound(3, 4) == POLL
