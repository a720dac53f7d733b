"""
Strategies for logs: what is valid a store takes, what is not it refuses, and edges are reached.
"""

import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final

import pytest
from attrs import evolve
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

from azoth import ANY, Checkpoint, Event, NewEvent, Query, Write, iterate, open_store
from azoth.clocks import DURATION_MAX, INSTANT_MAX, Instant, datetime_of, instant_of, timedelta_of
from azoth.events import INTEGER_MAX, NAME_BYTES_MAX, SCHEMA_MAX
from azoth.testing import Fault, FaultyStore, SimulatedCrash
from azoth.testing import strategies as drawn
from azoth.testing._drawn_appends import recorded

pytestmark = pytest.mark.uncovered

SEARCH: Final = settings(
    derandomize=True,
    database=None,
    max_examples=500,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
EDGES: Final[dict[str, tuple[st.SearchStrategy[Any], Callable[[Any], bool]]]] = {
    "a name of 255 bytes": (drawn.names(), lambda name: len(name.encode()) == NAME_BYTES_MAX),
    "a name that only bytes tell apart": (drawn.streams(), lambda name: "\u0308" in name),
    "the largest schema": (drawn.new_events(), lambda event: event.schema == SCHEMA_MAX),
    "bytes that are no text": (drawn.new_events(), lambda event: b"\xff" in event.data),
    "metadata": (drawn.new_events(), lambda event: bool(event.metadata)),
    "a write that only checks": (drawn.writes(), lambda write: not write.events),
    "a checkpoint at the last position": (
        drawn.checkpoints(),
        lambda moved: moved.position == INTEGER_MAX,
    ),
    "a category": (drawn.queries(), lambda query: query.category == "a"),
    "an append to two streams": (
        drawn.appends(),
        lambda all_: any(len(a.writes) > 1 for a in all_),
    ),
    "a repeated append": (
        drawn.appends(),
        lambda all_: any(one is other for n, one in enumerate(all_) for other in all_[:n]),
    ),
    "a stream of three events": (
        drawn.logs(),
        lambda log: any(event.version == 3 for event in log),
    ),
    "two faults": (drawn.fault_plans(), lambda plan: len(plan) > 1),
    "the last instant": (drawn.instants(), lambda instant: instant == INSTANT_MAX),
    "a leap day": (drawn.instants(), lambda at: f"{datetime_of(at):%m-%d}" == "02-29"),
    "the longest duration": (drawn.durations(), lambda span: span == DURATION_MAX),
}


@pytest.mark.parametrize(("strategy", "reached"), EDGES.values(), ids=list(EDGES))
def test_edges_are_reached(
    strategy: st.SearchStrategy[Any], reached: Callable[[Any], bool]
) -> None:
    """
    What chance alone would hardly draw is drawn within a few hundred examples.
    """
    find(strategy, reached, settings=SEARCH)


@given(drawn.appends())
def test_appends_are_taken_and_leave_the_log_that_they_say(appends: list[drawn.Append]) -> None:
    """
    Each is accepted by an empty store in its turn, and a key is answered a second time.
    """
    seen: set[str] = set()
    with open_store("memory://") as store:
        for append in appends:
            answer = append(store)
            assert answer.duplicate == (append.key in seen)
            seen |= {append.key} if append.key is not None else set()
        found = [evolve(event, recorded_at=Instant(0)) for event in iterate(store)]

    due = [evolve(event, recorded_at=Instant(0)) for event in recorded(appends)]
    assert found == due


@given(drawn.logs())
def test_logs_are_sound(log: Sequence[Event]) -> None:
    """
    S1 and C1: positions and versions are dense, and recorded times never go back.
    """
    assert [event.position for event in log] == list(range(1, len(log) + 1))
    for event in log:
        of_stream = [other.version for other in log if other.stream == event.stream]
        assert of_stream == list(range(1, len(of_stream) + 1))
    times = [event.recorded_at for event in log]
    assert times == sorted(times)


@given(drawn.names())
def test_names_name_everything(name: str) -> None:
    """
    A stream, a type, a consumer and a key, and it comes back byte for byte.
    """
    with open_store("memory://") as store:
        moved = Checkpoint(consumer=name, position=7, previous=0)
        store.append(Write(name, [NewEvent(name, b"")], 0), checkpoint=moved, key=name)

        (event,) = store.read(Query(stream=name, types=[name])).events
        assert (event.stream, event.type, store.checkpoint(name)) == (name, name, 7)


@given(drawn.invalid_names())
def test_invalid_names_name_nothing(name: Any) -> None:  # noqa: ANN401 - text or not
    """
    Refused wherever a name is given, before anything is written.
    """
    with open_store("memory://") as store:
        calls: list[Callable[[], object]] = [
            lambda: Write(name, [NewEvent("t", b"")], ANY),
            lambda: NewEvent(name, b""),
            lambda: Query(stream=name),
            lambda: store.checkpoint(name),
            lambda: store.append(Write("a", [NewEvent("t", b"")], ANY), key=name),
        ]
        for call in calls:
            with pytest.raises((TypeError, ValueError)):
                call()
        assert store.wait(0, 0) == 0


@given(drawn.writes(), drawn.checkpoints(), drawn.queries())
def test_values_are_well_formed(write: Write, moved: Checkpoint, query: Query) -> None:
    """
    What does not fit the log is a conflict, never a bad argument.
    """
    with open_store("memory://") as store:
        store.append(Write("a-1", [NewEvent("t", b"")], 0))

        page = store.read(query)

        assert all(query.matches(event) for event in page.events)
        assert write.events or write.expected is not ANY
        assert moved.previous <= moved.position


@given(drawn.fault_plans(calls=5))
def test_a_plan_says_which_calls_fail(plan: dict[int, Fault]) -> None:
    """
    Those and no other.
    """
    failed: list[int] = []
    with FaultyStore(open_store("memory://"), reads=plan.get) as store:
        for call in range(1, 7):
            try:
                store.read()
            except (Exception, SimulatedCrash):  # noqa: BLE001 - whichever was planned
                failed.append(call)

    assert failed == sorted(plan)


@given(drawn.instants(), drawn.durations())
def test_times_have_a_datetime(instant: Instant, span: Any) -> None:  # noqa: ANN401 - a new type
    """
    Each is within the bounds that the public API speaks of.
    """
    assert instant_of(datetime_of(instant)) == instant
    assert timedelta_of(span).total_seconds() >= 0


def test_without_hypothesis_the_error_says_what_to_install() -> None:
    """
    What draws nothing is there all the same.
    """
    program = """
import importlib, sys
sys.modules["hypothesis"] = None
import azoth.testing
for name in ("strategies", "model", "projecting"):
    try:
        importlib.import_module(f"azoth.testing.{name}")
    except ImportError as error:
        print(error)
"""
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert ran.stdout.count('pip install "azoth-scheduler[testing]"') == 3
