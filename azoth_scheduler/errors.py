"""
What the scheduler raises: bad requests, before anything is written, and names it does not know.

```
AzothError
  SchedulerError
    InvalidTask   InvalidSchedule   HandlerNotFound   TaskNotFound   TaskExists   TaskChanged
    RunNotFound   RunCancelled   InvalidScheduleFile   OutdatedTable
```
"""

from attrs import define

from azoth.errors import AzothError

__all__ = [
    "HandlerNotFound",
    "InvalidSchedule",
    "InvalidScheduleFile",
    "InvalidTask",
    "OutdatedTable",
    "RunCancelled",
    "RunNotFound",
    "SchedulerError",
    "TaskChanged",
    "TaskExists",
    "TaskNotFound",
]


class SchedulerError(AzothError):
    """
    Be the root of what the scheduler raises.
    """


@define(kw_only=True, slots=False)
class InvalidTask(SchedulerError):
    """
    Say that a task cannot be scheduled, or changed, as asked; nothing was written.

    Attributes:
        reason: What was given, what is allowed, and what to do.
        task_id: The task meant, or None where there is none yet.
    """

    reason: str
    task_id: str | None = None

    def __str__(self) -> str:
        return self.reason if self.task_id is None else f"task {self.task_id!r}: {self.reason}"


@define(kw_only=True, slots=False)
class InvalidSchedule(SchedulerError):
    """
    Say that a schedule is not one; nothing was written.

    Attributes:
        given: What was given.
        reason: Why it is refused.
        hint: What to write instead; empty where there is no guess.
    """

    given: str
    reason: str
    hint: str = ""

    def __str__(self) -> str:
        return f"schedule {self.given}: {self.reason}" + (f"; {self.hint}" if self.hint else "")


@define(kw_only=True, slots=False)
class InvalidScheduleFile(SchedulerError):
    """
    Say that a file does not declare schedules as it should; nothing was scheduled.

    Attributes:
        path: The file.
        mistakes: Each with its entry, its key and what to write.
    """

    path: str
    mistakes: tuple[str, ...]

    def __str__(self) -> str:
        return "\n  ".join((f"{self.path} has mistakes:", *self.mistakes))


@define(kw_only=True, slots=False)
class HandlerNotFound(SchedulerError):
    """
    Say that this scheduler has handlers, but none for the task type.

    Attributes:
        task_type: The type asked for.
        known: The types that have one.
    """

    task_type: str
    known: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"no handler serves task type {self.task_type!r}; this scheduler serves "
            f"{', '.join(self.known)}: register a handler for it, or correct the type"
        )


@define(kw_only=True, slots=False)
class TaskNotFound(SchedulerError):
    """
    Say that no task has the id.

    Attributes:
        task_id: The id asked for.
    """

    task_id: str

    def __str__(self) -> str:
        return f"no task has the id {self.task_id!r}; list_tasks() shows those there are"


@define(kw_only=True, slots=False)
class TaskExists(SchedulerError):
    """
    Say that the id is taken by another definition and the request forbids to replace it.

    Attributes:
        task_id: The id.
    """

    task_id: str

    def __str__(self) -> str:
        return f"task {self.task_id!r} exists with another definition; replace it or take a new id"


@define(kw_only=True, slots=False)
class TaskChanged(SchedulerError):
    """
    Say that a task was changed since its caller looked at it; nothing was written.

    Attributes:
        task_id: The id.
        expected: The version that was expected.
        actual: The version that it has.
    """

    task_id: str
    expected: int
    actual: int

    def __str__(self) -> str:
        return (
            f"task {self.task_id!r} is at version {self.actual}, not {self.expected}: look at it "
            "again, and decide anew"
        )


@define(kw_only=True, slots=False)
class RunNotFound(SchedulerError):
    """
    Say that no attempt has the execution id.

    Attributes:
        execution_id: The id asked for.
    """

    execution_id: str

    def __str__(self) -> str:
        return f"no attempt has the execution id {self.execution_id!r}; runs() lists a task's"


@define(kw_only=True, slots=False)
class RunCancelled(SchedulerError):
    """
    Leave a handler that was asked to stop; raised by its context, let it pass through.

    Attributes:
        execution_id: The attempt.
        reason: Why it should stop.
    """

    execution_id: str
    reason: str

    def __str__(self) -> str:
        return f"attempt {self.execution_id} was asked to stop: {self.reason}"


@define(kw_only=True, slots=False)
class OutdatedTable(SchedulerError):
    """
    Say that the rows of a schedule table are of another version, and were not to be dropped.

    Rebuild them beside it with `rebuild_table`, or open it with `on_version="rebuild"`.

    Attributes:
        path: The file.
        found: The version of its rows.
        version: The version of this code.
    """

    path: str
    found: int
    version: int

    def __str__(self) -> str:
        return (
            f"the rows of {self.path} are of version {self.found}, and this program writes "
            f"{self.version}; rebuild the table, or open it with on_version='rebuild'"
        )
