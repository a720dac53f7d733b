"""
Overlap, catch-up, edit and pause played by a whole scheduler on a virtual clock: what starts when.

The task fires every five minutes from noon on. A first run that is long takes from 12:05 to 12:21,
all others take a minute; the curtain falls at 12:38.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import pytest
from attrs import Factory, frozen

from azoth.clocks import datetime_of
from azoth_scheduler import Interval, TaskContext
from azoth_scheduler.events import TaskExecuted, TaskRunSkipped, TaskRunStarted
from tests.support.lasting import Lasting, run_until
from tests.support.stage import NOON, Stage, acts, request, task

pytestmark = pytest.mark.uncovered

MINUTE: Final = timedelta(minutes=1)
FIVE_MINUTES: Final = Interval(300)
ALL: Final = {"catch_up": "all"}


@frozen
class Play:
    """
    Hold one row of a table.

    Attributes:
        starts: Each first attempt: the minute that it is for, and the minute in which it started.
        left_out: The first and last minute, the count and the reason of each event.
        long: How many minutes the first run takes.
        down: Until which minute no scheduler runs.
        paused: From which minute to which the task is paused.
        edit: In which minute the task gets another definition, and what is new in it.
        outcomes: How the attempts end; all succeed where nothing is said.
    """

    name: str
    said: dict[str, Any]
    starts: list[tuple[int, int]]
    left_out: list[tuple[int, int, int, str]] = Factory(list)
    long: int = 1
    down: int = 0
    paused: tuple[int, int] | None = None
    edit: tuple[int, dict[str, Any]] | None = None
    outcomes: list[str] | None = None


OVERLAP: Final = (
    Play(
        "skip",
        {},
        [(5, 5), (25, 25), (30, 30), (35, 35)],
        [(10, 20, 3, "overlap")],
        long=16,
    ),
    Play(
        "buffer one",
        {"overlap": "buffer_one"},
        [(5, 5), (10, 21), (25, 25), (30, 30), (35, 35)],
        [(15, 20, 2, "overlap")],
        long=16,
    ),
    Play(
        "buffer all",
        {"overlap": "buffer_all"},
        [(5, 5), (10, 21), (15, 22), (20, 23), (25, 25), (30, 30), (35, 35)],
        long=16,
    ),
    Play(
        "capped buffer",
        {"overlap": "buffer_all", "buffer_limit": 2},
        [(5, 5), (10, 21), (15, 22), (25, 25), (30, 30), (35, 35)],
        [(20, 20, 1, "overlap")],
        long=16,
    ),
    Play(
        "cancel other",
        {"overlap": "cancel_other"},
        [(5, 5), (10, 10), (15, 15), (20, 20), (25, 25), (30, 30), (35, 35)],
        long=16,
        outcomes=["cancelled"] + 6 * ["succeeded"],
    ),
    Play(
        "allow",
        {"overlap": "allow"},
        [(5, 5), (10, 10), (15, 15), (20, 20), (25, 25), (30, 30), (35, 35)],
        long=16,
    ),
)

DOWN: Final = (
    Play(
        "latest",
        {},
        [(30, 33), (35, 35)],
        [(5, 25, 5, "coalesced")],
        down=33,
    ),
    Play(
        "earliest",
        {"catch_up": "earliest"},
        [(5, 33), (35, 35)],
        [(10, 30, 5, "coalesced")],
        down=33,
    ),
    Play(
        "all, the newest two",
        {**ALL, "catch_up_limit": 2},
        [(25, 33), (30, 34), (35, 35)],
        [(5, 20, 4, "missed")],
        down=33,
    ),
    Play(
        "all within a window",
        {**ALL, "catch_up_window": 14 * MINUTE},
        [(20, 33), (25, 34), (30, 35)],
        [(5, 15, 3, "missed"), (35, 35, 1, "overlap")],
        down=33,
    ),
    Play(
        "all within a window that ends at an occurrence",
        {**ALL, "catch_up_window": 13 * MINUTE},
        [(20, 33), (25, 34), (30, 35)],
        [(5, 15, 3, "missed"), (35, 35, 1, "overlap")],
        down=33,
    ),
    Play(
        "all, each to its end, until one that is due makes the last give way",
        {**ALL, "catch_up_window": 14 * MINUTE, "overlap": "cancel_other"},
        [(20, 33), (25, 34), (30, 35), (35, 35)],
        [(5, 15, 3, "missed")],
        down=33,
        outcomes=["succeeded", "succeeded", "cancelled", "succeeded"],
    ),
    Play(
        "skip",
        {"catch_up": "skip"},
        [(35, 35)],
        [(5, 30, 6, "missed")],
        down=33,
    ),
)

PAUSED: Final = (
    Play("latest", {}, [(35, 35)], paused=(1, 33)),
    Play("all", ALL, [(35, 35)], paused=(1, 33)),
    Play(
        "all within a window",
        {**ALL, "catch_up_window": 14 * MINUTE},
        [(35, 35)],
        paused=(1, 33),
    ),
    Play("after the first", ALL, [(5, 5), (35, 35)], paused=(6, 33)),
    Play(
        "while the first runs: what fell due until then is not owed either",
        {**ALL, "overlap": "buffer_all"},
        [(5, 5), (20, 20), (25, 25), (30, 30), (35, 35)],
        long=11,
        paused=(7, 18),
    ),
    Play(
        "and resumed while the first still runs",
        {"overlap": "buffer_all"},
        [(5, 5), (15, 21), (20, 22), (25, 25), (30, 30), (35, 35)],
        long=16,
        paused=(7, 12),
    ),
    Play(
        "while no scheduler runs",
        {**ALL, "catch_up_window": 14 * MINUTE},
        [(35, 35)],
        down=33,
        paused=(1, 32),
    ),
)

EDITED: Final = (
    Play(
        "the payload: what is next stays, and the new generation catches up",
        {},
        [(5, 5), (20, 21), (25, 25), (30, 30), (35, 35)],
        [(10, 15, 2, "coalesced")],
        long=16,
        edit=(12, {"payload": b"new"}),
    ),
    Play(
        "the catch-up: it is that of the new generation",
        {},
        [(5, 5), (10, 21), (15, 22), (20, 23), (25, 25), (30, 30), (35, 35)],
        long=16,
        edit=(12, ALL),
    ),
    Play(
        "the overlap: the old run decides nothing of the new generation",
        {},
        [(5, 5), (20, 21), (25, 25), (30, 30), (35, 35)],
        [(10, 15, 2, "coalesced")],
        long=16,
        edit=(12, {"overlap": "buffer_one"}),
    ),
    Play(
        "the schedule: it starts afresh after now",
        {},
        [(5, 5), (22, 22), (32, 32)],
        long=16,
        edit=(12, {"schedule": Interval(600)}),
    ),
    Play(
        "the end: nothing is left",
        {},
        [(5, 5)],
        long=16,
        edit=(7, {"end": NOON + 9 * MINUTE}),
    ),
    Play(
        "to allow: the new generation starts beside the old run",
        {},
        [(5, 5), (10, 12), (15, 15), (20, 20), (25, 25), (30, 30), (35, 35)],
        long=16,
        edit=(12, {"overlap": "allow"}),
    ),
    Play(
        "to cancel other: the old run is asked to stop",
        {},
        [(5, 5), (10, 12), (15, 15), (20, 20), (25, 25), (30, 30), (35, 35)],
        long=16,
        edit=(12, {"overlap": "cancel_other"}),
        outcomes=["cancelled"] + 6 * ["succeeded"],
    ),
)


def played(stage: Stage, row: Play) -> None:
    """
    Play a row and check what happened in it.
    """

    def lasts(ctx: TaskContext) -> float:
        return 60.0 * (row.long if ctx.scheduled_at == NOON + 5 * MINUTE else 1)

    def act(ctx: TaskContext, payload: bytes) -> None:
        ctx.check_cancelled()

    executor = Lasting(lasts)
    scheduler = stage.scheduler(acts(act), executor=executor, default_timeout=3_600)
    said: dict[str, Any] = {"schedule": FIVE_MINUTES, **row.said}
    scheduler.schedule_task(request("a", **said))
    cues: list[tuple[int, Callable[[], object]]] = []
    if row.paused is not None:
        cues += [
            (row.paused[0], lambda: scheduler.pause_task("a")),
            (row.paused[1], lambda: scheduler.resume_task("a")),
        ]
    if row.edit is not None:
        edited = {**said, **row.edit[1]}
        cues.append((row.edit[0], lambda: scheduler.schedule_task(request("a", **edited))))
    for minute, cue in [*cues, (38, lambda: None)]:
        if minute >= row.down:
            stage.clock.advance(max(NOON + row.down * MINUTE - stage.now, timedelta()))
            run_until(NOON + minute * MINUTE, scheduler, executor, stage.clock)
        else:
            stage.clock.advance(NOON + minute * MINUTE - stage.now)
        cue()


def minutes_of(instant: Any) -> float:  # noqa: ANN401 - an Instant
    """
    Return how many minutes after noon an instant is.
    """
    return (datetime_of(instant) - NOON) / MINUTE


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(row, id=f"{table}: {row.name}")
        for table, rows in (
            ("overlap", OVERLAP),
            ("down", DOWN),
            ("paused", PAUSED),
            ("edited", EDITED),
        )
        for row in rows
    ],
)
def test_a_task_runs_as_the_table_says(stage: Stage, row: Play) -> None:
    """
    Each occurrence at its time, late, or left out by an event; nothing else.
    """
    played(stage, row)

    started = [(one.nominal_at, one.at) for one in stage.told(TaskRunStarted)]
    assert [(minutes_of(nominal), minutes_of(at)) for nominal, at in started] == row.starts
    skipped = [
        (minutes_of(one.first), minutes_of(one.last), one.count, one.reason)
        for one in stage.told(TaskRunSkipped)
    ]
    assert skipped == row.left_out
    outcomes = [one.outcome for one in stage.told(TaskExecuted)]
    assert outcomes == (row.outcomes or ["succeeded"] * len(outcomes))


def test_an_old_run_that_fails_after_an_edit_is_not_tried_again(stage: Stage) -> None:
    """
    Its outcome moves nothing of the new generation, which goes on with what was next.
    """

    def act(ctx: TaskContext, payload: bytes) -> None:
        if not payload:
            raise ValueError("boom")

    executor = Lasting(lambda ctx: 120)
    scheduler = stage.scheduler(acts(act), executor=executor, default_timeout=3_600)
    scheduler.schedule_task(request("a", FIVE_MINUTES))
    run_until(NOON + 6 * MINUTE, scheduler, executor, stage.clock)
    scheduler.schedule_task(request("a", FIVE_MINUTES, payload=b"new"))
    run_until(NOON + 13 * MINUTE, scheduler, executor, stage.clock)

    assert [one.outcome for one in stage.told(TaskExecuted)] == ["failed", "succeeded"]
    assert [one.run_id for one in stage.told(TaskRunStarted)] == [
        "a/1@2026-01-01T12:05:00Z",
        "a/2@2026-01-01T12:10:00Z",
    ]


@pytest.mark.parametrize("is_early", [True, False])
def test_pause_and_resume_before_the_jittered_time_keep_the_occurrence(
    stage: Stage, *, is_early: bool
) -> None:
    """
    It is due when its jitter says so; resumed at that time or later, it is not owed.
    """
    worker = acts()
    scheduler = stage.scheduler(worker)
    scheduler.schedule_task(request("a", FIVE_MINUTES, jitter=300))
    due = task(scheduler).next_run_time
    assert due is not None
    assert due > NOON + 5 * MINUTE
    stage.clock.set(NOON + 5 * MINUTE)
    scheduler.pause_task("a")
    stage.clock.set(due - timedelta(microseconds=is_early))
    scheduler.resume_task("a")
    for moment in (stage.now, due, NOON + 10 * MINUTE - timedelta(microseconds=1)):
        stage.clock.set(moment)
        scheduler.run_pending()

    assert [ctx.started_at for ctx in worker.contexts] == [due] * is_early
    assert task(scheduler).next_nominal_time == NOON + 10 * MINUTE
