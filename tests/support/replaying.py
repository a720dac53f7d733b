"""
Stores with a log that was told, as the tests of replays share them.
"""

from collections.abc import Sequence

from attrs import evolve

from azoth import Event, EventStore, open_store
from azoth.clocks import Instant
from azoth.store import RestorableStore
from azoth.testing import ManualClock


def stored(events: Sequence[Event], url: str = "memory://") -> EventStore:
    """
    Return a store that holds *events* as they are.
    """
    store = open_store(url, clock=ManualClock())
    grow(store, events, 0, len(events))
    return store


def grow(store: EventStore, events: Sequence[Event], told: int, count: int) -> int:
    """
    Add *count* of *events* to a store that has *told* of them, and return how many it has then.
    """
    assert isinstance(store, RestorableStore)
    # A story may set its clock back; the log's own time never goes back.
    latest, sound = Instant(0), list[Event]()
    for event in events[: told + count]:
        latest = max(latest, event.recorded_at)
        sound.append(evolve(event, recorded_at=latest))
    if sound[told:]:
        store.restore(sound[told:])
    return len(sound)
