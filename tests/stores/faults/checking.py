"""
What must be true of a store after every fault: nothing acknowledged lost, nothing half, usable.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from attrs import frozen

from azoth.errors import AzothError, Conflict
from azoth.events import Event
from azoth.following import iterate
from azoth.store import EventStore, VerifiableStore
from tests.stores.faults.subjects import Durability, Subject
from tests.stores.faults.work import CONSUMER, LogLine, batch, log_of

__all__ = ["History", "Verdict", "check", "examine"]


@frozen(kw_only=True)
class History:
    """
    Hold what the writer was told before the fault.

    Attributes:
        seed: Of its batches, which it appended in order from 1.
        acknowledged: The number of the last batch that was.
        tried: The number of the last batch that it began to append.
        may_lose: Whether acknowledged batches may be gone: power failed, at `normal`.
    """

    seed: int
    acknowledged: int
    tried: int
    may_lose: bool = False


@frozen(kw_only=True)
class Verdict:
    """
    Say what is left.

    Attributes:
        kept: How many batches were in the log when it was opened again.
        lost: How many acknowledged events were not.
        count: How many batches are in it now, after those that the check appended.
        wrong: Every promise that was not kept, as a sentence.
    """

    kept: int = 0
    lost: int = 0
    count: int = 0
    wrong: Sequence[str] = ()


def examine(subject: Subject, folder: Path, durability: Durability, history: History) -> Verdict:
    """
    Open the store in *folder*, look at all that it holds, and use it.
    """
    try:
        with subject.open(folder, durability) as store:
            return check(store, history)
    except AzothError as error:
        return Verdict(wrong=(f"it cannot be used: {type(error).__name__}: {error}",))
    except Exception as error:  # noqa: BLE001 - what an engine raises must not come out
        return Verdict(wrong=(f"came out as it was: {error!r}",))


def check(store: EventStore, history: History) -> Verdict:
    """
    Look at all that a store holds, resolve what is unknown by its key, and append once more.
    """
    lines = [_line(event) for event in iterate(store)]
    kept = store.checkpoint(CONSUMER)
    wrong = [*_problems(store), *_differences(lines, log_of(history.seed, kept))]
    if kept > history.tried:
        wrong.append(f"{kept} batches are in the log, and {history.tried} were tried")
    lost = len(log_of(history.seed, history.acknowledged)) - len(lines)
    if lost > 0 and not history.may_lose:
        wrong.append(f"{lost} acknowledged events are lost")
    if not wrong:
        wrong += _tried(_retries(store, history.seed, kept, max(kept, history.tried) + 1))
    count = max(kept, history.tried) + 1
    return Verdict(kept=kept, lost=max(0, lost), count=count, wrong=tuple(wrong))


def _tried(sentences: Iterator[str]) -> Iterator[str]:
    try:
        yield from sentences
    except Conflict as error:
        yield f"a retry got {error}"


def _line(event: Event) -> LogLine:
    place = event.position, event.stream, event.version
    return (*place, event.type, event.data, dict(event.metadata))


def _problems(store: EventStore) -> Iterator[str]:
    for problem in store.verify() if isinstance(store, VerifiableStore) else ():
        yield f"verify: {problem.reason} (position {problem.position})"


def _differences(actual: list[LogLine], expected: list[LogLine]) -> Iterator[str]:
    for line, due in zip(actual, expected, strict=False):
        if line != due:
            yield f"at {line[:4]} the log should have {due[:4]}, or its data differs"
            return
    if len(actual) != len(expected):
        yield f"the log ends at {len(actual)}; its whole batches end at {len(expected)}"


def _retries(store: EventStore, seed: int, kept: int, last: int) -> Iterator[str]:
    """
    Append every batch again, those after *kept* for the first time: keys tell which is which.
    """
    expected = log_of(seed, last)
    position = 0
    for number in range(1, last + 1):
        size = sum(len(write.events) for write in batch(seed, number).writes)
        answer = batch(seed, number).append_to(store)
        if answer != (position + 1, position + size, number <= kept):
            yield f"batch {number} of {kept} got {answer} after {position}"
        position += size
    yield from _differences([_line(event) for event in iterate(store)], expected)
    yield from _problems(store)
