"""
Whoever looks on at a store: told of what starts and how it ends, and never in the way.
"""

import logging
from collections.abc import Iterator

import pytest
from attrs import define, field

from azoth import (
    ANY,
    EventStore,
    LeaseStore,
    NewEvent,
    Operation,
    OperationEnd,
    StoreBusy,
    VerifiableStore,
    Write,
    WrongExpectedVersion,
    observed,
    open_store,
)
from azoth.observing import NOBODY, Observers
from azoth.testing import Fault, FaultyStore, ManualClock


@define
class Notes:
    """
    Write down what is told.
    """

    begun: list[Operation] = field(factory=list)
    over: list[tuple[Operation, OperationEnd]] = field(factory=list)

    def started(self, operation: Operation) -> None:
        self.begun.append(operation)

    def ended(self, operation: Operation, outcome: OperationEnd) -> None:
        self.over.append((operation, outcome))

    def told(self) -> list[tuple[str, str, int]]:
        """
        What ended, how, and with how much.
        """
        return [(one.kind, end.name, end.count) for one, end in self.over]


class Clumsy(Notes):
    """
    Raise at every word.
    """

    def started(self, operation: Operation) -> None:
        raise LookupError("started")

    def ended(self, operation: Operation, outcome: OperationEnd) -> None:
        raise LookupError("ended")


@pytest.fixture
def store() -> Iterator[EventStore]:
    """
    A store to look on at.
    """
    with open_store("memory://") as store:
        yield store


def write(expected: int | None = None) -> Write:
    """
    Two events for one stream.
    """
    events = [NewEvent("Said", b"one"), NewEvent("Said", b"two")]
    return Write("greeting-1", events, ANY if expected is None else expected)


def test_appends_and_reads_are_told_with_their_events(store: EventStore) -> None:
    """
    The operation that starts is the object that ends.
    """
    notes = Notes()
    log = observed(store, notes)

    log.append(write())
    page = log.read()

    assert len(page.events) == 2
    assert notes.told() == [("append", "ok", 2), ("read", "ok", 2)]
    assert [one for one, _ in notes.over] == notes.begun
    assert notes.begun[0].attributes == {"streams": 1, "events": 2}


def test_what_is_raised_is_the_outcome_and_is_raised_on(store: EventStore) -> None:
    """
    Its name, and nothing counted.
    """
    notes = Notes()
    log = observed(FaultyStore(store, appends={2: Fault.BUSY}.get), notes)

    with pytest.raises(WrongExpectedVersion):
        log.append(write(expected=7))
    with pytest.raises(StoreBusy):
        log.append(write())

    assert notes.told() == [("append", "WrongExpectedVersion", 0), ("append", "StoreBusy", 0)]


def test_a_duration_is_of_the_monotonic_clock(store: EventStore) -> None:
    """
    In microseconds.
    """
    notes, clock = Notes(), ManualClock()

    with Observers([notes], clock).around("append", {}):
        clock.advance(0.25)

    ((_, end),) = notes.over
    assert end.duration == 250_000


def test_an_observer_that_raises_is_logged_once_and_hurts_nobody(
    store: EventStore, caplog: pytest.LogCaptureFixture
) -> None:
    """
    What is done is done, and the others are told.
    """
    notes = Notes()
    log = observed(store, Clumsy(), notes)

    for _ in range(3):
        log.append(write())

    (record,) = [one for one in caplog.records if one.levelno == logging.WARNING]
    assert record.message == "observer failed"
    assert vars(record)["observer"] == "Clumsy"
    assert [name for name, *_ in notes.told()] == ["append"] * 3


def test_what_is_no_observer_is_refused(store: EventStore) -> None:
    """
    When it is given, not at the first append; a class is no object of it.
    """
    with pytest.raises(TypeError, match="is no observer; give an object that has"):
        observed(store, object())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="is no observer"):
        observed(store, Notes)  # type: ignore[arg-type]


def test_what_a_store_offers_is_offered_still() -> None:
    """
    No more than that: a capability is looked for on the object.
    """
    with open_store("memory://") as store, observed(store, Notes()) as log:
        for offer in (LeaseStore, VerifiableStore):
            assert isinstance(log, offer) == isinstance(store, offer)
        assert log.wait(0, 0) == 0
        assert log.checkpoint("nobody") == 0


def test_a_store_is_closed_with_the_one_around_it(store: EventStore) -> None:
    """
    As a user of one store expects.
    """
    log = observed(store, Notes())
    with log:
        pass

    with pytest.raises(Exception, match="closed"):
        store.read()
    with pytest.raises(AttributeError):
        _ = log._nothing  # type: ignore[attr-defined]


def test_nobody_is_told_nothing() -> None:
    """
    And says so, for those who would rather not ask.
    """
    assert not NOBODY
    assert Observers([Notes()])
