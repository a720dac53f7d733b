"""
The log in lists: every event once, and for each stream and category the positions of its events.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence

from azoth.appending import Admitted, Draft, FirstAnswer
from azoth.clocks import Instant
from azoth.events import Event, Page, Query, category_of
from azoth.reading import ReadRequest, page_of
from azoth.records import PAGE_EXAMINED_MAX, decode_metadata
from azoth.streams import Position, Version

__all__ = ["MemoryLog"]


class MemoryLog:
    """
    Hold the log; whoever calls it holds the store's lock.

    Events are values whose data is bytes and whose metadata is read-only, so they are handed out
    as they are: nobody can change what is stored.
    """

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._weights: list[int] = []
        self._streams: dict[str, list[int]] = {}
        self._categories: dict[str, list[int]] = {}
        self._checkpoints: dict[str, int] = {}
        self._keys: dict[str, FirstAnswer] = {}

    @property
    def head(self) -> int:
        """
        Return the position of the last event.
        """
        return len(self.events)

    @property
    def recorded_at(self) -> int:
        """
        Return the time of the last event.
        """
        return self.events[-1].recorded_at if self.events else 0

    @property
    def streams(self) -> int:
        """
        Return how many streams there are.
        """
        return len(self._streams)

    def version(self, stream: str) -> int:
        """
        Return the version of *stream*.
        """
        return len(self._streams.get(stream, ()))

    def checkpoint(self, consumer: str) -> int:
        """
        Return the position saved for *consumer*.
        """
        return self._checkpoints.get(consumer, 0)

    def checkpoints(self) -> Mapping[str, int]:
        """
        Return the position of each consumer.
        """
        return dict(self._checkpoints)

    def first_answer(self, key: str) -> FirstAnswer | None:
        """
        Return what *key* was used for.
        """
        return self._keys.get(key)

    def apply(self, draft: Draft) -> None:
        """
        Take over all that *draft* holds.
        """
        for admitted in draft.admitted:
            for event, weight in _events_of(admitted, draft.recorded_at):
                self.add(event, weight)
        self._checkpoints.update(draft.checkpoints)
        self._keys.update(draft.keys)

    def add(self, event: Event, weight: int) -> None:
        """
        Put one event at the end, whose size in a page is *weight*.
        """
        self.events.append(event)
        self._weights.append(weight)
        self._streams.setdefault(event.stream, []).append(event.position)
        self._categories.setdefault(category_of(event.stream), []).append(event.position)

    def read(self, read: ReadRequest) -> Page:
        """
        Return the page asked for.
        """
        positions = self._positions(read.query)
        end = read.end(self.head)
        low, high = bisect_right(positions, read.after), bisect_right(positions, end)
        if read.query.types and not read.backwards and high > low + PAGE_EXAMINED_MAX:
            high = low + PAGE_EXAMINED_MAX
            end = positions[high - 1]
        places = range(low, high)
        order = reversed(places) if read.backwards else places
        matches = self._matches((positions[place] for place in order), read.query)
        return page_of(matches, read, self.head, end)

    def _positions(self, query: Query) -> Sequence[int]:
        if query.stream is not None:
            return self._streams.get(query.stream, ())
        if query.category is not None:
            return self._categories.get(query.category, ())
        return range(1, self.head + 1)

    def _matches(self, positions: Iterator[int], query: Query) -> Iterator[tuple[Event, int]]:
        for position in positions:
            event = self.events[position - 1]
            if not query.types or event.type in query.types:
                yield event, self._weights[position - 1]


def _events_of(admitted: Admitted, recorded_at: Instant) -> Iterator[tuple[Event, int]]:
    position = admitted.answer.first
    for write in admitted.request.writes:
        version = admitted.answer.versions[write.stream] - len(write.events)
        for event, encoded in zip(write.events, write.metadata, strict=True):
            version += 1
            yield (
                Event(
                    position,
                    write.stream,
                    Version(version),
                    event.type,
                    event.data,
                    decode_metadata(encoded),
                    event.schema,
                    recorded_at,
                ),
                len(event.data) + len(encoded),
            )
            position = Position(position + 1)
