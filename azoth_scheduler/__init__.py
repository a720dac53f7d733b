"""
A scheduler on an event log: what is due, what ran and what became of it are folds of the log.
"""

from azoth_scheduler.asking import what_if, why
from azoth_scheduler.context import StopSignal, TaskContext
from azoth_scheduler.cron import Explanation, explain, lint
from azoth_scheduler.errors import (
    HandlerNotFound,
    InvalidSchedule,
    InvalidScheduleFile,
    InvalidTask,
    OutdatedTable,
    RunCancelled,
    RunNotFound,
    SchedulerError,
    TaskChanged,
    TaskExists,
    TaskNotFound,
)
from azoth_scheduler.events import (
    SchedulerEvent,
    TaskCancelled,
    TaskDisabled,
    TaskExecuted,
    TaskPaused,
    TaskResumed,
    TaskRunAbandoned,
    TaskRunBuffered,
    TaskRunCancelRequested,
    TaskRunSkipped,
    TaskRunStarted,
    TaskScheduled,
    TaskTriggered,
)
from azoth_scheduler.executors import (
    AsyncExecutor,
    Executor,
    InlineExecutor,
    ProcessExecutor,
    ThreadExecutor,
)
from azoth_scheduler.functions import FunctionHandler, task_handler
from azoth_scheduler.handlers import TaskEvent, TaskHandler
from azoth_scheduler.health import Health, LateTask
from azoth_scheduler.history import TaskRun
from azoth_scheduler.middleware import Middleware
from azoth_scheduler.projection import (
    MemoryScheduleProjection,
    ScheduleProjection,
    SqliteScheduleProjection,
    TaskFilter,
    rebuild_table,
)
from azoth_scheduler.requests import ScheduledTask, ScheduleTaskRequest
from azoth_scheduler.retries import RetryPolicy
from azoth_scheduler.schedule_files import load_schedules
from azoth_scheduler.scheduler import Scheduler
from azoth_scheduler.schedules import Cron, Immediate, Interval, OneTime, Schedule
from azoth_scheduler.signals import Discard, Retry, Snooze
from azoth_scheduler.task import Status, Totals

__all__ = [
    "AsyncExecutor",
    "Cron",
    "Discard",
    "Executor",
    "Explanation",
    "FunctionHandler",
    "HandlerNotFound",
    "Health",
    "Immediate",
    "InlineExecutor",
    "Interval",
    "InvalidSchedule",
    "InvalidScheduleFile",
    "InvalidTask",
    "LateTask",
    "MemoryScheduleProjection",
    "Middleware",
    "OneTime",
    "OutdatedTable",
    "ProcessExecutor",
    "Retry",
    "RetryPolicy",
    "RunCancelled",
    "RunNotFound",
    "Schedule",
    "ScheduleProjection",
    "ScheduleTaskRequest",
    "ScheduledTask",
    "Scheduler",
    "SchedulerError",
    "SchedulerEvent",
    "Snooze",
    "SqliteScheduleProjection",
    "Status",
    "StopSignal",
    "TaskCancelled",
    "TaskChanged",
    "TaskContext",
    "TaskDisabled",
    "TaskEvent",
    "TaskExecuted",
    "TaskExists",
    "TaskFilter",
    "TaskHandler",
    "TaskNotFound",
    "TaskPaused",
    "TaskResumed",
    "TaskRun",
    "TaskRunAbandoned",
    "TaskRunBuffered",
    "TaskRunCancelRequested",
    "TaskRunSkipped",
    "TaskRunStarted",
    "TaskScheduled",
    "TaskTriggered",
    "ThreadExecutor",
    "Totals",
    "explain",
    "lint",
    "load_schedules",
    "rebuild_table",
    "task_handler",
    "what_if",
    "why",
]
