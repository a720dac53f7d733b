"""
Hypothesis strategies for what goes into a log: names, events, appends, faults and times.

Each draws valid values, the awkward ones more often than chance would; `invalid_names` draws what
is refused. `appends` and `logs` draw only what a store would have taken, so that what is folded
from them could really have happened. They need Hypothesis, which `azoth-scheduler[testing]`
installs.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Final

from azoth.clocks import DURATION_MAX, INSTANT_MAX, Instant, Microseconds, instant_of
from azoth.events import INTEGER_MAX, Checkpoint, NewEvent, Query, Write, category_of
from azoth.streams import ANY, EXISTS
from azoth.testing._drawn_appends import CONSUMERS, Append, appends, logs
from azoth.testing._drawn_values import invalid_names, names, new_events, streams
from azoth.testing._hypothesis import st
from azoth.testing.faulty import Fault

__all__ = [
    "Append",
    "appends",
    "checkpoints",
    "durations",
    "fault_plans",
    "instants",
    "invalid_names",
    "logs",
    "names",
    "new_events",
    "queries",
    "streams",
    "writes",
]

_SECOND: Final = 1_000_000
_MOMENTS: Final = [
    Instant(0),
    Instant(1),
    *(
        instant_of(datetime.fromisoformat(text).replace(tzinfo=UTC))
        for text in (
            "1999-12-31T23:59:59.999999",
            "2016-12-31T23:59:59.999999",  # before a leap second
            "2024-02-29T12:00:00",
            "2038-01-19T03:14:08",  # seconds in 32 bits end before it
            "2100-02-28T23:59:59.999999",  # no leap year
        )
    ),
    INSTANT_MAX,
]
_SPANS: Final = [Microseconds(n) for n in (0, 1, _SECOND, 3_600 * _SECOND, DURATION_MAX)]


def writes(
    stream_names: st.SearchStrategy[str] | None = None,
    events: st.SearchStrategy[NewEvent] | None = None,
) -> st.SearchStrategy[Write]:
    """
    Draw writes that are well formed; whether a store takes them depends on what it holds.

    Args:
        stream_names: Where they go; `streams()` unless given.
        events: What they write; `new_events()` unless given.
    """
    to = streams() if stream_names is None else stream_names
    some = st.lists(new_events() if events is None else events, min_size=1, max_size=3)
    versions = st.integers(0, 3) | st.sampled_from([0, INTEGER_MAX])
    return st.one_of(
        st.builds(Write, to, some, st.just(ANY) | st.just(EXISTS) | versions),
        st.builds(Write, to, st.just(()), st.just(EXISTS) | versions),
    )


@cache
def checkpoints() -> st.SearchStrategy[Checkpoint]:
    """
    Draw moves of consumers, forwards and on the spot, up to the last number.
    """
    numbers = st.integers(0, 12) | st.just(INTEGER_MAX)
    return st.builds(_moved, st.sampled_from(CONSUMERS) | names(), numbers, numbers)


def _moved(consumer: str, one: int, other: int) -> Checkpoint:
    return Checkpoint(consumer=consumer, position=max(one, other), previous=min(one, other))


def queries(
    stream_names: st.SearchStrategy[str] | None = None,
    types: st.SearchStrategy[str] | None = None,
) -> st.SearchStrategy[Query]:
    """
    Draw queries by stream, by category or neither, with types or without.

    Args:
        stream_names: Streams, whose categories are asked for too; `streams()` unless given.
        types: Their types; any names unless given.
    """
    to = streams() if stream_names is None else stream_names
    chosen = st.lists(names() if types is None else types, max_size=2)
    categories = to.map(category_of).filter(bool)
    return st.one_of(
        st.builds(Query, types=chosen),
        st.builds(Query, stream=to, types=chosen),
        st.builds(Query, category=categories, types=chosen),
    )


_ANYWHERE: Final = tuple(fault for fault in Fault if fault is not Fault.CONFLICT)


def fault_plans(
    faults: Sequence[Fault] = _ANYWHERE, *, calls: int = 20
) -> st.SearchStrategy[Mapping[int, Fault]]:
    """
    Draw which calls of a store fail, and how; a plan's `get` is what `FaultyStore` takes.

    Args:
        faults: What may happen. A conflict is left out, for only an append that expects something
            meets one: name it where all of them do.
        calls: The last call that may fail.

    >>> from azoth import open_store
    >>> from azoth.testing import FaultyStore
    >>> from hypothesis import given
    >>> @given(fault_plans([Fault.BUSY]))
    ... def at_most_twenty_are_busy(plan):
    ...     with FaultyStore(open_store("memory://"), reads=plan.get) as store:
    ...         store.read_pages = 20
    ...         assert store.read().head == 0
    >>> at_most_twenty_are_busy()
    """
    return st.dictionaries(st.integers(1, calls), st.sampled_from(faults), max_size=calls // 2)


@cache
def instants() -> st.SearchStrategy[Instant]:
    """
    Draw instants: the first and the last, those where calendars and counters turn, and any other.
    """
    near = st.builds(_beside, st.sampled_from(_MOMENTS), st.integers(-_SECOND, _SECOND))
    return st.sampled_from(_MOMENTS) | near | st.integers(0, INSTANT_MAX).map(Instant)


def _beside(moment: Instant, off: int) -> Instant:
    return Instant(min(max(0, moment + off), INSTANT_MAX))


@cache
def durations() -> st.SearchStrategy[Microseconds]:
    """
    Draw spans of time from none to a hundred years.
    """
    short = st.integers(0, 90 * _SECOND)
    return st.sampled_from(_SPANS) | (short | st.integers(0, DURATION_MAX)).map(Microseconds)
