"""
Time as the simulation has it: one true time, and a clock for each scheduler that may differ.
"""

from azoth.clocks import Instant, Microseconds

__all__ = ["SimulatedClock", "TrueTime"]

_MILLION = 1_000_000


class TrueTime:
    """
    Be the time that passes for all, and the clock of the store.

    Args:
        start: What it shows at first, in microseconds since the epoch.
    """

    __slots__ = ("_start", "now_at")

    def __init__(self, start: Instant) -> None:
        self._start = start
        self.now_at = start

    def now(self) -> Instant:
        """
        Return the true time.
        """
        return self.now_at

    def monotonic(self) -> Microseconds:
        """
        Return how long the simulation has been going on.
        """
        return Microseconds(self.now_at - self._start)


class SimulatedClock:
    """
    Be the clock of one machine: it drifts, stands still, and is set back and forth.

    Args:
        time: The true time.
        drift: How much it gains in a million, negative where it loses.
    """

    __slots__ = ("_drift", "_monotonic", "_since", "_time", "_wall", "frozen")

    def __init__(self, time: TrueTime, drift: int = 0) -> None:
        self._time = time
        self._drift = drift
        self._since = time.now_at
        self._wall: int = time.now_at
        self._monotonic = 0
        self.frozen = False

    @property
    def skew(self) -> Microseconds:
        """
        Return how far it is ahead of the true time; negative where it is behind.
        """
        return Microseconds(self.now() - self._time.now_at)

    def now(self) -> Instant:
        """
        Return what the clock on the wall shows; never a time before the epoch.
        """
        return Instant(max(0, self._wall + self._passed()))

    def monotonic(self) -> Microseconds:
        """
        Return the time that never goes back.
        """
        return Microseconds(self._monotonic + self._passed())

    def step(self, by: Microseconds) -> None:
        """
        Set the clock on the wall; the monotonic time does not move.
        """
        self._settle()
        self._wall += by

    def freeze(self) -> None:
        """
        Let it stand still, as a machine's that is suspended.
        """
        self._settle()
        self.frozen = True

    def thaw(self) -> None:
        """
        Let it go on from where it stood, behind by as long as that took.
        """
        self._settle()
        self.frozen = False

    def true_span(self, span: int) -> int:
        """
        Return how long it truly takes until the clock has gone on by *span*, rounded up.
        """
        if not self._drift:
            return span
        return -(-span * _MILLION // (_MILLION + self._drift))

    def _passed(self) -> int:
        if self.frozen:
            return 0
        passed = self._time.now_at - self._since
        return passed + passed * self._drift // _MILLION if self._drift else passed

    def _settle(self) -> None:
        passed = self._passed()
        self._since = self._time.now_at
        self._wall += passed
        self._monotonic += passed
