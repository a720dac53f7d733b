"""
The checkers themselves: a log that breaks one rule is found, by the checker of that rule.
"""

from collections.abc import Callable, Iterable, Sequence

import pytest
from attrs import evolve

from azoth.clocks import Instant, Microseconds, instant_of
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
    TaskResumed,
    TaskRunAbandoned,
    TaskRunSkipped,
    TaskRunStarted,
    TaskScheduled,
    TaskTriggered,
)
from azoth_scheduler.events import Options, TaskChange
from azoth_scheduler.simulation.invariants import (
    Breach,
    Checker,
    Ending,
    Entry,
    Fairness,
    Invariants,
    Liveness,
    assert_sound,
    breaches_of,
)
from tests.support.stage import NOON, Said, Stage, acts, fails, request
from tests.support.task_story import Story

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
    "an attempt is completed before it starts": (
        "C1",
        lambda log: retold(log, places(log, TaskExecuted, task_id="a")[0], completed_at=0),
    ),
    "an occurrence starts that is not due": (
        "C2",
        lambda log: retold(log, places(log, TaskScheduled, task_id="a")[0], next_run_at=None),
    ),
    "a run starts that nobody asked for": (
        "C2",
        lambda log: retold(log, places(log, TaskRunStarted)[0], triggered_run=True),
    ),
    "a run starts that is over": (
        "C2",
        lambda log: retold(log, places(log, TaskRunStarted, task_id="a")[1], attempt=2),
    ),
    "a run stands for a time that cannot be": (
        "C5",
        lambda log: retold(log, places(log, TaskRunStarted)[0], nominal_at=2**62),
    ),
    "an outcome is of another worker": (
        "C4",
        lambda log: retold(log, places(log, TaskExecuted)[0], worker_id="other/1"),
    ),
    "a run has an id of another time": (
        "C5",
        lambda log: retold(log, places(log, TaskRunStarted)[0], run_id="a/1@noon"),
    ),
    "failures are forgotten": (
        "C5",
        lambda log: retold(log, places(log, TaskRunStarted, task_id="b")[1], retry_count=0),
    ),
    "an exhausted task is not disabled": (
        "C5",
        lambda log: without(log, places(log, TaskDisabled)[0]),
    ),
    "a run is given up too early": (
        "C5",
        lambda log: retold(
            log, places(log, TaskExecuted, task_id="b")[0], retry_at=None, retry_by=None
        ),
    ),
    "a success is tried again": (
        "C5",
        lambda log: retold(log, places(log, TaskExecuted, task_id="a")[0], retry_at=2**60),
    ),
    "a retry draws a jitter that the policy has not": (
        "C6",
        lambda log: retold(log, places(log, TaskExecuted, task_id="b")[0], retry_jitter=5),
    ),
    "a skip ends off the grid": (
        "C7",
        lambda log: retold(
            log, places(log, TaskRunSkipped)[0], last=at(log, places(log, TaskRunSkipped)[0]).at + 1
        ),
    ),
    "what is next is due at a time that nobody drew": (
        "C7",
        lambda log: retold(log, places(log, TaskRunStarted, task_id="a")[0], next_run_at=2**60),
    ),
    "nothing is next, though the schedule goes on": (
        "C9",
        lambda log: retold(
            log,
            places(log, TaskRunStarted, task_id="a")[-1],
            next_nominal_at=None,
            next_run_at=None,
        ),
    ),
    "an outcome moves the schedule": (
        "C9",
        lambda log: retold(log, places(log, TaskExecuted, task_id="a")[0], next_nominal_at=2**60),
    ),
    "a schedule begins with its second occurrence": (
        "C9",
        lambda log: retold(
            log,
            places(log, TaskScheduled, task_id="a")[0],
            next_nominal_at=at(log, places(log, TaskRunStarted, task_id="a")[1]).nominal_at,
        ),
    ),
    "a run is one too many": (
        "C9",
        lambda log: retold(
            log, places(log, TaskScheduled, task_id="a")[0], options=Options(max_runs=1)
        ),
    ),
    "a generation is left out": (
        "C11",
        lambda log: retold(log, places(log, TaskScheduled)[0], generation=2),
    ),
    "an attempt is timed out early": (
        "C12",
        lambda log: retold(log, places(log, TaskExecuted)[0], outcome="timed_out"),
    ),
    "an attempt succeeds after its deadline": (
        "C12",
        lambda log: retold(log, places(log, TaskExecuted)[0], duration=2**60),
    ),
    "a disabled task starts": (
        "C13",
        lambda log: again(log, places(log, TaskRunStarted, task_id="b")[0]),
    ),
    "a paused task skips": (
        "C13",
        lambda log: again(log, places(log, TaskRunSkipped, task_id="c")[0]),
    ),
    "the events of a failure are there": (
        "C14",
        lambda log: retold(log, places(log, TaskExecuted, task_id="a")[0], outcome="discarded"),
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


def told_of(*deeds: Callable[[Story], object]) -> Log:
    """
    Return the log of a task of an interval of a minute to which some things are done.
    """
    story = Story()
    story.schedule(Interval(60))
    story.at(minutes=1)
    for deed in deeds:
        deed(story)
    return story.log()


STORIES: dict[str, tuple[str, Log, type[TaskChange], dict[str, object]]] = {
    "an outcome of an old generation moves the new one": (
        "C11",
        told_of(Story.start, lambda story: story.schedule(Interval(60), b"new"), Story.end),
        TaskExecuted,
        {"next_nominal_at": 1, "next_run_at": 1},
    ),
    "a cancelled run goes on": (
        "C10",
        told_of(Story.start, Story.cancel, Story.end),
        TaskExecuted,
        {"retry_at": 2**60},
    ),
    "a loss counts twice": (
        "C12",
        told_of(Story.start, Story.abandon),
        TaskRunAbandoned,
        {"lost_count": 2},
    ),
    "a lease is older than its claim": (
        "C12",
        told_of(Story.start, Story.abandon),
        TaskRunAbandoned,
        {"reason": "its worker is dead"},
    ),
    "what was given back is over": (
        "C12",
        told_of(Story.start, lambda story: story.abandon(given_back=True)),
        TaskRunAbandoned,
        {"retry_at": None},
    ),
    "what was given back counts as a loss": (
        "C12",
        told_of(Story.start, lambda story: story.abandon(given_back=True)),
        TaskRunAbandoned,
        {"reason": "shutdown", "lost_count": 1},
    ),
    "what fell due in a pause is owed": (
        "C9",
        told_of(Story.pause, lambda story: story.at(minutes=9).resume()),
        TaskResumed,
        {
            "next_nominal_at": instant_of(NOON) + 60_000_000,
            "next_run_at": instant_of(NOON) + 60_000_000,
        },
    ),
    "a triggered run has another number": (
        "C5",
        told_of(Story.trigger),
        TaskTriggered,
        {"run_id": "report/1!7"},
    ),
    "an occurrence had expired": (
        "C9",
        told_of(lambda story: story.at(minutes=1.5).start()),
        TaskScheduled,
        {"options": Options(expires_after=Microseconds(1))},
    ),
    "an occurrence is later than its grace": (
        "C9",
        told_of(lambda story: story.at(minutes=1.5).start()),
        TaskScheduled,
        {"options": Options(catch_up="skip", grace=Microseconds(1))},
    ),
    "an occurrence lies after the end": (
        "C7",
        told_of(Story.start),
        TaskScheduled,
        {"options": Options(end=instant_of(NOON))},
    ),
}


@pytest.mark.parametrize("name", STORIES)
def test_a_story_that_breaks_a_rule_is_found(name: str) -> None:
    """
    The same where less has happened; the story itself is sound.
    """
    invariant, log, kind, changes = STORIES[name]
    assert found(log) == set()

    assert invariant in found(retold(log, places(log, kind)[0], **changes))


def test_what_fell_due_while_a_run_was_open_is_not_run_when_it_closes() -> None:
    """
    C9: overlap has decided it by then, save where occurrences run beside each other.
    """
    story = Story()
    story.schedule(Interval(60), options=Options(overlap="allow"))
    story.at(minutes=1).start()
    story.at(minutes=2.5).end()
    story.start()
    log = story.log()

    assert found(log) == set()
    assert "C9" in found(retold(log, 0, options=Options(overlap="skip")))


def test_a_jitter_that_is_never_drawn_is_found() -> None:
    """
    C7: once it may be nothing by chance, but not twice in a row.
    """
    story = Story()
    story.schedule(Interval(60), options=Options(jitter=Microseconds(30_000_000)))
    story.at(minutes=1.5).start()
    log = story.log()
    nominal = {place: entry.told.next_nominal_at for place, entry in enumerate(log)}  # type: ignore[union-attr]

    once = retold(log, 0, next_run_at=nominal[0])
    assert found(log) == set()
    assert "C7" not in found(once)
    assert "C7" in found(retold(once, 1, next_run_at=nominal[1]))


def test_what_an_append_decides_is_judged_when_all_of_it_is_told() -> None:
    """
    Of several skips and a start the last one says what is next.
    """
    options = Options(catch_up="earliest")
    story = Story()
    story.schedule(Interval(60), options=options)
    told = story.at(minutes=5).start()
    log = story.log()

    assert [type(event) for event in told] == [TaskRunStarted, TaskRunSkipped]
    assert found(log) == set()
    assert found(log[:-1]) == {"C9"}


FOREVER = Microseconds(10**15)
WAITING: list[Callable[[], Checker]] = [
    lambda: Fairness(since=Instant(0), slots=2, timeout=FOREVER, poll=FOREVER),
    lambda: Liveness(since=Instant(0), bound=FOREVER),
    lambda: Ending(since=Instant(0), bound=FOREVER),
]


def test_every_invariant_has_a_checker_and_a_log_that_breaks_it() -> None:
    """
    S1, C1 to C15, L1 and L2; those of waiting have tests of their own.
    """
    waiting = {make().invariant for make in WAITING}
    ids = {"S1", *(f"C{number}" for number in range(1, 15))}
    broken = {invariant for invariant, _ in BROKEN.values()}

    assert Invariants(checkers=[make() for make in WAITING]).checked == ids | waiting
    assert waiting == {"C15", "L1", "L2"}
    assert broken == ids


class Second(Checker):
    """
    Be a checker of a user's own, which cannot stand the second event of a kind.
    """

    invariant = "mine"
    kinds = (TaskRunStarted,)

    def __init__(self, *, raises: bool) -> None:
        self._raises = raises
        self._seen = 0

    def see(self, entry: Entry) -> Iterable[str]:
        self._seen += 1
        if self._seen == 2 and self._raises:
            raise ZeroDivisionError("by me")
        return [f"{self._seen}"] * (self._seen == 2)


@pytest.mark.parametrize(
    ("raises", "what"), [(False, "2"), (True, "its checker raised ZeroDivisionError: by me")]
)
def test_a_checker_of_ones_own_is_asked_beside_the_others(
    sound: Log, raises: bool, what: str
) -> None:
    """
    One that raises is itself the breach, with its position; the others go on.
    """
    second = places(sound, TaskRunStarted)[1]
    invariants = Invariants(checkers=[Second(raises=raises)])
    for entry in retold(sound, places(sound, TaskExecuted)[-1], fence=99):
        invariants.see(entry.event, entry.told)
    invariants.end()

    assert invariants.breaches[0] == Breach("mine", sound[second].position, what)
    assert {breach.invariant for breach in invariants.breaches[1:]} == {"C4"}


def test_a_store_or_its_events_are_taken_as_they_are(sound: Log) -> None:
    """
    What is not decoded is decoded, and a failure shows the breaches.
    """
    assert_sound(entry.event for entry in sound)
    with open_store("memory://") as store:
        assert_sound(store)
    with pytest.raises(AssertionError, match="S1 at 2: stands at place 1"):
        assert_sound(sound[1:])
