"""
The samples, summed up: a projection of them, and an event handler that keeps one and tells of it.
"""

from math import inf
from typing import Final

from attrs import evolve, frozen

from azoth import ANY, CodecError, Event, EventStore, MemoryProjection, Query, Write, replay
from azoth_scheduler.demo.events import LoadNoted, LoadSampled, registry

__all__ = ["CONSUMER", "NOTES", "NoteLoad", "Samples", "Series"]

CONSUMER: Final = "demo-notes"
"""The name under which the handler's checkpoint is kept in the log."""

NOTES: Final = "load_notes-machine"
"""The stream that the handler's answers go to."""

_RECENT_MAX: Final = 60
"""A summary keeps so many values to draw; more do not fit a terminal's line."""


@frozen(kw_only=True)
class Series:
    """
    Sum up the values of one measure.

    Attributes:
        recent: The latest values, the newest last.
    """

    count: int
    total: float
    least: float
    most: float
    recent: tuple[float, ...]

    @property
    def mean(self) -> float:
        """
        Return the mean of all values.
        """
        return self.total / self.count

    def plus(self, value: float) -> "Series":
        """
        Return the summary with one more value.
        """
        return evolve(
            self,
            count=self.count + 1,
            total=self.total + value,
            least=min(self.least, value),
            most=max(self.most, value),
            recent=(*self.recent, value)[-_RECENT_MAX:],
        )


_NOTHING: Final = Series(count=0, total=0.0, least=inf, most=-inf, recent=())


class Samples(MemoryProjection[Series]):
    """
    Keep one summary for the load and one for the memory.
    """

    name = "samples"
    query = Query(types=registry.types_of(LoadSampled))

    def fold(self, event: Event) -> None:
        """
        Add a sample; what cannot be read is passed over.
        """
        try:
            sample: LoadSampled = registry.decode(event)
        except CodecError:
            return
        self._add("load", sample.load_1)
        if sample.memory_used is not None:
            self._add("memory", sample.memory_used)

    def _add(self, measure: str, value: float) -> None:
        self.put(measure, self.get(measure, _NOTHING).plus(value))


class NoteLoad:
    """
    Answer each sample with a `load_noted`: an event handler that keeps a projection.

    Its rows are in memory and die with the worker; its checkpoint is in the log. So a new worker
    first folds the log up to the checkpoint, and goes on where the dead one's last commit was.

    Args:
        store: The log.
    """

    name = "note-load"
    types = Samples.query.types

    def __init__(self, store: EventStore) -> None:
        self._samples = replay(store, Samples(), until=store.checkpoint(CONSUMER))

    def handle(self, event: Event) -> Write:
        """
        Take in a sample and answer it; one that was taken in before is answered the same way.
        """
        if event.position > self._samples.position:
            self._samples.apply((event,), event.position)
        load = self._samples.rows["load"]
        note = LoadNoted(
            sample=event.position,
            count=load.count,
            mean=round(load.mean, 4),
            digest=self._samples.digest(),
        )
        return Write(NOTES, (registry.encode(note),), ANY)
