"""
Reading on: the events of a log from a position to its end, or for ever.

These are short loops over `read` and `wait`. A page may cut through what one append wrote, so a
reader that needs whole batches must know their ends by itself.
"""

from collections.abc import Iterator
from threading import Event as Flag
from typing import Final, Protocol

from azoth.events import ALL, Event, Page, Query
from azoth.store import EventStore

__all__ = [
    "LOOK_SECONDS",
    "PAGE_SIZE",
    "Stop",
    "follow_pages",
    "iterate",
    "iterate_pages",
    "subscribe",
    "wait_for_more",
]

PAGE_SIZE: Final = 1_000
"""Events of one page: a reader's memory, and the time until it looks whether it must stop."""

LOOK_SECONDS: Final = 0.05
"""Between two looks at *stop* while waiting: at once to a person, and a look costs microseconds."""


class Stop(Protocol):
    """
    Be asked to stop; a `threading.Event` is one.
    """

    def is_set(self) -> bool:
        """
        Say whether to stop.
        """
        ...

    def wait(self, timeout: float | None = None) -> bool:
        """
        Wait until it is time to stop, at most *timeout* seconds, and say whether it is.
        """
        ...


def iterate(
    store: EventStore,
    query: Query = ALL,
    *,
    after: int = 0,
    until: int | None = None,
    page_size: int = PAGE_SIZE,
) -> Iterator[Event]:
    """
    Yield the events of (*after*, *until*] that match; it ends, whatever is appended meanwhile.

    Args:
        store: The log.
        query: Which events.
        after: Exclusive.
        until: Inclusive; None for the head as it is when the first event is asked for.
        page_size: How many events are held in memory.

    Example:
        >>> from azoth import ANY, NewEvent, Write, iterate, open_store
        >>> with open_store("memory://") as store:
        ...     answer = store.append(Write("greeting-1", [NewEvent("Said", b"hello")], ANY))
        ...     [event.data for event in iterate(store)]
        [b'hello']
    """
    for page in iterate_pages(store, query, after=after, until=until, page_size=page_size):
        yield from page.events


def iterate_pages(
    store: EventStore,
    query: Query = ALL,
    *,
    after: int = 0,
    until: int | None = None,
    page_size: int = PAGE_SIZE,
) -> Iterator[Page]:
    """
    Yield the pages that `iterate` is made of, empty ones too: each says how far it looked.
    """
    page = store.read(query, after=after, until=until, limit=page_size)
    # Later pages have newer snapshots; the head of the first bounds them all.
    end = page.head if until is None else min(until, page.head)
    yield page
    while page.more:
        page = store.read(query, after=page.next_after, until=end, limit=page_size)
        yield page


def subscribe(
    store: EventStore,
    query: Query = ALL,
    *,
    after: int = 0,
    stop: Stop | None = None,
    page_size: int = PAGE_SIZE,
) -> Iterator[Event]:
    """
    Yield the events after *after* that match, and go on with new ones until *stop* is set.

    Args:
        store: The log.
        query: Which events.
        after: Exclusive.
        stop: Ends it between two events, and while it waits; None to go on for ever.
        page_size: How many events are held in memory.

    Raises:
        StoreClosed: The store was closed, also while waiting.
    """
    stop = stop or Flag()
    for page in follow_pages(store, query, after=after, stop=stop, page_size=page_size):
        for event in page.events:
            if stop.is_set():
                return
            yield event


def follow_pages(
    store: EventStore,
    query: Query = ALL,
    *,
    after: int = 0,
    stop: Stop,
    page_size: int = PAGE_SIZE,
) -> Iterator[Page]:
    """
    Yield the pages that `subscribe` is made of, empty ones too: each says how far it looked.

    It waits only when a page has looked at everything, so one that says `more` is followed at once.
    """
    while not stop.is_set():
        page = store.read(query, after=after, limit=page_size)
        yield page
        after = page.next_after
        if not page.more:
            wait_for_more(store, max(after, page.head), stop)


def wait_for_more(store: EventStore, head: int, stop: Stop) -> None:
    """
    Wait until the head exceeds *head*, or until *stop* is set.
    """
    # The port's wait hears appends alone; in short waits *stop* is heard too.
    while not stop.is_set() and store.wait(head, LOOK_SECONDS) <= head:
        pass
