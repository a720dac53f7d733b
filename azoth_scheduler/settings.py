"""
What a scheduler fills in where a request says nothing: from the handler first, then its own.
"""

from collections.abc import Mapping
from datetime import timedelta

from attrs import field, frozen

from azoth.clocks import Microseconds, microseconds_of
from azoth.events import check_integer
from azoth_scheduler.errors import InvalidTask
from azoth_scheduler.handlers import Handlers, TaskHandler
from azoth_scheduler.retries import ATTEMPTS_MAX, RetryPolicy, from_max_retries
from azoth_scheduler.task import Definition

__all__ = ["Settings", "TypeDefaults", "check_policy", "check_retries", "defaults_of", "positive"]


@frozen(kw_only=True)
class TypeDefaults:
    """
    Hold what a handler says for the tasks of its type; None is what it leaves to the scheduler.
    """

    max_retries: int | None = None
    retry: RetryPolicy | None = None
    timeout: Microseconds | None = None


@frozen(kw_only=True)
class Settings:
    """
    Hold the options of a scheduler that its decisions depend on.

    Attributes:
        retry: The policy where neither request nor handler has one.
        timeout: Of an attempt, likewise.
        lease: How long a claim holds without being renewed; None where the store keeps no leases.
        max_lost: How many losses in a row exhaust a run.
        by_type: What the handlers say.
        queues: The queues that are served; None for all.
    """

    retry: RetryPolicy = RetryPolicy()
    timeout: Microseconds = Microseconds(300_000_000)
    lease: Microseconds | None = Microseconds(30_000_000)
    max_lost: int = 3
    by_type: Mapping[str, TypeDefaults] = field(factory=dict[str, TypeDefaults])
    queues: tuple[str, ...] | None = None

    def serves(self, definition: Definition) -> bool:
        """
        Say whether tasks so defined are run here.
        """
        served = self.queues is None or definition.options.queue in self.queues
        return served and definition.task_type in self.by_type

    def policy_of(self, definition: Definition) -> RetryPolicy:
        """
        Return the retry policy of a task: of the request, else the handler, else the scheduler.
        """
        for said in (definition.options, self._of(definition)):
            if said.retry is not None:
                return said.retry
            if said.max_retries is not None:
                return from_max_retries(said.max_retries, self.retry)
        return self.retry

    def timeout_of(self, definition: Definition) -> Microseconds:
        """
        Return how long an attempt may take, found likewise.
        """
        for said in (definition.options, self._of(definition)):
            if said.timeout is not None:
                return said.timeout
        return self.timeout

    def _of(self, definition: Definition) -> TypeDefaults:
        return self.by_type.get(definition.task_type, _SILENT)


_SILENT = TypeDefaults()


def defaults_of(handlers: Handlers) -> dict[str, TypeDefaults]:
    """
    Return what each handler says, checked.

    Raises:
        InvalidTask: One says something out of range.
    """
    return {task_type: _said_by(handler) for task_type, handler in handlers.items()}


def _said_by(handler: TaskHandler) -> TypeDefaults:
    try:
        check_retries(handler.max_retries, handler.retry)
        timeout = None if handler.timeout is None else positive(handler.timeout, "timeout")
    except (TypeError, ValueError) as error:
        raise InvalidTask(reason=f"handler of {handler.task_type!r}: {error}") from None
    return TypeDefaults(max_retries=handler.max_retries, retry=handler.retry, timeout=timeout)


def check_policy(retry: RetryPolicy) -> RetryPolicy:
    """
    Return *retry* if it is a policy.

    Raises:
        TypeError: It is something else.
    """
    if not isinstance(retry, RetryPolicy):
        raise TypeError(f"retry is a RetryPolicy, not {retry!r}; max_retries takes a number")
    return retry


def check_retries(max_retries: int | None, retry: RetryPolicy | None) -> None:
    """
    Refuse what does not say how often to try.

    Raises:
        TypeError: One of them is of another type.
        ValueError: *max_retries* is out of its range, or both are given.
    """
    if max_retries is not None:
        check_integer(max_retries, "max_retries", high=ATTEMPTS_MAX)
    if retry is not None:
        check_policy(retry)
    if max_retries is not None and retry is not None:
        raise ValueError("max_retries and retry say the same; give one of them")


def positive(duration: timedelta | float, what: str) -> Microseconds:
    """
    Return a duration in microseconds, at least one.

    Raises:
        TypeError: It is no timedelta and no number.
        ValueError: It is 0, negative, not finite, or over a hundred years.
    """
    try:
        micros = microseconds_of(duration, what)
    except ValueError:
        micros = Microseconds(0)
    if micros == 0:
        # One text for all: that of a duration in general allows 0.
        raise ValueError(
            f"{what} is {duration}; give a positive time, from a microsecond to 100 years"
        )
    return micros
