"""
Where attempts run: in the scheduler's own thread, in others, on an event loop, or in processes.
"""

from azoth_scheduler.executors.base import Executor
from azoth_scheduler.executors.inline import InlineExecutor
from azoth_scheduler.executors.processes import ProcessExecutor
from azoth_scheduler.executors.sides import ChoosyExecutor, LoopExecutor, fitted
from azoth_scheduler.executors.tasks import AsyncExecutor
from azoth_scheduler.executors.threads import ThreadExecutor

__all__ = [
    "AsyncExecutor",
    "ChoosyExecutor",
    "Executor",
    "InlineExecutor",
    "LoopExecutor",
    "ProcessExecutor",
    "ThreadExecutor",
    "fitted",
]
