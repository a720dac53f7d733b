"""
What an observer of a scheduler is told beyond the store: claims, runs, and the table's catching up.
"""

from typing import Final

from azoth.clocks import Clock
from azoth.events import Appended, Checkpoint, Write
from azoth.observing import ObservedStore, Observers
from azoth_scheduler.events import CATEGORY, TaskRunStarted
from azoth_scheduler.execution import Attempt, Ended, Finished
from azoth_scheduler.executors.base import Executor, Report

__all__ = ["ObservedExecutor", "ObservedLog"]

_STARTED: Final = TaskRunStarted.__name__


class ObservedLog(ObservedStore):
    """
    Tell of a claim where an append makes one: around it, with its number of attempts.
    """

    def append(
        self, *writes: Write, checkpoint: Checkpoint | None = None, key: str | None = None
    ) -> Appended:
        """
        Append as the other store does.
        """
        attempts = sum(map(_attempts_in, writes))
        if not attempts:
            return super().append(*writes, checkpoint=checkpoint, key=key)
        with self._observers.around("claim", {"attempts": attempts}) as tally:
            answer = super().append(*writes, checkpoint=checkpoint, key=key)
            tally.count = attempts
            return answer


def _attempts_in(write: Write) -> int:
    if not write.stream.startswith(CATEGORY):
        return 0
    return sum(event.type == _STARTED for event in write.events)


class ObservedExecutor:
    """
    Pass every attempt on to another executor, and tell how it ends: when its handler returns.
    """

    def __init__(self, executor: Executor, observers: Observers) -> None:
        self._executor = executor
        self._observers = observers

    @property
    def slots(self) -> int | None:
        """
        Return how many attempts the other one takes at a time.
        """
        return self._executor.slots

    def submit(self, attempt: Attempt, clock: Clock, report: Report) -> None:
        """
        Carry out *attempt* as the other one does.
        """
        context = attempt.context
        operation, began = self._observers.start(
            "run",
            {
                "task_id": context.task_id,
                "task_type": attempt.handler.task_type,
                "run_id": context.run_id,
                "execution_id": context.execution_id,
                "attempt": context.attempt,
            },
        )

        def told(ended: Ended) -> None:
            if isinstance(ended, Finished):
                self._observers.end(operation, began, ended.outcome, ended.triggered)
            else:
                self._observers.end(operation, began, "dropped", 0)
            report(ended)

        try:
            self._executor.submit(attempt, clock, told)
        except BaseException as error:
            self._observers.end(operation, began, type(error).__name__, 0)
            raise

    def close(self) -> None:
        """
        Close the other one.
        """
        self._executor.close()
