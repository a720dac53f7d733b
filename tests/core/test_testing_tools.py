"""
What is shipped for users' tests fails when it should.
"""

from typing import Any, Final

import pytest

from azoth import (
    ANY,
    Checkpoint,
    CheckpointConflict,
    EventStore,
    Instant,
    LeaseStore,
    NewEvent,
    OutcomeUnknown,
    StoreBusy,
    StoreClosed,
    StoreFailed,
    StoreFull,
    VerifiableStore,
    Write,
    WrongExpectedVersion,
)
from azoth.testing import Fault, FaultyStore, SimulatedCrash, given
from tests.core.bank import Deposited, Withdrawn, account

WRITE: Final = Write("a", [NewEvent("E", b"")], 0)


def test_a_decider_is_tested_by_sentences() -> None:
    """
    Given events, when commands, then events, a state or an error.
    """
    given(account, Deposited(5)).when(-2).then(Withdrawn(2)).then_state(3)
    given(account).when(5, -5, 0).then().then_state(0)
    given(account).when(-1).then_raises(ValueError, "the balance is 0").then_state(0)


@pytest.mark.parametrize(
    "claim",
    [
        lambda when: when(1).then(),
        lambda when: when(1).then(Deposited(2)),
        lambda when: when(1).then_state(2),
        lambda when: when(1).then_raises(ValueError),
        lambda when: when(-1).then(),
        lambda when: when(-1).then_raises(KeyError),
        lambda when: when(-1).then_raises(ValueError, "other words"),
    ],
)
def test_a_wrong_expectation_fails(claim: Any) -> None:  # noqa: ANN401 - a lambda
    """
    Each kind of sentence can be false.
    """
    with pytest.raises(AssertionError):
        claim(given(account).when)


@pytest.mark.parametrize(
    ("fault", "error", "written"),
    [
        (Fault.BUSY, StoreBusy, 0),
        (Fault.FULL, StoreFull, 0),
        (Fault.FAILED, StoreFailed, 0),
        (Fault.CONFLICT, WrongExpectedVersion, 0),
        (Fault.LOST_REQUEST, OutcomeUnknown, 0),
        (Fault.LOST_ANSWER, OutcomeUnknown, 1),
        (Fault.CRASH_BEFORE, SimulatedCrash, 0),
        (Fault.CRASH_AFTER, SimulatedCrash, 1),
    ],
)
def test_an_append_fails_as_planned(
    store: EventStore, fault: Fault, error: type[BaseException], written: int
) -> None:
    """
    At its number, and at no other.
    """
    faulty = FaultyStore(store, appends={2: fault}.get)
    faulty.append(Write("b", [NewEvent("E", b"")], 0))

    with pytest.raises(error):
        faulty.append(WRITE)

    assert store.wait(0, 0) == 1 + written
    assert faulty.append(Write("c", [NewEvent("E", b"")], 0)).last == 2 + written


@pytest.mark.parametrize(("version", "actual"), [(0, 1), (5, 0)])
def test_a_conflict_names_a_version_that_was_not_expected(
    store: EventStore, version: int, actual: int
) -> None:
    """
    Its own where that is another already, else the next one.
    """
    faulty = FaultyStore(store, appends=lambda _: Fault.CONFLICT)

    with pytest.raises(WrongExpectedVersion) as raised:
        faulty.append(Write("a", [NewEvent("E", b"")], version), Write("b", WRITE.events, ANY))

    assert [(stale.stream, stale.actual) for stale in raised.value.failures] == [("a", actual)]


def test_a_conflict_of_a_checkpoint_is_that_of_a_checkpoint(store: EventStore) -> None:
    """
    An append that expects nothing cannot have one, so such a plan is a mistake.
    """
    faulty = FaultyStore(store, appends=lambda _: Fault.CONFLICT)

    with pytest.raises(CheckpointConflict):
        faulty.append(checkpoint=Checkpoint(consumer="c", position=1, previous=0))
    with pytest.raises(AssertionError, match="expects nothing"):
        faulty.append(Write("a", WRITE.events, ANY))


def test_reads_fail_as_planned(store: EventStore) -> None:
    """
    The rest is passed on as it is.
    """
    plan = {1: Fault.BUSY, 2: Fault.CRASH_AFTER}
    with FaultyStore(store, reads=plan.get) as faulty:
        with pytest.raises(StoreBusy):
            faulty.read()
        with pytest.raises(SimulatedCrash):
            faulty.read()
        moved = Checkpoint(consumer="c", position=0, previous=0)
        faulty.append(WRITE, checkpoint=moved)

        assert len(faulty.read().events) == faulty.wait(0, 0) == 1
        assert faulty.checkpoint("c") == 0

    with pytest.raises(StoreClosed):
        store.read()


def test_what_the_other_store_can_do_beyond_the_port_is_passed_on(store: EventStore) -> None:
    """
    And what it cannot do is not pretended.
    """
    faulty = FaultyStore(store)

    assert isinstance(faulty, LeaseStore)
    assert faulty.renew("w", Instant(5))
    assert [lease.worker for lease in faulty.leases()] == ["w"]
    assert not isinstance(faulty, VerifiableStore)
    with pytest.raises(AttributeError):
        faulty._secret  # noqa: B018 - asking is the point
