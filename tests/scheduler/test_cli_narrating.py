"""
What the command line says of each event, and that it goes on when it cannot.
"""

from datetime import UTC, datetime
from typing import Any, Final

import pytest

from azoth import ANY, Instant, NewEvent, Write, instant_of, open_store
from azoth_scheduler import (
    Cron,
    Scheduler,
    SchedulerEvent,
    TaskCancelled,
    TaskDisabled,
    TaskExecuted,
    TaskPaused,
    TaskResumed,
    TaskRunAbandoned,
    TaskRunCancelRequested,
    TaskRunSkipped,
    TaskRunStarted,
    TaskScheduled,
    TaskTriggered,
)
from azoth_scheduler.cli.narrating import line_of
from azoth_scheduler.cli.watching import View, watched
from azoth_scheduler.events import registry, stream_of

NOON: Final = instant_of(datetime(2026, 1, 5, 12, tzinfo=UTC))
BASE: Final[dict[str, Any]] = {"task_id": "one", "generation": 1, "at": NOON}
RUN: Final[dict[str, Any]] = {**BASE, "run_id": "r", "execution_id": "r#2", "attempt": 2}
CLAIM: Final[dict[str, Any]] = {**RUN, "worker_id": "w/1", "fence": 2}
ENDED: Final[dict[str, Any]] = {
    **CLAIM,
    "started_at": NOON,
    "completed_at": NOON,
    "duration": 12_000,
}
SKIPPED: Final[dict[str, Any]] = {**BASE, "first": NOON, "last": NOON}
LATER: Final = Instant(NOON + 90_000_000)

SAID: Final[dict[str, SchedulerEvent]] = {
    "scheduled: cron @daily Asia/Tokyo": TaskScheduled(
        **BASE, task_type="t", schedule=Cron("@daily", tz="Asia/Tokyo"), anchor=NOON
    ),
    "attempt 2 started": TaskRunStarted(
        **RUN,
        nominal_at=NOON,
        due_at=NOON,
        max_attempts=3,
        worker_id="w/1",
        deadline_at=NOON,
        lease_until=NOON,
    ),
    "attempt 2 succeeded in 12 ms": TaskExecuted(**ENDED, outcome="succeeded"),
    "attempt 2 timed out in 12 ms": TaskExecuted(
        **ENDED, outcome="timed_out", error="timed out after 1 s", error_type="TimeoutError"
    ),
    "attempt 2 failed in 12 ms: Oops: no…; again after 1 min 30 s": TaskExecuted(
        **ENDED, outcome="failed", error="no\nmore", error_type="app.Oops", retry_at=LATER
    ),
    "attempt 2 abandoned: shutdown; due again at once": TaskRunAbandoned(
        **CLAIM, reason="shutdown", lost_count=0, lease_until=NOON, retry_at=NOON
    ),
    "attempt 2 abandoned: its worker is dead": TaskRunAbandoned(
        **CLAIM, reason="its worker is dead", lost_count=3, lease_until=NOON
    ),
    "1 time left out: an earlier run was still open": TaskRunSkipped(
        **SKIPPED, count=1, reason="overlap"
    ),
    "more than 10000 times left out: a later one runs for them all": TaskRunSkipped(
        **SKIPPED, count=10_000, exact=False, reason="coalesced"
    ),
    "triggered as r": TaskTriggered(**BASE, run_id="r"),
    "paused": TaskPaused(**BASE),
    "paused: rest": TaskPaused(**BASE, reason="rest"),
    "resumed: work": TaskResumed(**BASE, reason="work"),
    "disabled: exhausted": TaskDisabled(**BASE, reason="exhausted", execution_id="r#2"),
    "cancelled: over": TaskCancelled(**BASE, reason="over"),
    "its run was asked to stop: over": TaskRunCancelRequested(
        **BASE, reason="over", run_id="r", execution_id="r#2"
    ),
}


@pytest.mark.parametrize("said", SAID)
def test_each_event_is_a_line(said: str) -> None:
    """
    Without jargon: what happened, why, and what follows.
    """
    with open_store("memory://") as store:
        store.append(Write(stream_of("one"), [registry.encode(SAID[said])], ANY))
        (event,) = store.read().events
    line = line_of(event)

    assert line is not None
    assert (line.text, line.task_id, line.at) == (said, "one", NOON)


def test_what_cannot_be_read_is_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    """
    A damaged event and one of a newer version are passed over; the others are told.
    """
    with open_store("memory://") as store, watched(Scheduler(store), "lines"):
        for event in (
            NewEvent("TaskPaused", b"junk"),
            NewEvent("Unheard", b"{}"),
            registry.encode(TaskPaused(**BASE, reason="rest")),
        ):
            store.append(Write(stream_of("one"), [event], ANY))

    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(" one  paused: rest")


def test_what_is_in_a_log_does_not_reach_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """
    A reason may hold the codes that move a cursor, or look like markup.
    """
    paused = TaskPaused(**BASE, reason="\x1b[2J [bold]x")
    with open_store("memory://") as store, watched(Scheduler(store), "lines"):
        store.append(Write(stream_of("one"), [registry.encode(paused)], ANY))

    assert "paused: \\x1b[2J [bold]x" in capsys.readouterr().err


@pytest.mark.parametrize("view", ["lines", "status"])
def test_a_store_that_closes_ends_the_telling(view: View) -> None:
    """
    The scheduler meets the same trouble and says so; nobody hears of it twice.
    """

    def break_off() -> None:
        with open_store("memory://") as store, watched(Scheduler(store), view):
            store.close()
            raise KeyError

    with pytest.raises(KeyError):
        break_off()
