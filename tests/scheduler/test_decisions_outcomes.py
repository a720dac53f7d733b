"""
Outcomes: what is recorded of an attempt, and whether its run is retried, closed or exhausted.
"""

from datetime import timedelta

import pytest

from azoth.clocks import Instant, Microseconds
from azoth_scheduler.events import Outcome, TaskDisabled, TaskExecuted, TaskRunSkipped
from azoth_scheduler.retries import RetryPolicy, from_max_retries
from azoth_scheduler.schedules import Cron, Immediate, Interval, OneTime
from azoth_scheduler.task import status_of
from tests.support.task_story import MINUTE, NOON, TASK, Story, at

RUN = "report/1@2026-01-01T12:05:00Z"


@pytest.fixture
def story() -> Story:
    """
    A task that runs every five minutes, its first attempt started on time.
    """
    story = Story()
    story.schedule(Interval(300))
    story.at(minutes=5).start()
    return story


def test_a_success_is_recorded_with_all_that_is_known_of_it(story: Story) -> None:
    """
    The outcome carries the attempt's ids, its fence, its times, and what follows.
    """
    assert story.at(minutes=6).end(completed_at=at(minutes=5, seconds=59), triggered=2) == (
        TaskExecuted(
            task_id=TASK,
            generation=1,
            at=at(minutes=6),
            run_id=RUN,
            execution_id=f"{RUN}#1",
            attempt=1,
            fence=2,
            worker_id="worker-1",
            started_at=at(minutes=5),
            completed_at=at(minutes=5, seconds=59),
            duration=Microseconds(7),
            outcome="succeeded",
            error=None,
            error_type=None,
            traceback=None,
            triggered=2,
            retry_count=0,
            retry_at=None,
            retry_jitter=Microseconds(0),
            retry_by=None,
            next_nominal_at=at(minutes=10),
            next_run_at=at(minutes=10),
        ),
    )
    assert status_of(story.state) == "scheduled"


def test_a_failure_is_recorded_with_its_error_and_its_retry(story: Story) -> None:
    """
    A failed attempt leads to the next one; the schedule goes on unmoved.
    """
    (executed,) = story.fail()

    assert executed.outcome == "failed"
    assert not executed.success
    assert executed.error == "boom"
    assert executed.retry_count == 1
    assert executed.retry_at == at(minutes=6)
    assert executed.retry_by == "policy"
    assert executed.next_run_at == at(minutes=10)
    assert status_of(story.state) == "retrying"


@pytest.mark.rule("S-13")
def test_retries_wait_one_two_and_four_minutes_exactly(story: Story) -> None:
    """
    The next attempt is at `completed_at + base * 2**(retry_count - 1)`: 1, 2, 4 … minutes.
    """
    policy = RetryPolicy(max_attempts=5)
    story.end()
    story.at(minutes=10).start(max_attempts=5)

    waits = []
    for _ in range(4):
        (executed,) = story.fail(policy)
        assert executed.retry_at is not None
        waits.append((executed.retry_at - executed.completed_at) / MINUTE)
        story.now = executed.retry_at
        story.start(max_attempts=5)

    assert waits == [1, 2, 4, 8]


@pytest.mark.rule("S-13")
def test_a_retry_counts_from_the_completion_and_not_from_its_recording(story: Story) -> None:
    """
    The wait begins when the attempt ended, however late its outcome was recorded.
    """
    (executed,) = story.at(minutes=9).fail(completed_at=at(minutes=5, seconds=30))

    assert executed.at == at(minutes=9)
    assert executed.retry_at == at(minutes=6, seconds=30)


@pytest.mark.rule("S-16")
def test_one_failure_counts_once(story: Story) -> None:
    """
    One attempt is one failure: starts, outcomes and looks in between add nothing.
    """
    story.fail()
    story.start()
    story.at(minutes=6).start()

    assert story.state.retry_count == 1
    assert story.state.runs[0].retry_count == 1
    story.fail()
    assert story.state.retry_count == 2


@pytest.mark.parametrize(("max_retries", "attempts"), [(0, 1), (1, 1), (2, 2), (3, 3)])
@pytest.mark.rule("S-03")
def test_max_retries_is_the_number_of_attempts_that_fail(max_retries: int, attempts: int) -> None:
    """
    `max_retries=3` means three attempts that fail; 0 and 1 both mean one.
    """
    policy = from_max_retries(max_retries, RetryPolicy())
    story = Story()
    story.schedule(Immediate())

    failures = 0
    while story.start(max_attempts=policy.max_attempts):
        failures += 1
        executed, *_ = story.fail(policy)
        story.now = executed.retry_at or story.now

    assert failures == attempts
    assert status_of(story.state) == "disabled"


@pytest.mark.rule("S-51")
def test_exhaustion_disables_the_task_in_the_same_append(story: Story) -> None:
    """
    `TaskExecuted` and `TaskDisabled(reason, execution_id)` together; only the latter disables.
    """
    story.fail()
    story.at(minutes=6).start()
    story.fail()
    story.at(minutes=8).start()

    executed, disabled = story.fail()

    assert executed.retry_at is None
    assert executed.retry_by is None
    assert executed.retry_count == 3
    assert disabled == TaskDisabled(
        task_id=TASK,
        generation=1,
        at=at(minutes=8),
        reason="exhausted: 3 of 3 attempts failed",
        execution_id=f"{RUN}#3",
    )
    assert status_of(story.state) == "disabled"
    assert story.at(days=1).start() == ()


def test_a_recurring_task_may_go_on_after_an_exhausted_run(story: Story) -> None:
    """
    `on_exhausted="continue"`: it goes on with its next occurrence.
    """
    policy = RetryPolicy(max_attempts=1, on_exhausted="continue")
    story.end()
    story.at(minutes=10).start(max_attempts=1)

    (executed,) = story.fail(policy)

    assert executed.retry_at is None
    assert status_of(story.state) == "scheduled"
    (started,) = story.at(minutes=15).start()
    assert started.retry_count == 0


@pytest.mark.rule("S-17")
def test_every_new_run_starts_with_a_count_of_zero(story: Story) -> None:
    """
    `retry_count` belongs to the run; the task shows that of its latest outcome.
    """
    story.fail()
    story.at(minutes=6).start()
    (executed,) = story.end()
    assert executed.retry_count == 1
    assert story.state.retry_count == 1

    (started,) = story.at(minutes=10).start()

    assert started.retry_count == 0
    story.fail()
    assert story.state.retry_count == 1


def test_a_retry_succeeds_and_the_task_goes_on(story: Story) -> None:
    """
    A success closes the run, whatever came before.
    """
    story.fail()
    (started,) = story.at(minutes=6).start()
    assert started.execution_id == f"{RUN}#2"
    assert started.retry_count == 1
    assert started.nominal_at == at(minutes=5)

    story.end()

    assert story.state.runs == ()
    assert status_of(story.state) == "scheduled"


def test_a_timed_out_attempt_is_a_failure(story: Story) -> None:
    """
    `failed` and `timed_out` add to `retry_count`, and both are retried.
    """
    (executed,) = story.end("timed_out", error="timed out after 300 s")

    assert executed.retry_count == 1
    assert executed.retry_at == at(minutes=6)


@pytest.mark.parametrize("outcome", ["discarded", "cancelled"])
def test_a_discarded_or_cancelled_attempt_closes_its_run_without_a_failure(
    story: Story, outcome: Outcome
) -> None:
    """
    Only failures count; the recurring task goes on with its next occurrence.
    """
    (executed,) = story.end(outcome)

    assert executed.retry_count == 0
    assert executed.retry_at is None
    assert status_of(story.state) == "scheduled"


def test_a_discarded_one_shot_disables_its_task() -> None:
    """
    What would never run again must not look as if it had been done.
    """
    story = Story()
    story.schedule(Immediate())
    story.start()

    executed, disabled = story.end("discarded", error="no such account")

    assert executed.outcome == "discarded"
    assert disabled.execution_id == executed.execution_id
    assert disabled.reason == "discarded: no such account"
    assert status_of(story.state) == "disabled"


@pytest.mark.rule("S-26")
def test_a_late_outcome_is_refused(story: Story) -> None:
    """
    C4: an outcome carries the active fence; a late one writes nothing.
    """
    late = story.fence
    story.at(minutes=10).end("timed_out")
    story.at(minutes=11).start()

    assert story.end(fence=late) == ()
    assert story.end(fence=999) == ()
    assert status_of(story.state) == "running"


def test_an_outcome_is_recorded_once(story: Story) -> None:
    """
    The same outcome again finds its fence gone.
    """
    fence = story.fence
    story.end()

    assert story.end(fence=fence) == ()


@pytest.mark.rule("S-43")
def test_the_time_of_an_outcome_is_not_before_its_start_nor_after_its_recording(
    story: Story,
) -> None:
    """
    A clock that stepped back puts no completion before the start.
    """
    (executed,) = story.at(minutes=3).fail(completed_at=at(minutes=2))

    assert executed.at == at(minutes=5)
    assert executed.completed_at == at(minutes=5)
    assert executed.retry_at == at(minutes=6)

    story.at(minutes=6).start()
    (executed,) = story.at(minutes=7).end(completed_at=at(minutes=99))
    assert executed.completed_at == at(minutes=7)


def test_occurrences_that_fell_due_while_a_run_was_open_are_skipped_when_it_closes(
    story: Story,
) -> None:
    """
    Overlap decides when the run closes: an hour of running is one `TaskRunSkipped`.
    """
    executed, skipped = story.at(minutes=33).end()

    assert executed.next_run_at == at(minutes=10)
    assert skipped == TaskRunSkipped(
        task_id=TASK,
        generation=1,
        at=at(minutes=33),
        count=5,
        exact=True,
        first=at(minutes=10),
        last=at(minutes=30),
        reason="overlap",
        run_id=None,
        next_nominal_at=at(minutes=35),
        next_run_at=at(minutes=35),
    )
    assert story.state.next_run_at == at(minutes=35)
    assert story.start() == ()


def test_an_occurrence_at_the_very_moment_of_closing_is_not_skipped(story: Story) -> None:
    """
    Overlap decides those that fell due strictly before the closing event.
    """
    (executed,) = story.at(minutes=10).end()
    assert executed.outcome == "succeeded"

    (started,) = story.start()
    assert started.nominal_at == at(minutes=10)


def test_one_microsecond_later_it_is_skipped(story: Story) -> None:
    """
    The other side of the boundary.
    """
    story.now = Instant(at(minutes=10) + 1)

    _, skipped = story.end()

    assert (skipped.count, skipped.first, skipped.last) == (1, at(minutes=10), at(minutes=10))


def test_of_many_overlapped_occurrences_and_one_at_the_closing_the_last_one_runs(
    story: Story,
) -> None:
    """
    Strictly before: the occurrence at 12:30 itself is decided by the next claim.
    """
    _, skipped = story.at(minutes=30).end()

    assert (skipped.count, skipped.last) == (4, at(minutes=25))
    assert skipped.next_run_at == at(minutes=30)
    (started,) = story.start()
    assert started.nominal_at == at(minutes=30)


def test_nothing_is_skipped_while_the_run_waits_for_its_retry(story: Story) -> None:
    """
    The wait is part of the open run; overlap decides when the run closes, the wait included.
    """
    assert len(story.at(minutes=12).fail()) == 1
    story.at(minutes=13).start()

    _, skipped = story.at(minutes=21).end()

    assert (skipped.count, skipped.first, skipped.last) == (3, at(minutes=10), at(minutes=20))


def test_an_exhausted_run_skips_nothing_since_its_task_is_disabled(story: Story) -> None:
    """
    What falls due while the task is disabled is not owed, and no event says so.
    """
    story.end()
    story.at(minutes=10).start(max_attempts=1)

    kinds = [type(event) for event in story.at(minutes=33).fail()]

    assert kinds == [TaskExecuted, TaskDisabled]


def test_a_paused_task_skips_nothing_when_its_attempt_ends(story: Story) -> None:
    """
    What a pause cuts off is not decided.
    """
    story.pause()

    assert [type(event) for event in story.at(minutes=33).end()] == [TaskExecuted]


def test_a_one_shot_skips_nothing() -> None:
    """
    One-shots are never skipped.
    """
    story = Story()
    story.schedule(OneTime(NOON + timedelta(minutes=5)))
    story.trigger()
    story.start()

    (executed,) = story.at(minutes=20).end()

    assert executed.outcome == "succeeded"
    (started,) = story.start()
    assert started.nominal_at == at(minutes=5)


def test_a_count_of_overlapped_occurrences_is_capped(story: Story) -> None:
    """
    `count=10_000, exact=False`; first and last stay exact.
    """
    _, skipped = story.at(days=100).end()

    assert (skipped.count, skipped.exact) == (10_000, False)
    assert (skipped.first, skipped.last) == (at(minutes=10), at(days=99, hours=23, minutes=55))


def test_overlapped_cron_occurrences_are_counted_by_the_grid() -> None:
    """
    The same rule for cron, across midnight.
    """
    story = Story()
    story.schedule(Cron("0 0 9 * * MON-FRI"))
    story.at(hours=21).start()  # Friday, January 2, 09:00

    _, skipped = story.at(days=6).end()  # Wednesday, January 7, noon

    assert (skipped.count, skipped.first, skipped.last) == (
        3,
        at(days=3, hours=21),
        at(days=5, hours=21),
    )
    assert skipped.next_run_at == at(days=6, hours=21)


@pytest.mark.rule("S-06")
def test_the_outcome_of_a_cancelled_task_is_recorded_and_moves_nothing(story: Story) -> None:
    """
    A late result after a cancel is recorded and ignored for scheduling.
    """
    story.cancel()

    (executed,) = story.at(minutes=33).end()

    assert executed.outcome == "succeeded"
    assert executed.next_run_at is None
    assert status_of(story.state) == "cancelled"
    assert story.state.runs == ()
    assert story.state.totals.succeeded == 1


def test_a_failure_of_a_cancelled_task_is_not_retried(story: Story) -> None:
    """
    A cancelled run is not retried, and disables nothing.
    """
    story.cancel()

    (executed,) = story.fail()

    assert executed.retry_at is None
    assert status_of(story.state) == "cancelled"


@pytest.mark.rule("S-18")
def test_each_attempt_shows_in_the_task(story: Story) -> None:
    """
    Last run, outcome and error are those of the latest attempt, failures included.
    """
    story.at(minutes=5, seconds=3).fail()

    assert story.state.last_run_at == at(minutes=5)
    assert story.state.last_execution_id == f"{RUN}#1"
    assert story.state.last_outcome == "failed"
    assert story.state.last_error == "boom"
    assert story.state.last_completed_at == at(minutes=5, seconds=3)


def test_a_success_after_a_failure_shows_in_the_task(story: Story) -> None:
    """
    An old error does not stay, and the last success has a time of its own.
    """
    story.fail()
    story.at(minutes=7).start()
    story.at(minutes=8).end()

    assert story.state.last_outcome == "succeeded"
    assert story.state.last_error is None
    assert story.state.last_success_at == at(minutes=8)
    assert story.state.totals.failed == story.state.totals.succeeded == 1


def test_the_count_of_the_policy_at_the_claim_decides() -> None:
    """
    `max_attempts` is recorded with the claim, so that the log explains itself.
    """
    story = Story()
    story.schedule(Immediate())
    story.start(max_attempts=2)
    (executed,) = story.fail(RetryPolicy(max_attempts=1))

    assert executed.retry_at == at(minutes=1)


def test_a_retry_that_was_promised_is_made_under_a_stricter_policy() -> None:
    """
    Where a new default allows fewer attempts than have failed, the retry that waits is the last.
    """
    story = Story()
    story.schedule(Immediate())
    story.start(max_attempts=3)
    story.fail()

    (started,) = story.at(minutes=1).start(max_attempts=1)

    assert (started.retry_count, started.max_attempts) == (1, 2)
    _, disabled = story.fail()
    assert disabled.reason == "exhausted: 2 of 2 attempts failed"


def test_a_retry_waits_no_longer_than_the_cap() -> None:
    """
    C6: `min(cap, base * factor ** (k - 1))`.
    """
    policy = RetryPolicy(max_attempts=9, base=timedelta(minutes=1), cap=timedelta(minutes=3))
    story = Story()
    story.schedule(Immediate())
    waits = []
    for _ in range(4):
        story.start(max_attempts=9)
        (executed,) = story.fail(policy)
        waits.append((executed.retry_at - executed.completed_at) / MINUTE)
        story.now = executed.retry_at

    assert waits == [1, 2, 3, 3]
