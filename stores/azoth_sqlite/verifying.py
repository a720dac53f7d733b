"""
Looking at every record, in bounded memory and without holding up the checkpoint of the WAL.

SQLite's own check finds what its indexes cannot reach any more, the checksums find what changed.
"""

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final, TypeAlias

from azoth.errors import StoreCorrupt
from azoth.records import crc_of_record
from azoth.store import Problem, Progress
from azoth_sqlite.faults import ENGINE_ERRORS
from azoth_sqlite.rows import StreamNames, event_of, load_head
from azoth_sqlite.statements import statement

__all__ = ["PROBLEMS_MAX", "ROWS_AT_ONCE", "verify"]

PROBLEMS_MAX: Final = 1_000
"""Of one run: a file that is damaged all over is told from one that has a scratch."""

ROWS_AT_ONCE: Final = 1_000
"""Looked at in one statement, so that the WAL can be checkpointed in between."""

_BEFORE_ALL: Final = -(2**63)
_BEGIN: Final = statement("begin_read")
_ROLLBACK: Final = statement("rollback")
_LAST_POSITION: Final = statement("select_last_position")
_INTEGRITY_CHECK: Final = statement("integrity_check")
_EVENTS: Final = statement("verify_events")
_VERSIONS: Final = statement("verify_versions")
_CATEGORIES: Final = statement("verify_categories_of_streams")

_Row: TypeAlias = tuple[Any, ...]
_Problems: TypeAlias = Iterator[Problem]
_Tell: TypeAlias = Callable[[int, int | None], object]
_Look: TypeAlias = Callable[[sqlite3.Connection, _Tell], _Problems]


def verify(connection: sqlite3.Connection, progress: Progress) -> Sequence[Problem]:
    """
    Return what is damaged, at most `PROBLEMS_MAX`; empty when sound.

    Args:
        connection: Only reads.
        progress: Is told after each statement.
    """
    problems: list[Problem] = []
    for step, look in _LOOKS.items():
        for problem in _guarded(look, connection, partial(progress, step)):
            problems.append(problem)
            if len(problems) == PROBLEMS_MAX:
                return problems
    return problems


def _guarded(look: _Look, connection: sqlite3.Connection, tell: _Tell) -> _Problems:
    try:
        yield from look(connection, tell)
    except StoreCorrupt as error:
        yield Problem(position=error.position, reason=error.reason)
    except (AttributeError, TypeError) as error:
        # Where a page was wiped, NULL stands for a number or a name.
        yield Problem(position=None, reason=f"a record holds no value of its type: {error}")
    except ENGINE_ERRORS as error:
        code: int = getattr(error, "sqlite_errorcode", 0)
        if code & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_NOMEM}:
            raise
        yield Problem(position=None, reason=f"SQLite cannot read on: {error}")


def _look_at_engine(connection: sqlite3.Connection, tell: _Tell) -> _Problems:
    tell(0, None)
    for (line,) in connection.execute(_INTEGRITY_CHECK):
        if line != b"ok":
            yield Problem(position=None, reason=line.decode(errors="replace"))


def _look_at_head(connection: sqlite3.Connection, _tell: _Tell) -> _Problems:
    cursor = connection.cursor()
    cursor.execute(_BEGIN)
    try:
        head, _ = load_head(cursor)
        (last,) = cursor.execute(_LAST_POSITION).fetchone()
    finally:
        cursor.execute(_ROLLBACK)
    if last != head:
        yield Problem(position=None, reason=f"the head is {head}, and the last event is at {last}")


def _look_at_events(connection: sqlite3.Connection, tell: _Tell) -> _Problems:
    cursor, names = connection.cursor(), StreamNames()
    head, _ = load_head(cursor)
    due, recorded_at = 1, 0
    while due <= head:
        first = due
        for row in connection.execute(_EVENTS, (due - 1, head, ROWS_AT_ONCE)):
            if row[0] != due:
                yield Problem(position=due, reason=f"no event up to {row[0] - 1}")
            yield from _look_at_event(cursor, names, row, recorded_at)
            due = row[0] + 1
            if isinstance(row[5], int):
                recorded_at = row[5]
        if due == first:
            yield Problem(position=due, reason=f"no event up to the head, {head}")
            return
        tell(due - 1, head)


def _look_at_event(
    cursor: sqlite3.Cursor, names: StreamNames, row: _Row, not_before: int
) -> _Problems:
    try:
        name = names.get(cursor, row[1])
        event = event_of(row[:-1], name)
    except StoreCorrupt as error:
        yield Problem(position=row[0], reason=error.reason)
        return
    if row[-1] != name.category_id:
        yield Problem(position=row[0], reason=f"it stands in category number {row[-1]}")
    if event.recorded_at < not_before:
        yield Problem(position=row[0], reason="it was recorded before the event before it")


def _look_at_versions(connection: sqlite3.Connection, tell: _Tell) -> _Problems:
    head, _ = load_head(connection.cursor())
    stream_id, version, position = _BEFORE_ALL, 0, 0
    count, more = 0, True
    while more:
        more = False
        for row in connection.execute(_VERSIONS, (stream_id, version, ROWS_AT_ONCE)):
            more = True
            due = version + 1 if row[0] == stream_id else 1
            if row[1] != due or (due > 1 and row[2] <= position):
                reason = f"version {row[1]} of stream number {row[0]} stands where {due} belongs"
                yield Problem(position=row[2], reason=reason)
            stream_id, version, position = row
            count += position <= head
        tell(count, head)
    if count != head:
        yield Problem(position=None, reason=f"{count} of {head} events are found by their stream")


def _look_at_rows(name: str, first: int | bytes, crc_of: Callable[..., int]) -> _Look:
    """
    Return a look at all rows of a small table, in the order of its key.

    Args:
        name: Of the statement that selects the key, the other fields, and the checksum.
        first: What stands before every key.
        crc_of: Returns the checksum of a key and its fields.
    """
    select = statement(name)

    def look(connection: sqlite3.Connection, tell: _Tell) -> _Problems:
        after, count, more = first, 0, True
        while more:
            more = False
            for row in connection.execute(select, (after, ROWS_AT_ONCE)):
                after, count, more = row[0], count + 1, True
                if crc_of(*row[:-1]) != row[-1]:
                    yield Problem(position=None, reason=f"{name}: {row[0]!r} fails its checksum")
            tell(count, None)

    return look


def _look_at_categories_of_streams(connection: sqlite3.Connection, tell: _Tell) -> _Problems:
    after, count, more = _BEFORE_ALL, 0, True
    while more:
        more = False
        for stream_id, name, category in connection.execute(_CATEGORIES, (after, ROWS_AT_ONCE)):
            after, count, more = stream_id, count + 1, True
            if name.partition(b"-")[0] != category:
                reason = f"stream {name!r} stands in category {category!r}"
                yield Problem(position=None, reason=reason)
        tell(count, None)


_LOOKS: Final[Mapping[str, _Look]] = {
    "pages": _look_at_engine,
    "head": _look_at_head,
    "events": _look_at_events,
    "versions": _look_at_versions,
    "categories of streams": _look_at_categories_of_streams,
    "streams": _look_at_rows("verify_streams", _BEFORE_ALL, partial(crc_of_record, "stream")),
    "categories": _look_at_rows(
        "verify_categories", _BEFORE_ALL, partial(crc_of_record, "category")
    ),
    "keys": _look_at_rows("verify_keys", b"", partial(crc_of_record, "key")),
    "checkpoints": _look_at_rows("verify_checkpoints", b"", partial(crc_of_record, "checkpoint")),
    "leases": _look_at_rows("verify_leases", b"", partial(crc_of_record, "lease")),
}
