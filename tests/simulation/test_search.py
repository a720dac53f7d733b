"""
Every path of a small world: clean as the scheduler is, and short to each bug that is planted.
"""

from collections.abc import Callable
from os import environ
from subprocess import run
from sys import executable
from typing import Any, Final, TypeAlias

import pytest
from attrs import evolve, frozen

from azoth.clocks import Instant
from azoth_scheduler import attempts
from azoth_scheduler.commands import AbandonRun, RecordOutcome
from azoth_scheduler.events import SchedulerEvent, TaskRunAbandoned
from azoth_scheduler.simulation.search import SCOPES, Scope, search
from azoth_scheduler.task import OpenRun, TaskState, wake_at

pytestmark = pytest.mark.uncovered

Events: TypeAlias = tuple[SchedulerEvent, ...]

DEPTH: Final = 12
SEARCH: Final = "azoth_scheduler.simulation.search"
BY_NAME: Final = {scope.name: scope for scope in SCOPES}


@pytest.mark.parametrize("scope", SCOPES, ids=lambda scope: scope.name)
def test_no_path_of_twelve_moves_breaks_an_invariant(scope: Scope) -> None:
    """
    Two schedulers, two tasks: whatever comes between a read and its append, everything holds.
    """
    found = search(scope, DEPTH)

    assert found.counterexample is None, str(found.counterexample)
    assert found.depth == DEPTH
    assert found.states == sum(found.per_depth)


@pytest.mark.soak
@pytest.mark.parametrize("scope", SCOPES, ids=lambda scope: scope.name)
def test_no_path_of_fifteen_moves_breaks_an_invariant(
    scope: Scope, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    The same, three moves deeper.
    """
    found = search(scope, 15)

    with capsys.disabled():
        print(f"\n{scope.name}: {found.states:,} states, {found.transitions:,} moves")  # noqa: T201
    assert found.counterexample is None, str(found.counterexample)


def first_active(state: TaskState, _fence: int) -> OpenRun | None:
    """
    Take the attempt that is active for the one that is asked for.
    """
    return next(iter(state.active), None)


def one_more_attempt(state: TaskState, command: RecordOutcome) -> Events:
    """
    Let a run fail once more than its policy says.
    """
    runs = tuple(evolve(run, max_attempts=run.max_attempts + 1) for run in state.runs)
    return attempts.record_outcome(evolve(state, runs=runs), command)


def lost_for_good(state: TaskState, command: AbandonRun) -> Events:
    """
    Close a run with the attempt that was lost.
    """
    events = attempts.abandon_run(state, command)
    return tuple(
        evolve(event, retry_at=None) if isinstance(event, TaskRunAbandoned) else event
        for event in events
    )


def never_again(state: TaskState) -> Instant | None:
    """
    Forget what waits for another attempt.
    """
    return None if any(run.attempt for run in state.runs) else wake_at(state)


def by_its_own_clock(state: TaskState, command: RecordOutcome) -> Events:
    """
    Stamp an outcome with the worker's time, though the stream is further.
    """
    return attempts.record_outcome(evolve(state, updated_at=Instant(0)), command)


def held_only_when_disabled(state: TaskState) -> bool:
    """
    Forget that a task is paused.
    """
    return state.disabled or state.cancelled


@frozen
class Bug:
    """
    Hold a bug, where it is planted, and what is found then: what breaks, after how many moves.
    """

    name: str
    scope: str
    invariant: str
    depth: int
    planted: Callable[..., Any]
    places: tuple[str, ...]


BUGS: Final = (
    Bug(
        "an outcome that needs no fence", "leases that run out", "L2", 7, first_active,
        ("azoth_scheduler.task.TaskState.with_fence",),
    ),
    Bug(
        "an append that ignores versions", "failures and deaths", "C3", 4,
        lambda _unit, _log: False, (f"{SEARCH}.passes.is_stale",),
    ),
    Bug(
        "attempts off by one", "failures and deaths", "C5", 9, one_more_attempt,
        ("azoth_scheduler.decisions.record_outcome",),
    ),
    Bug(
        "a lost attempt that is not made again", "lost answers", "L2", 4, lost_for_good,
        ("azoth_scheduler.decisions.abandon_run",),
    ),
    Bug(
        "an old generation that goes on", "edited", "C5", 8,
        lambda _state, _run: True, ("azoth_scheduler.attempts._is_current",),
    ),
    Bug(
        "a start while paused", "paused and resumed", "C13", 6, held_only_when_disabled,
        ("azoth_scheduler.task.is_held", "azoth_scheduler.attempts.is_held"),
    ),
    Bug(
        "a dead worker that nobody minds", "lost answers", "L2", 3,
        lambda _passing: None, ("azoth_scheduler.plan._Pass.take_lost",),
    ),
    Bug(
        "a retry that nobody waits for", "lost answers", "L1", 5, never_again,
        ("azoth_scheduler.plan.wake_at", f"{SEARCH}.task_logs.wake_at"),
    ),
    Bug(
        "time that goes back", "clocks and shutdowns", "C1", 5, by_its_own_clock,
        ("azoth_scheduler.decisions.record_outcome",),
    ),
)  # fmt: skip


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_planted_bug_is_found_by_the_shortest_way(
    bug: Bug, monkeypatch: pytest.MonkeyPatch, record_property: Callable[[str, object], None]
) -> None:
    """
    The invariant that breaks is the one that is meant, and no shorter path breaks any.
    """
    for place in bug.places:
        monkeypatch.setattr(place, bug.planted)

    found = search(BY_NAME[bug.scope], DEPTH).counterexample

    assert found is not None
    assert (found.breach.invariant, len(found.steps)) == (bug.invariant, bug.depth), str(found)
    record_property("mutant", bug.name)
    record_property("killed by", bug.invariant)
    record_property("after", f"depth {bug.depth} of the search")


def test_a_counterexample_tells_its_steps_and_the_events(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    It can be read without a debugger: what breaks, who did what, and the logs at the end.
    """
    monkeypatch.setattr(f"{SEARCH}.passes.is_stale", lambda _unit, _log: False)

    told = str(search(BY_NAME["failures and deaths"], DEPTH).counterexample)

    assert told.startswith("C3: job/1@2026-01-01T12:00:00Z#1 started beside")
    assert (
        """
   1 A reads
   2 B reads
   3 A claims job/1@2026-01-01T12:00:00Z#1
   4 B claims job/1@2026-01-01T12:00:00Z#1
"""
        in told
    )
    assert "log of job:\n   1 TaskScheduled(" in told


def test_a_search_is_the_same_under_every_hash_seed() -> None:
    """
    Nothing depends on the order of a set: the counts are the same in another process.
    """
    program = (
        "from azoth_scheduler.simulation.search import SCOPES, search\n"
        "for scope in SCOPES:\n"
        "    print(search(scope, 5))"
    )
    told = run(
        [executable, "-c", program],
        env={**environ, "PYTHONHASHSEED": "1"},
        check=True,
        capture_output=True,
        text=True,
    ).stdout

    assert told.splitlines() == [str(search(scope, 5)) for scope in SCOPES]


def test_a_fault_budget_bounds_a_search() -> None:
    """
    Without faults a scope has fewer states than with one, and with one fewer than without a bound.
    """
    scope = BY_NAME["one of everything"]
    counts = [search(evolve(scope, faults_max=most), 6).states for most in (0, 1, 2, None)]

    assert counts == sorted(set(counts))


def test_progress_is_told_after_each_depth() -> None:
    """
    It says how deep the search is, and how many states were new there.
    """
    told: list[tuple[int, int]] = []
    found = search(SCOPES[0], 4, progress=lambda depth, states: told.append((depth, states)))

    assert [(depth, found.per_depth[depth]) for depth in (1, 2, 3, 4)] == told
