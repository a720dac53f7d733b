"""
The decisions of an append, for store authors: what is well formed, what is admitted, what it gets.

A store checks the arguments with `check_append` before any I/O. Under its write lock it opens a
`Draft` over its own state, lets `admit` decide on each append that shares the commit, and writes
what the draft then holds. All of it is pure: a store only reads and writes.

What is made for each append is a named tuple, which takes half the time of another frozen value.
"""

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Final, NamedTuple, Protocol

from attrs import evolve, frozen

from azoth.clocks import Instant
from azoth.errors import CheckpointConflict, Conflict, IdempotencyConflict
from azoth.events import (
    APPEND_BYTES_MAX,
    APPEND_EVENTS_MAX,
    APPEND_WRITES_MAX,
    NO_METADATA,
    Appended,
    Checkpoint,
    NewEvent,
    Write,
    check_name,
)
from azoth.records import encode_metadata
from azoth.restoring import LogEnd
from azoth.streams import (
    ANY,
    Expected,
    ExpectedVersion,
    Position,
    StaleWrite,
    WrongExpectedVersion,
    is_met,
)

__all__ = [
    "Admitted",
    "AppendRequest",
    "CheckedWrite",
    "Draft",
    "FirstAnswer",
    "LogState",
    "admit",
    "admit_all",
    "check_append",
]

_SPLIT: Final = "the limit is {}: split it into several appends"


class CheckedWrite(NamedTuple):
    """
    Hold a write with its metadata encoded.

    Attributes:
        stream: The stream's name.
        events: In order; none for a pure check.
        metadata: Encoded, one for each event.
        expected: What the writer expects of the stream.
    """

    stream: str
    events: Sequence[NewEvent]
    metadata: Sequence[bytes]
    expected: ExpectedVersion


class AppendRequest(NamedTuple):
    """
    Hold the arguments of an append, checked.

    Attributes:
        writes: Each to another stream.
        checkpoint: Moved in the same commit.
        key: The idempotency key.
        digest: SHA-256 of writes and checkpoint; empty without a key, which then costs nothing.
        event_count: How many events there are.
        size: Their data and metadata in bytes.
    """

    writes: Sequence[CheckedWrite]
    checkpoint: Checkpoint | None
    key: str | None
    digest: bytes
    event_count: int
    size: int


@frozen
class FirstAnswer:
    """
    Hold what an idempotency key was used for, and what that append was answered.
    """

    digest: bytes
    answer: Appended


class Admitted(NamedTuple):
    """
    Hold an append that will be written, and its answer once it is.

    The events of `request.writes` stand in order from `answer.first` on; those of one write end
    at `answer.versions` of its stream.
    """

    request: AppendRequest
    answer: Appended


class LogState(LogEnd, Protocol):
    """
    Be what `admit` asks of a store, under its write lock.
    """

    def checkpoint(self, consumer: str) -> int:
        """
        Return the position saved for *consumer*; 0 if it never saved.
        """
        ...

    def first_answer(self, key: str) -> FirstAnswer | None:
        """
        Return what *key* was used for; None if it is new.
        """
        ...


class Draft:
    """
    Collect one commit: a store's state, and above it what the appends admitted so far change.

    Attributes:
        head: The head after the commit.
        recorded_at: The time of its events; never before that of the last event.
        admitted: The appends to write, in order.
        versions: The new version of each stream that is written.
        checkpoints: The new position of each consumer that is moved.
        keys: The idempotency keys that are taken.
    """

    def __init__(self, state: LogState, now: Instant) -> None:
        self._state = state
        self.head = state.head
        self.recorded_at = Instant(max(now, state.recorded_at))
        self.admitted: list[Admitted] = []
        self.versions: dict[str, int] = {}
        self.checkpoints: dict[str, int] = {}
        self.keys: dict[str, FirstAnswer] = {}

    def version(self, stream: str) -> int:
        """
        Return the version of *stream* within this commit.
        """
        drafted = self.versions.get(stream)
        return self._state.version(stream) if drafted is None else drafted

    def checkpoint(self, consumer: str) -> int:
        """
        Return the position of *consumer* within this commit.
        """
        drafted = self.checkpoints.get(consumer)
        return self._state.checkpoint(consumer) if drafted is None else drafted

    def first_answer(self, key: str) -> FirstAnswer | None:
        """
        Return what *key* was used for, in this commit or before.
        """
        return self.keys.get(key) or self._state.first_answer(key)

    def add(self, admitted: Admitted) -> None:
        """
        Let the appends that follow see *admitted*.
        """
        request, answer = admitted.request, admitted.answer
        self.admitted.append(admitted)
        self.head = answer.last
        for write in request.writes:
            if write.events:
                self.versions[write.stream] = answer.versions[write.stream]
        if request.checkpoint is not None:
            self.checkpoints[request.checkpoint.consumer] = request.checkpoint.position
        if request.key is not None:
            self.keys[request.key] = FirstAnswer(request.digest, _own_copy(answer))


def check_append(
    writes: Sequence[Write], checkpoint: Checkpoint | None, key: str | None
) -> AppendRequest:
    """
    Return the request of an append whose arguments are well formed.

    Raises:
        TypeError: An argument is of another type.
        ValueError: There is neither a write nor a checkpoint, a stream stands twice, or a limit
            is passed.
    """
    _check_arguments(writes, checkpoint, key)
    checked: list[CheckedWrite] = []
    count = size = 0
    for write in writes:
        metadata: list[bytes] = []
        for event in write.events:
            given = event.metadata
            encoded = b"" if given is NO_METADATA else encode_metadata(given)
            metadata.append(encoded)
            size += len(event.data) + len(encoded)
        count += len(metadata)
        checked.append(CheckedWrite(write.stream, write.events, metadata, write.expected))
    if count > APPEND_EVENTS_MAX:
        raise ValueError(f"the append has {count} events; {_SPLIT.format(APPEND_EVENTS_MAX)}")
    if size > APPEND_BYTES_MAX:
        raise ValueError(f"the append has {size} bytes; {_SPLIT.format(APPEND_BYTES_MAX)}")
    digest = b"" if key is None else _digest(checked, checkpoint)
    return AppendRequest(checked, checkpoint, key, digest, count, size)


def admit(request: AppendRequest, draft: Draft) -> Admitted | Appended | Conflict:
    """
    Decide on one append, in the order: key, writes as given, checkpoint.

    Args:
        request: The append.
        draft: The log as the append will find it; it is not changed.

    Returns:
        The append to write, the first answer again for a known key, or the conflict to raise.
    """
    if request.key is not None:
        first = draft.first_answer(request.key)
        if first is not None:
            return _answer_again(request.key, request.digest, first)
    versions: dict[str, int] = {}
    for write in request.writes:
        actual = draft.version(write.stream)
        if write.expected is not ANY and not is_met(write.expected, actual):
            return _stale(request, draft)
        versions[write.stream] = actual + len(write.events)
    moved = request.checkpoint
    if moved is not None and (actual := draft.checkpoint(moved.consumer)) != moved.previous:
        return CheckpointConflict(consumer=moved.consumer, expected=moved.previous, actual=actual)
    head = draft.head
    answer = Appended(
        first=Position(head + 1), last=Position(head + request.event_count), versions=versions
    )
    return Admitted(request, answer)


def admit_all(requests: Sequence[AppendRequest], draft: Draft) -> list[Appended | Conflict]:
    """
    Admit the appends that share a commit, each after those before it.

    Args:
        requests: The appends, in order.
        draft: Receives those that are admitted.

    Returns:
        Of each the answer it gets once the draft is written, or the conflict that rejects it.
    """
    outcomes: list[Appended | Conflict] = []
    for request in requests:
        outcome = admit(request, draft)
        if isinstance(outcome, Admitted):
            draft.add(outcome)
            outcome = outcome.answer
        outcomes.append(outcome)
    return outcomes


def _check_arguments(
    writes: Sequence[Write], checkpoint: Checkpoint | None, key: str | None
) -> None:
    for write in writes:
        if not isinstance(write, Write):
            raise TypeError(f"append takes Write values, not {write!r}")
    if checkpoint is None:
        if not writes:
            raise ValueError("the append is empty; give it a write or a checkpoint")
    elif not isinstance(checkpoint, Checkpoint):
        raise TypeError(f"checkpoint is a Checkpoint, not {checkpoint!r}")
    if key is not None:
        check_name(key, "key")
    if len(writes) > 1:
        _check_streams([write.stream for write in writes])


def _check_streams(streams: Sequence[str]) -> None:
    if len(streams) > APPEND_WRITES_MAX:
        raise ValueError(
            f"the append has {len(streams)} writes; {_SPLIT.format(APPEND_WRITES_MAX)}"
        )
    if len(set(streams)) < len(streams):
        doubled = next(stream for stream in streams if streams.count(stream) > 1)
        raise ValueError(
            f"stream {doubled!r} stands in two writes of one append; put its events in one"
        )


def _digest(writes: Sequence[CheckedWrite], checkpoint: Checkpoint | None) -> bytes:
    digest = sha256()
    for write in writes:
        _feed(digest.update, "write", write.stream, _expected_text(write.expected))
        for event in write.events:
            pairs = [text for item in sorted(event.metadata.items()) for text in item]
            _feed(digest.update, "event", event.type, str(event.schema), event.data, *pairs)
    if checkpoint is not None:
        places = str(checkpoint.position), str(checkpoint.previous)
        _feed(digest.update, "checkpoint", checkpoint.consumer, *places)
    return digest.digest()


def _expected_text(expected: ExpectedVersion) -> str:
    return expected.name if isinstance(expected, Expected) else str(expected)


def _feed(update: Callable[[bytes], None], *fields: str | bytes) -> None:
    # Counts and lengths go first: different contents never give the same bytes.
    update(b"%d:" % len(fields))
    for field in fields:
        encoded = field.encode() if isinstance(field, str) else field
        update(b"%d:" % len(encoded))
        update(encoded)


def _answer_again(key: str, digest: bytes, first: FirstAnswer) -> Appended | IdempotencyConflict:
    if first.digest != digest:
        return IdempotencyConflict(key=key)
    return evolve(_own_copy(first.answer), duplicate=True)


def _own_copy(answer: Appended) -> Appended:
    # What a caller does to the mapping it was given must not change what the next one is told.
    return evolve(answer, versions=dict(answer.versions))


def _stale(request: AppendRequest, draft: Draft) -> WrongExpectedVersion:
    stale = [
        StaleWrite(stream=write.stream, expected=write.expected, actual=actual)
        for write in request.writes
        if not is_met(write.expected, actual := draft.version(write.stream))
    ]
    return WrongExpectedVersion(failures=tuple(stale))
