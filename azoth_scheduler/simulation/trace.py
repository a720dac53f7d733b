"""
What happened in a run, line by line, and a hash of it: two runs are the same if theirs are.
"""

from hashlib import blake2b

from azoth.clocks import Instant, datetime_of
from azoth.events import Event

__all__ = ["Trace"]

_HASH_BYTES = 16


class Trace:
    """
    Take down what happens, for its hash alone or also to be read.

    Args:
        keeps: Whether the lines are kept.

    Attributes:
        lines: What was taken down, where it is kept.
    """

    def __init__(self, *, keeps: bool = False) -> None:
        self.lines: list[str] = []
        self._keeps = keeps
        self._hash = blake2b(digest_size=_HASH_BYTES)

    def tell(self, at: Instant, who: str, what: str) -> None:
        """
        Take down what somebody did.
        """
        self._hash.update(f"{at} {who} {what}\n".encode())
        if self._keeps:
            self.lines.append(f"{datetime_of(at):%m-%d %H:%M:%S.%f} {who:>4} {what}")

    def tell_event(self, event: Event) -> None:
        """
        Take down an event of the log, with all its bytes.
        """
        told = f"{event.position} {event.stream} {event.version} {event.type} {event.recorded_at}\n"
        self._hash.update(told.encode())
        self._hash.update(event.data)
        if self._keeps:
            when = f"{datetime_of(event.recorded_at):%m-%d %H:%M:%S.%f}"
            self.lines.append(
                f"{when}  log {event.position}: {event.type} in {event.stream} "
                f"{event.data.decode(errors='backslashreplace')}"
            )

    def hexdigest(self) -> str:
        """
        Return the hash of all that was taken down.
        """
        return self._hash.hexdigest()
