"""
When a failed attempt is tried again, and when its run has had enough.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Final, Literal, TypeAlias

from attrs import evolve, field, frozen

from azoth.clocks import Microseconds, microseconds_of, timedelta_of
from azoth.events import check_integer
from azoth_scheduler._draws import drawn
from azoth_scheduler.errors import InvalidTask

__all__ = [
    "ATTEMPTS_MAX",
    "OnExhausted",
    "RetryPolicy",
    "dotted_name",
    "from_max_retries",
    "names_of",
]

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


def _to_names(
    classes: "type[BaseException] | str | Iterable[type[BaseException] | str]",
) -> tuple[str, ...]:
    listed = (classes,) if isinstance(classes, type | str) else tuple(classes)
    return tuple(_name_of(one) for one in listed)


def _name_of(raised: object) -> str:
    if isinstance(raised, type) and issubclass(raised, BaseException):
        return dotted_name(raised)
    if not isinstance(raised, str) or not all(part.isidentifier() for part in raised.split(".")):
        raise InvalidTask(
            reason=f"{raised!r} is no exception; give a class, such as ValueError, or its dotted "
            "name, such as 'package.module.Error'"
        )
    return raised if "." in raised else f"builtins.{raised}"


def dotted_name(cls: type) -> str:
    """
    Return a class's name as the log keeps it: `builtins.ValueError`.
    """
    return f"{cls.__module__}.{cls.__qualname__}"


def names_of(cls: type[BaseException]) -> tuple[str, ...]:
    """
    Return the dotted names of an exception's class and of its bases, `object` left out.
    """
    return tuple(dotted_name(base) for base in cls.__mro__[:-1])


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
        on_exhausted: `"disable"` the task, or `"continue"` with its next occurrence; a task that
            fires once has none, and is disabled.
        jitter: Up to so much is added to each wait, drawn by hash of the attempt's id; a number of
            seconds becomes a timedelta.
        retry_on: Exceptions that are worth another attempt; empty for all. Classes are kept as
            dotted names, and a name counts for its subclasses too.
        give_up_on: Exceptions that exhaust the run at once; they go before `retry_on`.

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
    jitter: timedelta = field(default=timedelta(0), converter=_to_wait)
    retry_on: tuple[str, ...] = field(default=(), converter=_to_names)
    give_up_on: tuple[str, ...] = field(default=(), converter=_to_names)

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

    def jitter_of(self, execution_id: str) -> Microseconds:
        """
        Return what is added to the wait after this attempt: from 0 up to the jitter, without it.
        """
        return drawn(execution_id, microseconds_of(self.jitter))

    def gives_up(self, raised: Sequence[str]) -> bool:
        """
        Say whether a failure is not worth another attempt.

        Args:
            raised: The dotted names of the exception's class and its bases; a timeout has none of
                a handler's, and is `TimeoutError`.
        """
        if any(name in self.give_up_on for name in raised):
            return True
        return bool(self.retry_on) and not any(name in self.retry_on for name in raised)


def from_max_retries(max_retries: int, policy: RetryPolicy) -> RetryPolicy:
    """
    Return *policy* with the seed's count of attempts.

    `max_retries=3` means three attempts that fail; 0 and 1 both mean one.
    """
    return evolve(policy, max_attempts=max(1, max_retries))
