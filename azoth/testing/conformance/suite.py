"""
What every part of the suite stands on: how a store is made, what it can do, and small helpers.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, wait
from pathlib import Path
from threading import Barrier, Thread
from typing import ClassVar, Final, TypeVar

import pytest

from azoth.events import ALL, Appended, Event, NewEvent, Query, Write
from azoth.store import (
    BackupStore,
    CheckpointStore,
    EventStore,
    LeaseStore,
    RestorableStore,
    VerifiableStore,
)
from azoth.streams import ANY, ExpectedVersion, Position
from azoth.testing.clock import ManualClock
from azoth.urls import open_store

__all__ = ["CAPABILITIES", "StoreSuite", "answer", "everything", "new", "write"]

CAPABILITIES: Final = frozenset(
    {"backup", "checkpoints", "durable", "leases", "restore", "shared", "verify"}
)
"""
What a store may lack. `durable`: the log is there again after `reopen`. `shared`: several objects
and processes open one log. The others are the protocols of `azoth.store`.
"""

_PROTOCOLS: Final = {
    "backup": BackupStore,
    "checkpoints": CheckpointStore,
    "leases": LeaseStore,
    "restore": RestorableStore,
    "verify": VerifiableStore,
}

Result = TypeVar("Result")


class StoreSuite:
    """
    Make the stores of a test, and close them after it.

    Attributes:
        capabilities: What the store can do; what is missing is asserted to be missing.
        patience_seconds: After them a call that should have ended is given up; no sound store
            comes near on any machine.
        window_seconds: So long a thread may try what it must not be able to do. A sound store
            makes the suite wait for that long, a broken one is faster.
        folder: An empty folder for this test alone.
        clock: Of every store that the test makes.
    """

    capabilities: ClassVar[frozenset[str]]
    patience_seconds: ClassVar[float] = 60.0
    window_seconds: ClassVar[float] = 0.02
    folder: Path
    clock: ManualClock

    @pytest.fixture(autouse=True)
    def _prepared(self, tmp_path: Path) -> Iterator[None]:
        assert self.capabilities <= CAPABILITIES, "a capability is misspelt"
        self.folder = tmp_path
        self.clock = ManualClock()
        self._made: list[EventStore] = []
        yield
        for store in self._made:
            store.close()

    @pytest.fixture
    def store(self) -> EventStore:
        """
        Give a test a new, empty store.
        """
        return self.opened()

    def url(self) -> str | None:
        """
        Return the URL that child processes open the store at; None if they cannot.
        """
        return None

    def make(self) -> EventStore:
        """
        Return the store at `url`, made if it is not there; a store author may override it.
        """
        url = self.url()
        assert url is not None, "override make, or give a url"
        return open_store(url, clock=self.clock)

    def reopen(self, store: EventStore) -> EventStore:
        """
        Close *store* and open it again.
        """
        store.close()
        return self.opened()

    def again(self, store: EventStore) -> EventStore:  # noqa: ARG002 - a store author may need it
        """
        Return a second object on the data of *store*.
        """
        return self.opened()

    def at(self, path: Path) -> EventStore:
        """
        Open the backup that was written to *path*.
        """
        url = self.url()
        assert url is not None, "override at, or give a url"
        copy = open_store(f"{url.partition('://')[0]}:///{path}", clock=self.clock)
        self._made.append(copy)
        return copy

    def opened(self) -> EventStore:
        """
        Return what `make` makes, closed after the test.
        """
        store = self.make()
        self._made.append(store)
        return store

    def together(self, *calls: Callable[[], Result]) -> Sequence[Result]:
        """
        Make all calls at once, each in its own thread, and return what they return.

        If one fails or does not end, the stores are closed, so that nobody waits for what will
        not come.
        """
        ready = Barrier(len(calls))

        def run(call: Callable[[], Result]) -> Callable[[], Result]:
            def run() -> Result:
                ready.wait()
                return call()

            return run

        results = [self.begin(run(call)) for call in calls]
        try:
            return self.results_of(*results)
        except BaseException:
            for store in self._made:
                store.close()
            raise

    def begin(self, call: Callable[[], Result]) -> Future[Result]:
        """
        Make a call in a thread of its own, and return the result that is to come.
        """
        result = Future[Result]()

        def run() -> None:
            try:
                result.set_result(call())
            except BaseException as error:  # noqa: BLE001 - it is raised where it is looked at
                result.set_exception(error)

        # As a daemon, a thread that hangs fails its own test and not the whole run.
        Thread(target=run, daemon=True).start()
        return result

    def results_of(self, *results: Future[Result]) -> Sequence[Result]:
        """
        Return what the calls returned, once all of them have.
        """
        done, late = wait(results, self.patience_seconds, FIRST_EXCEPTION)
        for result in done:
            result.result()
        assert not late, f"{len(late)} of {len(results)} calls did not end"
        return [result.result() for result in results]

    def can(self, capability: str) -> bool:
        """
        Say whether the store has a capability; one that it lacks must really be missing.
        """
        has = capability in self.capabilities
        if capability in _PROTOCOLS:
            assert isinstance(self.opened(), _PROTOCOLS[capability]) == has
        elif capability == "shared":
            assert (self.url() is not None) == has
        return has


def new(type: str = "happened", data: bytes = b"", **metadata: str) -> NewEvent:
    """
    Return an event to write.
    """
    return NewEvent(type, data, metadata)


def write(stream: str, count: int = 1, expected: ExpectedVersion = ANY) -> Write:
    """
    Return a write of so many events, each with its own data.
    """
    return Write(stream, [new(data=b"%d" % place) for place in range(count)], expected)


def answer(
    first: int, last: int, versions: Mapping[str, int], *, duplicate: bool = False
) -> Appended:
    """
    Return the answer that an append must get.
    """
    return Appended(
        first=Position(first), last=Position(last), versions=versions, duplicate=duplicate
    )


def everything(store: EventStore, query: Query = ALL, *, limit: int = 500) -> list[Event]:
    """
    Return all events that match, page by page, up to the head that the first page showed.
    """
    page = store.read(query, limit=limit)
    until, events, after = page.head, list(page.events), 0
    while page.more:
        assert page.next_after > after, "there is more, and the page does not move on"
        after = page.next_after
        page = store.read(query, after=after, until=until, limit=limit)
        events += page.events
    return events
