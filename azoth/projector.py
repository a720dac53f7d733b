"""
Drive a projection: catch up, go on, wait for a position, rebuild beside the live one.
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from threading import Condition, RLock
from threading import Event as Flag
from typing import Final, Generic, TypeVar

from azoth._collecting import collecting_seldom
from azoth.errors import CheckpointAhead
from azoth.events import Event, Page, check_integer
from azoth.following import PAGE_SIZE, Stop, iterate_pages, wait_for_more
from azoth.marks import check_mark, mark_at, mark_of
from azoth.projections import DurableProjection, Projection
from azoth.store import EventStore, Progress

__all__ = ["SAVE_EVERY", "Projector"]

SAVE_EVERY: Final = 1_000
"""Positions that did not match before they are saved: looking at so many again takes no time."""

P = TypeVar("P", bound=Projection)


class Projector(Generic[P]):
    """
    Bring a projection to the head of the log and keep it there.

    One projector may be used by any number of threads; the projection is touched by one at a time.

    Args:
        store: The log.
        projection: What is driven.
        page_size: How many events are folded, and saved, at once.
        effect: Called with the events of each page after they were folded, once the projection has
            caught up, never for one that is being rebuilt. It may be missed in a crash: what must
            happen belongs in an `EventProcessor`.

    Raises:
        CheckpointAhead: From the methods: the log ends before the projection's position.
        StoreDiverged: From the methods: the event at the saved mark is another one now.
    """

    def __init__(
        self,
        store: EventStore,
        projection: P,
        *,
        page_size: int = PAGE_SIZE,
        effect: Callable[[Sequence[Event]], object] | None = None,
    ) -> None:
        self._store = store
        self._projection = projection
        self._durable = _durable_of(projection)
        self._page_size = check_integer(page_size, "page_size", low=1)
        self._effect = effect
        self._lock = RLock()
        self._moved = Condition()
        self._cursor = projection.position
        self._checked = False
        self._runners = 0
        self._is_live = False

    @property
    def projection(self) -> P:
        """
        Return the live projection; after a rebuild it is the new one.
        """
        return self._projection

    @property
    def position(self) -> int:
        """
        Return how far the log was looked at.
        """
        return self._cursor

    def lag(self) -> int:
        """
        Return how many positions lie between the projection and the head.
        """
        return max(0, self._store.wait(0, 0) - self._cursor)

    def catch_up(
        self,
        until: int | None = None,
        *,
        stop: Stop | None = None,
        progress: Progress | None = None,
    ) -> int:
        """
        Fold what the log holds now, or up to *until*, and return how far that was.

        Args:
            until: The last position; None for the head.
            stop: Ends it between two pages; what was folded is saved.
            progress: Is told after each page how far it is.
        """
        with self._lock:
            query, after, size = self._projection.query, self._resume(), self._page_size
            for page in iterate_pages(self._store, query, after=after, until=until, page_size=size):
                self._take(page)
                if progress is not None:
                    progress("folding", self._cursor, page.head if until is None else until)
                if stop is not None and stop.is_set():
                    return self._cursor
            if self._projection.position < self._cursor:
                self._save((), self._cursor)
            self._is_live = self._is_live or until is None
            return self._cursor

    def run(self, stop: Stop) -> None:
        """
        Fold what is appended until *stop* is set.
        """
        with self._running():
            while not stop.is_set():
                page = self._step()
                if not page.more:
                    wait_for_more(self._store, max(self._cursor, page.head), stop)

    def wait(self, position: int, timeout: float | None = None) -> bool:
        """
        Wait until the projection shows what is at *position*, and say whether it does.

        Where nothing runs the projector, the caller catches it up itself.

        Args:
            position: As an append returned it.
            timeout: Seconds; None waits for ever.
        """
        with self._moved:
            self._moved.wait_for(lambda: self._cursor >= position or not self._runners, timeout)
        if self._cursor < position and not self._runners:
            head = self._store.wait(position - 1, timeout)
            self.catch_up(until=min(head, position))
        return self._cursor >= position

    def rebuild(
        self, fresh: P, stop: Stop | None = None, *, progress: Progress | None = None
    ) -> bool:
        """
        Build *fresh* beside the live projection and put it in its place once it has caught up.

        The live one goes on meanwhile and answers until the moment of the switch; the caller then
        closes what it held. Stopped half-way, *fresh* goes on from where it is in the next call.

        Args:
            fresh: Another object of the same name, usually of the next version.
            stop: Ends it before the switch.
            progress: Is told how far it is; `azoth.replay.paced` adds the rate and the time left.

        Returns:
            Whether it was switched.

        Raises:
            ValueError: *fresh* has another name, or is the live one.
        """
        if fresh is self._projection or fresh.name != self._projection.name:
            raise ValueError(f"rebuild {self._projection.name!r} with a new object of that name")
        stop = stop or Flag()
        beside = Projector(self._store, fresh, page_size=self._page_size)
        with collecting_seldom():
            while not stop.is_set():
                page = beside._step()
                if progress is not None:
                    progress("rebuilding", beside.position, page.head)
                if not page.more:
                    self._switch(beside)
                    return True
        return False

    def _switch(self, beside: "Projector[P]") -> None:
        with self._lock:
            if self._effect is not None and self._is_live:
                # Nobody else sends those of what the new one has seen and the live one has not.
                self.catch_up(until=beside.position)
            # The live one may have gone on since: what it shows must not go back.
            while beside.position < self._cursor:
                beside.catch_up(until=self._cursor)
            self._projection = beside.projection
            self._durable = _durable_of(self._projection)
            self._checked = True
            self._move(beside.position)

    def _step(self) -> Page:
        with self._lock:
            after = self._resume()
            page = self._store.read(self._projection.query, after=after, limit=self._page_size)
            self._take(page)
            self._is_live = self._is_live or not page.more
            return page

    def _resume(self) -> int:
        if not self._checked and self._durable is not None:
            check_mark(self._store, self._durable.name, self._durable.mark)
        self._checked = True
        # Another process may have folded into the same rows.
        self._cursor = max(self._cursor, self._projection.position)
        return self._cursor

    def _take(self, page: Page) -> None:
        name, position = self._projection.name, page.next_after
        if page.head < self._cursor:
            raise CheckpointAhead(consumer=name, position=self._cursor, head=page.head)
        if page.events or position - self._projection.position >= SAVE_EVERY:
            self._save(page.events, position)
        self._move(position)
        if page.events and self._is_live and self._effect is not None:
            self._effect(page.events)

    def _save(self, events: Sequence[Event], position: int) -> None:
        if self._durable is None:
            self._projection.apply(events, position)
        elif events and events[-1].position == position:
            self._durable.save(events, mark_of(events[-1]))
        else:
            self._durable.save(events, mark_at(self._store, position))

    def _move(self, position: int) -> None:
        with self._moved:
            self._cursor = position
            self._moved.notify_all()

    @contextmanager
    def _running(self) -> Generator[None, None, None]:
        with self._moved:
            self._runners += 1
        try:
            yield
        finally:
            with self._moved:
                self._runners -= 1
                self._moved.notify_all()


def _durable_of(projection: Projection) -> DurableProjection | None:
    # Asked once: whether an object keeps to a protocol takes as long as folding an event.
    return projection if isinstance(projection, DurableProjection) else None
