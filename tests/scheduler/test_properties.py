"""
The properties that retries and next runs are known by, for any policy, schedule and moment.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import reduce
from typing import Final

import pytest
from attrs import evolve
from hypothesis import assume, given
from hypothesis import strategies as st

from azoth.clocks import (
    INSTANT_MAX,
    Instant,
    Microseconds,
    datetime_of,
    instant_of,
    microseconds_of,
)
from azoth_scheduler.commands import RecordOutcome, ScheduleTask, StartRun, TaskCommand
from azoth_scheduler.decisions import task_decider
from azoth_scheduler.events import Options, SchedulerEvent, TaskDisabled, TaskExecuted
from azoth_scheduler.grid import Grid
from azoth_scheduler.retries import RetryPolicy, from_max_retries
from azoth_scheduler.schedules import Cron, Immediate, Interval, Schedule, next_occurrence
from azoth_scheduler.simulation.oracle import Reference
from azoth_scheduler.task import NO_TASK, Definition, TaskState
from azoth_scheduler.testing.strategies import crons, intervals, moments, occasions, retry_policies
from tests.support.samples import sample

pytestmark = pytest.mark.uncovered

SECOND: Final = 1_000_000
NOW: Final = Instant(1_767_268_800_000_000)

failures: Final = st.integers(1, 20) | st.integers(1, 1_000)
spans: Final = st.integers(0, 3 * SECOND) | st.integers(0, 400 * 86_400 * SECOND)
fixed_rates: Final = intervals().filter(lambda interval: interval.mode == "fixed_rate")
recurring: Final[st.SearchStrategy[Schedule]] = crons() | fixed_rates


@given(retry_policies(), failures)
def test_waits_never_decrease_and_saturate_at_the_cap(policy: RetryPolicy, count: int) -> None:
    """
    Each is at least the one before it; once at the cap, for ever.
    """
    before, wait, cap = policy.delay(count), policy.delay(count + 1), microseconds_of(policy.cap)

    assert 0 <= before <= wait <= cap
    assert before < cap or wait == cap


@given(retry_policies(), failures)
def test_a_wait_is_the_base_times_a_power_of_the_factor(policy: RetryPolicy, count: int) -> None:
    """
    C6: min(cap, base * factor ** (k - 1)), to what a float holds.
    """
    base, cap = policy.base.total_seconds(), policy.cap.total_seconds()
    try:
        due = min(cap, base * policy.factor ** (count - 1))
    except OverflowError:
        due = cap if base else 0.0
    assume(base or policy.factor ** min(count, 100) < 1e300)

    assert policy.delay(count) / SECOND == pytest.approx(due, rel=1e-9, abs=1.1e-6)


@given(retry_policies(), st.text(max_size=9))
def test_jitter_lies_below_its_span_and_is_the_same_again(policy: RetryPolicy, key: str) -> None:
    """
    It is drawn by hash of the attempt's id, so that a replay draws the same.
    """
    jitter = policy.jitter_of(key)

    assert 0 <= jitter < max(1, microseconds_of(policy.jitter))
    assert jitter == policy.jitter_of(key)


def failed(policy: RetryPolicy, ran: int) -> Iterator[tuple[TaskState, Sequence[SchedulerEvent]]]:
    """
    Fail a task's only run again and again, each time when it is due, until nothing is.
    """
    definition = Definition(task_type="report", schedule=Immediate())
    state, _ = done(NO_TASK, ScheduleTask(at=NOW, task_id="a", definition=definition))
    now: Instant | None = NOW
    while now is not None:
        state, _ = done(state, _start(now, policy))
        state, told = done(state, _failure(state, Instant(now + ran), policy))
        yield state, told
        now = next((run.retry_at for run in state.runs), None)


def done(state: TaskState, command: TaskCommand) -> tuple[TaskState, Sequence[SchedulerEvent]]:
    """
    Decide a command; return the state after it, and what happened.
    """
    told = task_decider.decide(state, command)
    return reduce(task_decider.evolve, told, state), told


def _start(now: Instant, policy: RetryPolicy) -> StartRun:
    return StartRun(
        at=now,
        worker_id="w/1",
        timeout=Microseconds(10**12),
        max_attempts=policy.max_attempts,
        lease=None,
    )


def _failure(state: TaskState, now: Instant, policy: RetryPolicy) -> RecordOutcome:
    return RecordOutcome(
        at=now,
        fence=state.active[0].fence or 0,
        completed_at=now,
        duration=Microseconds(7),
        outcome="failed",
        policy=policy,
        raised=("builtins.ValueError", "builtins.Exception", "builtins.BaseException"),
    )


few_attempts: Final = st.builds(
    lambda policy, count: evolve(policy, max_attempts=count, retry_on=(), give_up_on=()),
    retry_policies(),
    st.integers(1, 5),
)


@given(few_attempts, st.integers(0, 9 * SECOND))
def test_each_retry_is_due_after_its_wait_and_its_jitter(policy: RetryPolicy, ran: int) -> None:
    """
    C6: retry time = completion + min(cap, base * factor ** (k - 1)) + the jitter that is recorded.
    """
    for count, (state, told) in enumerate(failed(policy, ran), 1):
        (outcome,) = [event for event in told if isinstance(event, TaskExecuted)]

        assert outcome.retry_count == state.retry_count == count <= policy.max_attempts
        if outcome.retry_at is not None:
            assert outcome.retry_jitter == policy.jitter_of(outcome.execution_id)
            wait = policy.delay(count) + outcome.retry_jitter
            assert outcome.retry_at == outcome.completed_at + wait


@given(few_attempts, st.integers(0, 7))
def test_max_retries_is_exactly_so_many_failures(policy: RetryPolicy, max_retries: int) -> None:
    """
    `max_retries=3` means three attempts that fail, 0 and 1 both mean one; then it is disabled.
    """
    ends = [told for _, told in failed(from_max_retries(max_retries, policy), 0)]

    assert len(ends) == max(1, max_retries)
    disabled = [any(isinstance(event, TaskDisabled) for event in told) for told in ends]
    assert disabled == [False] * (len(ends) - 1) + [True]


def next_after(schedule: Schedule, anchor: Instant, after: int) -> Instant | None:
    """
    Return the next occurrence.
    """
    return next_occurrence(schedule, anchor, Instant(after))


@given(occasions(recurring), spans)
def test_the_next_run_is_later_and_never_goes_back(
    occasion: tuple[Schedule, Instant], span: int
) -> None:
    """
    Strictly later than *after*, and for a later *after* no earlier.
    """
    schedule, after = occasion
    first = next_after(schedule, after, after)
    second = next_after(schedule, after, after + span)

    assert first is None or first > after
    assert second is None or second > after + span
    assert second is None or (first is not None and first <= second)


@given(occasions(recurring))
def test_the_next_run_is_found_from_just_before_it(occasion: tuple[Schedule, Instant]) -> None:
    """
    A microsecond before it, and from anywhere between, the answer is the same.
    """
    schedule, after = occasion
    found = next_after(schedule, after, after)
    assume(found is not None)
    assert found is not None

    assert next_after(schedule, after, found - 1) == found
    assert next_after(schedule, after, (after + found) // 2) == found


@given(occasions(crons()))
def test_nothing_fires_between(occasion: tuple[Cron, Instant]) -> None:
    """
    An evaluator that shares no code finds the same one, so none was passed over.
    """
    cron, after = occasion
    due = Reference(cron.expr, cron.tz, cron.dst, cron.day_match).next_after(datetime_of(after))

    found = next_after(cron, Instant(0), after)

    assert found == (None if due is None else instant_of(due))


@given(fixed_rates, moments(), spans, st.integers(1, 3))
def test_an_interval_never_leaves_its_grid(
    interval: Interval, anchor: Instant, span: int, steps: int
) -> None:
    """
    Fire k is at anchor + k * every, to the microsecond, from wherever it is asked.
    """
    every, after = interval.microseconds, anchor + span
    for _ in range(steps):
        found = next_after(interval, anchor, after)
        if found is None:
            assert after // every * every + every > INSTANT_MAX - every
            return
        assert (found - anchor) % every == 0
        assert after < found <= after + every
        after = found


@given(occasions(recurring), st.integers(0, 400), st.sampled_from([0, 1, 90 * SECOND]))
def test_counting_is_walking(occasion: tuple[Schedule, Instant], steps: int, jitter: int) -> None:
    """
    The number of occurrences and the last that is due, found without walking, are what it finds.
    """
    schedule, after = occasion
    grid = Grid("a", schedule, Options(jitter=Microseconds(jitter)), after)
    walked = [one for one, _ in zip(walk(grid, after), range(steps + 1), strict=False)]
    assume(walked)

    last = walked[-1]

    assert grid.count(walked[0], last, 1_000) == (len(walked), True)
    assert grid.latest(after, last) == last
    due = [one for one in walked if grid.occurrence(one).due_at <= last]
    assert grid.latest_due(after, last) == (due[-1] if due else None)


def walk(grid: Grid, after: Instant) -> Iterator[Instant]:
    """
    Yield one nominal time after the other.
    """
    found = grid.next(after)
    while found is not None:
        yield found.nominal_at
        found = grid.next(found.nominal_at)


PROGRAM: Final = """
import json, sys
from azoth_scheduler.schedules import Cron, next_occurrence

for expr, tz, dst, day_match, after in json.load(sys.stdin):
    print(next_occurrence(Cron(expr, tz, dst, day_match), after, after))
"""


@pytest.mark.parametrize("tz", ["Pacific/Apia", "America/St_Johns"])
def test_answers_are_the_same_in_every_time_zone_of_the_process(tz: str) -> None:
    """
    R6: neither the machine's zone nor its hash seed is asked.
    """
    found = sample(occasions(crons()), 100)
    questions = [(c.expr, c.tz, c.dst, c.day_match, at) for c, at in found if isinstance(c, Cron)]

    told = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps(questions),
        env=os.environ | {"TZ": tz, "PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert told.split("\n")[:-1] == [str(next_after(cron, at, at)) for cron, at in found]
