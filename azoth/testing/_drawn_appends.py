"""
Appends that a store takes one after the other, and the logs that they leave.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from attrs import Factory, define, frozen

from azoth.clocks import Instant, instant_of
from azoth.events import INTEGER_MAX, Appended, Checkpoint, Event, NewEvent, Write
from azoth.store import EventStore
from azoth.streams import ANY, EXISTS, ExpectedVersion, Position, Version
from azoth.testing._drawn_values import names, new_events, streams
from azoth.testing._hypothesis import st

__all__ = ["CONSUMERS", "Append", "appends", "logs", "recorded"]

CONSUMERS: Final = ("c", "C", "d-1")
_SELDOM: Final = st.sampled_from([False] * 5 + [True])
_BY: Final = st.integers(0, 9) | st.just(INTEGER_MAX)
_BEGIN: Final = instant_of(datetime(2026, 1, 1, tzinfo=UTC))


@frozen
class Append:
    """
    Hold what one append is given, to be done to any store.

    >>> from azoth import open_store
    >>> append = Append([Write("greeting-1", [NewEvent("Said", b"hello")], 0)])
    >>> with open_store("memory://") as store:
    ...     append(store).last
    1
    """

    writes: Sequence[Write]
    checkpoint: Checkpoint | None = None
    key: str | None = None

    def __call__(self, store: EventStore) -> Appended:
        """
        Do it to *store*.
        """
        return store.append(*self.writes, checkpoint=self.checkpoint, key=self.key)


@define
class _Told:
    # What the appends drawn so far leave in a store that was empty.
    versions: Counter[str] = Factory(Counter[str])
    positions: dict[str, int] = Factory(dict[str, int])
    keyed: dict[str, Append] = Factory(dict[str, Append])

    def add(self, append: Append) -> None:
        for write in append.writes:
            self.versions[write.stream] += len(write.events)
        if append.checkpoint is not None:
            self.positions[append.checkpoint.consumer] = append.checkpoint.position
        if append.key is not None:
            self.keyed[append.key] = append


@st.composite
def appends(
    draw: st.DrawFn,
    *,
    stream_names: st.SearchStrategy[str] | None = None,
    events: st.SearchStrategy[NewEvent] | None = None,
    max_size: int = 10,
) -> list[Append]:
    """
    Draw appends that an empty store takes one after the other, each of them.

    They write several streams at once or only check them, expect what is there, move checkpoints,
    and now and then one is repeated with its key, which writes nothing.

    Args:
        draw: Given by Hypothesis.
        stream_names: Where they write; `streams()` unless given.
        events: What they write; `new_events()` unless given.
        max_size: How many at most.

    >>> from azoth import open_store
    >>> from hypothesis import given
    >>> @given(appends())
    ... def all_are_taken(drawn):
    ...     with open_store("memory://") as store:
    ...         for append in drawn:
    ...             append(store)
    >>> all_are_taken()
    """
    to = streams() if stream_names is None else stream_names
    what = new_events() if events is None else events
    told = _Told()
    drawn: list[Append] = []
    for _ in range(draw(st.integers(0, max_size))):
        if draw(_SELDOM) and told.keyed:
            drawn.append(draw(st.sampled_from([*told.keyed.values()])))
        else:
            drawn.append(_new_append(draw, told, to, what))
            told.add(drawn[-1])
    return drawn


def _new_append(
    draw: st.DrawFn, told: _Told, to: st.SearchStrategy[str], what: st.SearchStrategy[NewEvent]
) -> Append:
    written = [_write(draw, told, stream, what) for stream in draw(_few(to))]
    moves = not written or draw(_SELDOM)
    key = draw(names()) if draw(_SELDOM) else None
    return Append(written, _move(draw, told) if moves else None, None if key in told.keyed else key)


def _write(draw: st.DrawFn, told: _Told, stream: str, what: st.SearchStrategy[NewEvent]) -> Write:
    written, version = draw(st.lists(what, max_size=3)), told.versions[stream]
    met: list[ExpectedVersion] = [version]
    met += [ANY] if written else []
    met += [EXISTS] if version else []
    return Write(stream, written, draw(st.sampled_from(met)))


def _move(draw: st.DrawFn, told: _Told) -> Checkpoint:
    consumer = draw(st.sampled_from(CONSUMERS))
    previous = told.positions.get(consumer, 0)
    position = min(previous + draw(_BY), INTEGER_MAX)
    return Checkpoint(consumer=consumer, position=position, previous=previous)


def _few(of: st.SearchStrategy[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(of, max_size=3, unique=True)


def logs(
    *,
    stream_names: st.SearchStrategy[str] | None = None,
    events: st.SearchStrategy[NewEvent] | None = None,
    max_size: int = 10,
) -> st.SearchStrategy[Sequence[Event]]:
    """
    Draw whole logs as a store holds them after `appends` of the same arguments; times are made up.
    """
    drawn = appends(stream_names=stream_names, events=events, max_size=max_size)
    return drawn.map(recorded)


def recorded(drawn: Sequence[Append]) -> Sequence[Event]:
    """
    Return the log that these appends leave in an empty store, at times that are made up.
    """
    found: list[Event] = []
    versions: Counter[str] = Counter()
    keys: set[str] = set()
    for number, append in enumerate(drawn):
        if append.key is not None and append.key in keys:
            continue
        keys |= {append.key} if append.key is not None else set()
        for write in append.writes:
            for event in write.events:
                versions[write.stream] += 1
                # Two appends may be of one time, as those of one microsecond are.
                at = Instant(_BEGIN + number // 2)
                found.append(
                    _event(event, write.stream, versions[write.stream], len(found) + 1, at)
                )
    return tuple(found)


def _event(event: NewEvent, stream: str, version: int, position: int, at: Instant) -> Event:
    return Event(
        position=Position(position),
        stream=stream,
        version=Version(version),
        type=event.type,
        data=event.data,
        metadata=event.metadata,
        schema=event.schema,
        recorded_at=at,
    )
