"""
Sentence 5: a page is one snapshot, whole, bounded, and it moves on.
"""

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any, Final

import pytest

from azoth.events import (
    ALL,
    INTEGER_MAX,
    PAGE_BYTES_MAX,
    Event,
    NewEvent,
    Page,
    Query,
    Write,
)
from azoth.store import EventStore
from azoth.streams import ANY
from azoth.testing.conformance.suite import StoreSuite, everything, new, write

__all__ = ["ReadContract"]

_QUERIES = (
    ALL,
    Query(stream="a-1"),
    Query(stream="missing"),
    Query(category="a"),
    Query(category="missing"),
    Query(types=["odd"]),
    Query(types=["odd", "missing"]),
    Query(stream="a-1", types=["even"]),
    Query(category="a", types=["even", "odd"]),
    Query(types=["missing"]),
)
_RARE_EVENTS = 25_000
"""More than a store may look at for one page."""

_REFUSED: Final[Sequence[tuple[type[Exception], Callable[[Any], object]]]] = [
    (ValueError, lambda store: store.read(after=-1)),
    (ValueError, lambda store: store.read(until=-1)),
    (ValueError, lambda store: store.read(limit=0)),
    (ValueError, lambda store: store.read(after=2**63)),
    (ValueError, lambda store: store.read(Query(stream="a", category="a"))),
    (ValueError, lambda store: store.read(Query(stream=""))),
    (ValueError, lambda store: store.read(Query(category=""))),
    (ValueError, lambda store: store.read(Query(types=[""]))),
    (TypeError, lambda store: store.read(Query(types="t"))),
    (TypeError, lambda store: store.read("a")),
    (TypeError, lambda store: store.read(after=True)),
    (TypeError, lambda store: store.read(limit=1.5)),
    (TypeError, lambda store: store.read(backwards=1)),
]
"""Arguments of read, and the error that each must raise."""


class ReadContract(StoreSuite):
    """
    Prove what a read promises.
    """

    @pytest.mark.parametrize("query", _QUERIES, ids=str)
    def test_every_range_is_what_a_scan_of_the_log_would_give(
        self, store: EventStore, query: Query
    ) -> None:
        """
        `after` is exclusive, `until` inclusive, filters are joined by AND and types by OR.
        """
        log = _mixed_log(store)
        places = (0, 1, 3, 11, 12, 13, INTEGER_MAX)
        for after, until, limit in product(places, (None, *places), (1, 3, 100)):
            page = store.read(query, after=after, until=until, limit=limit)

            end = min(len(log), until if until is not None else INTEGER_MAX)
            due = [e for e in log if after < e.position <= end and query.matches(e)]
            assert list(page.events) == due[:limit]
            assert page.head == len(log)
            assert page.more or page.next_after == max(after, end)
            if page.more:
                assert after < page.next_after < end
                assert not [e for e in due[limit:] if e.position <= page.next_after]
            else:
                assert len(due) <= limit

    @pytest.mark.parametrize("query", _QUERIES, ids=str)
    def test_every_range_reads_backwards_too(self, store: EventStore, query: Query) -> None:
        """
        The newest come first, and `until = last.position - 1` goes on.
        """
        log = _mixed_log(store)
        for after, until, limit in product((0, 3, 13), (None, 0, 2, 12), (1, 3, 100)):
            due = [
                event
                for event in reversed(log)
                if after < event.position <= (len(log) if until is None else until)
                and query.matches(event)
            ]
            read: list[Event] = []
            page = store.read(query, after=after, until=until, limit=limit, backwards=True)
            read += page.events
            while page.more:
                assert page.events
                assert len(read) <= len(due), "it does not go back"
                before = page.events[-1].position - 1
                page = store.read(query, after=after, until=before, limit=limit, backwards=True)
                read += page.events
            assert read == due

    @pytest.mark.parametrize("limit", [1, 2, 5, 500])
    def test_pages_join_without_a_gap_or_a_double(self, store: EventStore, limit: int) -> None:
        """
        Reading on after `next_after` gives each event once, in order.
        """
        log = _mixed_log(store)
        for query in _QUERIES:
            due = [event for event in log if query.matches(event)]
            assert everything(store, query, limit=limit) == due

    def test_a_category_is_the_text_before_the_first_hyphen(self, store: EventStore) -> None:
        """
        Neither a longer name nor a pattern is of the category.
        """
        streams = {
            "a": ["a", "a-1", "a-1-2", "a-"],
            "A": ["A-1"],
            "ab": ["ab-1", "ab"],
            "b": ["b-a"],
            "a_": ["a_-1"],
            "a%": ["a%-1"],
            "%": ["%-1"],
            "_": ["_-1"],
        }
        store.append(*[write(name) for names in streams.values() for name in names])

        for category, names in streams.items():
            read = everything(store, Query(category=category))
            assert [event.stream for event in read] == names

    def test_types_are_no_patterns(self, store: EventStore) -> None:
        """
        A type is compared whole, whatever characters it has.
        """
        types = ["t", "T", "t%", "%", "_", "t'", 't"', "t\\", "é", "e\u0301", "[t]", "t,u"]
        store.append(Write("a", [new(type) for type in types], ANY))

        for type_ in types:
            assert [e.type for e in everything(store, Query(types=[type_]))] == [type_]

    def test_a_rare_type_is_found_in_pages_that_move_on(self, store: EventStore) -> None:
        """
        `next_after` passes what did not match, and `more` keeps its word.
        """
        self._long_log(store)
        for query in (
            Query(types=["rare"]),
            Query(stream="long-1", types=["rare"]),
            Query(category="long", types=["rare"]),
            Query(types=["missing"]),
        ):
            after, found, pages = 0, list[Event](), 0
            while True:
                page = store.read(query, after=after, limit=10)
                found, pages = found + list(page.events), pages + 1
                assert page.next_after > after or not page.more
                after = page.next_after
                if not page.more:
                    break
            due = [] if query.types == ("missing",) else [_RARE_EVENTS]
            assert [event.position for event in found] == due
            assert after == _RARE_EVENTS
            assert pages <= _RARE_EVENTS // 100

    def test_the_last_of_a_type_is_found_going_back(self, store: EventStore) -> None:
        """
        A page that goes back is never empty while there is more.
        """
        store.append(Write("long-0", [new("rare")], ANY))
        for _ in range(3):
            store.append(write("long-1", 8_000))

        page = store.read(Query(types=["rare"]), limit=1, backwards=True)

        assert [event.position for event in page.events] == [1]
        assert not page.more

    def test_a_page_is_bounded_in_bytes(self, store: EventStore) -> None:
        """
        It holds at most `PAGE_BYTES_MAX` of data, yet always at least one event.
        """
        third, whole = bytes(PAGE_BYTES_MAX // 3), bytes(PAGE_BYTES_MAX + 1)
        for data in (third, third, third, third, whole, b"", whole):
            store.append(Write("a", [NewEvent("large", data)], ANY))

        for backwards in (False, True):
            page = store.read(limit=7, backwards=backwards)
            # A failed assertion shows its values, and these pages are too large to be shown.
            more, sizes = page.more, [len(event.data) for event in page.events]
            assert more
            assert sum(sizes) <= PAGE_BYTES_MAX or len(sizes) == 1
        assert [len(event.data) for event in everything(store)] == (
            [len(third)] * 4 + [len(whole), 0, len(whole)]
        )

    def test_a_page_is_whole_and_holds_nothing(self, store: EventStore) -> None:
        """
        What is appended later is not in it, and pages that are kept stand in nobody's way.
        """
        pages: list[Page] = []
        for place in range(50):
            store.append(write("a", 1))
            pages.append(store.read(limit=1_000))
            assert store.wait(0, 0) == place + 1

        for place, page in enumerate(pages, 1):
            assert len(page.events) == page.head == page.next_after == place
        store.close()
        assert [event.position for event in pages[-1].events] == list(range(1, 51))

    def test_an_empty_log_has_an_empty_page(self, store: EventStore) -> None:
        """
        Nothing is there, nothing is missing.
        """
        for query in _QUERIES:
            page = store.read(query)
            assert (list(page.events), page.head, page.next_after, page.more) == ([], 0, 0, False)

    @pytest.mark.parametrize(("error", "call"), _REFUSED)
    def test_bad_bounds_are_refused(
        self, store: EventStore, error: type[Exception], call: Callable[[EventStore], object]
    ) -> None:
        """
        Bad arguments are `ValueError` and `TypeError`.
        """
        with pytest.raises(error):
            call(store)

    def _long_log(self, store: EventStore) -> None:
        half = _RARE_EVENTS // 5
        for _ in range(4):
            store.append(write("long-1", half))
        last = [new() for _ in range(half - 1)]
        store.append(Write("long-1", [*last, new("rare")], ANY))


def _mixed_log(store: EventStore) -> Sequence[Event]:
    """
    Write 12 events of three streams, in turns, and return them.
    """
    for place in range(6):
        odd, even = new("odd", b"%d" % place), new("even", b"%d" % place)
        stream = ("a-1", "a-2", "b")[place % 3]
        store.append(Write(stream, [odd, even], ANY))
    return store.read(limit=12).events
