"""
Questions about the past: the rows at a place, what two places differ in, and where something began.
"""

import pickle
from datetime import timedelta
from typing import Any, Final

import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from azoth import (
    ANY,
    EventStore,
    NewEvent,
    Write,
    bisect,
    datetime_of,
    diff,
    open_store,
    state_at,
    what_if,
    why,
)
from azoth.replay import (
    ABSENT,
    BeforeFirstEvent,
    HoldsFromStart,
    NeverHolds,
    Place,
    PositionBeyondHead,
    ReplayError,
    Snapshots,
    changes_between,
    digests,
)
from azoth.testing import ManualClock
from tests.core.bank import Balances, account, deposit, noise, registry

ADA: Final = "account-ada"
BOB: Final = "account-bob"


def has(amount: int) -> Any:  # noqa: ANN401 - a predicate
    """
    Return the predicate that Ada has at least so much.
    """
    return lambda balances: balances.get(ADA, 0) >= amount


def test_the_state_at_a_place_is_that_of_a_log_which_ends_there(
    store: EventStore, clock: ManualClock
) -> None:
    """
    A position, a time, or the head.
    """
    begin = datetime_of(clock.now())
    for amount in (1, 2, 4):
        deposit(store, ADA, amount)
        clock.advance(60)

    def rows(at: Any) -> object:  # noqa: ANN401 - a position or a time
        return dict(state_at(store, Balances, at).rows)

    assert [rows(at) for at in (0, 1, 2, 3, None)] == [
        {},
        {ADA: 1},
        {ADA: 3},
        {ADA: 7},
        {ADA: 7},
    ]
    assert rows(begin + timedelta(seconds=61)) == {ADA: 3}


def test_a_place_that_is_none_is_an_error_of_its_own(store: EventStore, clock: ManualClock) -> None:
    """
    Neither the head nor an empty table is passed off as what was asked for.
    """
    early = datetime_of(clock.now()) - timedelta(seconds=1)
    with pytest.raises(BeforeFirstEvent, match="the log is empty"):
        state_at(store, Balances, early)
    deposit(store, ADA, 1)

    with pytest.raises(PositionBeyondHead, match=r"position 2 lies beyond the head .* is 1") as at:
        state_at(store, Balances, 2)
    with pytest.raises(BeforeFirstEvent, match="the first event was at 20"):
        state_at(store, Balances, early)
    with pytest.raises(ValueError, match="position"):
        state_at(store, Balances, -1)
    with pytest.raises(TypeError, match="position"):
        state_at(store, Balances, "1")  # type: ignore[arg-type] # a slip of the pen
    with pytest.raises(ValueError, match="has no time zone"):
        state_at(store, Balances, early.replace(tzinfo=None))
    assert (at.value.position, at.value.head) == (2, 1)
    assert isinstance(pickle.loads(pickle.dumps(at.value)), ReplayError)


def test_two_places_of_one_log_differ_in_rows(store: EventStore) -> None:
    """
    Each row that differs is named, with its fields before and after.
    """
    deposit(store, ADA, 5)
    deposit(store, BOB, 2)
    deposit(store, ADA, 1)

    found = diff(Place(store, 1), Place(store, 3), Balances)

    assert [(row.key, row.before, row.after) for row in found.rows] == [
        (ADA, 5, 6),
        (BOB, ABSENT, 2),
    ]
    assert found
    assert found.position is None
    assert str(found) == (
        "rows that differ between 1 and 3: 2\n"
        "row 'account-ada': value: 5 → 6\n"
        "row 'account-bob': value: nothing → 2"
    )
    assert not diff(Place(store, 2), Place(store, 2), Balances)
    assert str(diff(Place(store, 2), Place(store, 2))) == "no difference between 2 and 2"


def test_two_logs_differ_from_an_event_on(clock: ManualClock) -> None:
    """
    The first event that differs, then the rows; a log that ends has nothing there.
    """
    with (
        open_store("memory://", clock=clock) as one,
        open_store("memory://", clock=clock) as other,
    ):
        for store, amount in ((one, 2), (other, 3)):
            deposit(store, ADA, 1)
            deposit(store, ADA, amount)
        deposit(one, BOB, 9)

        assert not diff(Place(one, 1), Place(other, 1), Balances)
        found = diff(one, other, Balances)
        assert found.position == 2
        assert [event and event.data for event in found.events] == [
            b'{"amount":2}',
            b'{"amount":3}',
        ]
        assert [row.key for row in found.rows] == [ADA, BOB]
        assert "the first event that differs is at 2\n- Deposited account-ada@2" in str(found)
        shorter = diff(Place(other, 1), one)
        assert (shorter.position, shorter.events[0]) == (2, None)
        assert "\n- nothing\n+ Deposited" in str(shorter)


def test_many_rows_are_cut_short_in_words_alone(store: EventStore) -> None:
    """
    Who wants all of them has them as values.
    """
    for number in range(12):
        deposit(store, f"account-{number}", 1)

    found = diff(Place(store, 0), Place(store), Balances)

    assert len(found.rows) == 12
    assert str(found).endswith("and 2 more")


@frozen
class Inner:
    """
    Be a value in a value.
    """

    numbers: tuple[int, ...]
    words: dict[str, str]


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (1, 1, []),
        (1, 1.0, ["value: 1 → 1.0"]),
        (True, 1, ["value: True → 1"]),
        (Inner((1, 2), {}), Inner((1, 3), {}), ["numbers[1]: 2 → 3"]),
        (Inner((1,), {"a": "x"}), Inner((), {"b": "y"}), [
            "numbers[0]: 1 → nothing",
            "words.a: 'x' → nothing",
            "words.b: nothing → 'y'",
        ]),
        ({"a": [1]}, {"a": (1,)}, ["a: [1] → (1,)"]),
    ],
)  # fmt: skip
def test_changes_are_named_by_their_path(before: object, after: object, said: list[str]) -> None:
    """
    Down to the value that differs, and no further.
    """
    assert [str(change) for change in changes_between(before, after)] == said


@given(st.lists(st.integers(1, 5), min_size=1, max_size=40), st.data())
def test_bisect_finds_the_event_that_a_walk_finds(amounts: list[int], data: st.DataObject) -> None:
    """
    Whatever lies between, and wherever the snapshots are.
    """
    with open_store("memory://") as store:
        for amount in amounts:
            deposit(store, ADA, amount)
            noise(store, data.draw(st.integers(0, 2)) or 1)
        wanted = data.draw(st.integers(1, sum(amounts)))
        snapshots = Snapshots(every=data.draw(st.integers(1, 50)))

        halved = bisect(store, Balances, has(wanted), snapshots=snapshots)
        walked = bisect(store, Balances, has(wanted), linear=True)

    assert halved == walked
    assert halved.stream == ADA


def test_bisect_within_bounds(store: EventStore) -> None:
    """
    The search begins after one place and ends at another.
    """
    deposit(store, ADA, *[1] * 20)

    assert bisect(store, Balances, has(9), after=3, until=15).position == 9
    assert bisect(store, Balances, has(1)).position == 1
    assert bisect(store, Balances, has(20)).position == 20


def test_what_holds_from_the_start_or_never_is_an_error(store: EventStore) -> None:
    """
    No event made it so, and none is named.
    """
    with pytest.raises(NeverHolds, match="position 0"):
        bisect(store, Balances, has(1))
    deposit(store, ADA, 1, 1, 1)

    with pytest.raises(HoldsFromStart, match="holds already at position 0"):
        bisect(store, Balances, has(0))
    with pytest.raises(HoldsFromStart, match="position 2"):
        bisect(store, Balances, has(1), after=2)
    with pytest.raises(NeverHolds, match="search linearly"):
        bisect(store, Balances, has(4))
    with pytest.raises(NeverHolds, match="at no position up to 3"):
        bisect(store, Balances, has(4), linear=True)
    with pytest.raises(PositionBeyondHead):
        bisect(store, Balances, has(1), until=4)


def test_what_held_for_a_while_is_found_linearly(store: EventStore) -> None:
    """
    Halving looks at the end, and sees nothing.
    """
    deposit(store, ADA, 1, 1, 1)
    two_only = lambda balances: balances.get(ADA, 0) == 2  # noqa: E731 - a predicate

    assert bisect(store, Balances, two_only, linear=True).position == 2
    with pytest.raises(NeverHolds):
        bisect(store, Balances, two_only)


def test_why_tells_the_events_of_a_stream(store: EventStore) -> None:
    """
    In order, with what each changed and what it names as its cause.
    """
    noise(store, 1)
    store.append(
        Write(ADA, [NewEvent("Deposited", b'{"amount":5}', {"causation_id": "1"})], ANY),
        Write(BOB, [NewEvent("Deposited", b'{"amount":9}')], ANY),
    )
    deposit(store, ADA, 2)
    store.append(Write(ADA, [NewEvent("Audited", b"{}", {"causation_id": "99"})], ANY))

    told = why(store, ADA, account, registry)

    assert told.state == 7
    assert [step.event.position for step in told.steps] == [2, 4, 5]
    assert [[event.position for event in step.causes] for step in told.steps] == [[1], [], []]
    assert str(told) == (
        "account-ada at 5: 3 events\n"
        "2 Deposited (account-ada@1)\n"
        "  causation_id: 1\n"
        "  because of 1 Noise (noise-1@1)\n"
        "  value: 0 → 5\n"
        "4 Deposited (account-ada@2)\n"
        "  value: 5 → 7\n"
        "5 Audited (account-ada@3)\n"
        "  causation_id: 99\n"
        "  this code cannot read it, so it changed nothing"
    )
    assert why(store, ADA, account, registry, at=3).state == 5


def test_what_if_decides_and_writes_nothing(store: EventStore) -> None:
    """
    On the state of any position; what the decision refuses is refused.
    """
    deposit(store, ADA, 5)
    deposit(store, ADA, 5)

    supposed = what_if(store, ADA, -4, account, registry, at=1)

    assert (supposed.before, supposed.after, supposed.version, supposed.position) == (5, 1, 1, 1)
    assert [new.data for new in supposed.encoded] == [b'{"amount":4}']
    assert str(supposed) == (
        'account-ada at 1, version 1, would get\n  Withdrawn {"amount":4}\n  value: 5 → 1'
    )
    assert "nothing would be written" in str(what_if(store, ADA, 0, account, registry))
    with pytest.raises(ValueError, match="the balance is 5"):
        what_if(store, ADA, -6, account, registry, at=1)
    assert store.read().head == 2


def test_digests_at_prefixes_are_those_of_the_states(store: EventStore) -> None:
    """
    At every so many positions, and at the end.
    """
    deposit(store, ADA, *[1] * 7)

    found = list(digests(store, Balances, every=3))

    assert [one.position for one in found] == [3, 6, 7]
    assert [one.digest for one in found] == [
        state_at(store, Balances, position).digest() for position in (3, 6, 7)
    ]
    assert str(found[0]).startswith("3 ")
    assert [one.position for one in digests(store, Balances, 3, until=6)] == [3, 6]
    with pytest.raises(ValueError, match="every"):
        next(digests(store, Balances, 0))
    with open_store("memory://") as empty:
        assert list(digests(empty, Balances)) == []
