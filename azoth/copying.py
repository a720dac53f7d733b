"""
Copying a log from one store to another, any to any: positions, versions and times are kept.

What is in the target already must be the begin of the same log; then the copy goes on from there,
so one that was stopped, killed or without room is begun again by the same call. Keys, checkpoints
and leases are not carried: they belong to those who work on a log, and `backup` has them.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from attrs import define, frozen

from azoth.errors import StoreError
from azoth.events import APPEND_EVENTS_MAX, Event
from azoth.following import PAGE_SIZE, Stop, follow_pages, iterate, iterate_pages
from azoth.log_digests import LogDigest
from azoth.store import EventStore, Progress, RestorableStore

__all__ = [
    "BATCH_BYTES",
    "BATCH_EVENTS",
    "Copied",
    "LogsDiffer",
    "Pace",
    "batches",
    "check_can_take_over",
    "copy_log",
    "follow_log",
    "log_digest",
    "take_over",
]

BATCH_EVENTS: Final = APPEND_EVENTS_MAX // 2
"""Of one commit of a copy: enough for its sync to cost little."""

BATCH_BYTES: Final = 8 * 1024 * 1024
"""Of one commit of a copy, likewise; it is held in memory whole."""

Pace = Callable[[int, int], object]
"""Be told while a copy follows: the head of the copy, and that of its source."""


@define(kw_only=True, slots=False)
class LogsDiffer(StoreError):
    """
    Say that the target holds another log than the one that is to be taken over.

    Attributes:
        position: Of the first event that differs, or that the other one lacks.
    """

    position: int

    def __str__(self) -> str:
        return (
            f"the target holds another log: they differ at position {self.position}; nothing was "
            "overwritten; take it over into a new store"
        )


@frozen(kw_only=True)
class Copied:
    """
    Say what a copy holds.

    Attributes:
        head: The position of its last event.
        new: How many events it did not hold before.
        digest: Of the source and of the copy, which were compared.
    """

    head: int
    new: int
    digest: str


def copy_log(
    source: EventStore,
    target: EventStore,
    *,
    until: int | None = None,
    progress: Progress | None = None,
) -> Copied:
    """
    Copy the log as it is now, read the copy back, and compare.

    Args:
        source: May be in use.
        target: Is empty, or holds the begin of the same log.
        until: The last position; None for the head.
        progress: Is told how far it is.

    Raises:
        LogsDiffer: The target holds another log, or the copy is not what it should be.
        ValueError: The target cannot take over a log.
        StoreError: What either store raises.
    """
    head = source.wait(0, 0)
    end = head if until is None else min(until, head)
    had = target.wait(0, 0)
    digest = LogDigest()
    events = _counted(iterate(source, until=end), digest, end, progress)
    take_over(target, events)
    found = log_digest(target, until=end, progress=progress)
    if found != digest.hexdigest():
        raise LogsDiffer(position=_first_difference(source, target, end))
    return Copied(head=end, new=max(0, end - had), digest=found)


def follow_log(
    source: EventStore, target: EventStore, *, stop: Stop, pace: Pace = lambda _copied, _head: None
) -> None:
    """
    Copy what is appended to *source* until *stop* is set.

    Args:
        source: In use.
        target: Holds a copy already.
        stop: Ends it between two commits, and while it waits.
        pace: Is told after each commit how far the copy is.
    """
    restore = check_can_take_over(target).restore
    for page in follow_pages(source, after=target.wait(0, 0), stop=stop):
        restore(page.events)
        pace(page.next_after, page.head)


def take_over(target: EventStore, events: Iterable[Event]) -> int:
    """
    Let *target* hold *events*, a log from position 1 on; memory is bounded.

    Returns:
        How many it did not hold before.

    Raises:
        LogsDiffer: What it holds is not the begin of the log.
        ValueError: The target cannot take over a log, or *events* are none.
    """
    restore = check_can_take_over(target).restore
    head, new = target.wait(0, 0), 0
    missing = _behind(iterate(target, until=head), head, events)
    for batch in batches(missing):
        restore(batch)
        new += len(batch)
    return new


def log_digest(
    store: EventStore, *, until: int | None = None, progress: Progress | None = None
) -> str:
    """
    Return the digest of a log up to *until*; None for its head.
    """
    digest = LogDigest()
    for page in iterate_pages(store, until=until):
        for event in page.events:
            digest.add(event)
        if progress is not None:
            progress("comparing", page.next_after, min(page.head, until or page.head))
    return digest.hexdigest()


def check_can_take_over(target: EventStore) -> RestorableStore:
    """
    Return *target* if it can take over a log.

    Raises:
        ValueError: It cannot.
    """
    if not isinstance(target, RestorableStore):
        # Its URL was given, so to a user it is a wrong value.
        raise ValueError(  # noqa: TRY004
            "the target cannot take over a log as it is; `azoth info` says which stores `restore`"
        )
    return target


def batches(events: Iterable[Event]) -> Iterator[Sequence[Event]]:
    """
    Yield *events* in parts that one commit may hold.
    """
    batch: list[Event] = []
    size = 0
    try:
        for event in events:
            batch.append(event)
            size += len(event.data)
            if len(batch) >= BATCH_EVENTS or size >= BATCH_BYTES:
                yield batch
                batch, size = [], 0
    except Exception:
        # What came before the event that could not be had is whole, and need not come again.
        if batch:
            yield batch
        raise
    if batch:
        yield batch


def _behind(held: Iterator[Event], head: int, events: Iterable[Event]) -> Iterator[Event]:
    position = 0
    for event in events:
        if position < head:
            position += 1
            if next(held) != event:
                raise LogsDiffer(position=position)
        else:
            yield event
    if position < head:
        raise LogsDiffer(position=position + 1)


def _counted(
    events: Iterable[Event], digest: LogDigest, end: int, progress: Progress | None
) -> Iterator[Event]:
    for event in events:
        digest.add(event)
        if progress is not None and (event.position % PAGE_SIZE == 0 or event.position == end):
            progress("copying", event.position, end)
        yield event


def _first_difference(source: EventStore, target: EventStore, end: int) -> int:
    pairs = zip(iterate(source, until=end), iterate(target, until=end), strict=False)
    return next((mine.position for mine, other in pairs if mine != other), end)
