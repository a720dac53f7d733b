"""
A store that fails on purpose, to see what its users make of it.
"""

from collections.abc import Callable
from enum import Enum
from typing import Final

from azoth.errors import CheckpointConflict, OutcomeUnknown, StoreBusy, StoreFailed, StoreFull
from azoth.events import ALL, Appended, Checkpoint, Page, Query, Write
from azoth.store import EventStore
from azoth.streams import ANY, StaleWrite, WrongExpectedVersion, is_met
from azoth.wrapping import StoreWrapper

__all__ = ["Fault", "FaultyStore", "SimulatedCrash"]

_BUSY_SECONDS: Final = 5.0


class Fault(Enum):
    """
    Name what goes wrong at one call.
    """

    BUSY = "another process holds the store; nothing is written"
    FULL = "there is no room; nothing is written"
    FAILED = "the engine fails; nothing is written"
    CONFLICT = "another writer was faster; nothing is written"
    LOST_ANSWER = "it is written, and the answer is lost"
    LOST_REQUEST = "nothing is written, and nobody can tell"
    CRASH_BEFORE = "the process ends before it is written"
    CRASH_AFTER = "the process ends after it is written"


class SimulatedCrash(BaseException):
    """
    Stand for the end of the process: nothing but the test that planned it may catch it.
    """


def _none(_call: int) -> None:
    return None


class FaultyStore(StoreWrapper):
    """
    Pass every call on to another store, save where a plan says that it fails.

    Args:
        store: Another store; it is closed with this one.
        appends: Takes the number of an append, from 1, and returns the fault it meets, or None; a
            dict's `get` is such a function.
        reads: The same for the reads.

    Example:
        >>> from azoth import ANY, NewEvent, StoreBusy, Write, open_store
        >>> store = FaultyStore(open_store("memory://"), appends={1: Fault.BUSY}.get)
        >>> write = Write("greeting-1", [NewEvent("Said", b"hello")], ANY)
        >>> try:
        ...     store.append(write)
        ... except StoreBusy as error:
        ...     print(error.retryable)
        True
        >>> store.append(write).last
        1
    """

    def __init__(
        self,
        store: EventStore,
        *,
        appends: Callable[[int], Fault | None] = _none,
        reads: Callable[[int], Fault | None] = _none,
    ) -> None:
        super().__init__(store)
        self._appends = appends
        self._reads = reads
        self.appended = 0
        self.read_pages = 0

    def append(
        self, *writes: Write, checkpoint: Checkpoint | None = None, key: str | None = None
    ) -> Appended:
        """
        Append as the other store does, or fail as planned.
        """
        self.appended += 1
        fault = self._appends(self.appended)
        if fault is Fault.CONFLICT:
            raise self._conflict(writes, checkpoint)
        _fail_before(fault)
        answer = self._store.append(*writes, checkpoint=checkpoint, key=key)
        _fail_after(fault)
        return answer

    def read(
        self,
        query: Query = ALL,
        *,
        after: int = 0,
        until: int | None = None,
        limit: int = 500,
        backwards: bool = False,
    ) -> Page:
        """
        Read as the other store does, or fail as planned.
        """
        self.read_pages += 1
        fault = self._reads(self.read_pages)
        _fail_before(fault)
        page = self._store.read(query, after=after, until=until, limit=limit, backwards=backwards)
        _fail_after(fault)
        return page

    def _conflict(self, writes: tuple[Write, ...], checkpoint: Checkpoint | None) -> Exception:
        # Nothing that another writer does makes a write fail that expects ANY.
        stale = tuple(self._stale(write) for write in writes if write.expected is not ANY)
        if stale:
            return WrongExpectedVersion(failures=stale)
        if checkpoint is None:
            raise AssertionError("the plan has a conflict, but the append expects nothing")
        moved = checkpoint.previous + 1
        return CheckpointConflict(
            consumer=checkpoint.consumer, expected=checkpoint.previous, actual=moved
        )

    def _stale(self, write: Write) -> StaleWrite:
        page = self._store.read(Query(stream=write.stream), limit=1, backwards=True)
        version = page.events[0].version if page.events else 0
        # The version is as it is, or one further where that is what was expected.
        actual = version + 1 if is_met(write.expected, version) else version
        return StaleWrite(stream=write.stream, expected=write.expected, actual=actual)


def _fail_before(fault: Fault | None) -> None:
    match fault:
        case Fault.BUSY:
            raise StoreBusy(seconds=_BUSY_SECONDS)
        case Fault.FULL:
            raise StoreFull(reason=fault.value)
        case Fault.FAILED:
            raise StoreFailed(reason=fault.value)
        case Fault.LOST_REQUEST:
            raise OutcomeUnknown(reason=fault.value)
        case Fault.CRASH_BEFORE:
            raise SimulatedCrash(fault.value)
        case _:
            return


def _fail_after(fault: Fault | None) -> None:
    if fault is Fault.LOST_ANSWER:
        raise OutcomeUnknown(reason=fault.value)
    if fault is Fault.CRASH_AFTER:
        raise SimulatedCrash(fault.value)
