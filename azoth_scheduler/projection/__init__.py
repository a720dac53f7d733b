"""
Where the schedule table is kept: in memory, or in a SQLite file beside the log.
"""

from azoth_scheduler.projection.base import ScheduleProjection, TaskFilter
from azoth_scheduler.projection.memory import MemoryScheduleProjection
from azoth_scheduler.projection.rebuilding import rebuild_table
from azoth_scheduler.projection.sqlite import SqliteScheduleProjection

__all__ = [
    "MemoryScheduleProjection",
    "ScheduleProjection",
    "SqliteScheduleProjection",
    "TaskFilter",
    "rebuild_table",
]
