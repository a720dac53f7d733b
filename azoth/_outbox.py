"""
What handlers returned and is not appended yet: one write for each stream.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from azoth.events import APPEND_BYTES_MAX, APPEND_EVENTS_MAX, APPEND_WRITES_MAX, Write
from azoth.streams import Expected

__all__ = ["Outbox"]

# Half of what an append may hold: the rest is room for the dead letters of the same events.
_EVENTS_MAX: Final = APPEND_EVENTS_MAX // 2
_BYTES_MAX: Final = APPEND_BYTES_MAX // 2
_WRITES_MAX: Final = APPEND_WRITES_MAX // 2


class Outbox:
    """
    Gather writes until they are appended together.
    """

    def __init__(self) -> None:
        self._writes: dict[str, Write] = {}
        self._events = 0
        self._bytes = 0

    @property
    def writes(self) -> Sequence[Write]:
        """
        Return one write for each stream, in the order in which the streams came.
        """
        return tuple(self._writes.values())

    def add(self, writes: Iterable[Write]) -> None:
        """
        Put *writes* in, after what is there.

        Raises:
            ValueError: One expects its stream to be as it will not be after what is there.
        """
        for write in writes:
            before = self._writes.get(write.stream)
            self._writes[write.stream] = _joined(before, write) if before else write
            self._events += len(write.events)
            self._bytes += sum(len(event.data) for event in write.events)

    def check(self, writes: Iterable[Write]) -> None:
        """
        Do nothing but raise what `add` would.
        """
        for write in writes:
            if write.stream in self._writes:
                _joined(self._writes[write.stream], write)

    def fits(self, writes: Sequence[Write]) -> bool:
        """
        Say whether *writes* can be put in; into an empty one they always can.
        """
        if not self._writes:
            return True
        joined = [write for write in writes if write.stream in self._writes]
        return (
            all(_is_joinable(self._writes[write.stream], write) for write in joined)
            and len(self._writes) + len(writes) <= _WRITES_MAX
            and self._events + sum(len(write.events) for write in writes) <= _EVENTS_MAX
            and self._bytes + sum(len(e.data) for w in writes for e in w.events) <= _BYTES_MAX
        )


def _is_joinable(before: Write, after: Write) -> bool:
    match after.expected:
        case Expected.ANY:
            return True
        case Expected.EXISTS:
            return bool(before.events) or before.expected == Expected.EXISTS
        case version:
            return isinstance(before.expected, int) and version == before.expected + len(
                before.events
            )


def _joined(before: Write, after: Write) -> Write:
    if not _is_joinable(before, after):
        raise ValueError(
            f"stream {after.stream!r} is written twice, and the second write expects "
            f"{after.expected!r}, which it will not find after the first; expect ANY"
        )
    return Write(after.stream, (*before.events, *after.events), before.expected)
