"""
What happened in a run, line by line, and a hash of it: two runs are the same if theirs are.
"""

from collections import deque
from hashlib import blake2b
from typing import Final

from azoth.clocks import Instant, datetime_of
from azoth.events import Event

__all__ = ["LINES_MAX", "Trace"]

LINES_MAX: Final = 200_000
"""Of what is kept: far more than anybody reads, and a year of a simulation has millions."""

_HASH_BYTES: Final = 16


class Trace:
    """
    Take down what happens, for its hash alone or also to be read.

    Args:
        keeps: Whether what happens is kept; the last `LINES_MAX` of it.
    """

    def __init__(self, *, keeps: bool = False) -> None:
        self._kept: deque[tuple[Instant, str, str] | Event] | None = None
        if keeps:
            self._kept = deque(maxlen=LINES_MAX)
        self._hash = blake2b(digest_size=_HASH_BYTES)

    @property
    def lines(self) -> list[str]:
        """
        Return what is kept, in words.
        """
        # Put into words when somebody reads it: that takes longer than to take it down.
        return [_in_words(one) for one in self._kept or ()]

    def tell(self, at: Instant, who: str, what: str) -> None:
        """
        Take down what somebody did.
        """
        self._hash.update(f"{at} {who} {what}\n".encode())
        if self._kept is not None:
            self._kept.append((at, who, what))

    def tell_event(self, event: Event) -> None:
        """
        Take down an event of the log, with all its bytes.
        """
        told = f"{event.position} {event.stream} {event.version} {event.type} {event.recorded_at}\n"
        self._hash.update(told.encode())
        self._hash.update(event.data)
        if self._kept is not None:
            self._kept.append(event)

    def hexdigest(self) -> str:
        """
        Return the hash of all that was taken down.
        """
        return self._hash.hexdigest()


def _in_words(kept: tuple[Instant, str, str] | Event) -> str:
    if isinstance(kept, Event):
        when, who = kept.recorded_at, "log"
        data = kept.data.decode(errors="backslashreplace")
        what = f"{kept.position}: {kept.type} in {kept.stream} {data}"
    else:
        when, who, what = kept
    return f"{datetime_of(when):%m-%d %H:%M:%S.%f} {who:>4} {what}"
