"""
Doubles for the tests of processors: handlers that note what they saw, waits that take no time.
"""

from collections.abc import Callable, Sequence

from azoth import ANY, Event, NewEvent, Reaction, Write


class Noting:
    """
    A handler that notes each position it is called with, and then does what it is told.
    """

    def __init__(
        self,
        name: str = "noting",
        types: Sequence[str] = ("Deposited",),
        then: Callable[[Event], Reaction] = lambda _: None,
    ) -> None:
        self.name = name
        self.types = types
        self.then = then
        self.seen: list[int] = []

    def handle(self, event: Event) -> Reaction:
        self.seen.append(event.position)
        return self.then(event)


class Waits:
    """
    A stop that notes how long it was waited for, and is set after so many waits.
    """

    def __init__(self, until: int = 1_000) -> None:
        self.seconds: list[float] = []
        self._until = until

    def is_set(self) -> bool:
        return len(self.seconds) >= self._until

    def wait(self, timeout: float | None = None) -> bool:
        self.seconds.append(timeout or 0)
        return self.is_set()


def echo(event: Event) -> Reaction:
    """
    Answer each event with one that names its position, in a stream of its own.
    """
    return Write(f"echo-{event.position}", [NewEvent("Echoed", b"")], ANY)


def fail_at(*positions: int) -> Callable[[Event], Reaction]:
    """
    Fail at these positions and echo the others.
    """

    def then(event: Event) -> Reaction:
        if event.position in positions:
            raise RuntimeError(f"no luck at {event.position}")
        return echo(event)

    return then
