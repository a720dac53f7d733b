"""
Claims: what `StartRun` finds due, what it writes about the attempt, and what it leaves out.
"""

from datetime import datetime, timedelta

import pytest

from azoth.clocks import Instant, instant_of
from azoth_scheduler.attempts import run_id_of
from azoth_scheduler.events import TaskRunSkipped, TaskRunStarted
from azoth_scheduler.schedules import Cron, Immediate, Interval, OneTime
from azoth_scheduler.task import status_of, wake_at
from tests.support.task_story import NOON, SECOND, TASK, Story, at


def test_a_claim_writes_all_that_is_known_of_the_attempt() -> None:
    """
    The claim carries ids, times, policy, lease, and what follows.
    """
    story = Story()
    story.schedule(Interval(300))

    assert story.at(minutes=5, seconds=2).start(
        worker_id="web-1/7", max_attempts=3, timeout=60 * SECOND, lease=30 * SECOND
    ) == (
        TaskRunStarted(
            task_id=TASK,
            generation=1,
            at=at(minutes=5, seconds=2),
            run_id="report/1@2026-01-01T12:05:00Z",
            execution_id="report/1@2026-01-01T12:05:00Z#1",
            nominal_at=at(minutes=5),
            due_at=at(minutes=5),
            attempt=1,
            retry_count=0,
            max_attempts=3,
            worker_id="web-1/7",
            deadline_at=at(minutes=6, seconds=2),
            lease_until=at(minutes=5, seconds=32),
            triggered_run=False,
            next_nominal_at=at(minutes=10),
            next_run_at=at(minutes=10),
        ),
    )
    assert status_of(story.state) == "running"


def test_a_claim_holds_to_the_deadline_where_the_store_keeps_no_leases() -> None:
    """
    Without leases `lease_until` is `deadline_at`.
    """
    story = Story()
    story.schedule(Immediate())

    (started,) = story.start(timeout=60 * SECOND, lease=None)

    assert started.lease_until == started.deadline_at == at(minutes=1)


def test_the_fence_is_the_stream_version_of_the_claim() -> None:
    """
    Each attempt has its own fence, and it grows.
    """
    story = Story()
    story.schedule(Immediate())
    story.start()

    assert story.fence == 2
    story.fail()
    story.at(minutes=1).start()
    assert story.fence == 4


@pytest.mark.rule("S-42")
def test_nothing_starts_before_its_time() -> None:
    """
    Never before `next_run_at`, not by a microsecond.
    """
    story = Story()
    story.schedule(Interval(0.5))
    story.now = Instant(at(seconds=0.5) - 1)

    assert story.start() == ()
    story.now = at(seconds=0.5)
    assert len(story.start()) == 1


@pytest.mark.rule("S-09")
def test_a_running_task_is_not_started_again() -> None:
    """
    One active attempt per task, however many occurrences fall due meanwhile.
    """
    story = Story()
    story.schedule(Interval(5))
    story.at(seconds=5).start()

    assert story.at(seconds=17).start("worker-2") == ()


@pytest.mark.rule("S-02")
def test_an_immediate_task_completes_after_one_run() -> None:
    """
    After success: completed, exactly one execution, nothing next.
    """
    story = Story()
    story.schedule(Immediate())
    story.start()
    story.end()

    assert status_of(story.state) == "completed"
    assert story.state.next_run_at is None
    assert wake_at(story.state) is None
    assert story.at(days=400).start() == ()


@pytest.mark.rule("S-04")
def test_a_one_shot_is_never_missed_however_late() -> None:
    """
    One-shots are never skipped, missed or coalesced: they wait.
    """
    story = Story()
    story.schedule(OneTime(NOON + timedelta(minutes=5)))

    (started,) = story.at(days=3).start()

    assert started.nominal_at == at(minutes=5)
    assert started.at == at(days=3)


def test_there_is_nothing_to_start_where_there_is_no_task() -> None:
    """
    A claim needs a task.
    """
    assert Story().start() == ()


@pytest.mark.rule("S-20")
def test_missed_occurrences_are_one_run_and_one_skip() -> None:
    """
    Down 03:30 to 09:00 with an hourly cron: the latest runs, the five others are one event.
    """
    story = Story().at(hours=-9, minutes=30)
    story.schedule(Cron("0 0 * * * *"))
    assert story.state.next_run_at == at(hours=-8)

    skipped, started = story.at(hours=-3).start()

    assert skipped == TaskRunSkipped(
        task_id=TASK,
        generation=1,
        at=at(hours=-3),
        count=5,
        exact=True,
        first=at(hours=-8),
        last=at(hours=-4),
        reason="coalesced",
        run_id=None,
        next_nominal_at=at(hours=-3),
        next_run_at=at(hours=-3),
    )
    assert started.nominal_at == at(hours=-3)
    assert started.next_run_at == at(hours=-2)
    assert story.state.totals.skipped == 5


def test_one_missed_occurrence_is_a_skip_of_one() -> None:
    """
    First and last are the same where one is left out.
    """
    story = Story()
    story.schedule(Interval(60))

    skipped, started = story.at(minutes=2, seconds=59).start()

    assert (skipped.count, skipped.first, skipped.last) == (1, at(minutes=1), at(minutes=1))
    assert started.nominal_at == at(minutes=2)


@pytest.mark.parametrize(
    ("missed", "count", "exact"),
    [(10_000, 10_000, True), (10_001, 10_000, False), (5_000_000_000, 10_000, False)],
)
def test_a_count_over_ten_thousand_is_not_exact_but_first_and_last_are(
    missed: int, count: int, *, exact: bool
) -> None:
    """
    `count` is exact up to 10,000; first and last always are, and the latest is found at once.
    """
    story = Story()
    story.schedule(Interval(1))

    skipped, started = story.at(seconds=missed + 1).start()

    assert (skipped.count, skipped.exact) == (count, exact)
    assert (skipped.first, skipped.last) == (at(seconds=1), at(seconds=missed))
    assert started.nominal_at == at(seconds=missed + 1)


@pytest.mark.rule("S-21")
def test_a_late_run_knows_the_time_it_is_for() -> None:
    """
    The nominal time stays that of the schedule however late a run starts, over its retries too.
    """
    story = Story()
    story.schedule(Cron("0 0 0 * * *"))

    (first,) = story.at(hours=12, seconds=7).start()
    story.fail()
    (second,) = story.at(hours=12, minutes=3).start()

    assert first.nominal_at == second.nominal_at == at(hours=12)


@pytest.mark.rule("S-22")
def test_run_id_is_the_same_for_each_attempt_and_execution_id_never_repeats() -> None:
    """
    `run_id` is the idempotency key for effects outside; `execution_id` names one attempt.
    """
    story = Story()
    story.schedule(Interval(3600))
    (first,) = story.at(hours=1).start()
    story.fail()
    (second,) = story.at(hours=1, minutes=1).start()

    assert first.run_id == second.run_id
    assert (first.execution_id, second.execution_id) == (f"{first.run_id}#1", f"{first.run_id}#2")


@pytest.mark.parametrize(
    ("nominal", "text"),
    [
        (NOON, "2026-01-01T12:00:00Z"),
        (NOON + timedelta(microseconds=1), "2026-01-01T12:00:00.000001Z"),
        (NOON + timedelta(milliseconds=500), "2026-01-01T12:00:00.500000Z"),
    ],
)
def test_a_run_id_has_six_decimals_only_where_they_are_not_zero(
    nominal: datetime, text: str
) -> None:
    """
    A run id is `<task>/<generation>@<nominal, UTC>`.
    """
    assert run_id_of("a", 3, instant_of(nominal)) == f"a/3@{text}"


@pytest.mark.rule("S-19")
def test_a_late_or_long_run_never_shifts_the_grid() -> None:
    """
    Fire k at `anchor + k * every`, whatever the runs before did.
    """
    story = Story()
    story.schedule(Interval(5))
    story.at(seconds=6).start()
    (executed,) = story.at(seconds=9.5).end()

    assert executed.next_run_at == at(seconds=10)
    (started,) = story.at(seconds=11).start()
    assert started.nominal_at == at(seconds=10)


@pytest.mark.rule("S-43")
def test_what_fired_does_not_fire_again_when_the_clock_steps_back() -> None:
    """
    After a step back of two seconds the occurrence that ran is over, the next one waits.
    """
    story = Story()
    story.schedule(Interval(60))
    story.at(minutes=1).start()
    story.end()

    assert story.at(seconds=58).start() == ()
    assert story.at(minutes=1).start() == ()
    (started,) = story.at(minutes=2).start()
    assert started.nominal_at == at(minutes=2)


def test_a_claim_never_takes_an_earlier_time_than_its_stream() -> None:
    """
    `now = max(clock.now(), the stream's last time)`.
    """
    story = Story()
    story.at(minutes=3).schedule(Immediate())

    (started,) = story.at(minutes=1).start(timeout=60 * SECOND, lease=30 * SECOND)

    assert started.at == at(minutes=3)
    assert started.deadline_at == at(minutes=4)
    assert started.lease_until == at(minutes=3, seconds=30)


@pytest.mark.rule("S-28")
def test_nothing_starts_once_the_task_is_cancelled() -> None:
    """
    State is looked at again at each claim.
    """
    story = Story()
    story.schedule(Immediate())
    story.cancel()

    assert story.start() == ()


def test_nothing_starts_by_the_schedule_while_the_task_is_paused() -> None:
    """
    Pause stops new starts, retries too.
    """
    story = Story()
    story.schedule(Interval(60))
    story.at(minutes=1).start()
    story.fail()
    story.pause()

    assert story.at(minutes=5).start() == ()
    assert wake_at(story.state) is None


@pytest.mark.rule("S-17")
def test_an_occurrence_waits_while_a_run_waits_for_its_retry() -> None:
    """
    The wait between attempts is part of the run: it is open, and nothing is decided meanwhile.
    """
    story = Story()
    story.schedule(Interval(5))
    story.at(seconds=5).start()
    story.fail()

    assert story.at(seconds=30).start() == ()
    assert wake_at(story.state) == at(seconds=65)
    assert story.state.next_run_at == at(seconds=10)


def test_a_waiting_run_starts_before_what_is_due_by_the_schedule() -> None:
    """
    An open run goes on first; the occurrences are decided when it closes.
    """
    story = Story()
    story.schedule(Interval(60))
    story.at(minutes=1).start()
    story.fail()

    (started,) = story.at(minutes=9).start()

    assert started.execution_id == "report/1@2026-01-01T12:01:00Z#2"
    assert started.next_run_at == at(minutes=2)
