"""
Taking over a log from JSON lines: as it is, or its events at the end of another log.
"""

from collections.abc import Iterable, Iterator
from hashlib import blake2b
from itertools import chain

from attrs import frozen

from azoth.copying import batches, take_over
from azoth.events import APPEND_WRITES_MAX, Checkpoint, Event, NewEvent, Write
from azoth.export_format import ExportHead, event_line, head_line, read_lines
from azoth.store import EventStore, Progress
from azoth.streams import ANY

__all__ = ["Imported", "append_export", "import_log"]


@frozen(kw_only=True)
class Imported:
    """
    Say what an import did.

    Attributes:
        events: How many the export has.
        new: How many of them the store did not have.
    """

    events: int
    new: int


def import_log(
    store: EventStore, lines: Iterable[bytes], *, progress: Progress | None = None
) -> Imported:
    """
    Let *store* hold the log of an export: positions, versions and times are kept.

    An import that was stopped is gone on with by the same call.

    Args:
        store: Is empty, or holds the begin of the same log.
        lines: Of an export of a whole log.
        progress: Is told how far it is.

    Raises:
        BadExport: A line is wrong or the end is missing; what stands before is in the store.
        LogsDiffer: The store holds another log.
        ValueError: The export is a part of a log, or the store cannot take over one.
    """
    head, events = read_lines(lines)
    if not head.is_whole:
        raise ValueError("the export is a part of a log, which cannot be one; append its events")
    tally = _Tally(head, progress)
    new = take_over(store, tally.counted(events))
    return Imported(events=tally.count, new=new)


def append_export(
    store: EventStore, lines: Iterable[bytes], *, progress: Progress | None = None
) -> Imported:
    """
    Append the events of an export to *store*, once: they get new positions, versions and times.

    How far it is stands in a checkpoint of the store, named after the export's begin, so an import
    that was stopped is gone on with by the same call, and one that is done does nothing.

    Args:
        store: Any.
        lines: Of an export, of a part of a log too.
        progress: Is told how far it is.

    Raises:
        BadExport: A line is wrong or the end is missing; what stands before is in the store.
        StoreError: What the store raises.
    """
    head, events = read_lines(lines)
    first = next(events, None)
    if first is None:
        return Imported(events=0, new=0)
    consumer = f"$import-{blake2b(head_line(head) + event_line(first), digest_size=16).hexdigest()}"
    done, tally, new = store.checkpoint(consumer), _Tally(head, progress), 0
    behind = (each for each in tally.counted(chain((first,), events)) if each.position > done)
    for writes, last, count in _appends(behind):
        mark = Checkpoint(consumer=consumer, position=last, previous=done)
        store.append(*writes, checkpoint=mark)
        done, new = last, new + count
    return Imported(events=tally.count, new=new)


class _Tally:
    def __init__(self, head: ExportHead, progress: Progress | None) -> None:
        self._head = head
        self._progress = progress
        self.count = 0

    def counted(self, events: Iterable[Event]) -> Iterator[Event]:
        until = self._head.until
        for event in events:
            self.count += 1
            if self._progress and (self.count % 1_000 == 0 or event.position == until):
                self._progress("importing", event.position, until)
            yield event


def _appends(events: Iterable[Event]) -> Iterator[tuple[list[Write], int, int]]:
    """
    Yield what one append may hold: its writes, the last position in them, and how many events.

    A stream stands in one write of an append, so one that comes back begins the next: the events
    keep their order.
    """
    for batch in batches(events):
        runs: dict[str, list[NewEvent]] = {}
        stream, count, last = "", 0, 0
        for event in batch:
            comes_back = event.stream != stream and event.stream in runs
            if comes_back or len(runs) == APPEND_WRITES_MAX:
                yield _writes(runs), last, count
                runs, count = {}, 0
            as_new = NewEvent(event.type, event.data, event.metadata, event.schema)
            runs.setdefault(event.stream, []).append(as_new)
            stream, last, count = event.stream, event.position, count + 1
        yield _writes(runs), last, count


def _writes(runs: dict[str, list[NewEvent]]) -> list[Write]:
    return [Write(stream, events, ANY) for stream, events in runs.items()]
