"""
Every error that Azoth raises, one tree with one root.

```
AzothError
  StoreError
    Conflict: WrongExpectedVersion (azoth.streams), CheckpointConflict, IdempotencyConflict
    StoreBusy   OutcomeUnknown   StoreFull   StoreFailed   StoreClosed   StoreCorrupt
    CheckpointAhead   StoreDiverged   UnknownStore   StoreNotInstalled
    LogsDiffer (azoth.copying)
  CodecError: UnknownEventType, UndecodableEvent
  BadExport (azoth.export_format)
  SchedulerError (azoth_scheduler.errors)
```

Fields are keyword-only, the sentence is written by `__str__`, and each error survives pickling.
`retryable` says whether the same call may be made again as it stands. Bad arguments are not in
this tree: they are `ValueError` and `TypeError`, raised before any I/O.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from attrs import define, fields

__all__ = [
    "AzothError",
    "CheckpointAhead",
    "CheckpointConflict",
    "CodecError",
    "Conflict",
    "IdempotencyConflict",
    "OutcomeUnknown",
    "StoreBusy",
    "StoreClosed",
    "StoreCorrupt",
    "StoreDiverged",
    "StoreError",
    "StoreFailed",
    "StoreFull",
    "StoreNotInstalled",
    "UndecodableEvent",
    "UnknownEventType",
    "UnknownStore",
]


@define(kw_only=True, slots=False)
class AzothError(Exception):
    """
    Be the root of every error of Azoth; catch it to catch them all.
    """

    retryable: ClassVar[bool] = False

    def __reduce__(self) -> tuple[Any, ...]:
        # BaseException pickles by position; our fields are keyword-only.
        values = {field.name: getattr(self, field.name) for field in fields(type(self))}
        return _rebuild, (type(self), values)


def _rebuild(error: type[AzothError], values: Mapping[str, Any]) -> AzothError:
    return error(**values)


class StoreError(AzothError):
    """
    Be the root of what a store raises.
    """


class Conflict(StoreError):
    """
    Say that the log moved on since the caller looked; read again and decide again.

    Sending the same events again is wrong, so it is not `retryable`.
    """


@define(kw_only=True, slots=False)
class CheckpointConflict(Conflict):
    """
    Say that another runner saved this consumer's checkpoint: the caller is fenced.

    Attributes:
        consumer: The consumer's name.
        expected: The position that the caller believed to be saved.
        actual: The position that is saved.
    """

    consumer: str
    expected: int
    actual: int

    def __str__(self) -> str:
        return (
            f"consumer {self.consumer!r} stands at {self.actual}, not at {self.expected}: another "
            "runner has moved it; stop this one, or read the checkpoint and go on from there"
        )


@define(kw_only=True, slots=False)
class IdempotencyConflict(Conflict):
    """
    Say that the key was used before for an append with other content.

    Attributes:
        key: The idempotency key.
    """

    key: str

    def __str__(self) -> str:
        return (
            f"key {self.key!r} belongs to an earlier append with other content; "
            "use a new key for new content"
        )


@define(kw_only=True, slots=False)
class StoreBusy(StoreError):
    """
    Say that another process held the store for longer than the busy timeout; try again.

    Attributes:
        seconds: How long the call waited.
    """

    retryable: ClassVar[bool] = True
    seconds: float

    def __str__(self) -> str:
        return (
            f"another process held the store for more than {self.seconds:g} s; nothing was "
            "written; try again, or open it with a longer busy_timeout"
        )


@define(kw_only=True, slots=False)
class OutcomeUnknown(StoreError):
    """
    Say that the append may or may not be in the log; send it again with the same key.

    Attributes:
        reason: What happened while the answer was on its way.
    """

    retryable: ClassVar[bool] = True
    reason: str

    def __str__(self) -> str:
        return f"the append may or may not have happened ({self.reason}); retry it with its key"


@define(kw_only=True, slots=False)
class StoreFull(StoreError):
    """
    Say that there is no room: nothing of the append remains, and the store goes on.

    Attributes:
        reason: The engine's own words.
    """

    reason: str

    def __str__(self) -> str:
        return f"the store has no room ({self.reason}); nothing was written; free some space"


@define(kw_only=True, slots=False)
class StoreFailed(StoreError):
    """
    Say that the store cannot be used; after a failed sync, reopen it and retry with the key.

    Attributes:
        reason: What failed, and what to do where that is known.
    """

    reason: str

    def __str__(self) -> str:
        return f"the store failed: {self.reason}"


@define(kw_only=True, slots=False)
class StoreClosed(StoreError):
    """
    Say that this store object was closed; open the URL again.
    """

    def __str__(self) -> str:
        return "the store is closed; open it again"


@define(kw_only=True, slots=False)
class StoreCorrupt(StoreError):
    """
    Say that a record does not match its checksum; restore a backup.

    Attributes:
        position: The event's position, or None where no event is meant.
        reason: What does not match.
    """

    position: int | None
    reason: str = "a record does not match its checksum"

    def __str__(self) -> str:
        where = "" if self.position is None else f" at position {self.position}"
        return f"the store is damaged{where}: {self.reason}; run verify, then restore a backup"


@define(kw_only=True, slots=False)
class CheckpointAhead(StoreError):
    """
    Say that a consumer has seen more than the log holds: the log lost its tail.

    Attributes:
        consumer: The consumer's name.
        position: The position that it saved.
        head: The head of the log.
    """

    consumer: str
    position: int
    head: int

    def __str__(self) -> str:
        return (
            f"consumer {self.consumer!r} stands at {self.position}, but the log ends at "
            f"{self.head}: the log is not the one it read; rebuild the consumer from 0"
        )


@define(kw_only=True, slots=False)
class StoreDiverged(StoreError):
    """
    Say that the event at a remembered position is another one now.

    Attributes:
        position: The position that was compared.
    """

    position: int

    def __str__(self) -> str:
        return (
            f"the event at position {self.position} is not the one that was read before: "
            "the log was replaced or lost its tail; rebuild the consumer from 0"
        )


@define(kw_only=True, slots=False)
class UnknownStore(StoreError):
    """
    Say that no installed package serves the URL's scheme.

    Attributes:
        scheme: The scheme given.
        known: The schemes that are there.
    """

    scheme: str
    known: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"no store serves {self.scheme!r}; the schemes known are {', '.join(self.known)}"


@define(kw_only=True, slots=False)
class StoreNotInstalled(StoreError):
    """
    Say that the store exists but what it needs is not installed.

    Attributes:
        scheme: The scheme given.
        command: The command that installs what is missing.
    """

    scheme: str
    command: str

    def __str__(self) -> str:
        return f"the {self.scheme!r} store is not installed; run: {self.command}"


class CodecError(AzothError):
    """
    Be the root of what encoding and decoding raise.
    """


@define(kw_only=True, slots=False)
class UnknownEventType(CodecError):
    """
    Say that no class is registered for an event type, or no type for a class.

    Attributes:
        type: The event type, or the name of the class.
        position: The event's position, or None when encoding.
        is_class: Whether *type* is the name of a class.
    """

    type: str
    position: int | None = None
    is_class: bool = False

    def __str__(self) -> str:
        if self.is_class:
            return (
                f"class {self.type!r} is not registered as an event; put "
                '@registry.event("<its type in the log>") above it'
            )
        where = "" if self.position is None else f" at position {self.position}"
        return (
            f"event type {self.type!r}{where} is not registered; give it a class by "
            f"@registry.event({self.type!r}) or as one of its aliases, or a strict processor a "
            "handler"
        )


@define(kw_only=True, slots=False)
class UndecodableEvent(CodecError):
    """
    Say that the bytes of an event do not fit its class.

    Attributes:
        position: The event's position, or None where it has none yet.
        type: The event type.
        reason: What does not fit, with the path of the field.
    """

    position: int | None
    type: str
    reason: str = "its data does not fit its class"

    def __str__(self) -> str:
        where = "" if self.position is None else f" at position {self.position}"
        return f"event {self.type!r}{where} cannot be decoded: {self.reason}"
