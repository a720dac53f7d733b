"""
Mutants whose pages are not what was asked for, or not a page.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import overload

from attrs import evolve

from azoth.clocks import Clock
from azoth.events import Event, Page, Query, category_of
from azoth.reading import ReadRequest
from azoth.streams import Position
from azoth_memory.log import MemoryLog
from tests.stores.mutants.planting import ReadMutant

__all__ = [
    "ConfusesBackwardsWithForwards",
    "GoesOnAfterTheHead",
    "GoesOnAfterTheLastMatch",
    "HasNoBoundInBytes",
    "HoldsACursor",
    "LendsItsOwnList",
    "MatchesCategoriesByPrefix",
    "MatchesStreamsByPrefix",
    "SaysThereIsNoMore",
    "StartsBackwardsAtTheWrongEnd",
    "TakesAfterAsInclusive",
    "TakesLimitPlusOne",
    "TakesUntilAsExclusive",
]


class TakesAfterAsInclusive(ReadMutant):
    """
    The event at `after` is in the page.
    """

    def reads(self, asked: ReadRequest) -> Page:
        return self.page(evolve(asked, after=max(asked.after - 1, 0)))


class TakesUntilAsExclusive(ReadMutant):
    """
    The event at `until` is not in the page.
    """

    def reads(self, asked: ReadRequest) -> Page:
        return self.page(evolve(asked, until=max(asked.until - 1, 0)))


class TakesLimitPlusOne(ReadMutant):
    """
    A page has one event more than was asked for.
    """

    def reads(self, asked: ReadRequest) -> Page:
        return self.page(evolve(asked, limit=asked.limit + 1))


class ConfusesBackwardsWithForwards(ReadMutant):
    """
    `backwards` is not looked at.
    """

    def reads(self, asked: ReadRequest) -> Page:
        return self.page(evolve(asked, backwards=False))


class StartsBackwardsAtTheWrongEnd(ReadMutant):
    """
    Going back, the oldest events of the range are taken and then turned round.
    """

    def reads(self, asked: ReadRequest) -> Page:
        page = self.page(evolve(asked, backwards=False))
        return evolve(page, events=page.events[::-1]) if asked.backwards else page


class SaysThereIsNoMore(ReadMutant):
    """
    A page that was cut says that it was the last.
    """

    def reads(self, asked: ReadRequest) -> Page:
        return evolve(self.page(asked), more=False)


class GoesOnAfterTheHead(ReadMutant):
    """
    `next_after` of a page that was cut leads past what did not fit.
    """

    def reads(self, asked: ReadRequest) -> Page:
        page = self.page(asked)
        return evolve(page, next_after=Position(max(page.next_after, page.head)))


class GoesOnAfterTheLastMatch(ReadMutant):
    """
    `next_after` never passes what did not match, so that a filtered reader scans it for ever.
    """

    def reads(self, asked: ReadRequest) -> Page:
        page = self.page(asked)
        last = max((event.position for event in page.events), default=asked.after)
        return evolve(page, next_after=Position(last))


class LendsItsOwnList(ReadMutant):
    """
    A page of the whole log is the list that the store goes on writing to.
    """

    def reads(self, asked: ReadRequest) -> Page:
        page = self.page(asked)
        is_whole = len(page.events) == page.head and not asked.backwards
        return evolve(page, events=self._log.events) if is_whole else page


class HoldsACursor(ReadMutant):
    """
    A page reads its events when they are looked at, not when it is made.
    """

    def reads(self, asked: ReadRequest) -> Page:
        return evolve(self.page(asked), events=_Cursor(lambda: self.page(asked).events))


class HasNoBoundInBytes(ReadMutant):
    """
    Only the count of its events ends a page.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._log = _WeightlessLog()


class MatchesStreamsByPrefix(ReadMutant):
    """
    A stream's events come with those of every stream whose name begins with its name.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._log = _StreamPrefixLog()


class MatchesCategoriesByPrefix(ReadMutant):
    """
    A category's events come with those of every category whose name begins with its name.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._log = _CategoryPrefixLog()


class _Cursor(Sequence[Event]):
    def __init__(self, fetch: Callable[[], Sequence[Event]]) -> None:
        self._fetch = fetch
        self._fetched: Sequence[Event] | None = None

    def __len__(self) -> int:
        return len(self._events())

    @overload
    def __getitem__(self, place: int) -> Event: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[Event]: ...

    def __getitem__(self, place: int | slice) -> Event | Sequence[Event]:
        return self._events()[place]

    def _events(self) -> Sequence[Event]:
        if self._fetched is None:
            self._fetched = self._fetch()
        return self._fetched


class _WeightlessLog(MemoryLog):
    def _matches(self, positions: Iterator[int], query: Query) -> Iterator[tuple[Event, int]]:
        return ((event, 0) for event, _ in super()._matches(positions, query))


class _StreamPrefixLog(MemoryLog):
    def _positions(self, query: Query) -> Sequence[int]:
        if query.stream is None:
            return super()._positions(query)
        return [e.position for e in self.events if e.stream.startswith(query.stream)]


class _CategoryPrefixLog(MemoryLog):
    def _positions(self, query: Query) -> Sequence[int]:
        if query.category is None:
            return super()._positions(query)
        return [e.position for e in self.events if category_of(e.stream).startswith(query.category)]
