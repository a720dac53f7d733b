"""
The schedule table and its log: cut, failed, crashed and opened again, it is the fold of it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest
from hypothesis import settings
from hypothesis import strategies as st

from azoth import Event, Projection
from azoth.testing.projecting import ProjectionMachine
from azoth_scheduler.projection import MemoryScheduleProjection, SqliteScheduleProjection
from azoth_scheduler.testing.strategies import task_logs

pytestmark = pytest.mark.uncovered

IN_MEMORY: Final = Path("/dev/shm") if Path("/dev/shm").is_dir() else None


class MemoryTableAndItsLog(ProjectionMachine):
    """
    The table in memory.
    """

    passes_over = True
    parent = IN_MEMORY

    def make(self, folder: Path) -> Projection:
        return MemoryScheduleProjection()

    def logs(self) -> st.SearchStrategy[Sequence[Event]]:
        return task_logs(steps=20)


class SqliteTableAndItsLog(MemoryTableAndItsLog):
    """
    The table in its file, against the one in memory.
    """

    durable = True

    def make(self, folder: Path) -> Projection:
        return SqliteScheduleProjection(folder / "schedule.db")

    def make_model(self, folder: Path) -> Projection:
        return MemoryScheduleProjection()


TestMemoryTableAndItsLog = MemoryTableAndItsLog.TestCase
TestSqliteTableAndItsLog = SqliteTableAndItsLog.TestCase
TestMemoryTableAndItsLog.settings = settings(max_examples=8, stateful_step_count=15)
TestSqliteTableAndItsLog.settings = settings(max_examples=12, stateful_step_count=20)
