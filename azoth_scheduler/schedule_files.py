"""
Schedules that are declared in a TOML file: read whole, and each mistake named with entry and key.

```toml
[[schedule]]
id = "daily-report"
type = "report"
cron = "0 0 9 * * MON-FRI"
tz = "Europe/Berlin"
overlap = "buffer_one"
payload = { to = "all" }
```

An entry has an `id`, a `type`, one of `cron`, `interval` (seconds), `one_time` (a time with its
offset) and `immediate` (`true`), what belongs to that (`tz`, `dst` and `day_match`; `mode`), and
the options of `ScheduleTaskRequest` by their names. A payload is text, or a table that is handed
over as JSON; `retry` is a table with the fields of `RetryPolicy`.
"""

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from difflib import get_close_matches
from os import PathLike
from pathlib import Path
from typing import Any, Final, cast

from attrs import fields, frozen

from azoth_scheduler.errors import InvalidSchedule, InvalidScheduleFile, InvalidTask
from azoth_scheduler.requests import ScheduleTaskRequest
from azoth_scheduler.retries import RetryPolicy
from azoth_scheduler.schedules import Cron, Immediate, Interval, OneTime, Schedule

__all__ = ["Declared", "Mistake", "declared_in", "load_schedules", "request_of"]

_KINDS: Final[Mapping[str, tuple[str, ...]]] = {
    "cron": ("tz", "dst", "day_match"),
    "interval": ("mode",),
    "one_time": (),
    "immediate": (),
}
_OF_SCHEDULES: Final = {key for kind, keys in _KINDS.items() for key in (kind, *keys)}
_RENAMED: Final = {"task_id", "task_type", "schedule"}
_OPTIONS: Final = {field.name for field in fields(ScheduleTaskRequest)} - _RENAMED
_KEYS: Final = {"id", "type", *_OF_SCHEDULES, *_OPTIONS}
_POLICY: Final = {field.name for field in fields(RetryPolicy)}
_ONE_OF: Final = "cron, interval, one_time and immediate"


@frozen(kw_only=True)
class Mistake:
    """
    Name what is wrong with a declaration.

    Attributes:
        entry: The id of the entry, or its place where it has none; empty for the whole file.
        key: The key that is meant, or several; empty where none is.
        reason: What is wrong, and what to write.
    """

    entry: str
    key: str
    reason: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.entry, self.key, self.reason) if part)


@frozen
class Declared:
    """
    Hold what a file declares.

    Attributes:
        requests: The entries without a mistake.
        mistakes: All that is wrong.
    """

    requests: tuple[ScheduleTaskRequest, ...]
    mistakes: tuple[Mistake, ...]


class _Wrong(Exception):
    def __init__(self, key: str, reason: str) -> None:
        super().__init__(reason)
        self.key, self.reason = key, reason


def load_schedules(path: str | PathLike[str]) -> list[ScheduleTaskRequest]:
    """
    Return what a TOML file declares, for `Scheduler.apply_schedules`.

    Raises:
        InvalidScheduleFile: There are mistakes; it has all of them.
        OSError: The file cannot be read.
    """
    declared = declared_in(Path(path).read_bytes())
    if declared.mistakes:
        raise InvalidScheduleFile(path=str(path), mistakes=tuple(map(str, declared.mistakes)))
    return list(declared.requests)


def declared_in(content: bytes) -> Declared:
    """
    Read the text of a file, and collect its mistakes.
    """
    try:
        tables = tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        return Declared((), (Mistake(entry="", key="", reason=f"it is no TOML: {error}"),))
    entries = _list(tables.pop("schedule", []))
    mistakes = [
        Mistake(entry="", key=key, reason="begin each entry with [[schedule]]") for key in tables
    ]
    if not entries and not mistakes:
        reason = "there are no schedules; begin each entry with [[schedule]]"
        return Declared((), (Mistake(entry="", key="", reason=reason),))
    requests: list[ScheduleTaskRequest] = []
    ids: set[str] = set()
    for place, entry in enumerate(entries, 1):
        found = list(_mistakes_of(entry, place, ids))
        mistakes += found
        if not found:
            requests.append(_request(entry))
    return Declared(tuple(requests), tuple(mistakes))


def request_of(entry: Mapping[str, Any]) -> ScheduleTaskRequest:
    """
    Return what one entry declares.

    Raises:
        ValueError: There are mistakes; the message has all of them.
    """
    mistakes = list(_mistakes_of(entry, 1, set()))
    if mistakes:
        raise ValueError("; ".join(map(str, mistakes)))
    return _request(entry)


def _list(value: object) -> list[object]:
    # With one pair of brackets, [schedule] is one entry.
    return cast("list[object]", value) if isinstance(value, list) else [value]


def _table(value: object) -> dict[str, Any] | None:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def _mistakes_of(given: object, place: int, ids: set[str]) -> Iterator[Mistake]:
    entry = _table(given)
    if entry is None:
        yield Mistake(entry=f"entry {place}", key="", reason=f"{given!r:.80} is no table")
        return
    task_id = entry.get("id")
    name = task_id if isinstance(task_id, str) and task_id else f"entry {place}"
    for wrong in _wrongs(entry):
        yield Mistake(entry=name, key=wrong.key, reason=wrong.reason)
    if name in ids:
        yield Mistake(entry=name, key="id", reason="it is in the file twice; leave one out")
    ids.add(name)


def _wrongs(entry: Mapping[str, Any]) -> Iterator[_Wrong]:
    for key in sorted(entry.keys() - _KEYS):
        close = get_close_matches(key, sorted(_KEYS), 1)
        yield _Wrong(key, "there is no such key" + (f"; perhaps {close[0]!r}" if close else ""))
    yield from _wrong_names(entry)
    try:
        schedule = _schedule(entry)
    except _Wrong as wrong:
        yield wrong
        return
    yield from _wrong_options(entry, schedule)


def _wrong_names(entry: Mapping[str, Any]) -> Iterator[_Wrong]:
    for key, field in (("id", "task_id"), ("type", "task_type")):
        if key not in entry:
            yield _Wrong(key, f'it is missing; write {key} = "…"')
            continue
        given: dict[str, Any] = {"task_id": "x", "task_type": "x", field: entry[key]}
        try:
            ScheduleTaskRequest(**given, schedule=Immediate())
        except InvalidTask as error:
            yield _Wrong(key, error.reason)


def _schedule(entry: Mapping[str, Any]) -> Schedule:
    kinds = [kind for kind in _KINDS if kind in entry]
    if len(kinds) != 1:
        given = f"there are {' and '.join(kinds)}" if kinds else "there is no schedule"
        raise _Wrong(", ".join(kinds), f"{given}; give one of {_ONE_OF}")
    (kind,) = kinds
    belonging = {key: entry[key] for key in _KINDS[kind] if key in entry}
    foreign = sorted((entry.keys() & _OF_SCHEDULES) - {kind, *_KINDS[kind]})
    if foreign:
        raise _Wrong(foreign[0], f"it does not belong to {kind}; leave it out")
    # Each alone, so that the key to blame is known.
    _made(kind, kind, entry[kind], {})
    for key, value in belonging.items():
        _made(key, kind, entry[kind], {key: value})
    return _made(", ".join([kind, *belonging]), kind, entry[kind], belonging)


def _made(key: str, kind: str, value: Any, belonging: Mapping[str, Any]) -> Schedule:  # noqa: ANN401 - TOML
    try:
        match kind:
            case "cron":
                return Cron(value, **belonging)
            case "interval":
                return Interval(value, **belonging)
            case "one_time":
                return OneTime(value)
            case _:
                return _immediate(value)
    except InvalidSchedule as error:
        raise _Wrong(key, f"{error.reason}; {error.hint}" if error.hint else error.reason) from None
    except TypeError as error:
        raise _Wrong(key, str(error)) from None


def _immediate(value: object) -> Immediate:
    if value is not True:
        raise TypeError(f"it is {value!r}; write immediate = true, or another schedule")
    return Immediate()


def _wrong_options(entry: Mapping[str, Any], schedule: Schedule) -> Iterator[_Wrong]:
    given = {key: entry[key] for key in sorted(entry.keys() & _OPTIONS)}
    alone = [wrong for key in given for wrong in _wrong_together(schedule, {key: given[key]})]
    yield from alone or _wrong_together(schedule, given)


def _wrong_together(schedule: Schedule, given: Mapping[str, Any]) -> Sequence[_Wrong]:
    try:
        ScheduleTaskRequest("x", "x", schedule, **_options(given))
    except InvalidTask as error:
        blamed = [key for key in given if len(given) == 1 or key in error.reason]
        return [_Wrong(", ".join(blamed), error.reason)]
    except _Wrong as wrong:
        return [wrong]
    return []


def _options(given: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _option(key, value) for key, value in given.items()}


def _option(key: str, value: Any) -> Any:  # noqa: ANN401 - TOML in, any option out
    if key == "payload":
        return _payload(value)
    if key == "retry":
        return _policy(value)
    if isinstance(value, datetime) and value.tzinfo is None:
        raise _Wrong(key, f"{value} has no offset; write {value.isoformat()}Z, or +02:00")
    return value


def _payload(value: object) -> bytes:
    if isinstance(value, str):
        return value.encode()
    try:
        return json.dumps(value, separators=(",", ":")).encode()
    except TypeError as error:
        raise _Wrong("payload", f"{error}; write text, or what JSON can hold") from None


def _policy(value: object) -> RetryPolicy:
    given = _table(value)
    if given is None:
        raise _Wrong("retry", f"it is {value!r}; write retry = {{ max_attempts = 3 }}")
    for key in sorted(given.keys() - _POLICY):
        known = ", ".join(sorted(_POLICY))
        raise _Wrong(f"retry.{key}", f"there is no such key; there are {known}")
    try:
        return RetryPolicy(**given)
    except (InvalidTask, TypeError, ValueError) as error:
        reason = error.reason if isinstance(error, InvalidTask) else str(error)
        raise _Wrong("retry", reason) from None


def _request(given: object) -> ScheduleTaskRequest:
    entry = _table(given)
    assert entry is not None, "what is no table is a mistake"
    options = {key: entry[key] for key in entry.keys() & _OPTIONS}
    return ScheduleTaskRequest(entry["id"], entry["type"], _schedule(entry), **_options(options))
