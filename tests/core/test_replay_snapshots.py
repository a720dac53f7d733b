"""
Snapshots save time and never change an answer.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azoth import Event, EventStore, MemoryProjection, open_store, replay, state_at
from azoth.replay import Snapshots, Snapshottable
from azoth.testing import FaultyStore, ManualClock
from tests.core.bank import Balances, deposit

ADA: Final = "account-ada"


class Counting(Balances):
    """
    Count what is folded.
    """

    folded = 0

    def fold(self, event: Event) -> None:
        Counting.folded += 1
        super().fold(event)


def folded(store: EventStore, at: int, snapshots: Snapshots) -> int:
    """
    Return how many events the state at a position takes.
    """
    before = Counting.folded
    state_at(store, Counting, at, snapshots=snapshots)
    return Counting.folded - before


@pytest.mark.rule("R2")
@given(
    st.lists(
        st.tuples(st.sampled_from(["account-a", "account-b"]), st.integers(1, 9)), max_size=30
    ),
    st.integers(1, 12),
    st.lists(st.integers(0, 30), max_size=6),
)
def test_a_snapshot_and_its_tail_are_the_fold(
    log: list[tuple[str, int]], every: int, asked: list[int]
) -> None:
    """
    At every position, in whatever order the positions are asked for.
    """
    snapshots = Snapshots(every=every)
    with open_store("memory://") as store:
        for stream, amount in log:
            deposit(store, stream, amount)

        for position in (min(position, len(log)) for position in asked):
            quick = state_at(store, Balances, position, snapshots=snapshots)

            plain = state_at(store, Balances, position)
            assert (quick.position, quick.rows) == (plain.position, plain.rows)
            assert quick.digest() == plain.digest()


def test_a_replay_begins_at_the_nearest_snapshot(store: EventStore, tmp_path: Path) -> None:
    """
    Back and forth costs the events since it, in another process too.
    """
    deposit(store, ADA, *[1] * 25)
    snapshots = Snapshots(tmp_path / "snapshots", every=10)

    assert folded(store, 25, snapshots) == 25
    assert folded(store, 12, snapshots) == 2
    assert folded(store, 20, Snapshots(tmp_path / "snapshots", every=10)) == 0
    assert folded(store, 9, snapshots) == 9
    assert snapshots.every == 10


def test_a_replay_of_ones_own_keeps_snapshots_as_well(store: EventStore) -> None:
    """
    One pass is enough.
    """
    deposit(store, ADA, *[1] * 25)
    snapshots = Snapshots(every=10)

    replay(store, Counting(), snapshots=snapshots)

    assert folded(store, 24, snapshots) == 4


def test_another_log_is_answered_from_its_own_events(clock: ManualClock) -> None:
    """
    A log with another event at the position, or one that ends before it.
    """
    snapshots = Snapshots(every=2)
    amounts = ([1, 1, 1, 1, 1], [1, 1, 1, 2, 2], [1])
    for log in amounts:
        with open_store("memory://", clock=clock) as store:
            deposit(store, ADA, *log)

            assert state_at(store, Balances, snapshots=snapshots).rows == {ADA: sum(log)}


def test_other_code_is_answered_from_the_first_event(store: EventStore) -> None:
    """
    Another name, another version, another class.
    """
    deposit(store, ADA, *[1] * 5)
    snapshots = Snapshots(every=2)
    state_at(store, Counting, snapshots=snapshots)

    class Renamed(Counting):
        name = "renamed"

    class Raised(Counting):
        version = 2

    class Same(Counting):
        pass

    for kind in (Renamed, Raised, Same):
        before = Counting.folded
        state_at(store, kind, snapshots=snapshots)
        assert Counting.folded - before == 5


@pytest.mark.parametrize("what", ["parts/*", "*/4-*.json"])
@pytest.mark.parametrize("how", ["cut", "changed", "gone"])
def test_a_damaged_snapshot_is_passed_over(
    store: EventStore, tmp_path: Path, what: str, how: str
) -> None:
    """
    The answer comes from an earlier one, or from the log.
    """
    deposit(store, ADA, *[1] * 5)
    snapshots = Snapshots(tmp_path, every=2)
    state_at(store, Balances, snapshots=snapshots)
    files = list(tmp_path.glob(what))
    assert files
    for file in files:
        if how == "gone":
            file.unlink()
        else:
            file.write_bytes(b"" if how == "cut" else b"x" + file.read_bytes()[1:])

    assert state_at(store, Balances, snapshots=snapshots).rows == {ADA: 5}
    assert state_at(store, Balances, 4, snapshots=snapshots).rows == {ADA: 4}


def test_a_damaged_snapshot_is_made_again(store: EventStore, tmp_path: Path) -> None:
    """
    The next replay that comes by writes it.
    """
    deposit(store, ADA, *[1] * 5)
    snapshots = Snapshots(tmp_path, every=2)
    assert folded(store, 5, snapshots) == 5
    for file in tmp_path.glob("parts/*"):
        file.write_bytes(b"damaged")

    assert folded(store, 5, snapshots) == 5
    assert folded(store, 5, snapshots) == 1


def test_a_folder_that_cannot_be_written_costs_time_alone(
    store: EventStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """
    It is said in the log, and the answer is there.
    """
    deposit(store, ADA, *[1] * 5)
    (tmp_path / "file").write_bytes(b"")

    found = state_at(store, Balances, snapshots=Snapshots(tmp_path / "file", every=2))

    assert found.rows == {ADA: 5}
    assert "no snapshot of 'balances' is kept" in caplog.text


def test_what_cannot_be_kept_is_folded(store: EventStore) -> None:
    """
    Rows of a type that is not said, attributes beside the rows, rows that come back otherwise.
    """

    class Untyped(MemoryProjection):  # type: ignore[type-arg] # that is the point
        name = "untyped"

        def fold(self, event: Event) -> None:
            self.put(event.stream, self.get(event.stream, 0) + 1)

    class Beside(MemoryProjection[int]):
        name = "beside"

        def __init__(self) -> None:
            super().__init__()
            self.seen = 0

        def fold(self, event: Event) -> None:
            self.seen += 1
            self.put(event.stream, self.seen)

    class Loose(MemoryProjection[float]):
        name = "loose"

        def fold(self, event: Event) -> None:
            self.put(event.stream, int(self.get(event.stream, 0)) + 1)

    deposit(store, ADA, *[1] * 5)
    kinds: Sequence[Any] = (Untyped, Beside, Loose)
    for kind in kinds:
        snapshots = Snapshots(every=2)
        state_at(store, kind, snapshots=snapshots)

        assert state_at(store, kind, snapshots=snapshots).digest() == replay(store, kind()).digest()
        assert isinstance(kind(), Snapshottable)


def test_a_projection_without_dump_is_folded(store: EventStore) -> None:
    """
    Snapshots are an offer, not a duty.
    """

    class Plain:
        name, version, query = "plain", 1, Balances.query

        def __init__(self) -> None:
            self.position, self.count = 0, 0

        def apply(self, events: Sequence[Event], position: int) -> None:
            self.count, self.position = self.count + len(events), position

    deposit(store, ADA, *[1] * 5)
    snapshots = Snapshots(every=2)

    assert [state_at(store, Plain, 4, snapshots=snapshots).count for _ in range(2)] == [4, 4]


def test_a_store_that_fails_is_no_mismatch(store: EventStore) -> None:
    """
    Only what a snapshot lacks is passed over; an error of the log is one.
    """
    deposit(store, ADA, *[1] * 5)
    snapshots = Snapshots(every=2)
    state_at(store, Balances, snapshots=snapshots)
    store.close()

    with pytest.raises(Exception, match="closed"):
        state_at(FaultyStore(store), Balances, snapshots=snapshots)


def test_parts_are_stored_once(store: EventStore, tmp_path: Path) -> None:
    """
    A part that is the same in two snapshots is one file.
    """

    class InParts(Balances):
        def dump(self) -> Sequence[bytes]:
            return (b"the same", *super().dump())

        def load(self, parts: Sequence[bytes]) -> None:
            super().load(parts[1:])

    deposit(store, ADA, *[1] * 7)
    state_at(store, InParts, snapshots=Snapshots(tmp_path, every=2))

    assert len(list(tmp_path.glob("*/*.json"))) == 3
    assert len(list((tmp_path / "parts").iterdir())) == 4
