"""
Which failures are tried again and when: filters, jitter, and what a handler asks for itself.
"""

from datetime import timedelta
from typing import Any

import pytest

from azoth.clocks import Microseconds
from azoth_scheduler import Discard, InvalidTask, Retry, RetryPolicy, Snooze
from azoth_scheduler.attempts import SNOOZES_MAX
from azoth_scheduler.events import TaskDisabled, TaskExecuted
from azoth_scheduler.retries import names_of
from azoth_scheduler.schedules import Immediate, Interval
from azoth_scheduler.task import status_of
from tests.support.task_story import MINUTE, SECOND, Story, at

BOTH = RetryPolicy(retry_on=(OSError,), give_up_on=(FileNotFoundError,))


def failing(schedule: Any = Immediate()) -> Story:  # noqa: ANN401 - a schedule, and frozen
    """
    Return the story of a task whose first attempt runs.
    """
    story = Story()
    story.schedule(schedule)
    if schedule != Immediate():
        story.at(minutes=5)
    story.start()
    return story


@pytest.mark.parametrize(
    ("policy", "raised", "again"),
    [
        (RetryPolicy(), ValueError, True),
        (RetryPolicy(retry_on=(ConnectionError,)), ConnectionResetError, True),
        (RetryPolicy(retry_on=(ConnectionError,)), ValueError, False),
        (RetryPolicy(retry_on=ConnectionError), ConnectionError, True),
        (RetryPolicy(retry_on="ValueError"), UnicodeDecodeError, True),
        (RetryPolicy(retry_on=("builtins.OSError",)), TimeoutError, True),
        (RetryPolicy(give_up_on=(ValueError,)), UnicodeError, False),
        (RetryPolicy(give_up_on=(ValueError,)), KeyError, True),
        (BOTH, PermissionError, True),
        (BOTH, FileNotFoundError, False),
    ],
)
def test_a_name_counts_for_the_class_and_what_is_derived_from_it(
    policy: RetryPolicy, raised: type[BaseException], *, again: bool
) -> None:
    """
    Giving up goes first, and exhausts the run at once.
    """
    story = failing()
    told = story.end("failed", policy=policy, error="boom", raised=names_of(raised))

    assert (told[0].retry_at is not None) == again
    assert [type(event) for event in told] == (
        [TaskExecuted] if again else [TaskExecuted, TaskDisabled]
    )
    if not again:
        assert "gives up" in told[1].reason


@pytest.mark.parametrize("given", [3, "not a name", (int,), ("a..b",)])
def test_what_is_no_exception_is_refused(given: Any) -> None:  # noqa: ANN401 - anything
    """
    With what is allowed.
    """
    with pytest.raises(InvalidTask, match="is no exception"):
        RetryPolicy(retry_on=given if isinstance(given, tuple | str) else (given,))


def test_jitter_is_added_and_recorded() -> None:
    """
    C6: completion, the policy's wait, and what was drawn for this attempt.
    """
    story = failing()
    policy = RetryPolicy(jitter=30)
    (told,) = story.at(minutes=1).end("failed", policy=policy, error="boom")

    assert 0 <= told.retry_jitter < 30 * SECOND
    assert told.retry_jitter == policy.jitter_of(told.execution_id) > 0
    assert told.retry_at == at(minutes=2) + told.retry_jitter


def test_a_handler_may_say_when_it_is_tried_again() -> None:
    """
    It counts as a failure, and the policy still limits how often.
    """
    story = failing()
    (told,) = story.end("failed", error="busy", retry_after=7 * MINUTE)

    assert (told.retry_at, told.retry_by, told.retry_count) == (at(minutes=7), "handler", 1)
    for minutes in (7, 14):
        story.at(minutes=minutes).start()
        story.end("failed", error="busy", retry_after=7 * MINUTE)
    assert status_of(story.state) == "disabled"


def test_a_snooze_is_no_failure() -> None:
    """
    The run goes on with the next attempt, and the count of failures stands still.
    """
    story = failing()
    (told,) = story.end("snoozed", retry_after=90 * MINUTE)

    assert (told.retry_at, told.retry_by, told.retry_count) == (at(minutes=90), "handler", 0)
    (started,) = story.at(minutes=90).start()
    assert (started.attempt, started.retry_count) == (2, 0)
    assert story.state.totals.snoozed == 1


def test_a_run_that_is_put_off_for_ever_fails() -> None:
    """
    More than a thousand times is a failure like any other.
    """
    story = failing()
    for count in range(SNOOZES_MAX):
        (told,) = story.end("snoozed", retry_after=SECOND)
        assert told.outcome == "snoozed", count
        story.now = told.retry_at
        story.start()

    (told,) = story.end("snoozed", retry_after=SECOND)

    assert (told.outcome, told.retry_count) == ("failed", 1)
    assert "1,000 times" in told.error


def test_what_is_discarded_is_closed_for_good() -> None:
    """
    A task that repeats goes on; one that fires once is disabled, for it was not done.
    """
    once, repeats = failing(), failing(Interval(300))

    assert [type(event) for event in once.end("discarded", error="gone")] == [
        TaskExecuted,
        TaskDisabled,
    ]
    assert [type(event) for event in repeats.end("discarded", error="gone")] == [TaskExecuted]
    assert status_of(repeats.state) == "scheduled"


@pytest.mark.parametrize("is_lost", [True, False])
def test_a_one_shot_cannot_go_on_and_is_disabled(*, is_lost: bool) -> None:
    """
    `continue` is for tasks that have a next occurrence: this one was not done, nor must it look so.
    """
    policy = RetryPolicy(on_exhausted="continue", give_up_on=(ValueError,))
    once, repeats = failing(), failing(Interval(300))
    for story in (once, repeats):
        if is_lost:
            story.abandon(lost_max=1, policy=policy)
        else:
            story.end("failed", policy=policy, error="boom", raised=names_of(ValueError))

    assert status_of(once.state) == "disabled"
    assert "exhausted" in once.state.reason
    assert status_of(repeats.state) == "scheduled"


@pytest.mark.parametrize("signal", [Retry, Snooze])
@pytest.mark.parametrize("after", [-1, float("nan"), float("inf"), 10**12])
def test_a_wait_that_is_none_is_refused(signal: Any, after: float) -> None:  # noqa: ANN401
    """
    In the handler, where the mistake is.
    """
    with pytest.raises(ValueError, match="after"):
        signal(after=after)


def test_signals_say_what_they_ask_for() -> None:
    """
    Seconds and timedeltas alike.
    """
    assert (
        Retry(after=30).after
        == Retry(after=timedelta(seconds=30)).after
        == Microseconds(30 * SECOND)
    )
    assert str(Snooze(5, "no data yet")) == "no data yet"
    assert str(Discard()) == "discarded"
