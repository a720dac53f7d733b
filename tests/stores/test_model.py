"""
The stores on disk answer as the memory store does, whatever is done to them.
"""

from pathlib import Path
from typing import Final

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from azoth.store import EventStore
from azoth.testing.model import StoreModel
from azoth.urls import StoreUrl
from azoth_lmdb.store import open_lmdb
from azoth_memory.store import MemoryStore
from azoth_sqlite.store import open_sqlite
from tests.stores.mutants.keys import MovesTheCheckpointAfterTheCommit

pytestmark = pytest.mark.uncovered

MEMORY: Final = Path("/dev/shm")
EXAMPLES: Final = settings().max_examples // 2
STEPS: Final = max(20, settings().max_examples // 20)
"""Of a run: enough to come back to what was done before; the soak goes further too."""


class MemoryIsTheModel(StoreModel):
    """
    Make the stores directly, in memory: an entry point or a disk takes longer than many a step.
    """

    parent = MEMORY if MEMORY.is_dir() else None

    def make_model(self) -> EventStore:
        return MemoryStore(self.clock)


class SqliteAndTheModel(MemoryIsTheModel):
    """
    Compare SQLite; nobody cuts the power.
    """

    def make(self) -> EventStore:
        url = StoreUrl("sqlite", f"{self.folder}/log.db")
        return open_sqlite(url, clock=self.clock, durability="normal")


class LmdbAndTheModel(MemoryIsTheModel):
    """
    Compare LMDB; nobody cuts the power.
    """

    def make(self) -> EventStore:
        url = StoreUrl("lmdb", f"{self.folder}/log")
        return open_lmdb(url, clock=self.clock, durability="normal")


TestSqliteAndTheModel = SqliteAndTheModel.TestCase
TestSqliteAndTheModel.settings = settings(stateful_step_count=STEPS, max_examples=EXAMPLES)

TestLmdbAndTheModel = LmdbAndTheModel.TestCase
TestLmdbAndTheModel.settings = settings(stateful_step_count=STEPS, max_examples=EXAMPLES)


def test_a_store_that_answers_otherwise_is_found() -> None:
    """
    A model that finds nothing proves nothing: a store with one fault is not its equal.
    """

    class MutantAndTheModel(MemoryIsTheModel):
        durable = False

        def make(self) -> EventStore:
            return MovesTheCheckpointAfterTheCommit(self.clock)

    # The same runs each time, and the first that fails is enough.
    found = settings(
        derandomize=True,
        database=None,
        max_examples=500,
        phases=[Phase.generate],
        report_multiple_bugs=False,
    )

    with pytest.raises(AssertionError, match="the store answers"):
        run_state_machine_as_test(MutantAndTheModel, settings=found)
