"""
The difference between two places: two positions of one log, or two logs.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import zip_longest
from typing import Final, TypeAlias

from attrs import frozen

from azoth.events import Event
from azoth.following import iterate
from azoth.projections import Tabular
from azoth.replay.field_changes import ABSENT, FieldChange, changes_between
from azoth.replay.past import state_at
from azoth.replay.places import place_in
from azoth.replay.snapshots import Snapshots
from azoth.store import EventStore

__all__ = ["Difference", "Place", "RowDifference", "diff", "rows_that_differ"]

_First: TypeAlias = tuple[int | None, Event | None, Event | None]
# The first position that differs, and what each log has there.

_NOWHERE: Final[_First] = (None, None, None)

_SHOWN: Final = 10
# Of the rows: who wants more has them as values.


@frozen
class Place:
    """
    Name a place in a log.

    Attributes:
        store: The log.
        at: A position, or the time up to which events were recorded; None for the head.
    """

    store: EventStore
    at: int | datetime | None = None


@frozen
class RowDifference:
    """
    Name a row that differs.

    Attributes:
        key: The row's key.
        before: The row at the first place, `ABSENT` if it is not there.
        after: The row at the second.
    """

    key: str
    before: object
    after: object

    @property
    def changes(self) -> tuple[FieldChange, ...]:
        """
        Return the fields that differ.
        """
        return changes_between(self.before, self.after)

    def __str__(self) -> str:
        return f"row {self.key!r}: " + "; ".join(map(str, self.changes))


@frozen(kw_only=True)
class Difference:
    """
    Hold what two places have not in common.

    Attributes:
        position: The first position at which the two logs have different events; None if they
            agree up to the shorter place, or are one log.
        events: The events there; None of the log that ends before.
        positions: The two places.
        rows: The rows of the projection that differ, by key.
    """

    position: int | None
    events: tuple[Event | None, Event | None]
    positions: tuple[int, int]
    rows: tuple[RowDifference, ...]

    def __bool__(self) -> bool:
        return self.position is not None or bool(self.rows)

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        first, second = self.positions
        if not self:
            yield f"no difference between {first} and {second}"
        if self.position is not None:
            yield f"the first event that differs is at {self.position}"
            for sign, event in zip("-+", self.events, strict=True):
                yield f"{sign} {'nothing' if event is None else _shown(event)}"
        if self.rows:
            yield f"rows that differ between {first} and {second}: {len(self.rows)}"
            yield from map(str, self.rows[:_SHOWN])
            if len(self.rows) > _SHOWN:
                yield f"and {len(self.rows) - _SHOWN} more"


def _shown(event: Event) -> str:
    data = event.data[:200].decode(errors="replace")
    return f"{event.type} {event.stream}@{event.version} {event.recorded_at} {data}"


def diff(
    first: Place | EventStore,
    second: Place | EventStore,
    projection_factory: Callable[[], Tabular] | None = None,
    *,
    snapshots: Snapshots | None = None,
) -> Difference:
    """
    Return what two places have not in common; it is false where that is nothing.

    Two logs are compared event by event up to the two places. Of one log only the rows are
    compared: that the later place has more events is known.

    Args:
        first: A place, or a store for its head.
        second: Another one.
        projection_factory: Makes an empty projection whose rows are compared; None for none.
        snapshots: Where rows of some positions are kept.

    Raises:
        PositionBeyondHead: A log ends before its place.
        BeforeFirstEvent: Nothing had been recorded at that time.
    """
    one, other = _place(first), _place(second)
    positions = place_in(one.store, one.at), place_in(other.store, other.at)
    alone = one.store is other.store
    differs = _NOWHERE if alone else _first_difference(one.store, other.store, positions)
    rows: tuple[RowDifference, ...] = ()
    if projection_factory is not None:
        before, after = (
            state_at(place.store, projection_factory, at, snapshots=snapshots)
            for place, at in zip((one, other), positions, strict=True)
        )
        rows = tuple(rows_that_differ(before, after))
    return Difference(position=differs[0], events=differs[1:], positions=positions, rows=rows)


def rows_that_differ(before: Tabular, after: Tabular) -> Iterator[RowDifference]:
    """
    Yield the rows that two projections have not in common, by key.
    """
    rows, others = before.rows, after.rows
    for key in sorted({*rows, *others}):
        one, other = rows.get(key, ABSENT), others.get(key, ABSENT)
        if one != other:
            yield RowDifference(key, one, other)


def _place(given: Place | EventStore) -> Place:
    return given if isinstance(given, Place) else Place(given)


def _first_difference(one: EventStore, other: EventStore, positions: tuple[int, int]) -> _First:
    first, second = iterate(one, until=positions[0]), iterate(other, until=positions[1])
    for position, (before, after) in enumerate(zip_longest(first, second), 1):
        if before != after:
            return position, before, after
    return _NOWHERE
