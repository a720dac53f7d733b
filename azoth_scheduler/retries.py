"""
When a failed attempt is tried again, and when its run has had enough.
"""

from datetime import timedelta
from typing import Final, Literal, TypeAlias

from attrs import evolve, field, frozen

from azoth.clocks import Microseconds, microseconds_of, timedelta_of
from azoth.events import check_integer
from azoth_scheduler.errors import InvalidTask

__all__ = ["ATTEMPTS_MAX", "OnExhausted", "RetryPolicy", "from_max_retries"]

ATTEMPTS_MAX: Final = 1_000
"""Failures of one run: whoever wants more wants a schedule."""

OnExhausted: TypeAlias = Literal["disable", "continue"]
"""What becomes of a task whose run is exhausted."""

_FACTOR_MAX: Final = 1_000.0


def _to_wait(value: timedelta | float) -> timedelta:
    try:
        return timedelta_of(microseconds_of(value, "a wait between attempts"))
    except (TypeError, ValueError) as error:
        raise InvalidTask(reason=str(error)) from None


def _to_factor(value: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidTask(reason=f"factor is a number, not {value!r}")
    if not 1 <= value <= _FACTOR_MAX:
        raise InvalidTask(reason=f"factor is {value}; give one from 1 to {_FACTOR_MAX:g}")
    return float(value)


@frozen
class RetryPolicy:
    """
    Say how often a run may fail and how long to wait between its attempts.

    The k-th failure waits `min(cap, base * factor ** (k - 1))`: 1, 2, 4 … minutes by default.

    Attributes:
        max_attempts: How many failures exhaust the run, from 1.
        base: The first wait; a number of seconds becomes a timedelta.
        factor: How much longer each further wait is, from 1.
        cap: The longest wait; a number of seconds becomes a timedelta.
        on_exhausted: `"disable"` the task, or `"continue"` with its next occurrence.

    Raises:
        InvalidTask: A field is out of its range.

    ```python
    >>> policy = RetryPolicy(max_attempts=3)
    >>> [policy.delay(failures) // 1_000_000 for failures in (1, 2, 3)]
    [60, 120, 240]

    ```
    """

    max_attempts: int = 3
    base: timedelta = field(default=timedelta(minutes=1), converter=_to_wait)
    factor: float = field(default=2.0, converter=_to_factor)
    cap: timedelta = field(default=timedelta(hours=24), converter=_to_wait)
    on_exhausted: OnExhausted = "disable"

    def __attrs_post_init__(self) -> None:
        try:
            check_integer(self.max_attempts, "max_attempts", low=1, high=ATTEMPTS_MAX)
        except (TypeError, ValueError) as error:
            raise InvalidTask(reason=str(error)) from None
        if self.on_exhausted not in ("disable", "continue"):
            raise InvalidTask(
                reason=f"on_exhausted is {self.on_exhausted!r}; give 'disable' or 'continue'"
            )

    def delay(self, failures: int) -> Microseconds:
        """
        Return the wait after so many failures of a run, saturating at the cap.
        """
        cap = microseconds_of(self.cap)
        try:
            wait = microseconds_of(self.base) * self.factor ** (failures - 1)
        except OverflowError:
            return cap
        return Microseconds(int(min(wait, cap)))


def from_max_retries(max_retries: int, policy: RetryPolicy) -> RetryPolicy:
    """
    Return *policy* with the seed's count of attempts.

    `max_retries=3` means three attempts that fail; 0 and 1 both mean one.
    """
    return evolve(policy, max_attempts=max(1, max_retries))
