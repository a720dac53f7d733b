"""
Writing a log as JSON lines.
"""

from collections.abc import Iterable, Iterator
from itertools import chain, islice

from attrs import evolve

from azoth.events import ALL, Query
from azoth.export_format import ExportHead, end_line, event_line, head_line, read_begin
from azoth.following import iterate_pages
from azoth.log_digests import LogDigest
from azoth.store import EventStore, Progress

__all__ = ["export_lines"]


def export_lines(
    store: EventStore,
    query: Query = ALL,
    *,
    after: int = 0,
    until: int | None = None,
    written: Iterable[bytes] = (),
    progress: Progress | None = None,
) -> Iterator[bytes]:
    """
    Yield the lines of an export, the log as it is when the first one is asked for.

    Equal logs give equal lines, whatever store they are in.

    Args:
        store: May be in use.
        query: Which events.
        after: Exclusive.
        until: Inclusive; None for the head.
        written: Whole lines that an earlier call with the same arguments yielded; it goes on
            behind them, up to the head that was then.
        progress: Is told how far it is.

    Raises:
        ValueError: *until* lies behind the head, or *written* was made with other arguments.
        BadExport: *written* is no begin of an export.
    """
    head = store.wait(0, 0)
    if max(after, until or 0) > head:
        raise ValueError(f"there is no position {max(after, until or 0)}; the log ends at {head}")
    asked = ExportHead(query=query, after=after, until=head if until is None else until)
    lines = list(islice(begun := iter(written), 1))
    if lines:
        asked, digest, after = _gone_on(asked, chain(lines, begun), is_open=until is None)
    else:
        yield head_line(asked)
        digest = LogDigest()
    for page in iterate_pages(store, query, after=after, until=asked.until):
        for event in page.events:
            digest.add(event)
            yield event_line(event)
        if progress is not None:
            progress("exporting", page.next_after, asked.until)
    yield end_line(digest)


def _gone_on(
    asked: ExportHead, written: Iterable[bytes], *, is_open: bool
) -> tuple[ExportHead, LogDigest, int]:
    head, digest, position = read_begin(written)
    if evolve(asked, until=head.until if is_open else asked.until) != head:
        raise ValueError("what is written was asked for otherwise; export anew, or ask likewise")
    return head, digest, position
