"""
What a type checker tells a user of `azoth`; checked by mypy and pyright, never run.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import assert_type

from azoth.clocks import Clock, Instant, SystemClock, datetime_of, instant_of
from azoth.events import ALL, Appended, Event, NewEvent, Query, Write
from azoth.store import EventStore, Problem, VerifiableStore
from azoth.streams import ANY, EXISTS, Position, Version


def instants_and_numbers_do_not_mix(clock: Clock, when: datetime) -> None:
    """
    An instant is made from a datetime and turned into one; a bare number is none.
    """
    assert_type(instant_of(when), Instant)
    assert_type(datetime_of(clock.now()), datetime)
    datetime_of(0)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def a_machine_s_clock_is_a_clock() -> Clock:
    """
    What is injected by default satisfies the port.
    """
    return SystemClock()


def an_event_s_place_has_two_kinds(event: Event, jump: Callable[[Position], None]) -> None:
    """
    A place in the log and one in a stream are different types.
    """
    assert_type(event.position, Position)
    assert_type(event.version, Version)
    assert_type(event.recorded_at, Instant)
    assert_type(event.metadata, Mapping[str, str])
    jump(event.version)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def the_port_answers_in_values(store: EventStore) -> None:
    """
    A store answers with values of the core, whatever stands behind it.
    """
    with store as entered:
        assert_type(entered, EventStore)
    assert_type(store.append(Write("s", (NewEvent("T", b""),), expected=ANY)), Appended)
    assert_type(store.read(Query(category="s")).events, Sequence[Event])
    assert_type(store.read(ALL, after=1, limit=10).next_after, Position)
    assert_type(store.wait(0, timeout=1.0), int)
    assert_type(store.checkpoint("reader"), int)


def a_write_says_what_it_expects() -> None:
    """
    The expectation is a version or one of two words, and it is never left out.
    """
    Write("s", (), expected=EXISTS)
    Write("s", (), expected=3)
    Write("s", (), expected="any")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Write("s", ())  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def values_are_frozen(event: NewEvent) -> None:
    """
    A value is never changed; a new one is made.
    """
    event.type = "other"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


def a_capability_is_asked_for(store: EventStore) -> None:
    """
    What a store may offer beyond the port is there once it was asked for.
    """
    assert_type(isinstance(store, VerifiableStore), bool)
    if isinstance(store, VerifiableStore):
        assert_type(store.verify(), Sequence[Problem])


def aware_times_only() -> Instant:
    """
    A datetime with a zone is an instant.
    """
    return instant_of(datetime(2026, 1, 1, tzinfo=UTC))
