"""
Golden logs: a log that was recorded once, folded by today's code, position by position.

A fold that is changed by mistake shows the same rows in every unit test that was written with it,
and other rows than yesterday on yesterday's log. The file holds the log, the digest of a
projection's rows at many positions, and the rows, so that the first that came out differently is
named. After the lines of digests it is an export, as `azoth export` writes it.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import IO, Any, Final, cast

from azoth.events import check_integer
from azoth.export_format import BadExport, read_lines
from azoth.exporting import export_lines
from azoth.projections import Tabular, bytes_of_row
from azoth.projector import Projector
from azoth.replay import ABSENT, changes_between
from azoth.store import EventStore

__all__ = ["GoldenMismatch", "check_golden", "record_golden"]

_KEY: Final = "azoth_golden"
_FORMAT: Final = 1


class GoldenMismatch(AssertionError):
    """
    Say that today's code makes other rows of a recorded log than the code that recorded it.

    Attributes:
        path: The file.
        position: The first position whose digest differs, of those recorded.
        since: The last one before it whose digest is the same.
        key: The first row that differs there; None if the rows look the same and hash differently.
    """

    def __init__(self, path: str, position: int, since: int, key: str | None, changes: str) -> None:
        self.path, self.position, self.since, self.key = path, position, since, key
        row = "no row reads differently" if key is None else f"row {key!r}: {changes}"
        super().__init__(
            f"{path}: the rows at position {position} are other ones than when the log was "
            f"recorded, those at {since} are the same; {row}. If that is meant, raise the "
            "projection's version and record the log again"
        )


def record_golden(
    store: EventStore,
    path: str | PathLike[str],
    projection_factory: Callable[[], Tabular],
    *,
    every: int = 1,
) -> None:
    """
    Write a log and what a projection makes of it to a file.

    Args:
        store: The log; a short one that has every kind of event in it serves best.
        path: The file; it is overwritten.
        projection_factory: Makes an empty projection.
        every: Positions between two digests.
    """
    check_integer(every, "every", low=1)
    with Path(path).open("wb") as file:
        lines = _digest_lines(store, projection_factory(), every)
        file.writelines(json.dumps(line).encode() + b"\n" for line in lines)
        file.writelines(export_lines(store))


def check_golden(path: str | PathLike[str], projection_factory: Callable[[], Tabular]) -> None:
    """
    Fold a recorded log by today's code, and compare the digests.

    Args:
        path: The file.
        projection_factory: Makes an empty projection of the name that was recorded.

    Raises:
        GoldenMismatch: A digest differs; it names the position and the row.
        BadExport: The file was cut or changed, or is none.
        ValueError: It was recorded of another projection.
    """
    projection, expected, since = projection_factory(), dict[str, str | None](), 0
    with Path(path).open("rb") as file:
        recorded = list(_recorded(file, projection.name))
        # Read to its end first: a file that was changed is no news about the code.
        events = list(read_lines(file)[1])
    for line in recorded:
        position = line["position"]
        wanted = [event for event in events[since:position] if projection.query.matches(event)]
        projection.apply(wanted, position)
        expected |= line["rows"]
        if projection.digest() != line["digest"]:
            raise _mismatch(path, position, since, projection, expected)
        since = position


def _digest_lines(store: EventStore, projection: Tabular, every: int) -> Iterator[dict[str, Any]]:
    projector, head = Projector(store, projection), int(store.read(limit=1).head)
    yield {_KEY: _FORMAT, "projection": projection.name, "version": projection.version}
    before: Mapping[str, str] = {}
    for position in (*range(every, head, every), *((head,) if head else ())):
        projector.catch_up(until=position)
        after = _texts(projection)
        changed = {
            key: after.get(key)
            for key in sorted({*before, *after})
            if before.get(key) != after.get(key)
        }
        yield {"position": position, "digest": projection.digest(), "rows": changed}
        before = after
    yield {f"{_KEY}_end": head}


def _texts(projection: Tabular) -> dict[str, str]:
    return {key: bytes_of_row(key, row).decode() for key, row in projection.rows.items()}


def _recorded(file: IO[bytes], name: str) -> Iterator[dict[str, Any]]:
    head = _line(file, 1)
    if head.get(_KEY) != _FORMAT:
        raise BadExport(line=1, reason=f"it is no golden log of format {_FORMAT}")
    if head.get("projection") != name:
        raise ValueError(f"the log was recorded of {head.get('projection')!r}, not of {name!r}")
    number = 2
    while f"{_KEY}_end" not in (line := _line(file, number)):
        yield line
        number += 1


def _line(file: IO[bytes], number: int) -> dict[str, Any]:
    try:
        line = json.loads(file.readline())
    except ValueError as error:
        raise BadExport(line=number, reason=f"it is no JSON: {error}") from error
    if not isinstance(line, dict):
        raise BadExport(line=number, reason="it is no JSON object")
    return cast("dict[str, Any]", line)


def _mismatch(
    path: str | PathLike[str],
    position: int,
    since: int,
    projection: Tabular,
    expected: Mapping[str, str | None],
) -> GoldenMismatch:
    actual = _texts(projection)
    for key in sorted({*expected, *actual}):
        if actual.get(key) != expected.get(key):
            changes = changes_between(_row(expected.get(key)), _row(actual.get(key)))
            said = "; ".join(map(str, changes))
            return GoldenMismatch(str(path), position, since, key, said)
    return GoldenMismatch(str(path), position, since, None, "")


def _row(text: str | None) -> object:
    return ABSENT if text is None else json.loads(text)[1]
