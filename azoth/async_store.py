"""
A store for coroutines: the same names, each call on a thread, so that the loop never blocks.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import TracebackType
from typing import Final, Self, TypeVar

from azoth.errors import StoreClosed
from azoth.events import ALL, Appended, Checkpoint, Event, Page, Query, Write
from azoth.following import PAGE_SIZE
from azoth.store import EventStore

__all__ = ["AsyncStore"]

R = TypeVar("R")

_READERS: Final = 4
"""Threads that read: a page is milliseconds of work, and more threads would share one GIL."""

_WATCH_SECONDS: Final = 1.0
"""Of one shared wait: how long its thread may outlive the last coroutine that waits."""


class AsyncStore:
    """
    Offer a store's methods as coroutines.

    Writes share one thread and nothing is held across an `await`. Any number of coroutines may
    wait at the cost of one thread. A coroutine that is cancelled while it appends does not stop
    the append: its outcome is unknown, so give it a key and ask again.

    Args:
        store: The store; it is closed with this object.

    Example:
        >>> import asyncio
        >>> from azoth import ANY, AsyncStore, NewEvent, Write, open_store
        >>> async def main() -> list[bytes]:
        ...     async with AsyncStore(open_store("memory://")) as store:
        ...         await store.append(Write("greeting-1", [NewEvent("Said", b"hello")], ANY))
        ...         return [event.data async for event in store.iterate()]
        >>> asyncio.run(main())
        [b'hello']
    """

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self._writer = ThreadPoolExecutor(1, "azoth-writer")
        self._readers = ThreadPoolExecutor(_READERS, "azoth-reader")
        self._watcher = ThreadPoolExecutor(1, "azoth-watcher")
        self._watch: asyncio.Task[int] | None = None
        self._closed = False

    async def append(
        self, *writes: Write, checkpoint: Checkpoint | None = None, key: str | None = None
    ) -> Appended:
        """
        Append all writes and the checkpoint in one commit, as `EventStore.append` does.
        """
        append = partial(self._store.append, *writes, checkpoint=checkpoint, key=key)
        return await self._on(self._writer, append)

    async def read(
        self,
        query: Query = ALL,
        *,
        after: int = 0,
        until: int | None = None,
        limit: int = 500,
        backwards: bool = False,
    ) -> Page:
        """
        Return the events of (*after*, *until*] that match, as `EventStore.read` does.
        """
        read = partial(self._store.read, query, after=after, until=until)
        return await self._on(self._readers, partial(read, limit=limit, backwards=backwards))

    async def wait(self, after: int, timeout: float | None = None) -> int:  # noqa: ASYNC109 - the port's
        """
        Return the head as soon as it exceeds *after*, or when *timeout* is over.
        """
        head = await self._on(self._readers, partial(self._store.wait, after, 0))
        try:
            async with asyncio.timeout(timeout):
                while head <= after:
                    head = await self._next_head(head)
        except TimeoutError:
            pass
        return head

    async def checkpoint(self, consumer: str) -> int:
        """
        Return the position that *consumer* saved last; 0 if it never did.
        """
        return await self._on(self._readers, partial(self._store.checkpoint, consumer))

    async def iterate(
        self,
        query: Query = ALL,
        *,
        after: int = 0,
        until: int | None = None,
        page_size: int = PAGE_SIZE,
    ) -> AsyncIterator[Event]:
        """
        Yield the events of (*after*, *until*] that match; None is the head as it is at first.
        """
        page = await self.read(query, after=after, until=until, limit=page_size)
        end = page.head if until is None else min(until, page.head)
        while True:
            for event in page.events:
                yield event
            if not page.more:
                return
            page = await self.read(query, after=page.next_after, until=end, limit=page_size)

    async def subscribe(
        self, query: Query = ALL, *, after: int = 0, page_size: int = PAGE_SIZE
    ) -> AsyncIterator[Event]:
        """
        Yield the events after *after* that match, and go on with new ones until it is cancelled.
        """
        while True:
            page = await self.read(query, after=after, limit=page_size)
            for event in page.events:
                yield event
            after = page.next_after
            if not page.more:
                await self.wait(max(after, page.head))

    async def close(self) -> None:
        """
        Close the store and free the threads; twice is fine.
        """
        self._closed = True
        await asyncio.to_thread(self._store.close)
        for threads in (self._writer, self._readers, self._watcher):
            threads.shutdown(wait=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def _next_head(self, head: int) -> int:
        # All who wait share one watch, and being cancelled takes it from none of the others.
        if self._watch is None or self._watch.done():
            wait = partial(self._store.wait, head, _WATCH_SECONDS)
            self._watch = asyncio.ensure_future(self._on(self._watcher, wait))
            # Nobody may be left to hear that the store was closed.
            self._watch.add_done_callback(_hear)
        return await asyncio.shield(self._watch)

    async def _on(self, threads: ThreadPoolExecutor, call: Callable[[], R]) -> R:
        if self._closed:
            raise StoreClosed
        return await asyncio.get_running_loop().run_in_executor(threads, call)


def _hear(watch: "asyncio.Task[int]") -> None:
    if not watch.cancelled():
        watch.exception()
