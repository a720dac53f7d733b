"""
The checkers of C15, L1 and L2: what waits too long is found, and whoever waits rightly is not.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Final

import pytest

from azoth.clocks import Instant, Microseconds
from azoth_scheduler.events import Options, TaskExecuted, TaskRunStarted, TaskScheduled
from azoth_scheduler.schedules import Immediate, Interval
from azoth_scheduler.simulation.invariants import (
    Checker,
    Ending,
    Entry,
    Fairness,
    Invariants,
    Liveness,
)
from tests.support.task_logs import later, merged
from tests.support.task_story import MINUTE, SECOND, Story, at

SOON: Final = Microseconds(5 * SECOND)
NEVER: Final = Instant(0)


def breaches(log: list[Entry], *checkers: Checker) -> set[str]:
    """
    Return what the checkers say of a log, by the ids of their invariants.
    """
    invariants = Invariants(checkers=checkers)
    for entry in log:
        invariants.see(entry.event, entry.told)
    invariants.end()
    return {breach.invariant for breach in invariants.breaches}


def ran(task_id: str = "report", options: Options = Options()) -> Story:
    """
    Return a story in which two occurrences of a minute ran in time.
    """
    story = Story(task_id)
    story.schedule(Interval(60), options=options)
    for minute in (1, 2):
        story.at(minutes=minute, seconds=1).start()
        story.at(minutes=minute, seconds=2).end()
    return story


def started(log: list[Entry], task_id: str = "report") -> int:
    """
    Return where the first attempt of a task was started.
    """
    return next(
        entry.position
        for entry in log
        if isinstance(entry.told, TaskRunStarted) and entry.told.task_id == task_id
    )


def test_what_starts_within_the_bound_is_live() -> None:
    """
    L1: neither a start in time is found, nor what is due only after the end.
    """
    assert breaches(ran().log(), Liveness(since=NEVER, bound=SOON)) == set()


def test_what_starts_later_than_the_bound_is_found() -> None:
    """
    L1: by the time at which the store has recorded it.
    """
    log = ran().log()
    late = later(log, started(log), timedelta(seconds=5))

    assert breaches(late, Liveness(since=NEVER, bound=SOON)) == {"L1"}
    assert breaches(late, Liveness(since=NEVER, bound=Microseconds(6 * SECOND))) == set()


def test_what_never_starts_is_found_at_the_end() -> None:
    """
    L1: at the time that somebody says it is, for a log that ends says none.
    """
    log = ran().log()

    def end(minutes: float, *types: str) -> set[str]:
        now = at(minutes=minutes)

        def serves(told: TaskScheduled) -> bool:
            return not types or told.task_type in types

        return breaches(log, Liveness(since=NEVER, bound=SOON, now=lambda: now, serves=serves))

    assert end(3) == set()
    assert end(4) == {"L1"}
    assert end(4, "another_type") == set()


@pytest.mark.parametrize("held", [Story.pause, Story.cancel])
def test_whoever_is_held_is_not_waited_for(held: Callable[[Story], object]) -> None:
    """
    L1: and a resume begins the wait anew.
    """
    story = ran()
    held(story)
    liveness = Liveness(since=NEVER, bound=SOON, now=lambda: at(minutes=90))

    assert breaches(story.log(), liveness) == set()


def test_nobody_is_judged_for_the_time_of_faults() -> None:
    """
    L1: the wait counts from when they ended.
    """
    log = ran().log()
    late = later(log, started(log), timedelta(seconds=40))

    assert breaches(late, Liveness(since=at(seconds=95), bound=SOON)) == {"L1"}
    assert breaches(late, Liveness(since=at(minutes=10), bound=SOON)) == set()


def test_nobody_is_judged_while_all_slots_are_taken() -> None:
    """
    L1: the wait counts from when one is free.
    """
    other = Story("other")
    other.schedule(Immediate())
    other.start(timeout=600 * SECOND)
    other.at(minutes=4).end()
    waits = Story("waits")
    waits.at(seconds=30).schedule(Immediate())
    waits.at(minutes=4, seconds=1).start()
    log = merged(other.log(), waits.log())

    assert breaches(log, Liveness(since=NEVER, bound=SOON, slots=1)) == set()
    assert breaches(log, Liveness(since=NEVER, bound=SOON, slots=2)) == {"L1"}
    assert breaches(log, Liveness(since=NEVER, bound=SOON)) == {"L1"}


def test_a_start_without_an_end_is_found() -> None:
    """
    L2: once its deadline and the bound have passed.
    """
    log = ran().log()[:-1]
    assert isinstance(log[-1].told, TaskRunStarted)
    deadline = log[-1].told.deadline_at

    def end(now: int) -> set[str]:
        return breaches(log, Ending(since=NEVER, bound=SOON, now=lambda: Instant(now)))

    assert end(deadline + SOON) == set()
    assert end(deadline + SOON + 1) == {"L2"}


def test_an_end_that_comes_too_late_is_found() -> None:
    """
    L2: also where it comes at last, unless that was while faults went on.
    """
    log = ran().log()
    assert isinstance(log[-1].told, TaskExecuted)
    late = later(log, log[-1].position, timedelta(minutes=9))

    assert breaches(late, Ending(since=NEVER, bound=SOON)) == {"L2"}
    assert breaches(late, Ending(since=at(minutes=9), bound=Microseconds(9 * MINUTE))) == set()


def queued(*order: str) -> list[Entry]:
    """
    Return a log in which tasks that were scheduled in the order of the alphabet run in another.

    Each takes a minute, one at a time.
    """
    stories = {name: Story(name) for name in sorted(order)}
    for second, story in enumerate(stories.values()):
        story.at(seconds=second).schedule(Immediate())
    for minute, name in enumerate(order, 1):
        stories[name].at(minutes=minute).start(timeout=MINUTE)
        stories[name].at(minutes=minute + 1, seconds=-1).end()
    return merged(*(story.log() for story in stories.values()))


def fair() -> Fairness:
    """
    Return the checker for one slot and attempts of a minute.
    """
    poll = Microseconds(SECOND)
    return Fairness(since=at(minutes=1), slots=1, timeout=Microseconds(MINUTE), poll=poll)


def test_whoever_waits_for_those_before_it_waits_rightly() -> None:
    """
    C15: for as many rounds as there are runs before it.
    """
    assert breaches(queued("a", "b", "c", "d"), fair()) == set()


def test_whoever_waits_for_those_behind_it_is_found() -> None:
    """
    C15: what starts out of turn does not count as a run before it.
    """
    assert breaches(queued("b", "c", "d", "a"), fair()) == {"C15"}


def test_whoever_waits_when_the_log_ends_is_found() -> None:
    """
    C15: though it never starts.
    """
    log = queued("b", "c", "d", "a")
    cut = [
        entry
        for entry in log
        if not isinstance(entry.told, TaskRunStarted | TaskExecuted) or entry.told.task_id != "a"
    ]

    assert "C15" in breaches(cut, fair())
