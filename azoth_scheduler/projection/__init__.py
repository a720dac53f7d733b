"""
Where the schedule table is kept: in memory, or in a SQLite file beside the log.
"""

from azoth_scheduler.projection.base import ScheduleProjection, Served, TaskFilter
from azoth_scheduler.projection.memory import MemoryScheduleProjection

__all__ = ["MemoryScheduleProjection", "ScheduleProjection", "Served", "TaskFilter"]
