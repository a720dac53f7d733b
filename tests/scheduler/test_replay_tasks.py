"""
The schedule table in the past: snapshots of it, and why a task is as it is.
"""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest
from attrs import evolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from azoth import ANY, EventStore, NewEvent, Write, bisect, diff, state_at
from azoth.marks import mark_at
from azoth.replay import BeforeFirstEvent, Place, PositionBeyondHead, Snapshots, Snapshottable
from azoth.streams import Position
from azoth.testing import check_golden, record_golden
from azoth_scheduler import (
    Interval,
    MemoryScheduleProjection,
    RetryPolicy,
    ScheduleTaskRequest,
    TaskNotFound,
    what_if,
    why,
)
from azoth_scheduler.commands import PauseTask, StartRun, TriggerTask
from azoth_scheduler.events import TaskPaused, TaskRunStarted, TaskScheduled
from azoth_scheduler.projection import attempt_table
from azoth_scheduler.projection.base import Served, TaskFilter
from azoth_scheduler.task_rules import task_rules
from tests.support.replaying import stored
from tests.support.task_logs import LogTeller, foreign, logged
from tests.support.task_story import NOON, Story, at


def shown(table: MemoryScheduleProjection) -> object:
    """
    Return what a user can ask of a table.
    """
    states = table.list(TaskFilter())
    return (
        table.position,
        table.unreadable(),
        states,
        [table.runs(state.task_id) for state in states],
        table.active(),
        table.due(at(hours=3), 9, Served()),
        table.next_wake(Served()),
        table.rows,
        table.digest(),
    )


@pytest.fixture
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Let a dump of few attempts have chunks.
    """
    monkeypatch.setattr(attempt_table, "_CHUNK", 3)


@pytest.mark.rule("R2")
@pytest.mark.usefixtures("_small_chunks")
@pytest.mark.parametrize("seed", range(6))
def test_a_snapshot_of_the_table_and_its_tail_are_the_fold(seed: int) -> None:
    """
    All that can be asked is the same, in whatever order the places are asked for.
    """
    events = [*LogTeller(seed).tell(90)]
    events.append(evolve(foreign(1), position=Position(len(events) + 1), stream="$task-new"))
    snapshots = Snapshots(every=17)
    with stored(events) as store:
        head = len(events)
        for position in (head, 3, head // 2, head // 2 + 1, 17, 0, head - 1, head):
            quick = state_at(store, MemoryScheduleProjection, position, snapshots=snapshots)

            assert shown(quick) == shown(state_at(store, MemoryScheduleProjection, position))


_OF_ATTEMPTS: Final = ("TaskRunStarted", "TaskExecuted")


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.usefixtures("_small_chunks")
@given(st.integers(0, 500), st.lists(st.integers(1, 30), min_size=1, max_size=4))
def test_a_table_may_be_dumped_and_loaded_on_the_way(seed: int, steps: list[int]) -> None:
    """
    R2: digests are right also where an attempt that a chunk holds starts or ends once more.
    """
    teller = LogTeller(seed, tasks=2)
    plain, quick = MemoryScheduleProjection(), MemoryScheduleProjection()
    told = 0
    for count in steps:
        new = teller.tell(count)[told:]
        # No decision writes an outcome again; a fold takes it all the same.
        again = [event for event in teller.events if event.type in _OF_ATTEMPTS[seed % 2 :]][:2]
        told += len(new)
        for table in (plain, quick):
            for event in (*new, *again):
                table.apply(
                    (evolve(event, position=Position(table.position + 1)),), table.position + 1
                )
        assert isinstance(quick, Snapshottable)
        parts = quick.dump()
        quick = MemoryScheduleProjection()
        quick.load(parts)

        assert quick.digest() == plain.digest()
    assert shown(quick) == shown(plain)


@pytest.mark.usefixtures("_small_chunks")
def test_an_attempt_in_a_chunk_is_found() -> None:
    """
    By whoever asks for it, and by a fold that is told its outcome once more.
    """
    story = Story("often")
    told = list(story.schedule(Interval(1)))
    for second in range(1, 9):
        told += [*story.at(seconds=second).start(), *story.end()]
    log = [logged(event, "often", place, place) for place, event in enumerate(told, 1)]
    plain, quick = MemoryScheduleProjection(), MemoryScheduleProjection()
    plain.apply(log, len(log))
    first = plain.runs("often", 1)[0].execution_id

    quick.load(plain.dump())
    assert quick.get_run(first) == plain.get_run(first) is not None
    assert quick.get_run("unknown") is None

    quick = MemoryScheduleProjection()
    quick.load(plain.dump())
    again = evolve(log[2], position=Position(len(log) + 1))
    for table in (plain, quick):
        table.apply((again,), again.position)
    assert quick.digest() == plain.digest()
    assert shown(quick) == shown(plain)


def test_what_has_ended_is_written_once(tmp_path: Path) -> None:
    """
    A chunk of a thousand attempts stands in each later snapshot and is one file.
    """
    story = Story("often")
    events = list(story.schedule(Interval(1)))
    for second in range(1, 300):
        events += story.at(seconds=second).start()
        events += story.end()
    log = [logged(event, "often", place, place) for place, event in enumerate(events, 1)]
    with pytest.MonkeyPatch.context() as patch, stored(log) as store:
        patch.setattr(attempt_table, "_CHUNK", 100)
        snapshots = Snapshots(tmp_path, every=100)
        state_at(store, MemoryScheduleProjection, snapshots=snapshots)
        whole = state_at(store, MemoryScheduleProjection, snapshots=snapshots)

        assert len(list(tmp_path.glob("*/*.json"))) == 5
        # Two for each chunk, and at most five of each snapshot.
        assert len(list((tmp_path / "parts").iterdir())) <= 2 * 2 + 5 * 5
        assert len(whole.runs("often")) == 299
        assert [row.attempt for row in whole.runs("often", 2, after=4)] == [1, 1]


@pytest.fixture
def store() -> Iterator[EventStore]:
    """
    A task that failed once, succeeded at its retry, was triggered, paused, and began to run.
    """
    story = Story()
    told = [
        story.schedule(Interval(300)),
        story.at(minutes=5).start(),
        story.at(minutes=5, seconds=1).end("failed", error="boom"),
        story.at(minutes=6, seconds=1).start(),
        story.at(minutes=6, seconds=2).end(),
        story.at(minutes=7).trigger(),
        story.start(),
        story.pause(),
    ]
    events = [event for some in told for event in some]
    with stored(
        [logged(event, "report", place, place) for place, event in enumerate(events, 1)]
    ) as s:
        yield s


KINDS: Final = {
    2: ("TaskRunStarted", [1]),
    3: ("TaskExecuted", [2]),
    4: ("TaskRunStarted", [3]),
    5: ("TaskExecuted", [4]),
    6: ("TaskTriggered", []),
    7: ("TaskRunStarted", [6]),
    8: ("TaskPaused", []),
}


def test_why_names_the_events_and_what_led_to_each(store: EventStore) -> None:
    """
    A start by the schedule, an outcome, a retry, a trigger.
    """
    told = why(store, "report")

    causes = {
        step.event.position: (step.event.type, [event.position for event in step.causes])
        for step in told.steps[1:]
    }
    assert causes == KINDS
    assert told.state == state_at(store, MemoryScheduleProjection).get("report")
    assert "  because of 3 TaskExecuted ($task-report@3)" in str(told)
    assert "  paused: False → True" in str(told.steps[-1])


def test_why_tells_the_task_as_it_was(store: EventStore) -> None:
    """
    Up to a position or a time, and no further.
    """
    early = why(store, "report", 3)

    assert [step.event.position for step in early.steps] == [1, 2, 3]
    assert early.state.retry_count == 1
    assert why(store, "report", NOON + timedelta(minutes=5)).position == 2
    with pytest.raises(TaskNotFound):
        why(store, "other")
    with pytest.raises(PositionBeyondHead):
        why(store, "report", 99)
    with pytest.raises(BeforeFirstEvent):
        why(store, "report", NOON - timedelta(1))


def test_why_passes_over_what_it_cannot_read(store: EventStore) -> None:
    """
    An event of a newer program has no causes and changed nothing.
    """
    store.append(Write("$task-report", [NewEvent("TaskPraised", b"{}")], ANY))

    step = why(store, "report").steps[-1]

    assert (step.change, step.changes, step.causes) == (None, (), ())


def test_why_names_what_ended_a_task_and_what_stopped_a_run() -> None:
    """
    The disable and the resume point at the outcome, the request to stop at the start.
    """
    story = Story()
    told = [
        story.schedule(Interval(300)),
        story.at(minutes=5).start(max_attempts=1),
        story.end("failed", policy=RetryPolicy(max_attempts=1)),
        story.at(minutes=6).resume(),
        story.at(minutes=10).start(),
        story.cancel_run(story.state.runs[0].execution_id),
        story.abandon(),
    ]
    events = [event for some in told for event in some]
    log = [logged(event, "report", place, place) for place, event in enumerate(events, 1)]
    with stored(log) as store:
        told_causes = {
            step.event.type: [event.type for event in step.causes]
            for step in why(store, "report").steps
        }

    assert told_causes["TaskDisabled"] == ["TaskExecuted"]
    assert told_causes["TaskRunCancelRequested"] == ["TaskRunStarted"]
    assert told_causes["TaskRunAbandoned"] == ["TaskRunStarted"]
    assert told_causes["TaskRunStarted"] == ["TaskResumed"]


def test_what_if_decides_on_a_task_as_it_was(store: EventStore) -> None:
    """
    By command or by request, now being an argument; the log stays as it is.
    """
    head, mark = store.read().head, mark_at(store, 8)
    noon = NOON + timedelta(hours=1)

    paused = what_if(store, PauseTask(at=at(), task_id="report"), now=noon, at=5)
    again = what_if(store, PauseTask(at=at(), task_id="report"), now=noon)
    fresh = what_if(store, ScheduleTaskRequest("other", "generate_report", Interval(60)), now=noon)
    start = task_rules.parse(
        "report",
        b'{"command":"start","worker_id":"w","timeout":1000000,"max_attempts":1,"lease":null}',
        at(),
    )
    started = what_if(store, start, "report", now=noon, at=5)

    assert [type(event) for event in paused.events] == [TaskPaused]
    assert paused.events[0].at == at(hours=1)
    assert again.events == ()
    assert isinstance(fresh.events[0], TaskScheduled)
    assert isinstance(start, StartRun)
    assert isinstance(started.events[-1], TaskRunStarted)
    assert (store.read().head, mark_at(store, 8)) == (head, mark)
    with pytest.raises(TaskNotFound):
        what_if(store, TriggerTask(at=at(), task_id="other"), now=noon)
    with pytest.raises(ValueError, match="task_id is None"):
        what_if(store, start, now=noon)
    with pytest.raises(ValueError, match="task_id is 'other'"):
        what_if(store, PauseTask(at=at(), task_id="report"), "other", now=noon)


def test_the_table_is_compared_searched_and_recorded(store: EventStore, tmp_path: Path) -> None:
    """
    What works for any projection works for the schedule table.
    """
    found = diff(Place(store, 7), Place(store, 8), MemoryScheduleProjection)
    first = bisect(
        store, MemoryScheduleProjection, lambda table: table.get("report").retry_count > 0
    )
    record_golden(store, tmp_path / "golden", MemoryScheduleProjection)
    check_golden(tmp_path / "golden", MemoryScheduleProjection)

    assert "paused: False → True" in str(found)
    assert [row.key for row in found.rows] == ["task report"]
    assert first.position == 3
