"""
Sentences 1 and 3: what was seen stays, what was acknowledged is seen, under load too.
"""

from collections.abc import Callable, Generator, Mapping
from concurrent.futures import wait
from contextlib import contextmanager
from threading import Event as Flag
from threading import Semaphore
from typing import Final

import pytest

from azoth.clocks import Instant
from azoth.events import Appended, Checkpoint, Event
from azoth.store import EventStore
from azoth.testing.clock import ManualClock
from azoth.testing.conformance.children import Child
from azoth.testing.conformance.suite import StoreSuite, everything, write

__all__ = ["PausingClock", "VisibilityContract"]

_WRITERS = 4
_APPENDS = 60
"""Of each writer; together with the readers they keep two processors busy for a moment."""

_LOOKS: Final = 5
"""At what is being written: the writers go on until there were so many, however fast they are."""

_SLOW: Final[Mapping[str, Callable[[EventStore], Appended]]] = {
    "a write": lambda store: store.append(write("slow", 3)),
    "an expectation": lambda store: store.append(write("slow", 3, 0)),
    "two writes": lambda store: store.append(write("slow", 3), write("a", 0, 1)),
    "a key": lambda store: store.append(write("slow", 3), key="k"),
    "a checkpoint": lambda store: store.append(
        write("slow", 3), checkpoint=Checkpoint(consumer="c", position=1, previous=0)
    ),
}
"""Ways through an append that write the same; a lock may be forgotten on one of them."""


class VisibilityContract(StoreSuite):
    """
    Prove what readers see while others write.
    """

    def test_a_tailing_reader_misses_nothing_under_write_load(self, store: EventStore) -> None:
        """
        Readers that follow `next_after` see 1, 2, 3 … to the end, whatever is being written.
        """
        total = _WRITERS * _APPENDS * 3
        outcomes = self.together(
            *[_writer(store, f"s-{place}") for place in range(_WRITERS)],
            *[_follower(store, total) for _ in range(3)],
        )

        log = everything(store)
        assert [event.position for event in log] == list(range(1, total + 1))
        for seen in outcomes[_WRITERS:]:
            assert seen == log

    def test_a_tailing_process_misses_nothing_under_write_load(self, store: EventStore) -> None:
        """
        The same with writers and readers in processes of their own.
        """
        if not self.can("shared"):
            return
        total = 3 * _APPENDS
        writers = [Child("append", self.url(), f"s-{place}", _APPENDS) for place in range(3)]
        readers = [Child("follow", self.url(), total) for _ in range(2)]
        for child in (*writers, *readers):
            assert child.line() == "ready"
        for child in (*readers, *writers):
            child.go()
        seen_here = _follower(store, total)()

        acknowledged = sorted(int(line) for child in writers for line in child.rest())
        assert acknowledged == list(range(1, total + 1))
        due = [f"{event.position} {event.stream} {event.version}" for event in seen_here]
        for child in readers:
            assert child.rest() == due
        for place in range(2):
            versions = [e.version for e in seen_here if e.stream == f"s-{place}"]
            assert versions == list(range(1, _APPENDS + 1))

    def test_what_was_seen_never_changes(self, store: EventStore) -> None:
        """
        Once somebody saw head *h*, everything up to *h* is there, and stays.
        """
        writing = Flag()

        snapshots: list[list[Event]] = []

        def look() -> None:
            while not writing.is_set():
                page = store.read(limit=100_000)
                assert [event.position for event in page.events] == list(range(1, page.head + 1))
                snapshots.append(list(page.events))

        def load() -> None:
            self.together(*[_writer(store, f"s-{place}") for place in range(2)])
            while len(snapshots) < _LOOKS:
                store.append(write("more"))
            writing.set()

        self.together(load, look)
        log = everything(store)
        for snapshot in snapshots:
            assert snapshot == log[: len(snapshot)]

    def test_a_batch_becomes_visible_whole(self, store: EventStore) -> None:
        """
        No head ever shows a part of an append.
        """
        writing = Flag()
        looked = Semaphore(0)

        def look() -> None:
            while not writing.is_set():
                assert store.wait(0, 0) % 5 == 0
                assert store.read(limit=1).head % 5 == 0
                looked.release()

        def load() -> None:
            for _ in range(_APPENDS):
                store.append(write("a", 2), write("b", 3))
            while not looked.acquire(blocking=False):
                store.append(write("a", 2), write("b", 3))
            writing.set()

        self.together(load, look, look)

    def test_an_acknowledged_append_is_seen_by_everybody(self, store: EventStore) -> None:
        """
        A read that begins after the append returned sees it, through any object and process.
        """
        if not self.can("shared"):
            assert store.read(after=store.append(write("a")).last - 1).events
            return
        other = self.again(store)
        with Child("look", self.url(), 20) as child:
            assert child.line() == "ready"
            for place in range(20):
                writer, reader = (store, other) if place % 2 else (other, store)
                last = writer.append(write("a")).last
                assert reader.read(limit=1).head == last
                assert reader.wait(0, 0) == last
                child.go()
                assert child.line() == str(last)

    @pytest.mark.parametrize("way", _SLOW)
    def test_a_writer_that_pauses_inside_its_append_is_not_seen(self, way: str) -> None:
        """
        Until it goes on, its events are nowhere; then they are there, before those that waited.
        """
        self.clock = clock = PausingClock()
        store = self.opened()
        store.append(write("a"))
        other = self.again(store) if self.can("shared") else None
        with clock.pausing():
            slow = self.begin(lambda: _SLOW[way](store))
            assert clock.paused.wait(self.patience_seconds), "an append asks for the time"
            seen = None if other is None else other.read()
            fast = self.begin(lambda: store.append(write("fast")))
            wait([fast], self.window_seconds)

        answers = self.results_of(slow, fast)
        assert [(answer.first, answer.last) for answer in answers] == [(2, 4), (5, 5)]
        assert seen is None or (seen.head, len(seen.events)) == (1, 1)
        assert [e.stream for e in everything(store)] == ["a", "slow", "slow", "slow", "fast"]


class PausingClock(ManualClock):
    """
    Hold up the first who asks for the time, which a store does under its write lock.
    """

    def __init__(self) -> None:
        super().__init__()
        self.paused = Flag()
        self.go_on = Flag()
        self.go_on.set()

    @contextmanager
    def pausing(self) -> Generator[None, None, None]:
        """
        Hold up the first who asks meanwhile; whoever else gets as far as that is not held.
        """
        self.paused.clear()
        self.go_on.clear()
        try:
            yield
        finally:
            self.go_on.set()

    def now(self) -> Instant:
        """
        Return the time, when the clock may go on.
        """
        if not (self.go_on.is_set() or self.paused.is_set()):
            self.paused.set()
            self.go_on.wait()
        return super().now()


def _writer(store: EventStore, stream: str) -> Callable[[], list[Event]]:
    def run() -> list[Event]:
        for version in range(0, 3 * _APPENDS, 3):
            store.append(write(stream, 3, version))
        return []

    return run


def _follower(store: EventStore, until: int) -> Callable[[], list[Event]]:
    def run() -> list[Event]:
        seen: list[Event] = []
        after = 0
        while after < until:
            page = store.read(after=after, limit=7)
            seen += page.events
            after = page.next_after
            if not page.more and after < until:
                store.wait(after)
        return seen

    return run
