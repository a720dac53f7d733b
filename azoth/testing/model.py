"""
Two stores side by side: whatever is done to both, each answer of one is the answer of the other.

The memory store is the model, being the one that is short enough to be read. A machine of
Hypothesis does to both stores what no author of tests would think of, compares every answer and
every error, and shrinks what it finds to a few steps. It needs Hypothesis, which
`azoth-scheduler[testing]` installs.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, Final, cast

from attrs import fields, frozen

from azoth.clocks import Instant
from azoth.errors import AzothError
from azoth.events import INTEGER_MAX, Appended, Checkpoint, NewEvent, Page, Query, Write
from azoth.store import EventStore, LeaseStore, VerifiableStore
from azoth.streams import ANY, EXISTS, ExpectedVersion
from azoth.testing._hypothesis import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    st,
)
from azoth.testing.clock import ManualClock
from azoth.testing.strategies import Append
from azoth.urls import open_store

__all__ = ["StoreModel"]

_STREAMS: Final = ("a", "a-1", "a-2", "A-1", "b", "b-1", "ab")
_CATEGORIES: Final = ("a", "A", "b", "ab", "missing")
_TYPES: Final = ("t", "u", "T")
_KEYS: Final = ("k", "K", "l")
_CONSUMERS: Final = ("c", "d")
_WORKERS: Final = ("w/1", "w/2")
"""Few names of each kind, so that what is done meets what was done before."""

_BEGIN: Final = datetime(2026, 1, 1, tzinfo=UTC)

_ONE: Final = Write("a", [NewEvent("t", b"")], ANY)

_REFUSED: Final[Mapping[str, Callable[[Any], object]]] = {
    "append of nothing": lambda store: store.append(),
    "append of text": lambda store: store.append("a"),
    "append with an empty key": lambda store: store.append(_ONE, key=""),
    "append with a key of bytes": lambda store: store.append(_ONE, key=b"k"),
    "append with a number as checkpoint": lambda store: store.append(_ONE, checkpoint=1),
    "read after -1": lambda store: store.read(after=-1),
    "read of no events": lambda store: store.read(limit=0),
    "read until text": lambda store: store.read(until="9"),
    "read of text": lambda store: store.read("a"),
    "wait after a bool": lambda store: store.wait(after=True, timeout=0),
    "wait for a negative time": lambda store: store.wait(0, -1),
    "checkpoint without a name": lambda store: store.checkpoint(""),
}


@frozen
class _Current:
    """
    Stand for the number that is right when the step is taken, or one that is so far off.
    """

    off: int


@frozen
class _Asked:
    stream: str
    events: Sequence[NewEvent]
    expected: ExpectedVersion | _Current


@frozen
class _Moved:
    consumer: str
    previous: int | _Current
    by: int


_RIGHT_OR_OFF: Final = st.builds(_Current, st.sampled_from([0, 0, 0, 1]))
_EVENTS: Final = st.builds(
    NewEvent,
    st.sampled_from(_TYPES),
    st.binary(max_size=3),
    st.dictionaries(st.sampled_from(["x", "ü"]), st.text("ab\0", max_size=2), max_size=2),
    st.integers(1, 3),
)
_WRITES: Final = st.builds(
    _Asked,
    st.sampled_from(_STREAMS),
    st.lists(_EVENTS, max_size=3),
    st.one_of(st.sampled_from([ANY, EXISTS]), _RIGHT_OR_OFF, st.integers(0, 3)),
)
_PLAIN_WRITES: Final = st.builds(
    _Asked, st.sampled_from(_STREAMS), st.lists(_EVENTS, min_size=1, max_size=3), st.just(ANY)
)
_MOVES: Final = st.builds(
    _Moved, st.sampled_from(_CONSUMERS), st.one_of(_RIGHT_OR_OFF, st.integers(0, 3)), st.integers(0)
)
_SOME_TYPES: Final = st.lists(st.sampled_from(_TYPES), max_size=2)
_QUERIES: Final = st.one_of(
    st.builds(Query, types=_SOME_TYPES),
    st.builds(Query, stream=st.sampled_from(_STREAMS), types=_SOME_TYPES),
    st.builds(Query, category=st.sampled_from(_CATEGORIES), types=_SOME_TYPES),
)
_POSITIONS: Final = st.one_of(st.integers(0, 12), st.integers(0, INTEGER_MAX))
_MINUTES: Final = st.integers(0, 9)
_LIMITS: Final = st.sampled_from([1, 2, 3, 500])


_APPENDED: Final[Bundle[Callable[[EventStore], Appended]]] = Bundle("appended")


class StoreModel(RuleBasedStateMachine):
    """
    Be subclassed by the tests of a store, which name its `url`; Hypothesis makes the test of it.

    ```python
    class MyStoreAndTheModel(StoreModel):
        def url(self) -> str:
            return f"mystore:///{self.folder}/log"


    TestMyStoreAndTheModel = MyStoreAndTheModel.TestCase
    ```

    A store that needs more than a URL overrides `make` and `reopen`; two stores of any kind are
    compared by overriding `make_model` too. Both get the same clock, so that times are equal.

    Attributes:
        durable: Whether the log is there again after `reopen`; if not, it is never reopened.
        parent: Where `folder` is made; None for the system's place. In memory it saves much time.
        folder: An empty folder for this run alone.
        clock: Of both stores.
        model: The store that is right.
        subject: The store that is compared with it.
    """

    durable: ClassVar[bool] = True
    parent: ClassVar[Path | None] = None

    def __init__(self) -> None:
        super().__init__()
        self._place = TemporaryDirectory(prefix="azoth-model-", dir=self.parent)
        self.folder = Path(self._place.name)
        self.clock = ManualClock(_BEGIN)
        self.model = self.make_model()
        self.subject = self.make()
        self._agreed = True

    @property
    def has_leases(self) -> bool:
        """
        Say whether both stores keep leases, so that these can be compared.
        """
        return isinstance(self.model, LeaseStore) and isinstance(self.subject, LeaseStore)

    def url(self) -> str:
        """
        Return the URL of the store, in `folder`.
        """
        raise NotImplementedError("give a url, or override make")

    def make(self) -> EventStore:
        """
        Return the store that is compared, new or with the log that is there.
        """
        return open_store(self.url(), clock=self.clock)

    def make_model(self) -> EventStore:
        """
        Return the store that it is compared with: a memory store, unless overridden.
        """
        return open_store("memory://", clock=self.clock)

    def reopen(self, store: EventStore) -> EventStore:
        """
        Close *store* and open it again.
        """
        store.close()
        return self.make()

    def agree(self, call: Callable[[EventStore], object]) -> None:
        """
        Do the same to both stores, and compare what they answer or raise.

        Of an error of Azoth the type and all fields are compared, of a `ValueError` or a
        `TypeError` the type: its sentence is the store's own.
        """
        due, got = _outcome(self.model, call), _outcome(self.subject, call)
        self._agreed = got == due
        assert got == due, f"the store answers {got}, the model {due}"

    @initialize(writes=st.lists(_PLAIN_WRITES, max_size=8))
    def fill(self, writes: Sequence[_Asked]) -> None:
        """
        Begin with a few events, so that there is something to read.
        """
        for asked in writes:
            self._append([asked], None, None)

    @rule(
        target=_APPENDED,
        minutes=_MINUTES,
        writes=st.lists(_WRITES, max_size=3),
        moved=st.none() | _MOVES,
        key=st.none() | st.sampled_from(_KEYS),
    )
    def append(
        self, minutes: int, writes: Sequence[_Asked], moved: _Moved | None, key: str | None
    ) -> Callable[[EventStore], Appended]:
        """
        Set the clock, on or back, and append: several writes, a checkpoint, a key, or none of it.
        """
        self._set_the_clock(minutes)
        return self._append(writes, moved, key)

    @rule(
        target=_APPENDED,
        minutes=_MINUTES,
        asked=_WRITES,
        key=st.none() | st.sampled_from(_KEYS),
    )
    def append_one(
        self, minutes: int, asked: _Asked, key: str | None
    ) -> Callable[[EventStore], Appended]:
        """
        Append one write, which meets a conflict less often than several do.
        """
        self._set_the_clock(minutes)
        return self._append([asked], None, key)

    @rule(append=_APPENDED)
    def append_again(self, append: Callable[[EventStore], Appended]) -> None:
        """
        Repeat an earlier append as it was, with its key if it had one.
        """
        self.agree(append)

    @rule(what=st.sampled_from(sorted(_REFUSED)))
    def refuse(self, what: str) -> None:
        """
        Do what both must refuse.
        """
        self.agree(_REFUSED[what])

    @rule(query=_QUERIES, after=_POSITIONS, until=st.none() | _POSITIONS, limit=_LIMITS)
    def read(self, query: Query, after: int, until: int | None, limit: int) -> None:
        """
        Read a page forwards and a page backwards.
        """
        self.agree(lambda store: store.read(query, after=after, until=until, limit=limit))
        self.agree(
            lambda store: store.read(query, after=after, until=until, limit=limit, backwards=True)
        )

    @rule(query=_QUERIES, limit=_LIMITS)
    def read_on(self, query: Query, limit: int) -> None:
        """
        Read page after page to the end, and back to the beginning.
        """
        self.agree(lambda store: _pages(store, query, limit))
        self.agree(lambda store: _pages_back(store, query, limit))

    @rule(after=_POSITIONS, consumer=st.sampled_from(_CONSUMERS), stream=st.sampled_from(_STREAMS))
    def look(self, after: int, consumer: str, stream: str) -> None:
        """
        Look at the head, at a checkpoint, and at a stream's last event, which has its version.
        """
        self.agree(lambda store: store.wait(after, 0))
        self.agree(lambda store: store.checkpoint(consumer))
        self.agree(lambda store: store.read(Query(stream=stream), limit=1, backwards=True))

    @precondition(lambda self: self.has_leases)
    @rule(worker=st.sampled_from(_WORKERS), until=st.integers(0, 9))
    def renew(self, worker: str, until: int) -> None:
        """
        Renew a lease, and look at all of them.
        """
        self.agree(lambda store: cast("LeaseStore", store).renew(worker, Instant(until)))
        self.agree(_leases)

    @precondition(lambda self: self.durable)
    @rule()
    def reopen_the_store(self) -> None:
        """
        Close and open the store that is compared; the model goes on.
        """
        self.subject = self.reopen(self.subject)
        if self.has_leases:
            self.agree(_leases)

    def teardown(self) -> None:
        """
        Compare all that is left, and what a closed store does.
        """
        try:
            if self._agreed:
                self._compare_the_rest()
        finally:
            self.model.close()
            self.subject.close()
            self._place.cleanup()

    def _compare_the_rest(self) -> None:
        self.agree(lambda store: _pages(store, Query(), 500))
        self.agree(lambda store: [store.checkpoint(consumer) for consumer in _CONSUMERS])
        if isinstance(self.subject, VerifiableStore):
            assert list(self.subject.verify()) == []
        self.model.close()
        self.subject.close()
        self.agree(lambda store: store.read())
        self.agree(lambda store: store.wait(0, 0))
        self.agree(Append([_ONE]))

    def _set_the_clock(self, minutes: int) -> None:
        self.clock.set(_BEGIN + timedelta(minutes=minutes))

    def _append(
        self, writes: Sequence[_Asked], moved: _Moved | None, key: str | None
    ) -> Callable[[EventStore], Appended]:
        checkpoint = None if moved is None else self._checkpoint_of(moved)
        append = Append([self._write_of(asked) for asked in writes], checkpoint, key)
        self.agree(append)
        return append

    def _write_of(self, asked: _Asked) -> Write:
        expected = asked.expected
        if isinstance(expected, _Current):
            page = self.model.read(Query(stream=asked.stream), limit=1, backwards=True)
            expected = (page.events[0].version if page.events else 0) + expected.off
        if not asked.events and expected is ANY:
            expected = EXISTS
        return Write(asked.stream, asked.events, expected)

    def _checkpoint_of(self, moved: _Moved) -> Checkpoint:
        previous = moved.previous
        if isinstance(previous, _Current):
            previous = min(self.model.checkpoint(moved.consumer) + previous.off, INTEGER_MAX)
        position = min(previous + moved.by, INTEGER_MAX)
        return Checkpoint(consumer=moved.consumer, position=position, previous=previous)


def _outcome(store: EventStore, call: Callable[[EventStore], object]) -> object:
    try:
        return _plain(call(store))
    except AzothError as error:
        values = {field.name: getattr(error, field.name) for field in fields(type(error))}
        return type(error), values
    except (TypeError, ValueError) as error:
        return type(error)


def _plain(answer: object) -> object:
    """
    Return an answer in a form that does not depend on which sequence or mapping it holds.
    """
    match answer:
        case Page():
            return list(answer.events), answer.head, answer.next_after, answer.more
        case Appended():
            return answer.first, answer.last, dict(answer.versions), answer.duplicate
        case _:
            return answer


def _pages(store: EventStore, query: Query, limit: int) -> object:
    page = store.read(query, limit=limit)
    pages = [_plain(page)]
    while page.more:
        page = store.read(query, after=page.next_after, limit=limit)
        pages.append(_plain(page))
    return pages


def _pages_back(store: EventStore, query: Query, limit: int) -> object:
    page = store.read(query, limit=limit, backwards=True)
    pages = [_plain(page)]
    while page.more:
        until = page.events[-1].position - 1
        page = store.read(query, until=until, limit=limit, backwards=True)
        pages.append(_plain(page))
    return pages


def _leases(store: EventStore) -> object:
    # Whether a worker is dead is told by the lock of its process, and only one store was reopened.
    return [(lease.worker, lease.until) for lease in cast("LeaseStore", store).leases()]
