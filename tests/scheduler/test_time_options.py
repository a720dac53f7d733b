"""
Start, end, number of runs, jitter and fixed delay: which times a task names, and when it is due.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azoth.clocks import Instant, Microseconds
from azoth_scheduler import InvalidSchedule, InvalidTask, ScheduleTaskRequest
from azoth_scheduler.commands import ScheduleTask
from azoth_scheduler.decisions import decide
from azoth_scheduler.events import Options, TaskRunStarted
from azoth_scheduler.forecast import forecast
from azoth_scheduler.grid import Grid, grid_of
from azoth_scheduler.schedules import Cron, Immediate, Interval, OneTime, Schedule
from azoth_scheduler.task import NO_TASK, status_of, wake_at
from tests.support.task_story import MINUTE, NOON, SECOND, Story, at, define

pytestmark = pytest.mark.uncovered

DELAYED = Interval(300, mode="fixed_delay")


def scheduled(schedule: Schedule, options: Options) -> Story:
    """
    Return the story of a task that is scheduled at noon.
    """
    story = Story()
    story.schedule(schedule, options=options)
    return story


@pytest.mark.parametrize(
    ("schedule", "options", "first", "second"),
    [
        (Interval(300), Options(), 5, 10),
        (Interval(300), Options(start_now=True), 0, 5),
        (Interval(300), Options(start=at(minutes=7)), 7, 12),
        (Interval(300), Options(start=at(minutes=-3)), 2, 7),
        (Interval(300), Options(start=at()), 5, 10),
        (Cron("0 */10 * * * *"), Options(start=at(minutes=20)), 20, 30),
        (Cron("0 */10 * * * *"), Options(start=at(minutes=-100)), 10, 20),
        (DELAYED, Options(), 5, None),
        (DELAYED, Options(start=at(minutes=7)), 7, None),
        (DELAYED, Options(start=at(minutes=-7)), 5, None),
    ],
)
def test_the_first_is_at_or_after_the_start_and_after_the_scheduling(
    schedule: Schedule, options: Options, first: int, second: int | None
) -> None:
    """
    A start in the past only sets the grid; `now` fires at once.
    """
    story = scheduled(schedule, options)

    assert story.state.next_nominal_at == at(minutes=first)
    story.at(minutes=first).start()
    assert story.state.next_nominal_at == (None if second is None else at(minutes=second))


def test_the_end_is_the_last_that_may_be_named() -> None:
    """
    Inside; behind it the task is completed.
    """
    story = scheduled(Interval(300), Options(end=at(minutes=10)))
    for minutes in (5, 10):
        story.at(minutes=minutes).start()
        story.end()

    assert wake_at(story.state) is None
    assert status_of(story.state) == "completed"


def test_an_end_before_the_first_is_refused() -> None:
    """
    The schedule would be exhausted before it begins.
    """
    with pytest.raises(InvalidSchedule, match="never fires after now, and it ends at 2026-01-01"):
        scheduled(Interval(300), Options(end=at(minutes=4)))


def test_so_many_runs_and_no_more() -> None:
    """
    Retries, triggers and what is left out do not count.
    """
    story = scheduled(Interval(300), Options(max_runs=2))
    story.at(minutes=5).start()
    story.fail()
    story.at(minutes=6).start()
    story.end()
    story.trigger()
    story.start()
    story.at(minutes=31).end()
    story.at(minutes=35).start()
    story.end()

    assert story.state.runs_started == 2
    assert status_of(story.state) == "completed"


def test_more_runs_are_allowed_by_an_edit() -> None:
    """
    The count goes on, and the schedule with it.
    """
    story = scheduled(Interval(300), Options(max_runs=1))
    story.at(minutes=5).start()
    story.end()
    assert wake_at(story.state) is None

    story.at(minutes=7).schedule(Interval(300), options=Options(max_runs=2))

    assert wake_at(story.state) == at(minutes=10)


def test_jitter_is_recorded_and_lies_before_the_next_nominal_time() -> None:
    """
    Also where it is longer than the gap.
    """
    story = scheduled(Interval(300), Options(jitter=Microseconds(60 * MINUTE)))
    due = story.state.next_run_at
    assert due is not None
    assert at(minutes=5) <= due < at(minutes=10)
    assert due != at(minutes=5)

    story.now = Instant(due - 1)
    assert story.start() == ()
    story.now = due
    (started,) = story.start()

    assert isinstance(started, TaskRunStarted)
    assert (started.nominal_at, started.due_at) == (at(minutes=5), due)
    assert started.run_id.endswith("@2026-01-01T12:05:00Z")


def test_a_resume_names_nothing_while_the_last_of_the_runs_are_kept() -> None:
    """
    `max_runs` counts what is kept and has not begun.
    """
    story = scheduled(Interval(300), Options(max_runs=2, overlap="buffer_all"))
    story.at(minutes=5).start()
    story.at(minutes=11).end()
    assert story.state.buffered == (at(minutes=10),)
    story.pause()
    (resumed,) = story.at(minutes=12).resume()

    assert (resumed.next_nominal_at, resumed.next_run_at) == (None, None)


def test_pause_and_resume_between_a_nominal_time_and_its_jittered_time() -> None:
    """
    The occurrence is still ahead, so it is kept: Temporal's own suite skips this one.
    """
    story = scheduled(Interval(300), Options(jitter=Microseconds(4 * MINUTE)))
    due = story.state.next_run_at
    assert due is not None
    assert due > at(minutes=5)
    story.now = Instant(due - 1)
    story.pause()
    story.resume()

    story.now = due
    (started,) = story.start()

    assert started.nominal_at == at(minutes=5)


def test_a_resume_keeps_the_occurrence_that_is_ahead_by_its_jitter() -> None:
    """
    Also where others fell due before it, which are not owed.
    """
    story = scheduled(Interval(300), Options(jitter=Microseconds(5 * MINUTE)))
    grid = grid_of(story.state)
    ahead = grid.occurrence(at(minutes=30))
    assert ahead.due_at > at(minutes=30)
    story.pause()
    story.now = Instant(ahead.due_at - 1)
    story.resume()

    assert story.state.next_nominal_at == at(minutes=30)
    assert story.state.next_run_at == ahead.due_at


def test_a_resume_at_the_due_time_owes_nothing() -> None:
    """
    Ahead means later.
    """
    story = scheduled(Interval(300), Options(jitter=Microseconds(5 * MINUTE)))
    story.pause()
    story.now = grid_of(story.state).occurrence(at(minutes=30)).due_at
    story.resume()

    assert story.state.next_nominal_at == at(minutes=35)


@given(st.integers(0, 1_000), st.integers(1, 3_600), st.integers(0, 7_200))
def test_jitter_is_below_the_gap_and_the_same_each_time(
    place: int, every: int, jitter: int
) -> None:
    """
    Due times keep the order of the nominal ones.
    """
    options = Options(jitter=Microseconds(jitter * SECOND))
    grid = Grid("report", Interval(every), options, at())
    nominal = Instant(at() + (place + 1) * every * SECOND)
    one = grid.occurrence(nominal)

    assert one == grid.occurrence(nominal)
    assert nominal <= one.due_at < nominal + every * SECOND
    assert one.due_at - nominal < max(1, jitter * SECOND)


def test_what_is_due_is_found_by_due_time() -> None:
    """
    The last nominal time that has passed may not be due yet; then the one before it is the last.
    """
    grid = grid_of(scheduled(Interval(300), Options(jitter=Microseconds(5 * MINUTE))).state)
    for minutes in range(10, 60):
        found = grid.latest_due(at(), at(minutes=minutes))
        assert found is not None
        assert grid.occurrence(found).due_at <= at(minutes=minutes)
        following = grid.next(found)
        assert following is not None
        assert following.due_at > at(minutes=minutes)


class TestFixedDelay:
    """
    No grid: what is next is known when the run is closed.
    """

    def test_the_next_is_one_interval_after_the_closing(self) -> None:
        """
        Retries included: the run is closed by its last outcome.
        """
        story = scheduled(DELAYED, Options())
        story.at(minutes=5).start()
        assert wake_at(story.state) is None
        story.at(minutes=6).fail()
        story.at(minutes=7).start()
        story.at(minutes=9).end()

        assert wake_at(story.state) == at(minutes=14)

    def test_it_is_never_owed_twice(self) -> None:
        """
        After downtime it runs once, and nothing is left out.
        """
        story = scheduled(DELAYED, Options())
        (started,) = story.at(days=3).start()

        assert started.nominal_at == at(minutes=5)

    def test_a_lost_run_that_is_cancelled_is_followed_too(self) -> None:
        """
        Whatever closes the run says what is next.
        """
        story = scheduled(DELAYED, Options())
        story.at(minutes=5).start()
        story.cancel_run(story.state.active[0].execution_id)
        story.at(minutes=8).abandon()

        assert wake_at(story.state) == at(minutes=13)

    def test_a_cancelled_retry_is_followed_too(self) -> None:
        """
        The request closes the run that waits.
        """
        story = scheduled(DELAYED, Options())
        story.at(minutes=5).start()
        story.fail()
        story.at(minutes=5, seconds=30).cancel_run(story.state.runs[0].execution_id)

        assert wake_at(story.state) == at(minutes=10, seconds=30)

    def test_a_trigger_moves_nothing(self) -> None:
        """
        The schedule goes on as it was.
        """
        story = scheduled(DELAYED, Options())
        story.trigger()
        story.start()
        story.at(minutes=1).end()

        assert wake_at(story.state) == at(minutes=5)

    def test_an_edit_while_it_runs_goes_on(self) -> None:
        """
        The old run moves nothing, so the new generation counts from the edit.
        """
        story = scheduled(DELAYED, Options())
        story.at(minutes=5).start()
        story.at(minutes=6).schedule(DELAYED, b"other")
        story.at(minutes=7).end()

        assert wake_at(story.state) == at(minutes=11)

    def test_pause_and_resume_while_it_runs(self) -> None:
        """
        The run that is open says what is next when it is closed.
        """
        story = scheduled(DELAYED, Options())
        story.at(minutes=5).start()
        story.pause()
        story.at(minutes=6).resume()
        story.at(minutes=7).end()

        assert wake_at(story.state) == at(minutes=12)

    def test_a_forecast_takes_its_runs_as_instant(self) -> None:
        """
        There is no other guess.
        """
        state = scheduled(DELAYED, Options(max_runs=2)).state

        assert forecast(state, 5, at()) == (at(minutes=5), at(minutes=10))

    def test_one_that_expired_is_followed_too(self) -> None:
        """
        It is left out, and the delay begins anew.
        """
        story = scheduled(DELAYED, Options(expires_after=Microseconds(MINUTE)))
        (skipped,) = story.at(minutes=20).start()

        assert skipped.reason == "expired"
        assert wake_at(story.state) == at(minutes=25)


SOON = datetime(2026, 1, 1, 13, tzinfo=UTC)


@pytest.mark.parametrize(
    ("schedule", "options", "said"),
    [
        (Interval(5), {"start": SOON, "end": NOON}, "lies before start"),
        (Interval(5), {"max_runs": 0}, "max_runs"),
        (Interval(5), {"max_runs": 1.5}, "max_runs"),
        (Interval(5), {"jitter": -1}, "jitter"),
        (Interval(5), {"jitter": float("nan")}, "jitter"),
        (Interval(5), {"expires_after": 0}, "expires_after is 0"),
        (Interval(5), {"catch_up_window": -1}, "catch_up_window"),
        (Interval(5), {"catch_up_limit": 0}, "catch_up_limit"),
        (Interval(5), {"grace": float("inf")}, "grace"),
        (Interval(5), {"buffer_limit": 10_001}, "buffer_limit"),
        (Interval(5), {"overlap": "queue"}, "give one of 'skip'"),
        (Interval(5), {"catch_up": "none"}, "give one of 'latest'"),
        (Interval(5), {"start": "soon"}, "or 'now', not 'soon'"),
        (Interval(5), {"start": datetime(2026, 1, 1)}, "start is 2026-01-01"),  # noqa: DTZ001
        (Interval(5), {"end": "now"}, "end is an aware datetime, not 'now'"),
        (Immediate(), {"jitter": 1}, "Immediate has none"),
        (Immediate(), {"start": SOON}, "Immediate fires once"),
        (Immediate(), {"start": "now"}, "start is of schedules that repeat"),
        (OneTime(SOON), {"end": SOON}, "OneTime fires once"),
        (OneTime(SOON), {"max_runs": 1}, "OneTime fires once"),
        (OneTime(SOON), {"catch_up": "skip"}, "OneTime fires once"),
        (DELAYED, {"catch_up": "all"}, "misses nothing"),
        (Cron("0 0 * * * *"), {"start": "now"}, "trigger_task"),
    ],
)
def test_options_that_contradict_are_refused(
    schedule: Schedule, options: dict[str, Any], said: str
) -> None:
    """
    While they are only asked for, with what is allowed.
    """
    with pytest.raises(InvalidTask, match=said):
        ScheduleTaskRequest("report", "generate_report", schedule, **options)


def test_a_request_says_what_it_was_given() -> None:
    """
    Seconds and timedeltas are one definition.
    """
    one = ScheduleTaskRequest("r", "t", Interval(5), jitter=60, expires_after=timedelta(minutes=1))
    two = ScheduleTaskRequest("r", "t", Interval(5), jitter=timedelta(minutes=1), expires_after=60)

    assert one.definition == two.definition
    assert one.definition.options.expires_after == MINUTE


def test_a_mode_that_does_not_exist_is_refused() -> None:
    """
    With what was meant.
    """
    with pytest.raises(InvalidSchedule, match="perhaps 'fixed_delay'"):
        Interval(5, mode="fixed_delays")  # type: ignore[arg-type]


def test_a_task_may_be_left_alone_or_be_an_error() -> None:
    """
    Where it exists with another definition; the same one is a no-op in any case.
    """
    story = scheduled(Interval(300), Options())

    def again(if_exists: Any, schedule: Schedule) -> tuple[Any, ...]:  # noqa: ANN401 - a word
        command = ScheduleTask(
            at=at(), task_id="report", definition=define(schedule), if_exists=if_exists
        )
        return decide(story.state, command)

    assert again("ignore", Interval(60)) == ()
    assert again("error", Interval(300)) == ()
    assert len(again("replace", Interval(60))) == 1
    with pytest.raises(Exception, match="another definition"):
        again("error", Interval(60))
    with pytest.raises(Exception, match="at version 1, not 7"):
        decide(
            story.state,
            ScheduleTask(
                at=at(), task_id="report", definition=define(Interval(60)), expected_version=7
            ),
        )
    with pytest.raises(Exception, match="at version 0, not 7"):
        decide(
            NO_TASK,
            ScheduleTask(
                at=at(), task_id="report", definition=define(Interval(60)), expected_version=7
            ),
        )
