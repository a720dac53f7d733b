"""
Mutants of what lasts: the log, its time, its keys and leases, and objects that share it.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from attrs import evolve

from azoth.appending import AppendRequest, check_append
from azoth.clocks import Clock, Instant
from azoth.events import Appended, Checkpoint, Event, Write
from azoth.records import encode_metadata
from azoth.restoring import check_restored
from azoth_memory.log import MemoryLog
from azoth_memory.store import MemoryStore
from azoth_sqlite.options import SqliteOptions
from azoth_sqlite.session import Session
from azoth_sqlite.store import SqliteStore

__all__ = [
    "ForgetsItsKeysAtItsEnd",
    "ForgetsWhoStandsAtTheBegin",
    "HearsOnlyItself",
    "IsNotDurable",
    "KeepsTheLongestLease",
    "LetsTimeGoBack",
    "RestoresInPart",
    "ServesAfterItsEnd",
    "TrustsWhatItRemembers",
]


class LetsTimeGoBack(MemoryStore):
    """
    An event gets the time of the clock, also when the clock was set back.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._log = _TimelessLog()


class ServesAfterItsEnd(MemoryStore):
    """
    `close` wakes those who wait, and then serves whoever comes.
    """

    def close(self) -> None:
        self._bell.close()


class IsNotDurable(MemoryStore):
    """
    It declares that the log outlives the object, and it does not.
    """


class RestoresInPart(MemoryStore):
    """
    Events are restored one by one, and those before a wrong one stay.
    """

    def restore(self, events: Iterable[Event]) -> None:
        with self._opened() as log:
            for event in events:
                check_restored([event], log)
                log.add(event, len(event.data) + len(encode_metadata(event.metadata)))
                self._bell.ring(log.head)


class ForgetsWhoStandsAtTheBegin(MemoryStore):
    """
    A consumer that saved 0 is not listed.
    """

    def checkpoints(self) -> Mapping[str, int]:
        return {name: position for name, position in super().checkpoints().items() if position}


class KeepsTheLongestLease(MemoryStore):
    """
    A renewal that ends earlier than the last one is passed over.
    """

    def renew(self, worker: str, until: Instant) -> bool:
        return super().renew(worker, max(until, self._leases.get(worker, until)))


class SqliteMutant(SqliteStore):
    """
    Be the sound store at its usual place.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        super().__init__(path, SqliteOptions(), clock)


class ForgetsItsKeysAtItsEnd(SqliteMutant):
    """
    Keys are kept by the object, not in the log.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        super().__init__(path, clock)
        self._known: dict[str, tuple[AppendRequest, Appended]] = {}

    def append(
        self, *writes: Write, checkpoint: Checkpoint | None = None, key: str | None = None
    ) -> Appended:
        request = check_append(writes, checkpoint, key)
        if key in self._known and self._known[key][0] == request:
            return evolve(self._known[key][1], duplicate=True)
        answer = super().append(*writes, checkpoint=checkpoint)
        if key is not None:
            self._known[key] = request, answer
        return answer


class TrustsWhatItRemembers(SqliteMutant):
    """
    What the writer remembers of the log is never read again, though others write too.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        super().__init__(path, clock)
        session = self._sessions.current()
        assert isinstance(session, Session)
        session.writer._state.refresh = lambda: None  # type: ignore[method-assign]


class HearsOnlyItself(SqliteMutant):
    """
    A wait is woken by appends of its own object, and never looks for those of others.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        super().__init__(path, clock)
        self._sessions.current().bell._foreign = False


class _TimelessLog(MemoryLog):
    @property
    def recorded_at(self) -> int:
        return 0
