"""
Mutants whose waits miss what they wait for.
"""

from azoth.appending import AppendRequest
from azoth.clocks import Clock
from azoth.events import Appended
from tests.stores.mutants.planting import AppendMutant, Door

__all__ = ["LooksAndThenSleeps", "WaitsForTheNextAppend", "WakesNobodyAtItsEnd"]


class WaitsForTheNextAppend(AppendMutant):
    """
    A wait is edge-triggered: it sleeps until the head moves, though it has moved already.
    """

    def wait(self, after: int, timeout: float | None = None) -> int:
        return self._bell.wait(max(after, self._head()), timeout)


class LooksAndThenSleeps(AppendMutant):
    """
    Nothing is held between the look at the head and the sleep: an append between them is missed.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._door = Door()

    def appends(self, request: AppendRequest) -> Appended:
        answer = super().appends(request)
        self._door.open()
        return answer

    def wait(self, after: int, timeout: float | None = None) -> int:
        if self._head() > after or timeout == 0:
            return self._head()
        self._door.hold()
        return self._bell.wait(max(after, self._head()), timeout)


class WakesNobodyAtItsEnd(AppendMutant):
    """
    `close` refuses those who come later, and leaves those asleep who wait.
    """

    def close(self) -> None:
        with self._lock:
            self._closed = True
