"""
Where attempts run: in the scheduler's own thread, or in threads beside it.
"""

from azoth_scheduler.executors.base import Executor
from azoth_scheduler.executors.inline import InlineExecutor
from azoth_scheduler.executors.threads import ThreadExecutor

__all__ = ["Executor", "InlineExecutor", "ThreadExecutor"]
