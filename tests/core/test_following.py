"""
Reading on: to the end of a log, or behind it for ever, by threads and by coroutines.
"""

import asyncio
from collections.abc import Iterator
from itertools import islice
from threading import Event as Flag
from threading import Thread
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azoth import (
    ANY,
    AsyncStore,
    Checkpoint,
    EventStore,
    NewEvent,
    Page,
    Query,
    StoreClosed,
    Write,
    iterate,
    open_store,
    subscribe,
)
from azoth.following import follow_pages, iterate_pages
from azoth.testing import FaultyStore
from tests.core.bank import deposit, noise

ADA: Final = "account-ada"
BOB: Final = "account-bob"
ACCOUNTS: Final = Query(category="account")


@given(st.lists(st.sampled_from([ADA, BOB, "noise-1"]), max_size=12), st.integers(1, 5))
def test_all_events_are_read_in_order_whatever_the_size_of_a_page(
    streams: list[str], page_size: int
) -> None:
    """
    Pages are an affair of memory alone.
    """
    with open_store("memory://") as store:
        for stream in streams:
            deposit(store, stream, 1)

        read = [event.stream for event in iterate(store, ACCOUNTS, page_size=page_size)]

        assert read == [stream for stream in streams if stream != "noise-1"]


def test_reading_ends_though_others_go_on_writing(store: EventStore) -> None:
    """
    The head that the first page saw is the end.
    """
    deposit(store, ADA, 1, 1, 1)

    read = [(event.position, deposit(store, ADA, 1)) for event in iterate(store, page_size=1)]

    assert read == [(1, 4), (2, 5), (3, 6)]


def test_the_bounds_are_exclusive_below_and_inclusive_above(store: EventStore) -> None:
    """
    Both may lie beyond the head.
    """
    deposit(store, ADA, 1, 1, 1, 1)

    assert [event.position for event in iterate(store, after=1, until=3)] == [2, 3]
    assert [event.position for event in iterate(store, after=3, until=99)] == [4]
    assert list(iterate(store, after=99)) == []


@pytest.mark.rule("X2")
def test_a_page_may_cut_through_an_append(store: EventStore) -> None:
    """
    A reader that needs whole batches must know their ends by itself.
    """
    deposit(store, ADA, 1, 1, 1)

    sizes = [len(page.events) for page in iterate_pages(store, page_size=2)]

    assert sizes == [2, 1]


@pytest.mark.rule("X3")
def test_pages_say_how_far_they_looked_where_nothing_matched(store: EventStore) -> None:
    """
    A reader of a rare stream need not look at the same log again.
    """
    last = noise(store, 10)

    (page,) = iterate_pages(store, ACCOUNTS)

    assert (list(page.events), page.next_after, page.more) == ([], last, False)


@pytest.mark.rule("X3")
def test_a_subscription_does_not_look_at_the_same_log_again(store: EventStore) -> None:
    """
    It goes on behind what did not match.
    """
    asked: list[int] = []

    class Spy(FaultyStore):
        def read(self, query: Query = ACCOUNTS, *, after: int = 0, **bounds: Any) -> Page:  # noqa: ANN401 - the port's
            asked.append(after)
            return super().read(query, after=after, **bounds)

    pages = follow_pages(Spy(store), ACCOUNTS, stop=Flag())
    ends = [(noise(store, 3), next(pages).next_after) for _ in range(3)]

    assert ends == [(3, 3), (6, 6), (9, 9)]
    assert asked == [0, 3, 6]


def test_a_subscription_goes_on_with_what_is_appended(store: EventStore) -> None:
    """
    It waits in between, and misses nothing.
    """
    deposit(store, ADA, 1)
    events = subscribe(store, ACCOUNTS)
    first = next(events)

    writer = Thread(target=lambda: [noise(store, 1), deposit(store, BOB, 1)])
    writer.start()
    second = next(events)
    writer.join()

    assert [(event.position, event.stream) for event in (first, second)] == [(1, ADA), (3, BOB)]


@pytest.mark.rule("E-12")
def test_a_subscription_under_load_has_no_gaps(store: EventStore) -> None:
    """
    With four writers, each event comes once, in the order of positions.
    """

    def write(name: str) -> None:
        for _ in range(50):
            deposit(store, f"account-{name}", 1, 1)

    writers = [Thread(target=write, args=(name,)) for name in "abcd"]
    for writer in writers:
        writer.start()
    seen = [event.position for event in islice(subscribe(store, page_size=7), 400)]
    for writer in writers:
        writer.join()

    assert seen == list(range(1, 401))


@pytest.mark.rule("E-21")
def test_a_subscription_that_waits_ends_when_it_is_stopped(store: EventStore) -> None:
    """
    Also when nothing is appended any more.
    """
    stop = Flag()
    reader = Thread(target=lambda: list(subscribe(store, stop=stop)))
    reader.start()

    stop.set()
    reader.join(5)

    assert not reader.is_alive()


def test_a_subscription_stops_between_two_events(store: EventStore) -> None:
    """
    What was read ahead is not handed out any more.
    """
    deposit(store, ADA, 1, 1, 1)
    stop = Flag()

    def until_two() -> Iterator[int]:
        for event in subscribe(store, stop=stop):
            yield event.position
            if event.position == 2:
                stop.set()

    assert list(until_two()) == [1, 2]
    assert list(follow_pages(store, stop=stop)) == []


def test_a_subscriber_ahead_of_the_log_waits_for_it(store: EventStore) -> None:
    """
    It sees nothing at or below its position.
    """
    deposit(store, ADA, 1)
    events = subscribe(store, after=2)
    deposit(store, ADA, 2)

    writer = Thread(target=lambda: deposit(store, ADA, 3))
    writer.start()

    assert next(events).position == 3
    writer.join()


def test_closing_the_store_ends_a_subscription(store: EventStore) -> None:
    """
    With an error: what it would have seen is not known.
    """
    raised: list[Exception] = []

    def read() -> None:
        try:
            list(subscribe(store))
        except StoreClosed as error:
            raised.append(error)

    reader = Thread(target=read)
    reader.start()
    store.close()
    reader.join(5)

    assert [type(error) for error in raised] == [StoreClosed]


def test_coroutines_have_the_same_names() -> None:
    """
    Append, read, wait, checkpoint, iterate, subscribe, close.
    """

    async def main() -> list[object]:
        async with AsyncStore(open_store("memory://")) as store:
            write = Write(ADA, [NewEvent("Said", b"1"), NewEvent("Said", b"2")], ANY)
            moved = Checkpoint(consumer="c", position=1, previous=0)
            appended = await store.append(write, checkpoint=moved, key="k")
            page = await store.read(limit=1)
            later = [event.data async for event in store.iterate(after=1)]
            bounded = [event.data async for event in store.iterate(page_size=1, until=1)]
            paged = [event.data async for event in store.iterate(page_size=1)]
            return [
                appended.last,
                page.more,
                await store.checkpoint("c"),
                await store.wait(1),
                await store.wait(2, 0.01),
                await store.wait(2, 0),
                later,
                bounded,
                paged,
            ]

    assert asyncio.run(main()) == [2, True, 1, 2, 2, 2, [b"2"], [b"1"], [b"1", b"2"]]


def test_any_number_of_coroutines_may_wait() -> None:
    """
    They share one thread, and one append wakes them all.
    """

    async def main() -> list[int]:
        async with AsyncStore(open_store("memory://")) as store:

            async def first() -> int:
                async for event in store.subscribe():
                    return event.position
                return 0

            waiting = [asyncio.create_task(first()) for _ in range(100)]
            await asyncio.sleep(0)
            await store.append(Write(ADA, [NewEvent("Said", b"")], ANY))
            return await asyncio.gather(*waiting)

    assert asyncio.run(main()) == [1] * 100


def test_a_coroutine_that_is_cancelled_takes_the_wait_from_nobody() -> None:
    """
    The others hear the next append all the same.
    """

    async def main() -> int:
        async with Waited(open_store("memory://")) as store:
            impatient, patient = (asyncio.create_task(store.wait(0)) for _ in range(2))
            await store.until_waiting(2)
            impatient.cancel()
            with pytest.raises(asyncio.CancelledError):
                await impatient
            await store.append(Write(ADA, [NewEvent("Said", b"")], ANY))
            return await patient

    assert asyncio.run(main()) == 1


def test_closing_ends_the_waits_of_coroutines() -> None:
    """
    Every method raises `StoreClosed` from then on, and closing twice is fine.
    """

    async def main() -> None:
        store = Waited(open_store("memory://"))
        waiting, abandoned = (asyncio.create_task(store.wait(0)) for _ in range(2))
        await store.until_waiting(2)
        abandoned.cancel()
        await store.close()
        await store.close()
        with pytest.raises(StoreClosed):
            await waiting
        with pytest.raises(StoreClosed):
            await store.read()

    asyncio.run(main())


class Waited(AsyncStore):
    """
    A store that knows how many coroutines wait for the head.
    """

    waiting = 0

    async def until_waiting(self, count: int) -> None:
        while self.waiting < count:  # noqa: ASYNC110 - a test's own thread of control
            await asyncio.sleep(0)

    async def _next_head(self, head: int) -> int:
        self.waiting += 1
        return await super()._next_head(head)
