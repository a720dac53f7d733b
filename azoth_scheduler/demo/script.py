"""
What happens in the demo, and when: its tasks, and the moments of the kill and of the return.
"""

import os
from collections.abc import Sequence
from datetime import timedelta
from itertools import cycle, islice
from pathlib import Path
from typing import Final

from attrs import frozen

from azoth import Instant, datetime_of
from azoth_scheduler import Cron, Immediate, Interval, OneTime, RetryPolicy, ScheduleTaskRequest
from azoth_scheduler.demo.files import files_of, root_of_files
from azoth_scheduler.demo.machine import PROC

__all__ = [
    "BATCH",
    "BATCH_TAG",
    "FLAKY",
    "HANGING",
    "RETRY",
    "SAMPLING",
    "SECONDS_MAX",
    "SECONDS_MIN",
    "Script",
]

SECONDS_MIN: Final = 3
"""Below it there is no time for a kill between two samples."""

SECONDS_MAX: Final = 3_600
"""An hour: whoever wants more wants a scheduler, not its demo."""

BATCH: Final = 50
"""How many files are counted, each by a task of its own."""

BATCH_TAG: Final = "batch"
"""The tag of those tasks, which are shown as one."""

SAMPLING: Final = "sample-load"
"""The task that samples this machine by cron."""

FLAKY: Final = "call-service"
"""The task whose handler fails twice."""

HANGING: Final = "wait-for-answer"
"""The task whose handler never ends by itself."""

RETRY: Final = RetryPolicy(max_attempts=5, base=timedelta(seconds=0.6))
"""Of the flaky service: it waits 0.6 s, then 1.2 s."""

_SECOND: Final = 1_000_000
_SAMPLED_EVERY: Final = 2
_CHECKED_EVERY: Final = 3
_TIMEOUT: Final = 1.5
# The worker dies shortly before a sample is due, and the next one is due before it is back: the
# first of the two is then left out, by event.
_DIES_BEFORE_SAMPLE: Final = 400_000
_BACK_AFTER_SAMPLE: Final = 300_000
_BATCH_BEFORE_KILL: Final = 600_000
# Enough for the lost attempts, and for a sample after the return.
_AFTER_RETURN: Final = 2_500_000


@frozen(kw_only=True)
class Script:
    """
    Fix the moments of one demo.

    Attributes:
        began: When it began.
        kill_at: When the worker is killed, if it is busy then; else as soon as it is.
        ends_at: When it ends, if all that must is done by then.
    """

    began: Instant
    kill_at: Instant
    ends_at: Instant

    @classmethod
    def of(cls, began: Instant, seconds: float) -> "Script":
        """
        Return the script of a demo that begins now and takes so many seconds.
        """
        wanted = Instant(began + int(seconds * 0.35 * _SECOND) + _DIES_BEFORE_SAMPLE)
        return cls(
            began=began,
            kill_at=Instant(_sample_after(wanted) - _DIES_BEFORE_SAMPLE),
            ends_at=Instant(began + int(seconds * _SECOND)),
        )

    @property
    def batch_at(self) -> Instant:
        """
        Return when the batch of immediate tasks comes in.
        """
        return Instant(self.kill_at - _BATCH_BEFORE_KILL)

    def back_at(self, killed_at: Instant) -> Instant:
        """
        Return when a worker killed at *killed_at* is replaced: two samples are missed by then.
        """
        second_missed = _sample_after(killed_at) + _SAMPLED_EVERY * _SECOND
        return Instant(second_missed + _BACK_AFTER_SAMPLE)

    def over_at(self, back_at: Instant) -> Instant:
        """
        Return when the demo is over, if the worker came back at *back_at*.
        """
        return max(self.ends_at, Instant(back_at + _AFTER_RETURN))

    def first_tasks(self, disk: Path) -> Sequence[ScheduleTaskRequest]:
        """
        Return the tasks that are there from the beginning.
        """
        soon = datetime_of(Instant(self.began + _SECOND // 2))
        while_dead = datetime_of(Instant(self.kill_at + _SECOND))
        root = os.fsencode(root_of_files())
        return (
            ScheduleTaskRequest(
                SAMPLING, "sample_load", Cron(f"*/{_SAMPLED_EVERY} * * * * *"), bytes(PROC)
            ),
            ScheduleTaskRequest("check-files", "check_files", Interval(_CHECKED_EVERY), root),
            ScheduleTaskRequest("measure-disk", "measure_disk", OneTime(while_dead), bytes(disk)),
            ScheduleTaskRequest(FLAKY, "call_flaky_service", Immediate(), retry=RETRY),
            ScheduleTaskRequest(
                HANGING, "wait_for_answer", OneTime(soon), timeout=_TIMEOUT, max_retries=1
            ),
        )

    def batch(self, volley: int = 0) -> Sequence[ScheduleTaskRequest]:
        """
        Return one immediate task for each of 50 files, some twice where there are fewer.

        Args:
            volley: Which batch, from 0; each has ids of its own.
        """
        first = volley * BATCH
        paths = islice(cycle(files_of(root_of_files())), first, first + BATCH)
        return [
            ScheduleTaskRequest(
                f"count-words-{number:02}",
                "count_words",
                Immediate(),
                bytes(path),
                tags=(BATCH_TAG,),
            )
            for number, path in enumerate(paths, first + 1)
        ]


def _sample_after(instant: Instant) -> Instant:
    every = _SAMPLED_EVERY * _SECOND
    return Instant((instant // every + 1) * every)
