"""
What should fire, worked out with no code of the scheduler: intervals by division, cron slowly.

It takes a schedule as a value and asks it nothing; what the scheduler decided is held against it.
"""

from azoth_scheduler.simulation.oracle.cron import Reference
from azoth_scheduler.simulation.oracle.grids import count_times, is_on_grid, next_time, times_of

__all__ = ["Reference", "count_times", "is_on_grid", "next_time", "times_of"]
