"""
`evolve`: it copies what events say, it is total, and it counts a version for each event.
"""

from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from azoth_scheduler.changes import evolve, skip_event
from azoth_scheduler.events import Options, SchedulerEvent, registry
from azoth_scheduler.schedules import Immediate, Interval
from azoth_scheduler.task import NO_TASK, Totals, status_of, wake_at
from tests.support.task_story import Story, at

RUN = "report/1@2026-01-01T12:15:00Z"


def a_long_life() -> Story:
    """
    Tell a story in which every type of event happens.
    """
    story = Story()
    story.schedule(Interval(300))
    story.at(minutes=17).start()
    story.trigger()
    story.fail()
    story.at(minutes=19).start()
    story.abandon()
    story.start()
    story.cancel_run(f"{RUN}#3")
    story.at(minutes=40).end("cancelled")
    story.pause()
    story.trigger()
    story.resume()
    story.start(max_attempts=1)
    story.fail()
    story.resume()
    story.schedule(Immediate())
    story.start(max_attempts=1)
    story.fail()
    story.resume()
    story.start()
    story.cancel()
    story.end("cancelled")
    story.schedule(Immediate())
    return story


def a_life_with_a_buffer() -> Story:
    """
    Return a story in which occurrences are kept to be run later.
    """
    story = Story()
    story.schedule(Interval(300), options=Options(overlap="buffer_one"))
    story.at(minutes=5).start()
    story.at(minutes=21).end()
    return story


EVENTS = a_long_life().told
ALL_EVENTS = [*EVENTS, *a_life_with_a_buffer().told]


def test_the_lives_have_every_type_of_event() -> None:
    """
    The properties below would prove little if a type were missing.
    """
    assert set(map(type, ALL_EVENTS)) == set(get_args(SchedulerEvent))


@given(st.lists(st.sampled_from(ALL_EVENTS), max_size=30))
def test_evolve_is_total_whatever_the_order(events: list[SchedulerEvent]) -> None:
    """
    R5: no sequence of readable events raises, cut, doubled or shuffled; each counts one version.
    """
    state = NO_TASK
    for version, event in enumerate(events, 1):
        state = evolve(state, event)

        assert state.version == version
        status_of(state)
        wake_at(state)


def test_the_same_events_give_the_same_state() -> None:
    """
    R3: a fold is a function of the events alone, also when they come back from the log.
    """
    state = NO_TASK
    for event in EVENTS:
        state = evolve(state, registry.decode(registry.encode(event)))

    assert state == a_long_life().state


def test_an_event_that_cannot_be_read_counts_a_version_and_nothing_else() -> None:
    """
    The versions that fences are made of go on.
    """
    story = Story()
    story.schedule(Interval(300))
    before = story.state

    story.state = skip_event(before)

    assert story.state.version == 2
    story.at(minutes=5).start()
    assert story.fence == 3


def test_evolve_leaves_the_state_that_it_is_given_alone() -> None:
    """
    A state is a value: what was read of it stays true.
    """
    story = Story()
    story.schedule(Interval(300))
    before, seen = story.state, repr(story.state)

    story.at(minutes=5).start()
    story.fail()

    assert repr(before) == seen


def test_the_time_of_the_last_event_and_of_the_first_are_kept() -> None:
    """
    `created_at` is that of the first generation; `updated_at` that of the latest event.
    """
    story = a_long_life()

    assert story.state.created_at == at()
    assert story.state.updated_at == at(minutes=40)


def test_attempts_and_skips_are_counted_by_outcome() -> None:
    """
    The totals are over all generations; skipped counts occurrences, not events.
    """
    assert a_long_life().state.totals == Totals(
        failed=3, cancelled=2, abandoned=1, skipped=2 + 1 + 4 + 0
    )


def test_a_total_says_when_more_was_left_out_than_is_counted() -> None:
    """
    One skip that is not exact makes the sum a lower bound, whatever is skipped after it.
    """
    story = Story()
    story.schedule(Interval(1))
    story.at(seconds=5).start()
    before = story.state.totals
    story.end()
    story.at(days=1).start()
    story.end()
    story.at(days=1, seconds=5).start()

    assert before == Totals(skipped=4)
    assert story.state.totals == Totals(skipped=4 + 10_000 + 4, skipped_exact=False, succeeded=2)


def test_an_outcome_without_its_start_changes_nothing_but_the_version() -> None:
    """
    A fence that is not active is that of no run.
    """
    story = Story()
    story.schedule(Interval(300))
    story.at(minutes=5).start()
    (executed,) = story.end()
    before = story.state

    after = evolve(before, executed)

    assert after.totals == before.totals
    assert after.version == before.version + 1
