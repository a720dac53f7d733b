"""
From a claim to an attempt: what a handler is told about what it does.
"""

from logging import LoggerAdapter, getLogger
from typing import Final

from azoth.clocks import Microseconds, datetime_of
from azoth_scheduler.context import TaskContext
from azoth_scheduler.execution import Attempt
from azoth_scheduler.handlers import Handlers
from azoth_scheduler.plan import Start
from azoth_scheduler.task import TaskState

__all__ = ["attempt_of"]

_logger: Final = getLogger("azoth_scheduler")


def attempt_of(start: Start, handlers: Handlers, started: Microseconds) -> Attempt:
    """
    Return what an executor needs to carry out a claim that is in the log.

    *started* is now, by the scheduler's monotonic clock.
    """
    state, run = start.state, start.run
    definition = state.definition
    return Attempt(
        fence=start.fence,
        handler=handlers[definition.task_type],
        context=_context(start, state),
        payload=definition.payload if run.payload is None else run.payload,
        started=started,
        middleware=handlers.middleware,
    )


def _context(start: Start, state: TaskState) -> TaskContext:
    run, succeeded = start.run, state.last_success_at
    ids = {"task_id": state.task_id, "run_id": run.run_id, "execution_id": run.execution_id}
    return TaskContext(
        task_id=state.task_id,
        run_id=run.run_id,
        execution_id=run.execution_id,
        scheduled_at=datetime_of(run.nominal_at),
        started_at=datetime_of(run.started_at),
        attempt=run.attempt,
        execution_attempt=run.retry_count,
        is_last_attempt=run.retry_count + 1 >= run.max_attempts,
        deadline=datetime_of(run.deadline_at),
        previous_success=None if succeeded is None else datetime_of(succeeded),
        logger=LoggerAdapter(_logger, ids),
    )
