"""
Event handlers: once in the log for each event, whatever fails, crashes or runs twice.
"""

from collections.abc import Sequence
from threading import Event as Flag
from threading import Thread
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azoth import (
    ANY,
    EXISTS,
    Action,
    Again,
    Backoff,
    Checkpoint,
    CheckpointAhead,
    CheckpointConflict,
    DeadLetter,
    Event,
    EventHandler,
    EventProcessor,
    EventStore,
    FailFast,
    Failure,
    NewEvent,
    OutcomeUnknown,
    Pass,
    Query,
    Reaction,
    Registry,
    Retry,
    Skip,
    StoreBusy,
    StoreFull,
    UnknownEventType,
    Write,
    WrongExpectedVersion,
    event_handler,
    iterate,
    open_store,
)
from azoth.projector import SAVE_EVERY
from azoth.testing import Fault, FaultyStore, SimulatedCrash
from tests.core.bank import Deposited, deposit, noise, registry
from tests.core.reacting import Noting, Waits, echo, fail_at

ADA: Final = "account-ada"


def echoes(store: EventStore) -> list[int]:
    """
    The positions that were answered, in the order of the answers.
    """
    return [int(event.stream[5:]) for event in iterate(store, Query(category="echo"))]


def test_a_handler_sees_each_event_of_its_types_in_order(store: EventStore) -> None:
    """
    And nothing else.
    """
    deposit(store, ADA, 1)
    noise(store, 2)
    deposit(store, ADA, 2)
    handler = Noting()

    position = EventProcessor(store, [handler], name="p").catch_up()

    assert handler.seen == [1, 4]
    assert position == store.checkpoint("p") == 4


@pytest.mark.rule("E-02")
def test_a_restart_goes_on_behind_what_was_handled(store: EventStore) -> None:
    """
    The checkpoint is named and durable, and moves with what the handler wrote.
    """
    deposit(store, ADA, 1, 2)
    EventProcessor(store, [Noting(then=echo)], name="p").catch_up()
    deposit(store, ADA, 3)
    handler = Noting(then=echo)

    EventProcessor(store, [handler], name="p").catch_up()

    assert handler.seen == [5]
    assert echoes(store) == [1, 2, 5]


@pytest.mark.rule("E-02")
def test_a_restart_in_another_process_goes_on_too(url: str) -> None:
    """
    The checkpoint lies in the store, beside the events.
    """
    with open_store(url) as store:
        deposit(store, ADA, 1, 2)
        EventProcessor(store, [Noting(then=echo)], name="p").catch_up()

    with open_store(url) as store:
        processor = EventProcessor(store, [Noting(then=echo)], name="p")

        assert processor.position == 2
        processor.catch_up()
        assert echoes(store) == [1, 2]


@pytest.mark.rule("E-17")
@pytest.mark.parametrize("commit_every", [1, 3])
@pytest.mark.parametrize("fault", [Fault.CRASH_BEFORE, Fault.CRASH_AFTER])
def test_a_crash_anywhere_leaves_each_answer_once(
    store: EventStore, fault: Fault, commit_every: int
) -> None:
    """
    Answers and checkpoint are one append, so a crash has both or neither.
    """
    deposit(store, ADA, *range(1, 8))
    for crash in range(1, 8):
        faulty = FaultyStore(store, appends={crash: fault}.get)
        crashing = EventProcessor(
            faulty, [Noting(then=echo)], name=f"p{crash}", query=Query(stream=ADA),
            commit_every=commit_every,
        )  # fmt: skip
        try:
            crashing.catch_up()
        except SimulatedCrash:
            crashing.catch_up()

    assert sorted(echoes(store)) == sorted([*range(1, 8)] * 7)


@pytest.mark.rule("E-03")
def test_answers_of_an_attempt_that_fails_are_not_in_the_log(store: EventStore) -> None:
    """
    What the other handler of the event wrote is with the dead letter and the checkpoint.
    """
    deposit(store, ADA, 1)
    handlers = [Noting("fails", then=fail_at(1)), Noting("works", then=echo)]

    EventProcessor(store, handlers, name="p", on_error=DeadLetter()).catch_up()

    assert [(e.stream, e.type) for e in iterate(store, after=1)] == [
        ("echo-1", "Echoed"),
        ("$dead-p", "DeadLettered"),
    ]
    assert store.checkpoint("p") >= 1


@pytest.mark.rule("E-04")
@pytest.mark.rule("X9")
def test_a_poison_event_is_tried_so_often_and_then_passed(store: EventStore) -> None:
    """
    What stands behind it is handled.
    """
    deposit(store, ADA, 1, 2, 3)
    handler, waits = Noting(then=fail_at(2)), Waits()
    policy = Retry(Backoff(attempts=3, base=1), then=Skip())

    EventProcessor(store, [handler], name="p", on_error=policy).catch_up(waits)

    assert handler.seen == [1, 2, 2, 2, 3]
    assert waits.seconds == [1, 2]
    assert echoes(store) == [1, 3]


@pytest.mark.rule("E-20")
def test_after_the_last_attempt_there_is_a_final_state(store: EventStore) -> None:
    """
    Attempts that are used up end in a dead letter, not in limbo.
    """
    deposit(store, ADA, 1)
    policy = Retry(Backoff(attempts=10, base=1), then=DeadLetter())
    processor = EventProcessor(store, [Noting(then=fail_at(1))], name="p", on_error=policy)

    processor.catch_up(Waits())

    (letter,) = processor.dead_letters.list()
    assert letter.attempts == 10


@pytest.mark.rule("E-05")
def test_a_thousand_bad_events_are_passed_without_a_wait(store: EventStore) -> None:
    """
    The checkpoint moved, so there is progress.
    """
    deposit(store, ADA, *[1] * 1_000)
    handler, waits = Noting(then=fail_at(*range(1, 1_001))), Waits()
    processor = EventProcessor(store, [handler], name="p", on_error=Skip(), commit_every=100)

    position = processor.catch_up(waits)

    assert (position, waits.seconds) == (1_000, [])


@pytest.mark.rule("E-06")
@pytest.mark.rule("S-33")
def test_types_that_nobody_wants_are_ignored(store: EventStore) -> None:
    """
    One log may hold the scheduler's events and others' beside a processor's own.
    """
    store.append(Write("$task-x", [NewEvent("TaskScheduled", b"?")], ANY))
    last = noise(store, 3)

    assert EventProcessor(store, [Noting()], name="p").catch_up() == last


@pytest.mark.rule("E-06")
def test_a_strict_processor_stops_at_a_type_that_nobody_wants(store: EventStore) -> None:
    """
    What came before is saved; the system's own events are not meant.
    """
    store.append(Write("$task-x", [NewEvent("TaskScheduled", b"")], ANY))
    deposit(store, ADA, 1)
    noise(store, 1)
    processor = EventProcessor(store, [Noting(then=echo)], name="p", strict=True, commit_every=9)

    with pytest.raises(UnknownEventType, match="'Noise' at position 3"):
        processor.catch_up()

    assert (processor.position, echoes(store)) == (2, [2])


@pytest.mark.rule("E-07")
@pytest.mark.parametrize("policy", [5, "skip", FailFast, None.__class__])
def test_a_policy_is_looked_at_when_the_processor_is_made(
    store: EventStore,
    policy: Any,  # noqa: ANN401 - whatever
) -> None:
    """
    Not at the first failure in production.
    """
    with pytest.raises(TypeError, match="on_error is a policy"):
        EventProcessor(store, [Noting()], name="p", on_error=policy)


@pytest.mark.rule("E-08")
def test_a_policy_is_told_which_attempt_it_was(store: EventStore) -> None:
    """
    So any function can bound its retries; it sees the event, the handler and the error too.
    """
    deposit(store, ADA, 1)
    failures: list[Failure] = []

    def policy(failure: Failure) -> Action:
        failures.append(failure)
        return Again() if failure.attempt < 3 else Pass()

    EventProcessor(store, [Noting(then=fail_at(1))], name="p", on_error=policy).catch_up()

    assert [failure.attempt for failure in failures] == [1, 2, 3]
    assert {failure.handler for failure in failures} == {"noting"}
    assert [str(failure.error) for failure in failures] == ["no luck at 1"] * 3
    assert failures[0].event.position == 1


def test_a_policy_that_returns_junk_is_an_error(store: EventStore) -> None:
    """
    The message says what a policy returns.
    """
    deposit(store, ADA, 1)

    def policy(_failure: Failure) -> Any:  # noqa: ANN401 - the point
        return "retry"

    processor = EventProcessor(store, [Noting(then=fail_at(1))], name="p", on_error=policy)

    with pytest.raises(TypeError, match="returned 'retry'; return an Action"):
        processor.catch_up()


@pytest.mark.rule("E-09")
def test_a_batch_is_one_commit(store: EventStore) -> None:
    """
    With `commit_every` there are as many commits as batches.
    """
    deposit(store, ADA, *[1] * 10)
    counted = FaultyStore(store)

    EventProcessor(
        counted, [Noting(then=echo)], name="p", commit_every=4, query=Query(stream=ADA)
    ).catch_up()

    assert counted.appended == 3
    assert echoes(store) == list(range(1, 11))


@pytest.mark.rule("E-10")
def test_by_default_each_event_is_committed_alone(store: EventStore) -> None:
    """
    After a failure, nothing that succeeded runs again.
    """
    deposit(store, ADA, 1, 2, 3)
    handler = Noting(then=fail_at(3))
    processor = EventProcessor(store, [handler], name="p")

    for _ in range(2):
        with pytest.raises(RuntimeError, match="no luck at 3"):
            processor.catch_up()

    assert handler.seen == [1, 2, 3, 3]
    assert echoes(store) == [1, 2]


@pytest.mark.parametrize("commit_every", [1, 5])
def test_a_failure_that_stops_saves_what_came_before(store: EventStore, commit_every: int) -> None:
    """
    The error is the handler's own, with a note of who failed where.
    """
    deposit(store, ADA, 1, 2, 3)
    processor = EventProcessor(
        store, [Noting(then=fail_at(3))], name="p", commit_every=commit_every
    )

    with pytest.raises(RuntimeError) as raised:
        processor.catch_up()

    assert raised.value.__notes__ == [
        "handler 'noting' failed at position 3 ('Deposited'), attempt 1: RuntimeError"
    ]
    assert (processor.position, echoes(store)) == (2, [1, 2])


def test_a_handler_that_exits_has_failed(store: EventStore) -> None:
    """
    `SystemExit` is an error like any other; Ctrl-C is not.
    """
    deposit(store, ADA, 1, 2)

    def leave(event: Event) -> Reaction:
        raise SystemExit if event.position == 1 else KeyboardInterrupt

    processor = EventProcessor(store, [Noting(then=leave)], name="p", on_error=Skip())

    with pytest.raises(KeyboardInterrupt):
        processor.catch_up()

    assert processor.position == 1


def test_an_exit_that_stops_saves_what_came_before(store: EventStore) -> None:
    """
    As any failure does.
    """
    deposit(store, ADA, 1, 2)

    def leave(event: Event) -> Reaction:
        if event.position == 2:
            raise SystemExit(3)
        return echo(event)

    processor = EventProcessor(store, [Noting(then=leave)], name="p", commit_every=9)

    with pytest.raises(SystemExit):
        processor.catch_up()

    assert (processor.position, echoes(store)) == (1, [1])


JUNK: Final = {
    "a number": (lambda _: 5, "return Write values"),
    "text": (lambda _: "no", "return Write values"),
    "a list of junk": (lambda _: [None], "return Write values"),
    "a stream of the system": (
        lambda _: Write("$task-x", [NewEvent("TaskCancelled", b"{}")], ANY),
        "are the system's",
    ),
    "too many events": (
        lambda _: [Write("a", [NewEvent("E", b"")] * 10_001, ANY)],
        "the limit is 10000",
    ),
    "a stream written twice at odds": (
        lambda _: [Write("a", [NewEvent("E", b"")], 0), Write("a", [NewEvent("E", b"")], 7)],
        "written twice",
    ),
    "an event over the limit": (lambda _: echo_of(17), "the limit is 16777216"),
}


@pytest.mark.rule("S-34")
@pytest.mark.parametrize(("then", "reason"), JUNK.values(), ids=list(JUNK))
def test_junk_from_a_handler_is_its_failure(
    store: EventStore,
    then: Any,  # noqa: ANN401 - whatever
    reason: str,
) -> None:
    """
    It goes to the policy; no command of the scheduler's can be forged.
    """
    deposit(store, ADA, 1)
    processor = EventProcessor(store, [Noting(then=then)], name="p", on_error=DeadLetter())

    processor.catch_up()

    (letter,) = processor.dead_letters.list()
    assert reason in letter.errors[0].text
    assert [event.type for event in iterate(store)] == ["Deposited", "DeadLettered"]


def echo_of(mebibytes: int) -> Reaction:
    """
    An answer of a size.
    """
    return Write("a", [NewEvent("E", b"x" * (mebibytes << 20))], ANY)


@pytest.mark.rule("E-25")
def test_several_handlers_of_a_type_are_a_fan_out(store: EventStore) -> None:
    """
    Each runs once, in the order given, and all that they wrote is one append.
    """
    deposit(store, ADA, 1)
    order: list[str] = []

    def by(name: str) -> Noting:
        def then(_event: Event) -> Reaction:
            order.append(name)
            return [Write("ledger", [NewEvent(name, b"")], ANY)]

        return Noting(name, then=then)

    counted = FaultyStore(store)
    EventProcessor(counted, [by("one"), by("two")], name="p").catch_up()

    assert order == ["one", "two"]
    assert [event.type for event in iterate(store, Query(stream="ledger"))] == ["one", "two"]
    assert counted.appended <= 2


@pytest.mark.rule("E-25")
def test_one_failing_handler_does_not_run_the_other_again(store: EventStore) -> None:
    """
    The attempts are of one handler at one event.
    """
    deposit(store, ADA, 1)
    works, fails = Noting("works"), Noting("fails", then=fail_at(1))
    policy = Retry(Backoff(attempts=3), then=Skip())

    EventProcessor(store, [works, fails], name="p", on_error=policy).catch_up(Waits())

    assert (works.seen, fails.seen) == ([1], [1, 1, 1])


@pytest.mark.rule("S-53")
def test_two_handlers_of_one_name_are_refused(store: EventStore) -> None:
    """
    Their dead letters could not be told apart.
    """
    with pytest.raises(ValueError, match="two handlers have the name 'noting'"):
        EventProcessor(store, [Noting(), Noting()], name="p")


@pytest.mark.parametrize(
    ("handlers", "error", "reason"),
    [
        ([], ValueError, "at least one handler"),
        ([object()], TypeError, "is no event handler"),
        ([Noting(types="Deposited")], TypeError, "write \\('Deposited',\\)"),
    ],
)
def test_handlers_are_looked_at_when_the_processor_is_made(
    store: EventStore, handlers: Sequence[EventHandler], error: type[Exception], reason: str
) -> None:
    """
    Each message says what to change.
    """
    with pytest.raises(error, match=reason):
        EventProcessor(store, handlers, name="p")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"name": ""}, "consumer"),
        ({"name": "p" * 250}, "at most 249 bytes"),
        ({"name": "p", "commit_every": 0}, "commit_every"),
        ({"name": "p", "page_size": 0}, "page_size"),
        ({"name": "p", "query": Query(types=["T"])}, "its handlers do"),
    ],
)
def test_options_are_checked_when_the_processor_is_made(
    store: EventStore, options: dict[str, Any], reason: str
) -> None:
    """
    Before anything is read.
    """
    with pytest.raises(ValueError, match=reason):
        EventProcessor(store, [Noting()], **options)


def test_two_runners_of_one_name_fence_each_other(store: EventStore) -> None:
    """
    The slower one is told, and nothing is written twice.
    """
    deposit(store, ADA, 1, 2)
    fast = EventProcessor(store, [Noting(then=echo)], name="p")

    def overtaken(event: Event) -> Reaction:
        if event.position == 2:
            fast.catch_up()
        return echo(event)

    slow = EventProcessor(store, [Noting(then=overtaken)], name="p")

    with pytest.raises(CheckpointConflict):
        slow.catch_up()

    assert echoes(store) == [1, 2]
    slow.catch_up()
    assert echoes(store) == [1, 2]


@pytest.mark.parametrize("fault", [Fault.LOST_ANSWER, Fault.LOST_REQUEST, Fault.BUSY])
@given(faults=st.sets(st.integers(1, 12), max_size=6), commit_every=st.integers(1, 3))
def test_a_lost_answer_or_a_busy_store_changes_nothing(
    fault: Fault, faults: set[int], commit_every: int
) -> None:
    """
    The checkpoint says whether the commit happened.
    """
    with open_store("memory://") as store:
        deposit(store, ADA, *[1] * 6)
        faulty = FaultyStore(store, appends=lambda n: fault if n in faults else None)
        processor = EventProcessor(faulty, [Noting(then=echo)], name="p", commit_every=commit_every)

        processor.catch_up(Waits())

        assert echoes(store) == list(range(1, 7))


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.BUSY, StoreBusy),
        (Fault.LOST_REQUEST, OutcomeUnknown),
        (Fault.FULL, StoreFull),
    ],
)
def test_a_store_that_stays_unusable_ends_the_run_and_loses_nothing(
    store: EventStore, fault: Fault, error: type[Exception]
) -> None:
    """
    The next run handles the event again.
    """
    deposit(store, ADA, 1)
    broken = [True]
    faulty = FaultyStore(store, appends=lambda _: fault if broken else None)
    processor = EventProcessor(faulty, [Noting(then=echo)], name="p")

    with pytest.raises(error):
        processor.catch_up(Waits())
    assert echoes(store) == []

    broken.clear()
    processor.catch_up()
    assert echoes(store) == [1]


def test_a_lost_answer_that_shows_late_is_known_by_the_checkpoint(store: EventStore) -> None:
    """
    The append lands after it was asked for again: the second one conflicts with the first.
    """
    deposit(store, ADA, 1)

    class Late(FaultyStore):
        def append(self, *writes: Write, **rest: Any) -> Any:  # noqa: ANN401 - the port's
            if self.appended == 0:
                self.appended = 1
                self._late = writes, rest
                raise OutcomeUnknown(reason="the line is cut")
            late, kept = self._late
            self._late = (), {}
            if late:
                store.append(*late, **kept)
            return super().append(*writes, **rest)

    EventProcessor(Late(store), [Noting(then=echo)], name="p").catch_up()

    assert echoes(store) == [1]


@pytest.mark.rule("X6")
def test_a_write_that_lost_its_race_is_made_again_by_the_handler(store: EventStore) -> None:
    """
    It was decided on a state that is gone.
    """
    deposit(store, ADA, 1, 1)
    rival = [True, True]

    def next_in_line(event: Event) -> Reaction:
        version = len(store.read(Query(stream="line")).events)
        if rival:
            rival.pop()
            store.append(Write("line", [NewEvent("Rival", b"")], ANY))
        return Write("line", [NewEvent("Mine", b"%d" % event.position)], version)

    handler = Noting(then=next_in_line)
    EventProcessor(store, [handler], name="p", commit_every=2).catch_up()

    assert [event.data for event in iterate(store, Query(stream="line", types=["Mine"]))] == [
        b"1",
        b"2",
    ]


@pytest.mark.parametrize(
    ("policy", "saved"), [(FailFast(), 0), (Skip(), 1), (DeadLetter(), 1)], ids=repr
)
def test_a_write_that_can_never_win_goes_to_the_policy(
    store: EventStore,
    policy: Any,  # noqa: ANN401 - any policy
    saved: int,
) -> None:
    """
    After ten lost races the handler has failed.
    """
    deposit(store, ADA, 1)
    stale = Noting(then=lambda _: Write(ADA, [NewEvent("E", b"")], 0))
    other = Noting("other", then=echo)
    processor = EventProcessor(store, [stale, other], name="p", on_error=policy)

    if saved:
        processor.catch_up()
    else:
        with pytest.raises(WrongExpectedVersion):
            processor.catch_up()

    assert len(stale.seen) == 10
    assert len(echoes(store)) == saved
    assert bool(processor.dead_letters.list()) == isinstance(policy, DeadLetter)


def test_writes_of_one_batch_to_one_stream_are_joined(store: EventStore) -> None:
    """
    As long as each will find what it expects after the one before.
    """
    deposit(store, ADA, 1, 1, 1, 1)
    expectations: list[Any] = [0, ANY, EXISTS, 3]

    def append_to_line(event: Event) -> Reaction:
        expected = expectations[event.position - 1]
        return [Write("line", [NewEvent("E", b"")], expected)]

    counted = FaultyStore(store)
    EventProcessor(
        counted, [Noting(then=append_to_line)], name="p", commit_every=4, query=Query(stream=ADA)
    ).catch_up()

    assert counted.appended == 1
    assert len(store.read(Query(stream="line")).events) == 4


def test_a_write_that_does_not_fit_its_batch_begins_another(store: EventStore) -> None:
    """
    A stream that was written with ANY has no version to count on.
    """
    deposit(store, ADA, 1, 1)
    expectations: list[Any] = [ANY, 1]

    def append_to_line(event: Event) -> Reaction:
        return [Write("line", [NewEvent("E", b"")], expectations[event.position - 1])]

    counted = FaultyStore(store)
    EventProcessor(counted, [Noting(then=append_to_line)], name="p", commit_every=2).catch_up()

    assert counted.appended >= 2
    assert len(store.read(Query(stream="line")).events) == 2


def test_two_handlers_that_cannot_both_be_right_are_a_failure(store: EventStore) -> None:
    """
    The second one fails; the first one's write stands.
    """
    deposit(store, ADA, 1)
    handlers = [
        Noting(name, then=lambda _: Write("line", [NewEvent("E", b"")], 0)) for name in "ab"
    ]
    processor = EventProcessor(store, handlers, name="p", on_error=DeadLetter())

    processor.catch_up()

    assert [letter.handler for letter in processor.dead_letters.list()] == ["b"]
    assert len(store.read(Query(stream="line")).events) == 1


@pytest.mark.rule("X3")
def test_the_checkpoint_moves_past_what_does_not_match(store: EventStore) -> None:
    """
    A processor of a rare type does not look at the whole log again.
    """
    for _ in range(3):
        noise(store, SAVE_EVERY)
    counted, stop = FaultyStore(store), Flag()
    processor = EventProcessor(counted, [Noting()], name="p", page_size=SAVE_EVERY)
    runner = Thread(target=processor.run, args=(stop,))
    runner.start()

    while processor.lag() > 0:
        store.wait(3 * SAVE_EVERY, 0.01)
    stop.set()
    runner.join(5)

    assert store.checkpoint("p") == 3 * SAVE_EVERY
    assert counted.appended <= 3


@pytest.mark.rule("S-36")
def test_what_others_write_is_not_even_read(store: EventStore) -> None:
    """
    The store finds the types and the category by its index.
    """
    noise(store, 100)
    deposit(store, ADA, 1)
    deposit(store, "other-1", 1)
    handler = Noting()
    counted = FaultyStore(store)

    EventProcessor(
        counted, [handler], name="p", query=Query(category="account"), page_size=10
    ).catch_up()

    assert handler.seen == [101]
    assert counted.read_pages == 1


@pytest.mark.rule("S-32")
def test_a_handler_gets_events_of_other_programs_with_their_type(store: EventStore) -> None:
    """
    What a task emitted is an event like any other, also one without data.
    """
    store.append(Write("report-daily", [NewEvent("report_generated", b"")], ANY))
    seen: list[tuple[str, bytes]] = []
    handler = Noting(types=["report_generated"], then=lambda e: seen.append((e.type, e.data)))

    EventProcessor(store, [handler], name="p").catch_up()

    assert seen == [("report_generated", b"")]


def test_a_handler_of_all_types_gets_all_but_the_system_s_own(store: EventStore) -> None:
    """
    Else the dead letters of a handler that fails at everything would never end.
    """
    deposit(store, ADA, 1)
    noise(store, 1)
    store.append(Write("$task-x", [NewEvent("TaskScheduled", b"")], ANY))
    handler = Noting(types=(), then=fail_at(*range(1, 100)))
    processor = EventProcessor(store, [handler], name="p", on_error=DeadLetter())

    for _ in range(3):
        processor.catch_up()

    assert handler.seen == [1, 2]


def test_a_handler_may_name_a_type_of_the_system_but_not_its_own_dead_letters(
    store: EventStore,
) -> None:
    """
    A processor that handles its own dead letters would feed itself.
    """
    deposit(store, ADA, 1)
    seen: list[list[int]] = []
    for name in ("p", "q"):
        handler = Noting(types=["Deposited", "DeadLettered"], then=fail_at(*range(1, 100)))
        processor = EventProcessor(store, [handler], name=name, on_error=DeadLetter())
        processor.catch_up()
        processor.catch_up()
        seen.append(handler.seen)

    assert seen == [[1], [1, 2]]


def test_typed_handlers_get_the_decoded_event(store: EventStore) -> None:
    """
    And the event as it was read; upcasters may be registered after them.
    """
    types = Registry()
    types.event("Deposited", schema=2)(Deposited)
    seen: list[tuple[Deposited, int]] = []

    @event_handler(types, Deposited)
    def note(deposited: Deposited, event: Event) -> None:
        seen.append((deposited, event.position))

    types.upcast("Deposited", from_schema=1)(lambda data: data)
    deposit(store, ADA, 5)

    EventProcessor(store, [note], name="p").catch_up()

    assert (note.name, list(note.types)) == ("note", ["Deposited"])
    assert seen == [(Deposited(5), 1)]


def test_a_typed_handler_needs_a_class() -> None:
    """
    Without one it would want everything.
    """
    with pytest.raises(ValueError, match="name the classes"):
        event_handler(registry)


def test_an_event_that_cannot_be_decoded_goes_to_the_policy(store: EventStore) -> None:
    """
    It is a failure of the handler that wants it.
    """
    store.append(Write(ADA, [NewEvent("Deposited", b"?")], ANY))
    handler = event_handler(registry, Deposited, name="typed")(lambda *_: None)
    processor = EventProcessor(store, [handler], name="p", on_error=DeadLetter())

    processor.catch_up()

    (letter,) = processor.dead_letters.list()
    assert (letter.handler, letter.errors[0].type) == ("typed", "azoth.errors.UndecodableEvent")


@pytest.mark.rule("E-21")
def test_a_stop_ends_the_wait_for_the_next_attempt_at_once(store: EventStore) -> None:
    """
    The event is handled again at the next start; what came before is saved.
    """
    deposit(store, ADA, 1, 2)
    waits, handler = Waits(until=1), Noting(then=fail_at(2))
    processor = EventProcessor(
        store, [handler], name="p", on_error=Retry(Backoff(base=60)), commit_every=9
    )

    processor.run(waits)

    assert (waits.seconds, handler.seen) == ([60], [1, 2])
    assert (processor.position, echoes(store)) == (1, [1])


@pytest.mark.rule("E-21")
def test_a_running_processor_stops_while_it_waits(store: EventStore) -> None:
    """
    And it handles what is appended until then.
    """
    handled, stop = Flag(), Flag()
    processor = EventProcessor(store, [Noting(then=lambda _: handled.set())], name="p")
    runner = Thread(target=processor.run, args=(stop,))
    runner.start()

    deposit(store, ADA, 1)
    assert handled.wait(5)
    stop.set()
    runner.join(5)

    assert not runner.is_alive()
    assert processor.position == 1


def test_a_stop_between_two_events_is_heard(store: EventStore) -> None:
    """
    What was handled is saved.
    """
    deposit(store, ADA, 1, 2, 3)
    stop = Flag()

    def then_stop(event: Event) -> Reaction:
        stop.set()
        return echo(event)

    processor = EventProcessor(store, [Noting(then=then_stop)], name="p", commit_every=9)

    processor.catch_up(stop)

    assert (processor.position, echoes(store)) == (1, [1])


@pytest.mark.rule("X1")
def test_a_checkpoint_beyond_the_head_is_an_error(store: EventStore) -> None:
    """
    It belongs to another log.
    """
    store.append(checkpoint=Checkpoint(consumer="p", position=9, previous=0))

    with pytest.raises(CheckpointAhead):
        EventProcessor(store, [Noting()], name="p").catch_up()


@pytest.mark.rule("E-18")
def test_waits_saturate_however_many_attempts_there_are() -> None:
    """
    No number overflows into a wait of nothing.
    """
    backoff = Backoff(base=1, factor=10, cap=3600, attempts=1_000)

    waits = [backoff.delay(attempt) for attempt in (1, 2, 3, 4, 5, 33, 65, 1_000)]

    assert waits == [seconds * 1_000_000 for seconds in (1, 10, 100, 1_000, *[3_600] * 4)]


@pytest.mark.parametrize(
    "options",
    [
        {"attempts": 0},
        {"attempts": 1_001},
        {"factor": 0.5},
        {"factor": float("nan")},
        {"base": -1},
        {"base": float("inf")},
        {"cap": float("nan")},
    ],
)
def test_a_backoff_is_checked_when_it_is_made(options: dict[str, Any]) -> None:
    """
    Not at the first failure.
    """
    with pytest.raises(ValueError, match="give"):
        Backoff(**options)


def test_skipped_events_are_logged(store: EventStore, caplog: pytest.LogCaptureFixture) -> None:
    """
    With the fields that a log is searched by.
    """
    deposit(store, ADA, 1)

    EventProcessor(store, [Noting(then=fail_at(1))], name="p", on_error=Skip()).catch_up()

    (record,) = caplog.records
    assert record.name == "azoth"
    assert {
        "handler": "noting",
        "position": 1,
        "event_type": "Deposited",
        "attempt": 1,
    }.items() <= (record.__dict__.items())
    assert EventProcessor(store, [Noting()], name="p").name == "p"
