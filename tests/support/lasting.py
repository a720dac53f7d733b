"""
Attempts that take time on the virtual clock, and a house that is run until a time.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from attrs import frozen

from azoth.clocks import Clock, Instant, datetime_of, instant_of
from azoth.testing import ManualClock
from azoth_scheduler import Scheduler, TaskContext
from azoth_scheduler.execution import Attempt, carry_out
from azoth_scheduler.executors.base import Report

__all__ = ["Lasting", "run_until"]


@frozen
class _Job:
    attempt: Attempt
    report: Report
    ends: Instant


class Lasting:
    """
    Be an executor whose attempts end when the clock has come there, or when they are to stop.

    Args:
        lasts: Says how many seconds an attempt takes.
    """

    slots: int | None = None

    def __init__(self, lasts: Callable[[TaskContext], float]) -> None:
        self._lasts = lasts
        self._jobs: list[_Job] = []

    def submit(self, attempt: Attempt, clock: Clock, report: Report) -> None:
        lasts = round(self._lasts(attempt.context) * 1_000_000)
        self._jobs.append(_Job(attempt, report, Instant(clock.now() + lasts)))

    def close(self) -> None:
        pass

    def end_what_is_over(self, clock: Clock) -> bool:
        """
        Let the attempts end whose time has come; say whether there were any.
        """
        now = clock.now()
        over = [job for job in self._jobs if job.ends <= now or job.attempt.context.stop.is_set()]
        self._jobs = [job for job in self._jobs if job not in over]
        for job in over:
            job.report(carry_out(job.attempt, clock))
        return bool(over)

    def next_end(self) -> Instant | None:
        """
        Return when the next attempt ends; None if none runs.
        """
        return min((job.ends for job in self._jobs), default=None)


def run_until(
    end: datetime,
    scheduler: Scheduler,
    executor: Lasting,
    clock: ManualClock,
    poll: timedelta | None = None,
) -> None:
    """
    Let a scheduler work until a time.

    Args:
        end: What the clock shows then.
        scheduler: Makes a pass whenever something ends or is due.
        executor: Carries out its attempts.
        clock: Moved from one to the next.
        poll: Makes passes so far apart and no others, as if nothing woke the scheduler.
    """
    last = instant_of(end)
    while True:
        executor.end_what_is_over(clock)
        looks_at, now = scheduler.step(), clock.now()
        coming = [last] if looks_at is None else [last, instant_of(looks_at)]
        if poll is not None:
            coming = [last, Instant(now + poll // timedelta(microseconds=1))]
        elif executor.end_what_is_over(clock) or min(coming) <= now < last:
            # Something ended, or the scheduler wants to look again at once.
            continue
        if now >= last:
            return
        ends = executor.next_end() if poll is None else None
        moment = min(coming if ends is None else [*coming, ends])
        clock.advance(datetime_of(moment) - datetime_of(now))
