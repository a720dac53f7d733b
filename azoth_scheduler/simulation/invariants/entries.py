"""
What a checker is shown, and what it finds.
"""

from collections.abc import Iterable
from typing import Final, Protocol

from attrs import frozen

from azoth.events import ALL, Event
from azoth.store import EventStore
from azoth_scheduler.events import CATEGORY, SchedulerEvent, registry, stream_of

__all__ = ["Breach", "Checker", "Entry", "entry_of", "read_log"]

_PREFIX: Final = f"{CATEGORY}-"


@frozen
class Breach:
    """
    Name what does not hold, and the position that shows it.

    >>> print(Breach("C3", 17, "a/1!1#1 started beside a/1!2#1"))
    C3 at 17: a/1!1#1 started beside a/1!2#1
    """

    invariant: str
    position: int
    what: str

    def __str__(self) -> str:
        return f"{self.invariant} at {self.position}: {self.what}"


@frozen
class Entry:
    """
    Hold one event of the log and, where it is one of the scheduler's, what it says.
    """

    event: Event
    told: SchedulerEvent | None

    @property
    def position(self) -> int:
        """
        Return its place in the log.
        """
        return self.event.position


class Checker(Protocol):
    """
    Check one invariant; derive from this class to write one.

    A checker is shown the log from its beginning. One that raises is itself the breach, at the
    position where it did, and is not asked again. With an attribute `kinds`, a tuple of classes of
    the scheduler's events, it is shown these alone.

    Attributes:
        invariant: The id that a breach is printed with.
    """

    invariant: str

    def see(self, entry: Entry) -> Iterable[str]:
        """
        Say what is wrong with one more event, in words; nothing if all is well.
        """
        ...

    def end(self) -> Iterable[tuple[int, str]]:
        """
        Say what only the end of the log shows, each with its position.
        """
        return ()


def entry_of(event: Event) -> Entry:
    """
    Return an event with what it says, where it is one of the scheduler's and can be read.
    """
    if not event.stream.startswith(_PREFIX):
        return Entry(event, None)
    try:
        told: SchedulerEvent = registry.decode(event)
    except Exception:  # noqa: BLE001 - whatever keeps it from being read, it says nothing
        return Entry(event, None)
    return Entry(event, told if event.stream == stream_of(told.task_id) else None)


def read_log(store: EventStore) -> list[Entry]:
    """
    Read a whole log, decoded where it can be.
    """
    entries: list[Entry] = []
    after = 0
    while True:
        page = store.read(ALL, after=after, limit=1_000)
        entries += map(entry_of, page.events)
        after = page.next_after
        if not page.more:
            return entries
