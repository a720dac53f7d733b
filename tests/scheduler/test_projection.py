"""
The schedule table: memory and SQLite answer alike at every prefix of any log, however it is cut.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Final, TypeAlias

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from azoth.clocks import Instant
from azoth.events import Event
from azoth.streams import Position
from azoth_scheduler.changes import evolve as evolve_state
from azoth_scheduler.events import registry, stream_of
from azoth_scheduler.projection import (
    MemoryScheduleProjection,
    ScheduleProjection,
    SqliteScheduleProjection,
    TaskFilter,
)
from azoth_scheduler.projection.base import Served
from azoth_scheduler.projection.foreseeing import Foreseen, Known
from azoth_scheduler.task import NO_TASK, TaskState, status_of, wake_at
from tests.support.task_logs import QUEUES, TAGS, LogTeller, foreign
from tests.support.task_story import MINUTE, at

pytestmark = pytest.mark.uncovered

Make: TypeAlias = Callable[[], ScheduleProjection]

MAKERS: Final[dict[str, Make]] = {
    "memory": MemoryScheduleProjection,
    "sqlite": SqliteScheduleProjection,
}
ALL: Final = Served()
SEEDS: Final = st.integers(0, 2**32)


@pytest.fixture(params=MAKERS.values(), ids=list(MAKERS))
def projection(request: pytest.FixtureRequest) -> Iterator[ScheduleProjection]:
    """
    Each kind of schedule table, empty.
    """
    made: ScheduleProjection = request.param()
    yield made
    made.close()


def applied(make: Make, events: Sequence[Event]) -> ScheduleProjection:
    """
    Return a new table after *events*, folded in one batch.
    """
    projection = make()
    projection.apply(events, events[-1].position if events else 0)
    return projection


@pytest.mark.rule("S-11")
@settings(max_examples=15)
@given(SEEDS)
def test_both_are_the_fold_of_the_log_at_every_prefix(seed: int) -> None:
    """
    R1: the live table, of either kind, has the digest of one rebuilt from the log, at every prefix.
    """
    events = LogTeller(seed).tell(40)
    memory, sqlite = MemoryScheduleProjection(), SqliteScheduleProjection()

    for number, event in enumerate(events, 1):
        memory.apply([event], event.position)
        sqlite.apply([event], event.position)
        rebuilt = applied(MemoryScheduleProjection, events[:number])

        assert memory.digest() == sqlite.digest() == rebuilt.digest()
    assert applied(SqliteScheduleProjection, events).digest() == memory.digest()


@settings(max_examples=25)
@given(SEEDS, st.lists(st.integers(1, 30), min_size=1, max_size=20))
def test_a_log_cut_anywhere_folds_to_the_same(seed: int, sizes: list[int]) -> None:
    """
    R2: batches may end anywhere, in the middle of one append too.
    """
    events = LogTeller(seed).tell(60)
    for make in MAKERS.values():
        whole, cut = applied(make, events), make()
        start, rest = 0, iter([*sizes, len(events)])
        while start < len(events):
            size = next(rest, len(events))
            batch = events[start : start + size]
            cut.apply(batch, batch[-1].position)
            start += size

        assert cut.digest() == whole.digest()
        assert cut.position == whole.position == len(events)


@settings(max_examples=25)
@given(SEEDS, st.integers(0, 100), st.integers(0, 100))
def test_delivering_again_changes_nothing(seed: int, start: int, stop: int) -> None:
    """
    R4: events at or below the position are passed over, alone or before new ones.
    """
    events = LogTeller(seed).tell(60)
    for make in MAKERS.values():
        projection = make()
        half = len(events) // 2
        projection.apply(events[:half], half)
        before = projection.digest()

        again = events[:half][start:stop]
        projection.apply(again, again[-1].position if again else 0)
        assert projection.digest() == before
        assert projection.position == half

        projection.apply(events, len(events))
        assert projection.digest() == applied(make, events).digest()


@settings(max_examples=25)
@given(SEEDS)
def test_the_table_answers_what_the_streams_say(seed: int) -> None:
    """
    Every answer is that of a plain fold of the streams, computed here the slow way.
    """
    teller = LogTeller(seed, tasks=8)
    events = teller.tell(120)
    for make in MAKERS.values():
        projection = make()
        for start in range(0, len(events), 7):
            projection.apply(events[start : start + 7], min(start + 7, len(events)))

        for task_id, state in teller.states.items():
            assert projection.get(task_id) == state
        assert list(projection.list(TaskFilter())) == [
            teller.states[task_id] for task_id in sorted(teller.states)
        ]
        assert [one.task_id for one in projection.active()] == sorted(
            task_id for task_id, state in teller.states.items() if state.active
        )
        for served in services():
            check_due(projection, list(teller.states.values()), teller.now, served)


def services() -> list[Served]:
    """
    Return some ways to serve: all, one queue, one type, two queues, and nothing.
    """
    return [
        ALL,
        Served(queues=("slow",)),
        Served(types=("generate_report",), queues=(QUEUES[2], "default")),
        Served(types=("another",)),
        Served(types=()),
    ]


def check_due(
    projection: ScheduleProjection, states: list[TaskState], now: Instant, served: Served
) -> None:
    """
    Compare `due` and `next_wake` with a search through all tasks, now and after steps both ways.
    """
    wakes = [(wake, state) for state in states if (wake := wake_at(state)) is not None]
    mine = [(wake, state) for wake, state in wakes if serves(served, state)]
    assert projection.next_wake(served) == min((wake for wake, _ in mine), default=None)
    for moment in (now, now + 90 * MINUTE, now - 7 * MINUTE, now):
        ready = sorted(
            (state.definition.options.priority, wake, state.task_id)
            for wake, state in mine
            if wake <= moment
        )
        for limit in (0, 1, 3, 100):
            found = projection.due(Instant(moment), limit, served)
            assert [state.task_id for state in found] == [one[2] for one in ready[:limit]]
    assert projection.next_wake(served) == min((wake for wake, _ in mine), default=None)


def serves(served: Served, state: TaskState) -> bool:
    """
    Say whether *served* takes in the task.
    """
    definition = state.definition
    return (served.types is None or definition.task_type in served.types) and (
        served.queues is None or definition.options.queue in served.queues
    )


@settings(max_examples=15)
@given(SEEDS)
def test_asking_in_between_changes_no_answer(seed: int) -> None:
    """
    The due index is put right as it is asked: its answers depend on the log and the time alone.
    """
    teller = LogTeller(seed, tasks=6)
    asked, quiet = MemoryScheduleProjection(), MemoryScheduleProjection()
    for _ in range(12):
        seen = len(teller.events)
        events = teller.tell(8)[seen:]
        asked.apply(events, len(teller.events))
        for moment in (teller.now + 60 * MINUTE, teller.now - 60 * MINUTE):
            asked.due(Instant(moment), 2, ALL)
            asked.next_wake(ALL)
    quiet.apply(teller.events, len(teller.events))

    assert asked.due(teller.now, 100, ALL) == quiet.due(teller.now, 100, ALL)
    assert asked.next_wake(ALL) == quiet.next_wake(ALL)


@settings(max_examples=15)
@given(SEEDS, st.sampled_from([None, True, False]), st.sampled_from([None, "slow"]))
def test_a_filter_chooses_by_every_field_that_is_given(
    seed: int, enabled: bool | None, queue: str | None
) -> None:
    """
    Lists are filtered alike in both, in the order of the ids, from the one after *after*.
    """
    teller = LogTeller(seed, tasks=9)
    events = teller.tell(80)
    states = [teller.states[task_id] for task_id in sorted(teller.states)]
    for make in MAKERS.values():
        projection = applied(make, events)
        for status in (None, "scheduled", "cancelled", "paused"):
            for tag in (None, *TAGS[1]):
                chosen = TaskFilter(enabled=enabled, queue=queue, status=status, tag=tag)
                wanted = [state for state in states if chosen.matches(state)]

                assert list(projection.list(chosen)) == wanted
                assert list(projection.list(chosen, limit=2)) == wanted[:2]
                assert (
                    list(projection.list(chosen, limit=2, after="task-3"))
                    == [state for state in wanted if state.task_id > "task-3"][:2]
                )


@pytest.mark.rule("S-57")
def test_pages_of_tasks_are_stable_while_tasks_are_added(projection: ScheduleProjection) -> None:
    """
    Keyset pages: no task twice, none left out, whatever is added meanwhile.
    """
    teller = LogTeller(7, tasks=30)
    projection.apply(teller.tell(90), len(teller.events))
    before = [state.task_id for state in projection.list(TaskFilter())]

    seen: list[str] = []
    while page := projection.list(TaskFilter(), limit=4, after=seen[-1] if seen else ""):
        seen += [state.task_id for state in page]
        known = len(teller.events)
        projection.apply(teller.tell(5)[known:], len(teller.events))

    assert seen == sorted(set(seen))
    assert set(before) <= set(seen)


@pytest.mark.rule("S-51")
def test_the_history_of_a_task_is_paged_in_the_order_of_its_starts(
    projection: ScheduleProjection,
) -> None:
    """
    Attempts are kept for ever, ordered by the position of their start.
    """
    teller = LogTeller(3, tasks=2)
    projection.apply(teller.tell(300), len(teller.events))

    rows = projection.runs("task-1")

    positions = [row.started_position for row in rows]
    assert len(rows) > 10
    assert positions == sorted(positions)
    assert {row.task_id for row in rows} == {"task-1"}
    assert list(projection.runs("task-1", limit=3)) == list(rows[:3])
    assert list(projection.runs("task-1", limit=3, after=positions[2])) == list(rows[3:6])
    assert list(projection.runs("task-1", limit=0)) == []
    assert list(projection.runs("no such task")) == []
    assert projection.get_run(rows[4].execution_id) == rows[4]
    assert projection.get_run("no such attempt") is None


def test_a_task_that_is_not_there_has_no_state(projection: ScheduleProjection) -> None:
    """
    `NO_TASK` is the state before the first event.
    """
    assert projection.get("task-1") == NO_TASK
    assert projection.next_wake(ALL) is None
    assert list(projection.due(at(days=9), 10, ALL)) == []
    assert list(projection.list(TaskFilter())) == []
    assert list(projection.active()) == []


def test_lower_priorities_start_first(projection: ScheduleProjection) -> None:
    """
    The order is (priority, due time, id), across types and queues.
    """
    teller = LogTeller(1, tasks=200)
    projection.apply(teller.tell(800), len(teller.events))

    found = projection.due(at(days=30), 1_000, ALL)
    order = [
        (state.definition.options.priority, wake_at(state) or at(), state.task_id)
        for state in found
    ]
    assert len({priority for priority, _, _ in order}) == 3
    assert order == sorted(order)


@pytest.mark.rule("S-36")
def test_events_of_others_are_passed_over(projection: ScheduleProjection) -> None:
    """
    The position moves past them, and nothing else does.
    """
    teller = LogTeller(5)
    projection.apply(teller.tell(30), len(teller.events))
    before = projection.digest()

    projection.apply([foreign(1_000), foreign(1_001, "$task")], 2_000)

    assert projection.position == 2_000
    assert projection.digest() == before
    assert projection.unreadable() == 0


@pytest.mark.rule("S-07")
@pytest.mark.rule("S-35")
def test_an_event_that_cannot_be_read_stops_nobody(
    projection: ScheduleProjection, caplog: pytest.LogCaptureFixture
) -> None:
    """
    R5: unknown and damaged events are counted, told once for each type, and touch only their task.
    """
    teller = LogTeller(11, tasks=4)
    events = teller.tell(60)
    damaged = [
        foreign(101, stream_of("task-1"), "TaskTeleported"),
        foreign(102, stream_of("task-1"), "TaskTeleported"),
        foreign(103, stream_of("task-2"), "TaskRunStarted"),
        foreign(104, stream_of("stranger"), "TaskExecuted"),
    ]
    projection.apply(events, 100)
    projection.apply(damaged, 104)

    assert projection.unreadable() == 4
    assert projection.get("task-0") == teller.states["task-0"]
    assert projection.get("task-1").version == teller.states["task-1"].version + 2
    assert status_of(projection.get("task-1")) == status_of(teller.states["task-1"])
    assert projection.get("stranger").version == 1
    listed = [state.task_id for state in projection.list(TaskFilter())]
    assert listed == sorted(teller.states), "a stream that nobody could read is no task"
    told = [record for record in caplog.records if record.name == "azoth_scheduler"]
    assert [record.args[0] for record in told if isinstance(record.args, tuple)] == [
        "TaskTeleported",
        "TaskRunStarted",
        "TaskExecuted",
    ]


def test_an_event_in_the_stream_of_another_task_is_passed_over(
    projection: ScheduleProjection,
) -> None:
    """
    Nobody but the scheduler writes there; what names another task is not its event.
    """
    teller = LogTeller(11, tasks=2)
    projection.apply(teller.tell(20), 100)
    stray = evolve(teller.events[0], position=Position(101), stream=stream_of("elsewhere"))

    projection.apply([stray], 101)

    assert projection.unreadable() == 1
    assert not projection.get("elsewhere").exists


@settings(max_examples=25)
@given(SEEDS, st.randoms(use_true_random=False))
def test_both_take_any_log_and_agree_on_it(seed: int, random: Random) -> None:
    """
    R5: a log that nobody could have written, cut and shuffled, raises nowhere and folds alike.
    """
    events = LogTeller(seed).tell(60)
    shuffled = random.sample(events, k=len(events) * 2 // 3)
    log = [renumbered(event, position) for position, event in enumerate(shuffled, 1)]

    memory, sqlite = applied(MemoryScheduleProjection, log), SqliteScheduleProjection()
    for event in log:
        sqlite.apply([event], event.position)
        sqlite.digest()

    assert sqlite.digest() == memory.digest()


@settings(max_examples=15)
@given(SEEDS, st.randoms(use_true_random=False))
def test_what_a_writer_knows_changes_no_row(seed: int, random: Random) -> None:
    """
    A hint saves reading an event back; where it is missing, or of another event, the log decides.
    """
    events = LogTeller(seed).tell(60)
    for make in MAKERS.values():
        projection, states = make(), dict[str, TaskState]()
        for event in events:
            change = registry.decode(event)
            states[event.stream] = evolve_state(states.get(event.stream, NO_TASK), change)
            hint = Known(event.data, change, states[event.stream])
            if random.random() < 0.5:
                projection.foresee(event.stream, event.version, hint)
            elif random.random() < 0.5:
                other = Known(event.data + b" ", change, NO_TASK)
                projection.foresee(event.stream, event.version, other)
            if random.random() < 0.4:
                projection.apply(events[: event.position], event.position)
                projection.digest()
        projection.apply(events, len(events))

        assert projection.digest() == applied(make, events).digest()


def test_hints_that_nobody_takes_are_dropped() -> None:
    """
    What a writer knows is bounded: a hint is never needed.
    """
    foreseen = Foreseen()
    change = registry.decode(LogTeller(1).tell(1)[0])
    for version in range(50_000):
        foreseen.add("$task-a", version, Known(b"", change, NO_TASK))

    assert len(foreseen._known) <= 20_000


def renumbered(event: Event, position: int) -> Event:
    """
    Return *event* as if it stood at *position*.
    """
    return evolve(event, position=Position(position))


def test_closing_twice_is_fine(tmp_path: Path) -> None:
    """
    `close` is idempotent.
    """
    for projection in (MemoryScheduleProjection(), SqliteScheduleProjection(tmp_path / "table")):
        projection.close()
        projection.close()
