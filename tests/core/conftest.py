"""
What the tests of the core share.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from azoth import EventStore, open_store
from azoth.testing import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    """
    A clock that stands still.
    """
    return ManualClock()


@pytest.fixture
def store(clock: ManualClock) -> Iterator[EventStore]:
    """
    An empty store in memory.
    """
    with open_store("memory://", clock=clock) as opened:
        yield opened


@pytest.fixture
def url(tmp_path: Path) -> str:
    """
    Where a store on disk may be made.
    """
    return f"sqlite:///{tmp_path}/azoth.db"
