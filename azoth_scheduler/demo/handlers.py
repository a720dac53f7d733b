"""
The demo's handlers: what an application writes, and all it has to write.
"""

import os
from pathlib import Path
from typing import Final

from azoth_scheduler import TaskContext, TaskEvent, TaskHandler
from azoth_scheduler.demo import files, machine
from azoth_scheduler.demo.events import ServiceAnswered, told

__all__ = [
    "FAILURES",
    "CallFlakyService",
    "CheckFiles",
    "CountWords",
    "MeasureDisk",
    "SampleLoad",
    "WaitForAnswer",
    "demo_handlers",
]

FAILURES: Final = 2
"""How often the flaky service fails before it answers."""

_COUNTING_SECONDS: Final = 0.2
"""A count takes so long that the kill finds some of them half done."""


class SampleLoad(TaskHandler):
    """
    Look how busy this machine is, in the folder that the payload names.
    """

    task_type = "sample_load"

    def execute(self, ctx: TaskContext, payload: bytes) -> TaskEvent:  # noqa: ARG002 - the port's
        """
        Return a `load_sampled`.
        """
        return told(machine.sample_load(_path(payload)))


class CheckFiles(TaskHandler):
    """
    Checksum the files below the folder that the payload names.
    """

    task_type = "check_files"

    def execute(self, ctx: TaskContext, payload: bytes) -> TaskEvent:
        """
        Return a `files_checked`.
        """
        root = _path(payload)
        found = files.files_of(root)
        ctx.check_cancelled()
        return told(files.checksum(root, found))


class MeasureDisk(TaskHandler):
    """
    Look how full the disk is that the payload's path is on.
    """

    task_type = "measure_disk"

    def execute(self, ctx: TaskContext, payload: bytes) -> TaskEvent:  # noqa: ARG002 - the port's
        """
        Return a `disk_measured`.
        """
        return told(machine.measure_disk(_path(payload)))


class CountWords(TaskHandler):
    """
    Count the words of the file that the payload names.
    """

    task_type = "count_words"

    def execute(self, ctx: TaskContext, payload: bytes) -> TaskEvent:
        """
        Return a `words_counted`.
        """
        ctx.sleep(_COUNTING_SECONDS)
        return told(files.count_words(_path(payload)))


class CallFlakyService(TaskHandler):
    """
    Call a service that hangs up twice before it answers.
    """

    task_type = "call_flaky_service"

    def execute(self, ctx: TaskContext, payload: bytes) -> TaskEvent:  # noqa: ARG002 - the port's
        """
        Return a `service_answered`.

        Raises:
            ConnectionResetError: The first times.
        """
        if ctx.execution_attempt < FAILURES:
            raise ConnectionResetError("the service hung up")
        return told(ServiceAnswered(failures=ctx.execution_attempt))


class WaitForAnswer(TaskHandler):
    """
    Wait for an answer that never comes, until the deadline.
    """

    task_type = "wait_for_answer"

    def execute(self, ctx: TaskContext, payload: bytes) -> None:  # noqa: ARG002 - the port's
        """
        Return nothing, and never by itself: the context ends the wait.
        """
        ctx.sleep(86_400)


def demo_handlers() -> list[TaskHandler]:
    """
    Return one of each.
    """
    return [
        SampleLoad(),
        CheckFiles(),
        MeasureDisk(),
        CountWords(),
        CallFlakyService(),
        WaitForAnswer(),
    ]


def _path(payload: bytes) -> Path:
    return Path(os.fsdecode(payload))
