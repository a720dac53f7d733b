"""
Sentences 7 and 8: one object, many threads; many objects and processes, one log; and its time.
"""

from collections.abc import Callable
from concurrent.futures import wait
from datetime import UTC, datetime, timedelta

import pytest

from azoth.clocks import Instant, instant_of
from azoth.errors import StoreClosed
from azoth.events import Checkpoint, NewEvent, Query, Write
from azoth.store import EventStore
from azoth.streams import ANY, WrongExpectedVersion
from azoth.testing.clock import ManualClock
from azoth.testing.conformance.children import Child
from azoth.testing.conformance.suite import StoreSuite, everything, write
from azoth.testing.conformance.visibility import PausingClock

__all__ = ["SharingContract", "TimeContract"]

_APPENDS = 30


class SharingContract(StoreSuite):
    """
    Prove what objects and processes on one log promise each other.
    """

    def test_the_log_outlives_the_object(self, store: EventStore) -> None:
        """
        After reopening, everything is there, and goes on where it stood.
        """
        store.append(write("a", 2), write("b", 1))
        log = everything(store)
        reopened = self.reopen(store)

        if self.can("durable"):
            assert everything(reopened) == log
            assert reopened.append(write("a", 1, 2)).first == 4
        else:
            assert everything(reopened) == []

    def test_objects_on_one_log_see_each_other(self, store: EventStore) -> None:
        """
        What one remembers of a stream is never older than what another wrote.
        """
        if not self.can("shared"):
            return
        objects = [store, self.again(store), self.again(store)]
        for version in range(_APPENDS):
            writer = objects[version % 3]
            writer.append(write("a", 1, version), write(f"b-{version}", 1, 0))
            with pytest.raises(WrongExpectedVersion):
                objects[(version + 1) % 3].append(write("a", 1, version))
        moved = Checkpoint(consumer="c", position=1, previous=0)
        objects[0].append(checkpoint=moved, key="k")

        assert objects[1].checkpoint("c") == 1
        assert objects[2].append(checkpoint=moved, key="k").duplicate
        assert len(everything(store)) == 2 * _APPENDS

    def test_objects_on_one_log_race_as_threads_do(self, store: EventStore) -> None:
        """
        Each version has one winner, and positions have no holes.
        """
        if not self.can("shared"):
            return
        objects = [store, self.again(store)]
        self.together(*[_contender(each, _APPENDS) for each in objects * 2])

        log = everything(store)
        assert [event.version for event in log] == list(range(1, 4 * _APPENDS + 1))

    def test_processes_on_one_log_race_as_threads_do(self, store: EventStore) -> None:
        """
        Each version is won by one process, and each win is in the log.
        """
        if not self.can("shared"):
            return
        children = [Child("contend", self.url(), "a", _APPENDS) for _ in range(3)]
        for child in children:
            assert child.line() == "ready"
        for child in children:
            child.go()

        won = sorted(int(line) for child in children for line in child.rest())
        assert won == list(range(1, 3 * _APPENDS + 1))
        assert [event.version for event in everything(store)] == won

    def test_a_fresh_log_may_be_opened_by_several_at_once(self) -> None:
        """
        Processes and threads that come first at the same time find one log.
        """
        if not self.can("shared"):
            return
        children = [Child("append", self.url(), f"s-{place}", 3) for place in range(2)]
        stores = self.together(*[self.opened] * 3)
        for child in children:
            assert child.line() == "ready"
            child.go()
        self.together(*[lambda store=store: store.append(write("here", 3)) for store in stores])

        for child in children:
            assert len(child.rest()) == 3
        assert [e.position for e in everything(stores[0])] == list(range(1, 16))

    def test_closing_one_object_does_not_disturb_another(self, store: EventStore) -> None:
        """
        Nor does the end of a process.
        """
        if not self.can("shared"):
            return
        for _ in range(3):
            with self.again(store) as other:
                other.append(write("a"))
                other.wait(0)
        with Child("append", self.url(), "b", 2) as child:
            child.go()
            child.rest()

        assert store.append(write("a", 1, 3)).first == 6
        assert len(everything(store)) == 6

    def test_a_killed_process_loses_nothing_that_was_acknowledged(self) -> None:
        """
        Batches are whole, and the key tells whether the last one was written.
        """
        if not (self.can("shared") and self.can("durable")):
            return
        for lines in (3, 8, 21):
            stream = f"s-{lines}"
            with Child("append_for_ever", self.url(), stream) as child:
                said = [child.line() for _ in range(lines)] + child.kill()
            done = [int(line.split()[1]) for line in said if line.startswith("done")]
            tried = sum(line.startswith("try") for line in said)
            store = self.opened()

            written = [event.data for event in everything(store, Query(stream=stream))]
            whole = [data for number in range(1, tried + 1) for data in _batch(number)]
            assert written == whole[: len(written) // 3 * 3]
            assert done == list(range(1, len(done) + 1))
            assert len(done) <= len(written) // 3 <= tried
            for number in range(1, tried + 1):
                batch = Write(stream, [NewEvent("t", data) for data in _batch(number)], ANY)
                answer = store.append(batch, key=f"{stream}-{number}")
                assert answer.duplicate == (number <= len(written) // 3)

    def test_a_fork_reopens_or_refuses(self) -> None:
        """
        The child's first call gives a right answer or `StoreFailed`; the parent notices nothing.
        """
        if not self.can("shared"):
            return
        with Child("fork", self.url()) as child:
            in_child, in_parent, log = child.rest()

        if in_child == "child failed":
            assert in_parent == "parent 2 2 2 0"
            assert log == "parent parent"
        else:
            assert in_child == "child 2 2 2 0"
            assert in_parent == "parent 3 3 3 0"
            assert log == "parent child parent"

    def test_a_closed_store_refuses_every_call(self, store: EventStore) -> None:
        """
        Every method raises `StoreClosed`, only `close` may be called again.
        """
        with store as entered:
            assert entered is store
            store.append(write("a"))
        store.close()

        calls: list[Callable[[], object]] = [
            lambda: store.append(write("a")),
            store.read,
            lambda: store.wait(0, 0),
            lambda: store.checkpoint("c"),
        ]
        for call in calls:
            with pytest.raises(StoreClosed):
                call()

    def test_close_lets_a_running_append_end(self) -> None:
        """
        An append that began before `close` is answered, and is in the log.
        """
        self.clock = clock = PausingClock()
        store = self.opened()
        with clock.pausing():
            appending = self.begin(lambda: store.append(write("a")).last)
            assert clock.paused.wait(self.patience_seconds)
            closing = self.begin(store.close)
            wait([closing], self.window_seconds)

        assert self.results_of(appending) == [1]
        self.results_of(closing)
        if self.can("durable"):
            assert len(everything(self.opened())) == 1

    def test_one_object_serves_many_threads(self, store: EventStore) -> None:
        """
        Reads, appends, checkpoints and waits at once give each thread its own answers.
        """

        def run(place: int) -> Callable[[], None]:
            stream = f"s-{place}"

            def use() -> None:
                for version in range(_APPENDS):
                    moved = Checkpoint(consumer=stream, position=version + 1, previous=version)
                    answer = store.append(write(stream, 1, version), checkpoint=moved)
                    assert answer.versions == {stream: version + 1}
                    page = store.read(Query(stream=stream))
                    assert [e.stream for e in page.events] == [stream] * (version + 1)
                    assert store.checkpoint(stream) == version + 1
                    assert store.wait(answer.last - 1) >= answer.last

            return use

        self.together(*[run(place) for place in range(6)])


class TimeContract(StoreSuite):
    """
    Prove what the time of an event promises.
    """

    def test_an_append_has_one_time_from_the_clock(self, store: EventStore) -> None:
        """
        `recorded_at` is the injected clock's, the same for all events of an append.
        """
        times: list[Instant] = []
        for _ in range(3):
            self.clock.advance(1.5)
            times.append(self.clock.now())
            store.append(write("a", 2), write("b", 1))

        recorded = [event.recorded_at for event in everything(store)]
        assert recorded == [time for time in times for _ in range(3)]

    def test_time_never_goes_back_along_the_log(self, store: EventStore) -> None:
        """
        When the clock is set back, events keep the last time until it has caught up.
        """
        began = datetime(2026, 5, 1, tzinfo=UTC)
        due: list[Instant] = []
        for minutes in (0, 10, 5, 9, 11):
            self.clock.set(began + timedelta(minutes=minutes))
            store = self.reopen(store) if self.can("durable") else store
            store.append(write("a"))
            due.append(instant_of(began + timedelta(minutes=max(minutes, 10 * (minutes > 0)))))

        assert [event.recorded_at for event in everything(store)] == due

    def test_objects_with_different_clocks_share_one_time(self, store: EventStore) -> None:
        """
        The log's time is that of the clock that is ahead.
        """
        if not self.can("shared"):
            return
        mine, self.clock = self.clock, ManualClock(datetime(2030, 1, 1, tzinfo=UTC))
        ahead = self.again(store)
        for writer in (store, ahead, store, ahead, store):
            writer.append(write("a"))

        later = self.clock.now()
        recorded = [event.recorded_at for event in everything(store)]
        assert recorded == [mine.now(), later, later, later, later]


def _batch(number: int) -> list[bytes]:
    # As `_programs.append_for_ever` writes it.
    return [b"%d/%d" % (number, place) for place in range(3)]


def _contender(store: EventStore, count: int) -> Callable[[], None]:
    def run() -> None:
        won = version = 0
        while won < count:
            try:
                version = store.append(write("a", 1, version)).versions["a"]
                won += 1
            except WrongExpectedVersion as refused:
                version = refused.failures[0].actual

    return run
