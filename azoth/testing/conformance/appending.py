"""
Sentences 1 and 2: appends are atomic, and positions and versions have no holes.
"""

from collections.abc import Callable, MutableMapping, Sequence
from typing import Any, Final

import pytest

from azoth.errors import Conflict
from azoth.events import (
    APPEND_EVENTS_MAX,
    APPEND_WRITES_MAX,
    DATA_BYTES_MAX,
    NAME_BYTES_MAX,
    SCHEMA_MAX,
    Checkpoint,
    NewEvent,
    Query,
    Write,
)
from azoth.store import EventStore
from azoth.streams import ANY, EXISTS, ExpectedVersion, StaleWrite, WrongExpectedVersion
from azoth.testing.conformance.suite import StoreSuite, answer, everything, write

__all__ = ["AppendContract"]

_LARGE: Final = NewEvent("large", bytes(DATA_BYTES_MAX))

_ROUNDS: Final = 40
"""Of a race: enough that a store which forgets its lock loses one of them."""


def _writes(count: int) -> list[Write]:
    return [write(f"s-{place}") for place in range(count)]


_REFUSED: Final[Sequence[tuple[type[Exception], Callable[[Any], object]]]] = [
    (ValueError, lambda store: store.append()),
    (ValueError, lambda store: store.append(write("a", 1), write("a", 1))),
    (ValueError, lambda store: store.append(write("a", APPEND_EVENTS_MAX + 1))),
    (ValueError, lambda store: store.append(*_writes(APPEND_WRITES_MAX + 1))),
    (ValueError, lambda store: store.append(Write("a", [_LARGE] * 5, ANY))),
    (ValueError, lambda store: store.append(write("a", 1), key="")),
    (ValueError, lambda store: store.append(write("a", 1), key="k" * 256)),
    (ValueError, lambda store: store.append(write("a", 1), key="a\0b")),
    (ValueError, lambda store: store.append(write("a", 1), key="\ud800")),
    (TypeError, lambda store: store.append(write("a", 1), key=b"k")),
    (TypeError, lambda store: store.append("a")),
    (TypeError, lambda store: store.append(write("a", 1), checkpoint=7)),
]
"""Arguments of append, and the error that each must raise."""


class AppendContract(StoreSuite):
    """
    Prove what an append promises.
    """

    def test_positions_and_versions_count_from_one(self, store: EventStore) -> None:
        """
        Positions are 1..head; versions 1..n in each stream, in the order of the writes.
        """
        first = store.append(write("a", 2), write("b", 1))
        second = store.append(write("b", 1), write("a", 1))

        assert first == answer(1, 3, {"a": 2, "b": 1})
        assert second == answer(4, 5, {"b": 2, "a": 3})
        places = [(e.position, e.stream, e.version) for e in everything(store)]
        assert places == [(1, "a", 1), (2, "a", 2), (3, "b", 1), (4, "b", 2), (5, "a", 3)]

    @pytest.mark.parametrize(
        ("there", "expected", "met"),
        [
            (0, 0, True),
            (0, 1, False),
            (0, ANY, True),
            (0, EXISTS, False),
            (2, 0, False),
            (2, 1, False),
            (2, 2, True),
            (2, 3, False),
            (2, ANY, True),
            (2, EXISTS, True),
        ],
    )
    def test_an_expectation_is_met_or_the_append_is_refused(
        self, store: EventStore, there: int, expected: ExpectedVersion, *, met: bool
    ) -> None:
        """
        An exact version, ANY and EXISTS mean what they say.
        """
        if there:
            store.append(write("a", there))
        if met:
            assert store.append(write("a", 1, expected)).versions == {"a": there + 1}
        else:
            with pytest.raises(WrongExpectedVersion) as refused:
                store.append(write("a", 1, expected))
            stale = StaleWrite(stream="a", expected=expected, actual=there)
            assert refused.value.failures == (stale,)

        assert store.wait(0, 0) == there + met

    def test_all_stale_writes_are_listed(self, store: EventStore) -> None:
        """
        `failures` names every stale write in the order given; a missing stream has version 0.
        """
        store.append(write("a", 2), write("b", 1))

        with pytest.raises(WrongExpectedVersion) as refused:
            store.append(
                write("missing", 1, EXISTS), write("b", 1, 1), write("a", 1, 1), write("c", 0, 4)
            )

        assert refused.value.failures == (
            StaleWrite(stream="missing", expected=EXISTS, actual=0),
            StaleWrite(stream="a", expected=1, actual=2),
            StaleWrite(stream="c", expected=4, actual=0),
        )

    def test_nothing_of_a_refused_append_remains(self, store: EventStore) -> None:
        """
        No event, no position used, no checkpoint moved, no key taken.
        """
        store.append(write("a", 1))
        moved = Checkpoint(consumer="c", position=1, previous=0)
        with pytest.raises(WrongExpectedVersion):
            store.append(write("b", 3), write("a", 1, 0), checkpoint=moved, key="k")

        assert store.checkpoint("c") == 0
        assert store.append(write("b", 1), key="k") == answer(2, 2, {"b": 1})
        assert [event.stream for event in everything(store)] == ["a", "b"]

    def test_a_stream_can_be_checked_without_being_written(self, store: EventStore) -> None:
        """
        A write without events is a pure check, and its stream's version is in the answer.
        """
        store.append(write("limits", 3))

        checked = store.append(write("orders", 2, 0), write("limits", 0, 3))

        assert checked == answer(4, 5, {"orders": 2, "limits": 3})
        with pytest.raises(WrongExpectedVersion):
            store.append(write("orders", 1), write("limits", 0, 2))
        assert [event.version for event in everything(store, Query(stream="limits"))] == [1, 2, 3]

    def test_an_append_without_events_answers_with_the_head(self, store: EventStore) -> None:
        """
        Without events `first` is head + 1 and `last` is the head.
        """
        store.append(write("a", 2))
        checked = store.append(write("a", 0, 2))
        moved = store.append(checkpoint=Checkpoint(consumer="c", position=9, previous=0))

        assert checked == answer(3, 2, {"a": 2})
        assert moved == answer(3, 2, {})
        assert store.read().head == 2

    def test_what_is_written_is_read_back_as_it_was(self, store: EventStore) -> None:
        """
        Bytes, metadata and schema come back equal, whatever is in them.
        """
        events = [
            NewEvent("empty", b""),
            NewEvent("bytes", bytes(range(256)), {}, SCHEMA_MAX),
            NewEvent(
                "text", b"\0", {"": "", "nul": "\0", "ünï": '"\\\U0001f600', "z": "1", "a": "2"}
            ),
        ]
        store.append(Write("a", events, 0))

        read = everything(store, limit=1)
        assert [NewEvent(e.type, e.data, e.metadata, e.schema) for e in read] == events
        assert not isinstance(read[2].metadata, MutableMapping)

    def test_an_event_may_be_as_large_as_its_limit(self, store: EventStore) -> None:
        """
        The largest data goes in and comes back.
        """
        data = b"\xff" * DATA_BYTES_MAX
        store.append(Write("a", [NewEvent("large", data)], 0))

        # A failed assertion shows its values, and these are too large to be shown.
        is_equal = store.read().events[0].data == data
        assert is_equal

    def test_names_are_compared_byte_for_byte(self, store: EventStore) -> None:
        """
        No case folding, no normal form, no trimming, no pattern: another name is another stream.
        """
        names = ["a", "A", "a ", " a", "é", "e\u0301", "a%", "a_", "a*", "a'", 'a"', "a\n", "a/b"]
        names += ["x" * NAME_BYTES_MAX, "x" * (NAME_BYTES_MAX - 1) + "y", "\U0001f600" * 63]
        store.append(*[write(name, place) for place, name in enumerate(names, 1)])

        for place, name in enumerate(names, 1):
            read = everything(store, Query(stream=name))
            assert [event.version for event in read] == list(range(1, place + 1)), name
            assert {event.stream for event in read} == {name}

    def test_an_append_may_be_as_large_as_its_limits(self, store: EventStore) -> None:
        """
        The largest count of events and of writes goes in, whole.
        """
        store.append(write("a", APPEND_EVENTS_MAX))
        store.append(*[write(f"b-{place}", 1) for place in range(APPEND_WRITES_MAX)])

        assert store.wait(0, 0) == APPEND_EVENTS_MAX + APPEND_WRITES_MAX

    @pytest.mark.parametrize(("error", "call"), _REFUSED)
    def test_bad_arguments_are_refused_before_anything_is_written(
        self, store: EventStore, error: type[Exception], call: Callable[[EventStore], object]
    ) -> None:
        """
        Arguments are checked first: `ValueError` and `TypeError`, and the store is as it was.
        """
        with pytest.raises(error):
            call(store)

        assert store.wait(0, 0) == 0

    def test_a_version_has_one_winner(self, store: EventStore) -> None:
        """
        Of several writers at one version one wins; the others get the conflict and nothing else.
        """
        for version in range(_ROUNDS):
            calls = [lambda: _try(store, write("a", 1, version))] * 4  # noqa: B023 - joined below
            outcomes = self.together(*calls)

            assert sorted(outcomes) == [0, 0, 0, version + 1]
        assert len(everything(store, Query(stream="a"))) == _ROUNDS

    def test_writers_of_different_streams_never_conflict(self, store: EventStore) -> None:
        """
        Each expects the versions of its own stream, and each gets all it asked for.
        """

        def writer(stream: str) -> Callable[[], None]:
            def run() -> None:
                for version in range(_ROUNDS):
                    store.append(write(stream, 1, version))

            return run

        self.together(*[writer(f"s-{place}") for place in range(4)])

        assert [event.position for event in everything(store)] == list(range(1, 4 * _ROUNDS + 1))

    def test_two_writers_cannot_each_rely_on_what_the_other_changes(
        self, store: EventStore
    ) -> None:
        """
        No write skew: of two appends that each check the stream that the other writes, one wins.
        """
        for version in range(_ROUNDS):
            outcomes = self.together(
                lambda: _try(store, write("a", 1, version), write("b", 0, version)),  # noqa: B023
                lambda: _try(store, write("b", 1, version), write("a", 0, version)),  # noqa: B023
            )

            assert sorted(map(bool, outcomes)) == [False, True]
            loser = "b" if outcomes[0] else "a"
            store.append(write(loser, 1, version))

    def test_a_conflict_rejects_only_its_own_append(self, store: EventStore) -> None:
        """
        Whatever is committed together with it is committed.
        """
        store.append(write("taken", 1))
        calls = [
            lambda place=place: [
                _try(store, write("taken", 1, 0))
                if place % 2
                else _try(store, write(f"s-{place}", 1, version))
                for version in range(_ROUNDS)
            ]
            for place in range(6)
        ]
        outcomes = self.together(*calls)

        for place, results in enumerate(outcomes):
            assert results == ([0] * _ROUNDS if place % 2 else list(range(1, _ROUNDS + 1)))
        assert len(everything(store)) == 1 + 3 * _ROUNDS


def _try(store: EventStore, *writes: Write) -> int:
    """
    Return the new version of the first stream; 0 after a conflict.
    """
    try:
        return store.append(*writes).versions[writes[0].stream]
    except Conflict:
        return 0
