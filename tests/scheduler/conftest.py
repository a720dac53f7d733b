"""
What the scheduler's tests share: a stage, on each store.
"""

from collections.abc import Generator
from pathlib import Path

import pytest

from azoth.store import EventStore
from azoth.testing import ManualClock
from azoth.urls import open_store
from tests.support.stage import NOON, Stage


@pytest.fixture
def clock() -> ManualClock:
    """
    A clock that stands at noon until it is moved.
    """
    return ManualClock(NOON)


@pytest.fixture(params=["memory", "sqlite"])
def store(
    request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock
) -> Generator[EventStore, None, None]:
    """
    An empty log, in memory and in a file.
    """
    # What a power cut would take is no matter here, and the tests are many.
    urls = {"memory": "memory://", "sqlite": f"sqlite:///{tmp_path}/log.db?durability=normal"}
    with open_store(urls[request.param], clock=clock) as store:
        yield store


@pytest.fixture
def stage(store: EventStore, clock: ManualClock) -> Generator[Stage, None, None]:
    """
    An empty stage, whose log is checked against every invariant at the end.
    """
    stage = Stage(store, clock)
    yield stage
    stage.close()
