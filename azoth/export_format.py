"""
A log as JSON lines: a head that says what was asked for, a line for each event, and an end.

The end holds how many events there are and their digest, so that a file which was cut or changed is
noticed. An event's data stands in its line as JSON where the very same bytes come back from there,
and as base64 otherwise.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final, cast

from attrs import define, frozen

from azoth.clocks import Instant, datetime_of, instant_of
from azoth.errors import AzothError
from azoth.events import ALL, Event, NewEvent, Query, check_integer, check_name
from azoth.json_format import STDLIB
from azoth.log_digests import LogDigest
from azoth.streams import Position, Version

__all__ = [
    "FORMAT",
    "BadExport",
    "ExportHead",
    "end_line",
    "event_line",
    "head_line",
    "read_begin",
    "read_lines",
]

FORMAT: Final = 1
"""The newest format that is understood; the only one."""

_DEPTH_MAX: Final = 200
"""Of JSON within a line: deeper data is base64, since not every reader of JSON goes so deep."""

_KEY: Final = "azoth_export"


@define(kw_only=True, slots=False)
class BadExport(AzothError):
    """
    Say that an export was cut or changed, or is none; what stands before the line is sound.

    Attributes:
        line: The number of the line, from 1.
        reason: What is wrong with it.
    """

    line: int
    reason: str

    def __str__(self) -> str:
        return f"line {self.line} of the export: {self.reason}"


@frozen(kw_only=True)
class ExportHead:
    """
    Hold what an export was made of.

    Attributes:
        query: Which events.
        after: Exclusive.
        until: Inclusive: the head as it was, or less.
    """

    query: Query = ALL
    after: int = 0
    until: int

    @property
    def is_whole(self) -> bool:
        """
        Say whether it is a log from its first event on, nothing left out.
        """
        return self.after == 0 and self.query == ALL


def head_line(head: ExportHead) -> bytes:
    """
    Return the first line of an export.
    """
    chosen = {
        "stream": head.query.stream,
        "category": head.query.category,
        "types": list(head.query.types),
    }
    return _line({_KEY: FORMAT, "after": head.after, "until": head.until, **chosen})


def event_line(event: Event) -> bytes:
    """
    Return the line of an event.
    """
    start = _line(
        {
            "position": event.position,
            "stream": event.stream,
            "version": event.version,
            "type": event.type,
            "schema": event.schema,
            "recorded_at": _text_of(event.recorded_at),
            "metadata": dict(event.metadata),
        }
    )[:-2]
    if _is_canonical(event.data):
        return b'%b,"data":%b}\n' % (start, event.data)
    return b'%b,"data_base64":"%b"}\n' % (start, b64encode(event.data))


def end_line(digest: LogDigest) -> bytes:
    """
    Return the last line of an export.
    """
    return _line({f"{_KEY}_end": digest.events, "digest": digest.hexdigest()})


def read_lines(lines: Iterable[bytes]) -> tuple[ExportHead, Iterator[Event]]:
    """
    Return what an export was made of, and its events, read as they are asked for.

    The iterator ends only if the end of the export is there and its digest is that of the events.

    Raises:
        BadExport: At once for the head, and where a line is wrong or the end is missing.
    """
    numbered = enumerate(lines, 1)
    number, line = next(numbered, (1, b""))
    head = _head_of(number, line)
    return head, _events_of(numbered, head)


def read_begin(lines: Iterable[bytes]) -> tuple[ExportHead, LogDigest, int]:
    """
    Return what the begin of an export holds: its head, the digest of its events, and where it is.

    Raises:
        BadExport: There is no head, or a line that is no event.
    """
    numbered = enumerate(lines, 1)
    head = _head_of(*next(numbered, (1, b"")))
    digest, position = LogDigest(), head.after
    for number, line in numbered:
        event = _event_of(number, _parsed(number, line))
        digest.add(event)
        position = event.position
    return head, digest, position


def _events_of(numbered: Iterator[tuple[int, bytes]], head: ExportHead) -> Iterator[Event]:
    digest, number, position = LogDigest(), 1, head.after
    for number, line in numbered:
        fields = _parsed(number, line)
        if f"{_KEY}_end" in fields:
            _check_end(number, fields, digest)
            _check_is_last(numbered)
            return
        event = _event_of(number, fields)
        if event.position <= position or (head.is_whole and event.position != position + 1):
            reason = f"position {event.position} follows {position}; a line is missing or doubled"
            raise BadExport(line=number, reason=f"{reason}; export again")
        digest.add(event)
        position = event.position
        yield event
    raise BadExport(
        line=number + 1,
        reason=f"the end is missing, the export was cut after {digest.events} events; export again",
    )


def _check_end(number: int, fields: Mapping[str, Any], digest: LogDigest) -> None:
    if fields[f"{_KEY}_end"] != digest.events:
        reason = f"it ends {fields[f'{_KEY}_end']} events, and there were {digest.events}"
        raise BadExport(line=number, reason=f"{reason}; export again")
    if fields.get("digest") != digest.hexdigest():
        reason = (
            f"the digest is {fields.get('digest')}, and that of the events {digest.hexdigest()}"
        )
        raise BadExport(line=number, reason=f"{reason}: an event was changed; export again")


def _check_is_last(numbered: Iterator[tuple[int, bytes]]) -> None:
    for number, _ in numbered:
        raise BadExport(
            line=number, reason="something follows the end; import one export at a time"
        )


def _head_of(number: int, line: bytes) -> ExportHead:
    fields: Mapping[str, Any] = _parsed(number, line) if line else {}
    if _KEY not in fields:
        raise BadExport(line=number, reason="no export begins like this; `azoth export` writes one")
    if fields[_KEY] != FORMAT:
        reason = f"it has format {fields[_KEY]}, and this Azoth knows {FORMAT}; upgrade Azoth"
        raise BadExport(line=number, reason=reason)
    try:
        query = Query(fields["stream"], fields["category"], fields["types"])
        after, until = (
            check_integer(fields["after"], "after"),
            check_integer(fields["until"], "until"),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BadExport(line=number, reason=_reason(error)) from error
    return ExportHead(query=query, after=after, until=until)


def _event_of(number: int, fields: Mapping[str, Any]) -> Event:
    try:
        data = (
            STDLIB.dumps(fields["data"])
            if "data" in fields
            else b64decode(fields["data_base64"], validate=True)
        )
        new = NewEvent(fields["type"], data, fields["metadata"], fields["schema"])
        return Event(
            Position(check_integer(fields["position"], "position", low=1)),
            check_name(fields["stream"], "stream"),
            Version(check_integer(fields["version"], "version", low=1)),
            new.type,
            data,
            new.metadata,
            new.schema,
            _instant_of(fields["recorded_at"]),
        )
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise BadExport(line=number, reason=_reason(error)) from error


def _parsed(number: int, line: bytes) -> Mapping[str, Any]:
    if not line.endswith(b"\n"):
        raise BadExport(line=number, reason="it was cut in the middle; export again")
    try:
        fields = STDLIB.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadExport(line=number, reason=f"it is no JSON ({error})") from error
    if not isinstance(fields, dict):
        raise BadExport(line=number, reason="it is no JSON object")
    return cast("dict[str, Any]", fields)


def _reason(error: Exception) -> str:
    return f"field {error} is missing" if isinstance(error, KeyError) else str(error)


def _is_canonical(data: bytes) -> bool:
    if not data or data.count(b"{") + data.count(b"[") > _DEPTH_MAX:
        return False
    try:
        return STDLIB.dumps(STDLIB.loads(data)) == data
    except (ValueError, TypeError):
        return False


def _text_of(instant: Instant) -> str:
    return datetime_of(instant).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _instant_of(text: str) -> Instant:
    return instant_of(datetime.fromisoformat(text))


def _line(fields: Mapping[str, object]) -> bytes:
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
