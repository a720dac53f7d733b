"""
What becomes of an event that its handler could not handle.

A policy is any function from a `Failure` to an `Action`. It is asked after each attempt and told
which one it was, so whatever it answers can be bounded.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Final, TypeAlias

from attrs import field, frozen

from azoth.clocks import Microseconds, microseconds_of, timedelta_of
from azoth.events import Event, check_integer

__all__ = [
    "ATTEMPTS_MAX",
    "Action",
    "Again",
    "Backoff",
    "Bury",
    "DeadLetter",
    "ErrorPolicy",
    "FailFast",
    "Failure",
    "Pass",
    "Retry",
    "Skip",
    "StopProcessor",
]

ATTEMPTS_MAX: Final = 1_000
"""Of one handler at one event: everything behind the event waits meanwhile."""

_FACTOR_MAX: Final = 1_000.0


@frozen(kw_only=True)
class Failure:
    """
    Describe one attempt that failed.

    Attributes:
        event: The event.
        handler: The handler's name.
        attempt: Which attempt it was, from 1.
        error: What the handler raised.
    """

    event: Event
    handler: str
    attempt: int
    error: BaseException


@frozen
class StopProcessor:
    """
    Raise the error out of the processor; the event is handled again at its next start.
    """


@frozen
class Pass:
    """
    Go on with the next event; a warning is logged.
    """


@frozen
class Bury:
    """
    Write the event into the consumer's dead letters and go on.
    """


@frozen
class Again:
    """
    Run the handler again.

    Attributes:
        delay: How long to wait before.
    """

    delay: Microseconds = Microseconds(0)


Action: TypeAlias = StopProcessor | Pass | Bury | Again
"""What a policy answers."""

ErrorPolicy: TypeAlias = Callable[[Failure], Action]
"""Take a failure, return what to do."""


def _to_wait(value: timedelta | float) -> timedelta:
    return timedelta_of(microseconds_of(value, "a wait between attempts"))


@frozen(kw_only=True)
class Backoff:
    """
    Say how often to try and how long to wait: the k-th wait is `min(cap, base * factor**(k - 1))`.

    Attributes:
        attempts: How many attempts in all, from 1.
        base: The first wait; a number of seconds becomes a timedelta.
        factor: How much longer each further wait is, from 1.
        cap: The longest wait; a number of seconds becomes a timedelta.

    Example:
        >>> [Backoff(base=1, cap=5).delay(attempt) for attempt in (1, 2, 3, 4, 1_000)]
        [1000000, 2000000, 4000000, 5000000, 5000000]
    """

    attempts: int = 5
    base: timedelta = field(default=timedelta(seconds=1), converter=_to_wait)
    factor: float = field(default=2.0, converter=float)
    cap: timedelta = field(default=timedelta(minutes=1), converter=_to_wait)

    def __attrs_post_init__(self) -> None:
        check_integer(self.attempts, "attempts", low=1, high=ATTEMPTS_MAX)
        if not 1.0 <= self.factor <= _FACTOR_MAX:
            raise ValueError(f"factor is {self.factor}; give one from 1 to {_FACTOR_MAX:g}")

    def delay(self, attempt: int) -> Microseconds:
        """
        Return the wait after the failed *attempt*, saturating at the cap.
        """
        cap = microseconds_of(self.cap)
        try:
            wait = microseconds_of(self.base) * self.factor ** (attempt - 1)
        except OverflowError:
            return cap
        return Microseconds(round(min(cap, wait)))


@frozen
class FailFast:
    """
    Stop the processor at the first failure; the default, since it loses nothing.
    """

    def __call__(self, _failure: Failure) -> Action:
        """
        Return `StopProcessor`.
        """
        return StopProcessor()


@frozen
class Skip:
    """
    Leave out each event that fails.
    """

    def __call__(self, _failure: Failure) -> Action:
        """
        Return `Pass`.
        """
        return Pass()


@frozen
class DeadLetter:
    """
    Set each event that fails aside, to be retried or dropped by somebody.
    """

    def __call__(self, _failure: Failure) -> Action:
        """
        Return `Bury`.
        """
        return Bury()


@frozen
class Retry:
    """
    Try again with growing waits, and leave the rest to another policy.

    Attributes:
        backoff: How often, and the waits.
        then: What to do once the attempts are used up.
    """

    backoff: Backoff = Backoff()
    then: ErrorPolicy = FailFast()

    def __call__(self, failure: Failure) -> Action:
        """
        Return `Again` while attempts are left, then what *then* says.
        """
        if failure.attempt < self.backoff.attempts:
            return Again(self.backoff.delay(failure.attempt))
        return self.then(failure)
