"""
Projections: rows and position together, the same rows however the log was cut, rebuilt at any time.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from threading import Event as Flag
from threading import Thread
from typing import Any, Final

import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from azoth import (
    ANY,
    CheckpointAhead,
    Digest,
    DurableProjection,
    Event,
    EventStore,
    Mark,
    MemoryProjection,
    NewEvent,
    Projection,
    Projector,
    StoreDiverged,
    Write,
    datetime_of,
    digest,
    open_store,
    position_at,
    replay,
)
from azoth.marks import START, check_mark, mark_at, mark_of
from azoth.projections import bytes_of_row
from azoth.projector import SAVE_EVERY
from azoth.testing import FaultyStore, ManualClock
from tests.core.bank import Balances, deposit, noise

pytestmark = pytest.mark.uncovered

ADA: Final = "account-ada"
BOB: Final = "account-bob"

amounts: Final = st.lists(
    st.tuples(st.sampled_from([ADA, BOB, "noise-1"]), st.integers(1, 9)), max_size=20
)


class Disk:
    """
    What a durable projection saved: it outlives the object.
    """

    def __init__(self) -> None:
        self.rows: dict[str, int] = {}
        self.mark = START


class DurableBalances(Balances):
    """
    Balances that are saved outside the store, with a mark.
    """

    def __init__(self, disk: Disk) -> None:
        super().__init__()
        self._disk = disk
        for key, row in disk.rows.items():
            self._write(key, row, bytes_of_row(key, row))
        self.position = disk.mark.position

    @property
    def mark(self) -> Mark:
        return self._disk.mark

    def save(self, events: Sequence[Event], mark: Mark) -> None:
        self.apply(events, mark.position)
        self._disk.rows, self._disk.mark = dict(self._rows), mark


@pytest.mark.rule("E-01")
def test_a_projection_shows_what_the_log_adds_up_to(store: EventStore) -> None:
    """
    What matches its query is folded, the rest passed over, and the position is the head.
    """
    deposit(store, ADA, 5)
    noise(store, 3)
    deposit(store, BOB, 2)
    projector = Projector(store, Balances())

    position = projector.catch_up()

    assert projector.projection.rows == {ADA: 5, BOB: 2}
    assert (position, projector.position, projector.projection.position) == (5, 5, 5)
    assert projector.lag() == 0


@pytest.mark.rule("R1")
@given(amounts, st.integers(1, 4), st.integers(1, 4))
def test_however_the_log_was_cut_the_rows_are_the_same(
    history: list[tuple[str, int]], page_size: int, every: int
) -> None:
    """
    A live projection equals the fold of the log at every prefix.
    """
    with open_store("memory://") as store:
        live = Projector(store, Balances(), page_size=page_size)
        for count, (stream, amount) in enumerate(history, 1):
            deposit(store, stream, amount)
            if count % every == 0:
                live.catch_up()

                rebuilt = replay(store, Balances(), until=live.position)

                assert live.projection.rows == rebuilt.rows
                assert digest(live.projection) == digest(rebuilt)


@pytest.mark.rule("R4")
@given(amounts, st.integers(0, 20))
def test_a_projection_that_stops_anywhere_goes_on_from_there(
    history: list[tuple[str, int]], stop: int
) -> None:
    """
    Rows and mark were saved together, so nothing is folded twice and nothing is missed.
    """
    disk = Disk()
    with open_store("memory://") as store:
        for stream, amount in history:
            deposit(store, stream, amount)
        Projector(store, DurableBalances(disk), page_size=2).catch_up(until=stop)

        Projector(store, DurableBalances(disk), page_size=3).catch_up()

        assert disk.rows == replay(store, Balances()).rows


def test_a_batch_that_fails_changes_nothing(store: EventStore) -> None:
    """
    Neither rows nor position, so the next attempt begins where this one did.
    """

    class Picky(Balances):
        def fold(self, event: Event) -> None:
            super().fold(event)
            if b"13" in event.data:
                raise RuntimeError("thirteen")

    deposit(store, ADA, 5, 13)
    projection = Picky()

    with pytest.raises(RuntimeError, match="thirteen"):
        Projector(store, projection).catch_up()

    assert (projection.rows, projection.position, projection.digest()) == (
        {},
        0,
        Balances().digest(),
    )


def test_a_row_that_cannot_be_hashed_changes_nothing(store: EventStore) -> None:
    """
    Half a batch would be worse than none.
    """

    class Odd(MemoryProjection[object]):
        def fold(self, event: Event) -> None:
            self.put(event.stream, event.position)
            self.put("odd", object())

    deposit(store, ADA, 5)
    projection = Odd()

    with pytest.raises(TypeError):
        Projector(store, projection).catch_up()

    assert (projection.rows, projection.position) == ({}, 0)


@pytest.mark.rule("R5")
def test_events_that_cannot_be_read_are_passed_over(store: EventStore) -> None:
    """
    A projection is total; one bad event does not stop the ones behind it.
    """
    deposit(store, ADA, 5)
    store.append(Write(ADA, [NewEvent("Deposited", b"\xff"), NewEvent("Gone", b"")], ANY))
    deposit(store, ADA, 2)

    assert replay(store, Balances()).rows == {ADA: 7}


def test_rows_may_be_dropped_and_are_values(store: EventStore) -> None:
    """
    The digest follows the rows, in whatever order they came.
    """

    @frozen
    class Row:
        size: int
        names: frozenset[str] = frozenset()

    class Sizes(MemoryProjection[Row]):
        name = "sizes"

        def fold(self, event: Event) -> None:
            if event.type == "Dropped":
                self.drop(event.stream)
                self.drop("was never there")
            else:
                before = self.get(event.stream, Row(0))
                self.put(event.stream, Row(before.size + 1, frozenset({"b", "a"})))

    def filled(*history: tuple[str, str]) -> Sizes:
        with open_store("memory://") as other:
            for stream, type in history:
                other.append(Write(stream, [NewEvent(type, b"")], ANY))
            return replay(other, Sizes())

    assert filled(("a", "T"), ("b", "T"), ("a", "Dropped")).digest() == filled(("b", "T")).digest()
    assert filled(("a", "T"), ("b", "T")).digest() == filled(("b", "T"), ("a", "T")).digest()
    assert filled(("a", "T")).digest() != filled(("a", "T"), ("a", "T")).digest()
    assert filled().digest() == Digest().hexdigest()


def test_the_digest_of_known_rows_is_known() -> None:
    """
    It depends on no hash seed, no Python version and no JSON library.
    """
    with open_store("memory://", clock=ManualClock()) as store:
        deposit(store, ADA, 5)
        deposit(store, BOB, 2)

        assert replay(store, Balances()).digest() == "649d32732261defb4f7e458577347167"


@pytest.mark.rule("R3")
@pytest.mark.rule("R6")
def test_the_log_decides_the_rows_and_nothing_else(url: str) -> None:
    """
    Neither the store, nor the hash seed, nor the time zone, nor the locale.
    """
    program = (
        "import sys; from azoth import open_store, replay; "
        "from tests.core.bank import Balances, deposit; store = open_store(sys.argv[1]); "
        "[deposit(store, f'account-{n % 3}', n) for n in range(9)]; "
        "print(replay(store, Balances()).digest())"
    )
    worlds = [
        ("memory://", {"PYTHONHASHSEED": "1", "TZ": "Asia/Tokyo", "LC_ALL": "C"}),
        (url, {"PYTHONHASHSEED": "2", "TZ": "America/Lima", "LC_ALL": "C.UTF-8"}),
    ]

    digests = [
        subprocess.run(
            [sys.executable, "-c", program, where],
            env=os.environ | world | {"PYTHONPATH": str(Path(__file__).parents[2])},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for where, world in worlds
    ]

    assert digests[0] == digests[1] != ""


def test_a_projection_without_a_fold_says_so(store: EventStore) -> None:
    """
    The name of the class is in the message.
    """
    deposit(store, ADA, 5)

    with pytest.raises(NotImplementedError, match="MemoryProjection has no fold"):
        replay(store, MemoryProjection[int]())


def test_the_ports_are_what_the_base_classes_offer() -> None:
    """
    A projection in memory has a position; a durable one has a mark too.
    """
    assert isinstance(Balances(), Projection)
    assert not isinstance(Balances(), DurableProjection)
    assert isinstance(DurableBalances(Disk()), DurableProjection)


@pytest.mark.rule("X3")
def test_what_does_not_match_is_saved_now_and_then(store: EventStore) -> None:
    """
    A projection of a rare stream does not look at the whole log again, nor write at each event.
    """
    saves: list[int] = []

    class Counting(DurableBalances):
        def save(self, events: Sequence[Event], mark: Mark) -> None:
            saves.append(mark.position)
            super().save(events, mark)

    disk, stop = Disk(), StopAfter(30)
    noise(store, SAVE_EVERY - 1)
    projector = Projector(store, Counting(disk), page_size=100)
    stop.on_wait = lambda: noise(store, 100)

    projector.run(stop)

    assert projector.position >= SAVE_EVERY + 99
    assert saves == list(range(1099, projector.position + 1, 1000))
    assert disk.mark == mark_at(store, saves[-1])


@pytest.mark.rule("X1")
@pytest.mark.parametrize("matching", [True, False])
def test_a_log_that_became_another_one_is_noticed(clock: ManualClock, matching: bool) -> None:
    """
    Positions that were given to other events since are not passed over in silence.
    """
    disk = Disk()
    with open_store("memory://", clock=clock) as store:
        deposit(store, ADA, 5)
        if not matching:
            noise(store, 1)
        Projector(store, DurableBalances(disk)).catch_up()

    with open_store("memory://", clock=clock) as other:
        deposit(other, ADA, 6, 7)

        with pytest.raises(StoreDiverged) as raised:
            Projector(other, DurableBalances(disk)).catch_up()

    assert raised.value.position == disk.mark.position
    assert disk.rows == {ADA: 5}


@pytest.mark.rule("X1")
def test_a_log_that_lost_its_tail_is_noticed(clock: ManualClock) -> None:
    """
    The consumer, its position and the head are named.
    """
    disk = Disk()
    with open_store("memory://", clock=clock) as store:
        deposit(store, ADA, 5, 6)
        projector = Projector(store, DurableBalances(disk))
        projector.catch_up()

    with open_store("memory://", clock=clock) as other:
        deposit(other, ADA, 5)

        with pytest.raises(CheckpointAhead) as raised:
            Projector(other, DurableBalances(disk)).catch_up()

    error = raised.value
    assert (error.consumer, error.position, error.head) == ("balances", 2, 1)


def test_a_position_beyond_the_head_is_noticed_without_a_mark(store: EventStore) -> None:
    """
    A position alone shows less, but this it shows.
    """
    ahead = Balances()
    ahead.position = 9

    with pytest.raises(CheckpointAhead):
        Projector(store, ahead).catch_up()


def test_marks_compare_the_event_as_a_whole(store: EventStore) -> None:
    """
    The same position with another stream, type, time or byte is another event.
    """
    deposit(store, ADA, 5, 5)
    (first, second) = store.read().events

    assert mark_at(store, 1) == mark_of(first) != mark_of(second)
    assert mark_at(store, 0) == START
    check_mark(store, "c", START)
    check_mark(store, "c", mark_of(second))
    with pytest.raises(StoreDiverged):
        check_mark(store, "c", Mark(position=1, crc=mark_of(second).crc))


def test_a_log_goes_on_from_where_its_mark_is(store: EventStore) -> None:
    """
    Nothing is raised where nothing changed.
    """
    disk = Disk()
    deposit(store, ADA, 5)
    Projector(store, DurableBalances(disk)).catch_up()
    deposit(store, ADA, 6)

    Projector(store, DurableBalances(disk)).catch_up()

    assert (disk.rows, disk.mark.position) == ({ADA: 11}, 2)


@pytest.mark.rule("R7")
@given(amounts, amounts)
def test_rows_rebuilt_while_appends_go_on_equal_the_live_ones(
    before: list[tuple[str, int]], during: list[tuple[str, int]]
) -> None:
    """
    The switch happens at one position, and the live rows answer until then.
    """
    with open_store("memory://") as store:
        for stream, amount in before:
            deposit(store, stream, amount)
        live = Projector(store, Balances(), page_size=2)
        live.catch_up()
        writes = [lambda s=s, a=a: (deposit(store, s, a), live.catch_up()) for s, a in during]

        class Fresh(Balances):
            version = 2

            def apply(self, events: Sequence[Event], position: int) -> None:
                assert live.projection is not self
                super().apply(events, position)
                if writes:
                    writes.pop()()

        fresh = Fresh()
        old = live.projection

        assert live.rebuild(fresh)
        assert live.projection is fresh
        assert live.position >= old.position
        assert fresh.digest() == replay(store, Balances(), until=fresh.position).digest()


def test_a_rebuild_that_was_stopped_goes_on(store: EventStore) -> None:
    """
    The live projection stays until the new one has caught up.
    """
    deposit(store, ADA, *[1] * 10)
    live = Projector(store, Balances(), page_size=2)
    live.catch_up()
    fresh, old = Balances(), live.projection

    assert not live.rebuild(fresh, StopAfter(2))
    assert (fresh.position, live.projection) == (4, old)
    assert live.rebuild(fresh)
    assert live.projection is fresh


def test_a_rebuild_needs_another_object_of_the_name(store: EventStore) -> None:
    """
    Anything else is a slip of the pen.
    """

    class Others(Balances):
        name = "others"

    live = Projector(store, Balances())

    for wrong in (live.projection, Others()):
        with pytest.raises(ValueError, match="'balances'"):
            live.rebuild(wrong)


@pytest.mark.rule("X10")
def test_effects_are_off_until_the_projection_has_caught_up(store: EventStore) -> None:
    """
    Neither a restart nor a rebuild sends yesterday's mail again.
    """
    mails: list[int] = []

    def send(events: Sequence[Event]) -> None:
        mails.extend(event.position for event in events)

    deposit(store, ADA, 1, 1, 1)
    projector = Projector(store, Balances(), page_size=1, effect=send)
    projector.catch_up(until=2)
    projector.catch_up()
    assert mails == []

    deposit(store, ADA, 1)
    projector.catch_up()
    assert mails == [4]

    projector.rebuild(Balances())
    assert mails == [4]

    deposit(store, ADA, 1)
    projector.catch_up()
    assert mails == [4, 5]


@pytest.mark.rule("X10")
def test_the_effects_of_what_came_during_a_rebuild_are_not_lost(store: EventStore) -> None:
    """
    The new one has seen it first, the live one sends it, each once.
    """
    mails: list[int] = []

    def send(events: Sequence[Event]) -> None:
        mails.extend(event.position for event in events)

    deposit(store, ADA, 1, 1)
    projector = Projector(store, Balances(), effect=send)
    projector.catch_up()
    deposit(store, ADA, 1, 1)

    assert projector.rebuild(Balances())
    assert mails == [3, 4]

    deposit(store, ADA, 1)
    projector.catch_up()
    assert mails == [3, 4, 5]


def test_a_running_projector_folds_what_is_appended(store: EventStore) -> None:
    """
    Whoever appended may wait for it.
    """
    stop, projector = Flag(), Projector(store, Balances())
    runner = Thread(target=projector.run, args=(stop,))
    runner.start()

    for amount in (1, 2, 3):
        assert projector.wait(deposit(store, ADA, amount), 5)

    assert projector.projection.rows == {ADA: 6}
    stop.set()
    runner.join(5)
    assert not runner.is_alive()


def test_without_a_runner_the_one_who_waits_catches_up(store: EventStore) -> None:
    """
    So reading one's own write needs no thread.
    """
    projector = Projector(store, Balances())
    position = deposit(store, ADA, 4)

    assert projector.wait(position, 0)
    assert projector.wait(position)
    assert projector.projection.rows == {ADA: 4}
    assert not projector.wait(position + 1, 0)


def test_waiting_for_a_runner_that_lags_ends_at_the_timeout(store: EventStore) -> None:
    """
    And says that it did not get there.
    """
    entered, leave = Flag(), Flag()

    class Slow(Balances):
        def apply(self, events: Sequence[Event], position: int) -> None:
            entered.set()
            leave.wait(5)
            super().apply(events, position)

    projector, stop = Projector(store, Slow()), Flag()
    position = deposit(store, ADA, 4)
    runner = Thread(target=projector.run, args=(stop,))
    runner.start()
    entered.wait(5)

    assert not projector.wait(position, 0.01)
    leave.set()
    assert projector.wait(position, 5)
    stop.set()
    runner.join(5)


def test_another_process_may_have_folded_into_the_same_rows(store: EventStore) -> None:
    """
    The projector goes on from where the rows are, not from where it left them.
    """
    deposit(store, ADA, 1, 2)
    shared = Balances()
    one, two = Projector(store, shared), Projector(store, shared)

    one.catch_up()
    two.catch_up()
    deposit(store, ADA, 3)
    two.catch_up()
    one.catch_up()

    assert shared.rows == {ADA: 6}


def test_a_page_size_is_checked_when_the_projector_is_made(store: EventStore) -> None:
    """
    Before anything is read.
    """
    with pytest.raises(ValueError, match="page_size"):
        Projector(store, Balances(), page_size=0)


def test_a_replay_ends_at_a_position_or_a_time(store: EventStore, clock: ManualClock) -> None:
    """
    What was recorded at that time is in, what came later is not.
    """
    start = datetime_of(clock.now())
    for amount in (1, 2, 4):
        deposit(store, ADA, amount)
        clock.advance(60)

    def rows_at(until: Any) -> object:  # noqa: ANN401 - a position or a time
        return dict(replay(store, Balances(), until=until).rows)

    assert [rows_at(position) for position in (0, 1, 2, 3, 9)] == [
        {},
        {ADA: 1},
        {ADA: 3},
        {ADA: 7},
        {ADA: 7},
    ]
    assert [rows_at(start + timedelta(seconds=seconds)) for seconds in (-1, 0, 59, 60, 600)] == [
        {},
        {ADA: 1},
        {ADA: 1},
        {ADA: 3},
        {ADA: 7},
    ]


def test_a_fold_does_not_go_back(store: EventStore) -> None:
    """
    An earlier state needs a new projection.
    """
    deposit(store, ADA, 1, 2)
    projection = replay(store, Balances())

    with pytest.raises(ValueError, match="replay into a new one"):
        replay(store, projection, until=1)


@given(st.lists(st.integers(0, 2), max_size=12), st.integers(-1, 25))
def test_the_position_at_a_time_is_the_last_recorded_by_then(gaps: list[int], when: int) -> None:
    """
    Also where several events share a time.
    """
    clock = ManualClock()
    start, times = clock.now(), []
    with open_store("memory://", clock=clock) as store:
        for gap in gaps:
            clock.advance(gap)
            times.append((clock.now() - start) // 1_000_000)
            deposit(store, ADA, 1)

        found = position_at(store, datetime_of(start) + timedelta(seconds=when))

        assert found == sum(time <= when for time in times)


@given(st.lists(st.binary(max_size=3)), st.lists(st.binary(max_size=3)))
def test_a_digest_is_that_of_the_rows_whatever_came_and_went(
    rows: list[bytes], others: list[bytes]
) -> None:
    """
    Rows that were put in and taken out again leave no trace; order leaves none either.
    """
    plain, detour = Digest(), Digest()
    for row in sorted(rows):
        plain.add(row)
    for row in [*others, *reversed(rows)]:
        detour.add(row)
    for row in others:
        detour.remove(row)

    assert plain.hexdigest() == detour.hexdigest()
    assert repr(plain) == f"Digest({plain.hexdigest()!r})"


def test_a_digest_counts_rows_that_are_equal() -> None:
    """
    A table with a row twice is another table.
    """
    once, twice = Digest(), Digest()
    once.add(b"row")
    for _ in range(2):
        twice.add(b"row")

    assert once.hexdigest() != twice.hexdigest()


def test_reading_pages_is_all_that_a_projector_asks_of_a_store(store: EventStore) -> None:
    """
    One page where there is one, and none again where nothing is new.
    """
    deposit(store, ADA, 1, 2)
    counted = FaultyStore(store)
    projector = Projector(counted, Balances())

    projector.catch_up()
    projector.catch_up()

    assert counted.read_pages == 2


class StopAfter:
    """
    Stop after having been asked so often; what stands for a wait is called instead.
    """

    def __init__(self, questions: int) -> None:
        self._left = questions
        self.on_wait: Callable[[], object] = lambda: None

    def is_set(self) -> bool:
        self._left -= 1
        if self._left % 3 == 0:
            self.on_wait()
        return self._left < 0

    def wait(self, timeout: float | None = None) -> bool:
        return self.is_set()
