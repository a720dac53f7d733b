"""
Reading on: the attempts of one task as they end.
"""

from collections.abc import Iterator, Sequence
from threading import Event as Flag

from azoth.following import wait_for_more
from azoth_scheduler import Scheduler, TaskRun

__all__ = ["follow_runs"]


def follow_runs(scheduler: Scheduler, task_id: str, known: Sequence[TaskRun]) -> Iterator[TaskRun]:
    """
    Yield each attempt of a task when it has ended, for ever.

    Args:
        scheduler: On the log.
        task_id: The task.
        known: Its attempts up to now; those that have ended are not told again.
    """
    stop, ended = Flag(), {run.execution_id for run in known if run.outcome is not None}
    before = _before_open(known, 0)
    while True:
        head = scheduler.store.wait(0, 0)
        found = scheduler.runs(task_id, after=before)
        for run in found:
            if run.outcome is not None and run.execution_id not in ended:
                ended.add(run.execution_id)
                yield run
        before = _before_open(found, before)
        wait_for_more(scheduler.store, head, stop)


def _before_open(runs: Sequence[TaskRun], before: int) -> int:
    """
    Return the position behind which all that is still to be told stands.
    """
    still_open = [run.position for run in runs if run.outcome is None]
    if still_open:
        return min(still_open) - 1
    return runs[-1].position if runs else before
