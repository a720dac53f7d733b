"""
What an attempt knows about itself, and how it is asked to stop.
"""

from collections.abc import Callable
from datetime import datetime
from logging import Logger, LoggerAdapter
from threading import Event, Lock
from typing import Any, Final

from attrs import field, frozen

from azoth_scheduler.errors import RunCancelled

__all__ = ["StopSignal", "TaskContext"]

# Of the events of all signals: one is made seldom, and in no time.
_making: Final = Lock()


class StopSignal:
    """
    Carry one request to stop, and its reason, into a handler that runs elsewhere.
    """

    __slots__ = ("_asked", "_event", "_heard", "_sleeper", "reason")

    def __init__(self) -> None:
        self._asked = False
        # Made for the first who waits: few handlers do, and it costs more than the rest of a claim.
        self._event: Event | None = None
        self._heard: Callable[[], object] | None = None
        self._sleeper: Callable[[float | None], bool] | None = None
        self.reason = ""

    def set(self, reason: str) -> None:
        """
        Ask to stop; the first reason stays.
        """
        if self._asked:
            return
        self.reason = reason
        self._asked = True
        # Looked at last: who waits makes it first and then asks whether a stop was asked for.
        if self._event is not None:
            self._event.set()
        self._tell()

    def on_set(self, heard: Callable[[], object]) -> None:
        """
        Call *heard* once a stop is asked for, or now if one was; one executor may listen.
        """
        self._heard = heard
        if self._asked:
            self._tell()

    def _tell(self) -> None:
        # Both sides look after they have written, so one of them finds the other, and only one.
        with _making:
            heard, self._heard = self._heard, None
        if heard is not None:
            heard()

    def sleep_by(self, sleeper: Callable[[float | None], bool]) -> None:
        """
        Let *sleeper* wait instead, as an executor does whose time is virtual.
        """
        self._sleeper = sleeper

    def is_set(self) -> bool:
        """
        Say whether a stop was asked for.
        """
        return self._asked

    def wait(self, timeout: float | None = None) -> bool:
        """
        Wait for the request, at most *timeout* seconds; return whether it came.
        """
        if self._sleeper is not None:
            return self._sleeper(timeout)
        with _making:
            event = self._event = self._event or Event()
        if self._asked:
            event.set()
        return event.wait(timeout)


@frozen(kw_only=True)
class TaskContext:
    """
    Tell a handler about the attempt that it makes.

    Attributes:
        task_id: The task.
        run_id: The same for each attempt of the run: the idempotency key for effects outside.
        execution_id: Of this attempt alone, never repeated.
        scheduled_at: The nominal time of the occurrence, the same for each attempt.
        started_at: When this attempt was claimed.
        attempt: The number of this start of the run, from 1.
        execution_attempt: How many failures came before, from 0.
        is_last_attempt: Whether a failure now exhausts the run.
        deadline: When it is timed out.
        previous_success: When an attempt of the task last succeeded; None if none did.
        logger: Logs with the ids of the attempt.
    """

    task_id: str
    run_id: str
    execution_id: str
    scheduled_at: datetime
    started_at: datetime
    attempt: int
    execution_attempt: int
    is_last_attempt: bool
    deadline: datetime
    previous_success: datetime | None
    logger: "Logger | LoggerAdapter[Any]"
    stop: StopSignal = field(factory=StopSignal)

    @property
    def cancelled(self) -> bool:
        """
        Say whether the attempt should stop: cancelled, timed out, or at a shutdown.
        """
        return self.stop.is_set()

    def check_cancelled(self) -> None:
        """
        Leave the handler if it should stop.

        Raises:
            RunCancelled: It should; let it pass through.
        """
        if self.stop.is_set():
            raise RunCancelled(execution_id=self.execution_id, reason=self.stop.reason)

    def sleep(self, seconds: float) -> None:
        """
        Wait, but no longer than until the attempt should stop.

        Raises:
            RunCancelled: It should stop; let it pass through.
        """
        self.stop.wait(seconds)
        self.check_cancelled()
