"""
The checkers themselves: a log that breaks one rule is found, by the checker of that rule.
"""

from collections.abc import Callable, Sequence

import pytest
from attrs import evolve

from azoth.clocks import Instant
from azoth.streams import Position, Version
from azoth.testing import ManualClock
from azoth.urls import open_store
from azoth_scheduler import (
    InlineExecutor,
    Interval,
    TaskCancelled,
    TaskDisabled,
    TaskEvent,
    TaskExecuted,
    TaskPaused,
    TaskRunAbandoned,
    TaskRunSkipped,
    TaskRunStarted,
    TaskScheduled,
)
from azoth_scheduler.events import TaskChange
from azoth_scheduler.simulation.invariants import Entry, breaches_of
from tests.support.stage import NOON, Said, Stage, acts, fails, request

Log = list[Entry]


@pytest.fixture(scope="module")
def sound() -> Log:
    """
    A log in which everything has happened once.
    """
    clock = ManualClock(NOON)
    with open_store("memory://", clock=clock) as store:
        stage = Stage(store, clock)
        scheduler = stage.scheduler(
            acts(lambda ctx, payload: TaskEvent("made")),
            fails(task_type="bad"),
            executor=InlineExecutor(2),
        )
        scheduler.schedule_tasks(
            [
                request("a", Interval(60)),
                request("b", task_type="bad", max_retries=2),
                request("c", Interval(60)),
                request("d", Interval(60)),
            ]
        )
        for advance in (60, 60, 180, 60):
            clock.advance(advance)
            scheduler.run_pending()
        scheduler.pause_task("c")
        scheduler.cancel_task("d")
        clock.advance(60)
        scheduler.run_pending()
        stage.close()
        return stage.log()


def test_a_sound_log_has_no_breaches(sound: Log) -> None:
    """
    Or a checker cries wolf.
    """
    assert breaches_of(sound, worker=2) == []
    assert {type(entry.told) for entry in sound} >= {
        TaskScheduled, TaskRunStarted, TaskExecuted, TaskDisabled, TaskRunSkipped, TaskPaused,
        TaskCancelled,
    }  # fmt: skip


def found(log: Log, **slots: int) -> set[str]:
    """
    Return the ids of the invariants that a log breaks.
    """
    return {breach.invariant for breach in breaches_of(log, **slots)}


def places(log: Log, kind: type[TaskChange], **fields: object) -> list[int]:
    """
    Return where events of one kind stand whose fields are these.
    """
    return [
        place
        for place, entry in enumerate(log)
        if isinstance(entry.told, kind)
        and all(getattr(entry.told, name) == value for name, value in fields.items())
    ]


def retold(log: Log, place: int, **changes: Said) -> Log:
    """
    Return the log with one event telling something else.
    """
    told = log[place].told
    assert told is not None
    return [*log[:place], evolve(log[place], told=evolve(told, **changes)), *log[place + 1 :]]


def numbered(entries: Sequence[Entry]) -> Log:
    """
    Return entries as a log: positions and versions are dense again.
    """
    versions: dict[str, int] = {}
    log: Log = []
    for position, entry in enumerate(entries, 1):
        stream = entry.event.stream
        versions[stream] = versions.get(stream, 0) + 1
        version = Version(versions[stream])
        event = evolve(entry.event, position=Position(position), version=version)
        log.append(evolve(entry, event=event))
    return log


def without(log: Log, place: int) -> Log:
    """
    Return the log without one event.
    """
    return numbered([*log[:place], *log[place + 1 :]])


def again(log: Log, place: int) -> Log:
    """
    Return the log with one event repeated at its end.
    """
    return numbered([*log, log[place]])


Broken = Callable[[Log], Log]

BROKEN: dict[str, tuple[str, Broken]] = {
    "a position is missing": ("S1", lambda log: log[1:]),
    "events are recorded backwards": (
        "C1",
        lambda log: [
            evolve(log[0], event=evolve(log[0].event, recorded_at=Instant(2**60))),
            *log[1:],
        ],
    ),
    "an event is decided backwards": (
        "C1",
        lambda log: retold(log, places(log, TaskExecuted)[0], at=Instant(0)),
    ),
    "an occurrence starts early": (
        "C2",
        lambda log: retold(log, places(log, TaskScheduled)[0], next_run_at=Instant(2**60)),
    ),
    "a retry starts early": (
        "C2",
        lambda log: retold(log, places(log, TaskExecuted, task_id="b")[0], retry_at=2**60),
    ),
    "two attempts run at once": (
        "C3",
        lambda log: without(log, places(log, TaskExecuted, task_id="a")[0]),
    ),
    "an outcome has another fence": (
        "C4",
        lambda log: retold(log, places(log, TaskExecuted)[0], fence=99),
    ),
    "an outcome is recorded twice": (
        "C4",
        lambda log: again(log, places(log, TaskExecuted, task_id="b")[-1]),
    ),
    "an attempt has a wrong number": (
        "C5",
        lambda log: retold(log, places(log, TaskRunStarted)[0], attempt=2),
    ),
    "a failure counts twice": (
        "C5",
        lambda log: retold(log, places(log, TaskExecuted, task_id="b")[0], retry_count=2),
    ),
    "an exhausted run goes on": (
        "C5",
        lambda log: retold(log, places(log, TaskExecuted, task_id="b")[-1], retry_at=2**60),
    ),
    "a task is disabled without a cause": (
        "C5",
        lambda log: numbered(
            [*log, evolve(log[places(log, TaskDisabled)[0]], told=disabled(log, "a"))]
        ),
    ),
    "a retry waits otherwise": (
        "C6",
        lambda log: retold(
            log,
            places(log, TaskExecuted, task_id="b")[0],
            completed_at=Instant(0),
        ),
    ),
    "an occurrence is off the grid": (
        "C7",
        lambda log: retold(
            log,
            places(log, TaskRunStarted, task_id="a")[0],
            nominal_at=at(log, places(log, TaskRunStarted, task_id="a")[0]).nominal_at + 1,
        ),
    ),
    "an occurrence starts twice": (
        "C8",
        lambda log: retold(
            log,
            places(log, TaskRunStarted, task_id="a")[1],
            nominal_at=at(log, places(log, TaskRunStarted, task_id="a")[0]).nominal_at,
        ),
    ),
    "an occurrence is neither run nor skipped": (
        "C9",
        lambda log: without(log, places(log, TaskRunSkipped)[0]),
    ),
    "a skip counts one too many": (
        "C9",
        lambda log: retold(log, places(log, TaskRunSkipped)[0], count=3),
    ),
    "a cancelled task starts": (
        "C10",
        lambda log: again(log, places(log, TaskRunStarted, task_id="d")[0]),
    ),
    "a run of an old generation goes on": (
        "C11",
        lambda log: retold(log, places(log, TaskExecuted, task_id="b")[0], generation=0),
    ),
    "a lease is cut short": (
        "C12",
        lambda log: numbered(
            [*log, evolve(log[places(log, TaskRunStarted)[0]], told=taken_early(log))]
        ),
    ),
    "a paused task starts": (
        "C13",
        lambda log: again(log, places(log, TaskRunStarted, task_id="c")[0]),
    ),
    "an outcome tells of an event that is not there": (
        "C14",
        lambda log: retold(log, places(log, TaskExecuted, task_id="a")[0], triggered=2),
    ),
    "a handler's event stands alone": (
        "C14",
        lambda log: numbered([*log, next(entry for entry in log if entry.event.type == "made")]),
    ),
}


def at(log: Log, place: int) -> Said:
    """
    Return what is told at a place.
    """
    return log[place].told


def disabled(log: Log, task_id: str) -> TaskDisabled:
    """
    Return that a task is disabled, which nothing in the log is the cause of.
    """
    told = at(log, places(log, TaskScheduled, task_id=task_id)[0])
    return TaskDisabled(
        task_id=task_id, generation=1, at=told.at, reason="a whim", execution_id="none"
    )


def taken_early(log: Log) -> TaskRunAbandoned:
    """
    Return that the first attempt was taken from its worker while its lease held.
    """
    told = at(log, places(log, TaskRunStarted)[0])
    return TaskRunAbandoned(
        task_id=told.task_id,
        generation=told.generation,
        at=told.at,
        run_id=told.run_id,
        execution_id=told.execution_id,
        attempt=told.attempt,
        fence=2,
        worker_id=told.worker_id,
        reason="its lease has run out",
        lost_count=1,
        lease_until=told.lease_until,
        retry_at=told.at,
        next_nominal_at=None,
        next_run_at=None,
    )


@pytest.mark.parametrize("name", BROKEN)
def test_a_log_that_breaks_a_rule_is_found(sound: Log, name: str) -> None:
    """
    By the checker of that rule, whatever others say.
    """
    invariant, broken = BROKEN[name]

    assert invariant in found(broken(sound))


def test_a_worker_with_too_many_attempts_is_found(sound: Log) -> None:
    """
    C3: its limit holds at every prefix.
    """
    assert found(sound, worker=1) == {"C3"}
