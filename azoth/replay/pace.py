"""
How fast something long goes on, and how long it will still take.
"""

from collections.abc import Callable

from attrs import frozen

from azoth.clocks import Clock
from azoth.store import Progress

__all__ = ["Pace", "paced"]


@frozen(kw_only=True)
class Pace:
    """
    Say how far something is.

    Attributes:
        step: What is being done.
        done: How much of it is done.
        total: How much there is; None where that is not known.
        per_second: How much was done a second since the step began.
        seconds_left: How long the rest takes at that rate; None where that is not known.
    """

    step: str
    done: int
    total: int | None
    per_second: float
    seconds_left: float | None


def paced(clock: Clock, tell: Callable[[Pace], object]) -> Progress:
    """
    Return what may be handed on as *progress*, and tells the rate and the time left as well.

    What was done before the first call, in an earlier process, does not count for the rate.
    """
    begun: tuple[str, int, int] | None = None

    def progress(step: str, done: int, total: int | None) -> None:
        nonlocal begun
        if begun is None or begun[0] != step:
            begun = step, done, clock.monotonic()
        seconds = (clock.monotonic() - begun[2]) / 1_000_000
        rate = (done - begun[1]) / seconds if seconds > 0 else 0.0
        left = (total - done) / rate if total is not None and rate > 0 else None
        tell(Pace(step=step, done=done, total=total, per_second=rate, seconds_left=left))

    return progress
