"""
A command is decided on what the stream adds up to, and again when somebody else was faster.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import pytest
from attrs import evolve as changed

from azoth import (
    ANY,
    EventStore,
    Handled,
    IdempotencyConflict,
    NewEvent,
    OutcomeUnknown,
    Page,
    Position,
    Query,
    StoreBusy,
    UndecodableEvent,
    Write,
    WrongExpectedVersion,
    handle,
    iterate,
    load,
)
from azoth.testing import Fault, FaultyStore, SimulatedCrash, given
from tests.core.bank import Deposited, Money, Withdrawn, account, deposit, noise, registry

ADA: Final = "account-ada"


def test_a_stream_that_does_not_exist_has_the_initial_state(store: EventStore) -> None:
    """
    Its version is 0.
    """
    loaded = load(store, ADA, account, registry)

    assert (loaded.state, loaded.version, loaded.position) == (0, 0, 0)


def test_a_command_appends_what_is_decided(store: EventStore) -> None:
    """
    The answer says what happened, what it adds up to, and where to read it.
    """
    deposit(store, ADA, 5)

    handled = handle(store, ADA, -2, account, registry, metadata={"user": "ada"})

    assert handled == Handled(events=(Withdrawn(2),), state=3, version=2, position=Position(2))
    assert [event.metadata for event in iterate(store)] == [{}, {"user": "ada"}]


def test_a_command_that_changes_nothing_appends_nothing(store: EventStore) -> None:
    """
    Its answer says up to where that is so.
    """
    deposit(store, ADA, 5)

    handled = handle(store, ADA, 0, account, registry)

    assert handled == Handled(events=(), state=5, version=1, position=Position(1))
    assert store.wait(0, 0) == 1


def test_a_refusal_is_the_decider_s_own_error(store: EventStore) -> None:
    """
    Nothing was written.
    """
    with pytest.raises(ValueError, match="the balance is 0"):
        handle(store, ADA, -1, account, registry)

    assert store.wait(0, 0) == 0


@pytest.mark.parametrize(
    "decided",
    [None, "Deposited", b"5", Deposited(1), 7, {Deposited(1)}, {"event": Deposited(1)}],
    ids=str,
)
def test_a_decision_is_a_sequence_of_events(store: EventStore, decided: Any) -> None:  # noqa: ANN401 - what users do
    """
    What `decide` returned instead is named, and what to return; nothing was written.
    """
    careless = changed(account, decide=lambda _state, _command: decided)

    with pytest.raises(TypeError, match=r"decide returned .*; return a sequence of events"):
        handle(store, ADA, 1, careless, registry)

    given(careless).when(1).then_raises(TypeError, "return a sequence of events")
    assert store.wait(0, 0) == 0


def test_an_unknown_type_in_a_stream_is_passed_over_and_counted(store: EventStore) -> None:
    """
    A newer program may write types that this one does not know.
    """
    deposit(store, ADA, 5)
    store.append(Write(ADA, [NewEvent("Frozen", b"{}")], 1))

    loaded = load(store, ADA, account, registry)

    assert (loaded.state, loaded.version, loaded.skipped) == (5, 2, 1)


def test_an_event_that_cannot_be_decoded_is_loud(store: EventStore) -> None:
    """
    A state without it would be a wrong one.
    """
    store.append(Write(ADA, [NewEvent("Deposited", b'{"amount":"5"}')], 0))

    with pytest.raises(UndecodableEvent, match=r"at position 1 .* data\.amount"):
        load(store, ADA, account, registry)


@pytest.mark.rule("X5")
def test_a_load_of_many_pages_shows_one_moment(store: EventStore) -> None:
    """
    What is appended between two pages is not in the state, nor in the version.
    """
    deposit(store, ADA, 1, 1, 1, 1, 1)
    busy = Interrupted(store, lambda: deposit(store, ADA, 100))

    loaded = load(busy, ADA, account, registry, page_size=2)

    assert (loaded.state, loaded.version, loaded.position) == (5, 5, 5)


@pytest.mark.rule("X4")
def test_the_version_appended_at_is_that_of_the_events_decided_on(store: EventStore) -> None:
    """
    A version from another read would let a decision through that was made on an older state.
    """
    deposit(store, ADA, 5)
    raced = Interrupted(store, lambda: handle(store, ADA, -5, account, registry), once=True)

    with pytest.raises(ValueError, match="the balance is 0"):
        handle(raced, ADA, -5, account, registry)

    assert load(store, ADA, account, registry).state == 0


@pytest.mark.rule("X6")
def test_after_a_lost_race_the_command_is_decided_again(store: EventStore) -> None:
    """
    The same events would be right for a state that is gone.
    """
    decided: list[int] = []

    def overtaken(balance: int, command: int) -> Sequence[Money]:
        decided.append(balance)
        if balance < 30:
            deposit(store, ADA, 10)
        return (Deposited(command + balance),)

    handled = handle(store, ADA, 1, changed(account, decide=overtaken), registry)

    assert decided == [0, 10, 20, 30]
    assert handled.events == (Deposited(31),)


def test_the_number_of_attempts_is_bounded(store: EventStore) -> None:
    """
    The last conflict is raised.
    """
    faulty = FaultyStore(store, appends=lambda _: Fault.CONFLICT)

    with pytest.raises(WrongExpectedVersion):
        handle(faulty, ADA, 1, account, registry, attempts=3)

    assert faulty.appended == 3


def test_a_key_used_before_is_not_tried_again(store: EventStore) -> None:
    """
    It is a conflict that loading again does not cure.
    """
    handle(store, ADA, 1, account, registry, key="k")
    counted = FaultyStore(store)

    with pytest.raises(IdempotencyConflict):
        handle(counted, ADA, 2, account, registry, key="k")

    assert counted.appended == 1


@pytest.mark.parametrize("fault", [Fault.LOST_ANSWER, Fault.LOST_REQUEST])
def test_with_a_key_a_lost_answer_is_asked_for_again(store: EventStore, fault: Fault) -> None:
    """
    Whether the append had happened or not, it is in the log once.
    """
    faulty = FaultyStore(store, appends={1: fault, 2: fault}.get)

    handled = handle(faulty, ADA, 7, account, registry, key="payment-1")

    assert (handled.state, handled.version, store.wait(0, 0)) == (7, 1, 1)


def test_a_lost_answer_that_is_lost_each_time_is_raised(store: EventStore) -> None:
    """
    The caller asks again, with the key.
    """
    faulty = FaultyStore(store, appends=lambda _: Fault.LOST_REQUEST)

    with pytest.raises(OutcomeUnknown):
        handle(faulty, ADA, 7, account, registry, key="payment-1", attempts=3)

    assert faulty.appended == 3


def test_without_a_key_a_lost_answer_is_raised_at_once(store: EventStore) -> None:
    """
    Sending it again could write it twice.
    """
    faulty = FaultyStore(store, appends={1: Fault.LOST_ANSWER}.get)

    with pytest.raises(OutcomeUnknown):
        handle(faulty, ADA, 7, account, registry)

    assert (faulty.appended, store.wait(0, 0)) == (1, 1)


@pytest.mark.parametrize(
    ("fault", "written", "raised"),
    [
        (Fault.BUSY, 0, StoreBusy),
        (Fault.CRASH_BEFORE, 0, SimulatedCrash),
        (Fault.CRASH_AFTER, 1, SimulatedCrash),
    ],
)
@pytest.mark.rule("F-01")
def test_a_crash_leaves_all_of_a_decision_or_nothing(
    store: EventStore, fault: Fault, written: int, raised: type[BaseException]
) -> None:
    """
    There is no state beside the events that could be changed without them.
    """
    faulty = FaultyStore(store, appends={1: fault}.get)

    with pytest.raises(raised):
        handle(faulty, ADA, 7, account, registry)

    assert load(store, ADA, account, registry).version == written


def test_commands_of_many_threads_keep_the_rule(store: EventStore) -> None:
    """
    Of a balance of 10, ten withdrawals of 1 succeed, whoever asks.
    """
    deposit(store, ADA, 10)

    def withdraw(_: int) -> bool:
        try:
            return bool(handle(store, ADA, -1, account, registry, attempts=100).events)
        except ValueError:
            return False

    with ThreadPoolExecutor(4) as threads:
        done = list(threads.map(withdraw, range(20)))

    assert sum(done) == 10
    assert load(store, ADA, account, registry).state == 0


@pytest.mark.parametrize("attempts", [0, -1, True])
def test_attempts_are_checked_before_any_read(store: EventStore, attempts: int) -> None:
    """
    A loop of no turns would answer nothing.
    """
    with pytest.raises((TypeError, ValueError), match="attempts"):
        handle(store, ADA, 1, account, registry, attempts=attempts)


def test_a_load_reads_its_own_stream_alone(store: EventStore) -> None:
    """
    What others write costs nothing.
    """
    noise(store, 100)
    deposit(store, ADA, 5)
    counted = FaultyStore(store)

    assert load(counted, ADA, account, registry, page_size=1).state == 5
    assert counted.read_pages == 1


class Interrupted(FaultyStore):
    """
    A store where somebody writes after each page that is read, or after the first alone.
    """

    def __init__(
        self, store: EventStore, interrupt: Callable[[], object], *, once: bool = False
    ) -> None:
        super().__init__(store)
        self._interrupt: Callable[[], object] | None = interrupt
        self._once = once

    def read(self, query: Query = Query(), **bounds: Any) -> Page:  # noqa: ANN401, B008 - the port's
        page = super().read(query, **bounds)
        interrupt = self._interrupt
        if interrupt is not None:
            self._interrupt = None if self._once else interrupt
            interrupt()
        return page


def test_any_is_not_what_a_command_expects(store: EventStore) -> None:
    """
    Each decision is appended at the version that it was made on.
    """
    seen: list[Write] = []

    class Spy(FaultyStore):
        def append(self, *writes: Write, **rest: Any) -> Any:  # noqa: ANN401 - the port's
            seen.extend(writes)
            return super().append(*writes, **rest)

    handle(Spy(store), ADA, 1, account, registry)

    assert [write.expected for write in seen] == [0]
    assert ANY not in [write.expected for write in seen]
