"""
The decisions of a read, for store authors: what is asked, how far it looks, what fits the page.

A store checks the arguments with `check_read` before any I/O, finds the matches within the bounds
in one snapshot, and lets `page_of` cut the page.
"""

from collections.abc import Iterable
from math import isnan

from attrs import frozen

from azoth.errors import StoreCorrupt
from azoth.events import (
    INTEGER_MAX,
    PAGE_BYTES_MAX,
    Event,
    Page,
    Query,
    category_of,
    check_integer,
)
from azoth.streams import Position

__all__ = ["Due", "ReadRequest", "check_read", "check_wait", "page_of"]


@frozen
class ReadRequest:
    """
    Hold the arguments of a read, checked.

    Attributes:
        query: Which events.
        after: Exclusive.
        until: Inclusive; the largest integer stands for the head.
        limit: At most so many events.
        backwards: Newest first.
    """

    query: Query
    after: int
    until: int
    limit: int
    backwards: bool

    def end(self, head: int) -> int:
        """
        Return the last position within the bounds; not above *after* where nothing is.
        """
        return min(head, self.until)


def check_read(
    query: Query, after: int, until: int | None, limit: int, *, backwards: bool
) -> ReadRequest:
    """
    Return the request of a read whose arguments are well formed.

    Raises:
        TypeError: An argument is of another type.
        ValueError: It is out of its range.
    """
    if not isinstance(query, Query):
        raise TypeError(f"query is a Query, not {query!r}")
    if not isinstance(backwards, bool):
        raise TypeError(f"backwards is True or False, not {backwards!r}")
    check_integer(after, "after")
    check_integer(limit, "limit", low=1)
    if until is not None:
        check_integer(until, "until")
    return ReadRequest(query, after, INTEGER_MAX if until is None else until, limit, backwards)


def check_wait(after: int, timeout: float | None) -> None:
    """
    Check the arguments of a wait.

    Raises:
        TypeError: An argument is of another type.
        ValueError: It is negative or NaN.
    """
    check_integer(after, "after")
    if timeout is None:
        return
    if isinstance(timeout, bool) or not isinstance(timeout, int | float):
        raise TypeError(f"timeout is a number of seconds or None, not {timeout!r}")
    if isnan(timeout) or timeout < 0:
        raise ValueError(f"timeout is {timeout}; give seconds from 0 on, or None to wait for ever")


def page_of(
    matches: Iterable[tuple[Event, int]], read: ReadRequest, head: int, examined: int
) -> Page:
    """
    Return the page that holds the first of *matches*.

    Args:
        matches: Each event with the size of its data and metadata, in the order asked for; one
            more than the limit where there is one, so that `more` tells the truth.
        read: What was asked.
        head: The head in the same snapshot.
        examined: The last position among which the matches were looked for.
    """
    events: list[Event] = []
    size = 0
    for event, weight in matches:
        size += weight
        if len(events) == read.limit or (events and size > PAGE_BYTES_MAX):
            last = read.end(head) if read.backwards else events[-1].position
            return Page(events=events, head=Position(head), next_after=Position(last), more=True)
        events.append(event)
    next_after = Position(max(read.after, examined))
    return Page(
        events=events,
        head=Position(head),
        next_after=next_after,
        more=read.after < examined < read.end(head),
    )


class Due:
    """
    Follow the numbers of a page: an index that lost an entry is no reason to leave out an event.

    Args:
        read: What was asked.
        after: Exclusive: a version in a stream, else a position.
        until: Inclusive, likewise.
        complete: Whether every event of the range is looked at, whatever its type.
    """

    def __init__(self, read: ReadRequest, after: int, until: int, *, complete: bool) -> None:
        self._query = read.query
        self._step = -1 if read.backwards else 1
        self._next = until if read.backwards else after + 1
        self._past = after if read.backwards else until + 1
        # Positions within a category, or of some types, have holes.
        self._counts = complete and read.query.category is None

    def check(self, event: Event) -> None:
        """
        Take the next event of the page.

        Raises:
            StoreCorrupt: It is not the one that is due.
        """
        if not self._belongs(event):
            raise StoreCorrupt(position=event.position, reason="an index leads to a wrong event")
        number: int = event.position if self._query.stream is None else event.version
        if (number - self._next) * self._step < 0:
            raise StoreCorrupt(position=event.position, reason="an index is out of order")
        if self._counts and number != self._next:
            raise self._missing()
        self._next = number + self._step

    def check_end(self) -> None:
        """
        Take the end of the range.

        Raises:
            StoreCorrupt: Something was due before it.
        """
        if self._counts and self._next != self._past:
            raise self._missing()

    def _belongs(self, event: Event) -> bool:
        if self._query.stream is not None:
            return event.stream == self._query.stream
        return self._query.category in {None, category_of(event.stream)}

    def _missing(self) -> StoreCorrupt:
        if self._query.stream is None:
            return StoreCorrupt(position=self._next, reason="the event is missing")
        reason = f"version {self._next} of stream {self._query.stream!r} is missing"
        return StoreCorrupt(position=None, reason=reason)
