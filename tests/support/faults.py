"""
Stores that fail on purpose, and a store that hides what it can: wrappers around a real one.
"""

from collections.abc import Callable, Sequence
from threading import Lock
from types import TracebackType
from typing import Self

from azoth.clocks import Instant
from azoth.errors import StoreError
from azoth.events import ALL, Appended, Checkpoint, Page, Query, Write
from azoth.store import EventStore, Lease, LeaseStore

__all__ = ["FaultyLog", "WithoutLeases", "tells"]

Chosen = Callable[[Sequence[Write]], bool]
"""Says of which appends a fault is meant."""


def tells(*types: str) -> Chosen:
    """
    Choose the appends that hold an event of one of these types.
    """
    return lambda writes: any(event.type in types for write in writes for event in write.events)


class WithoutLeases:
    """
    Offer the five methods of the port, and no capability.
    """

    def __init__(self, store: EventStore) -> None:
        self._store = store

    def append(
        self, *writes: Write, checkpoint: Checkpoint | None = None, key: str | None = None
    ) -> Appended:
        return self._store.append(*writes, checkpoint=checkpoint, key=key)

    def read(
        self,
        query: Query = ALL,
        *,
        after: int = 0,
        until: int | None = None,
        limit: int = 500,
        backwards: bool = False,
    ) -> Page:
        return self._store.read(query, after=after, until=until, limit=limit, backwards=backwards)

    def wait(self, after: int, timeout: float | None = None) -> int:
        return self._store.wait(after, timeout)

    def checkpoint(self, consumer: str) -> int:
        return self._store.checkpoint(consumer)

    def close(self) -> None:
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class FaultyLog(WithoutLeases):
    """
    Fail the appends, renewals and looks at leases that a test chooses; all else goes through.

    Attributes:
        attempts: How many appends were tried that a fault was meant for.
        on_renewal: Called after each renewal.
    """

    def __init__(self, store: EventStore) -> None:
        super().__init__(store)
        assert isinstance(store, LeaseStore)
        self._leases = store
        self._lock = Lock()
        self._faults: list[tuple[Chosen, StoreError, bool]] = []
        self._races: list[tuple[Chosen, Callable[[], object]]] = []
        self._lease_faults: list[StoreError] = []
        self.attempts = 0
        self.on_renewal: Callable[[], object] = bool

    def fail(
        self, error: StoreError, times: int = 1, *, on: Chosen, after_commit: bool = False
    ) -> None:
        """
        Let the next *times* appends chosen by *on* raise *error*, before the commit or after it.
        """
        with self._lock:
            self._faults += [(on, error, after_commit)] * times

    def before(self, act: Callable[[], object], *, on: Chosen) -> None:
        """
        Do *act* directly before the next append chosen by *on*: somebody else was quicker.
        """
        with self._lock:
            self._races.append((on, act))

    def fail_leases(self, error: StoreError, times: int = 1) -> None:
        """
        Let the next *times* renewals, or looks at leases, raise *error*.
        """
        with self._lock:
            self._lease_faults += [error] * times

    def heal(self) -> None:
        """
        Let no further call fail, and no further append be raced.
        """
        with self._lock:
            self._faults.clear()
            self._races.clear()
            self._lease_faults.clear()

    def append(
        self, *writes: Write, checkpoint: Checkpoint | None = None, key: str | None = None
    ) -> Appended:
        self._race(writes)
        error, after_commit = self._taken(writes)
        if error is not None and not after_commit:
            raise error
        answer = super().append(*writes, checkpoint=checkpoint, key=key)
        if error is not None:
            raise error
        return answer

    def renew(self, worker: str, until: Instant) -> bool:
        self._fail_lease()
        answer = self._leases.renew(worker, until)
        self.on_renewal()
        return answer

    def leases(self) -> Sequence[Lease]:
        self._fail_lease()
        return self._leases.leases()

    def _race(self, writes: Sequence[Write]) -> None:
        with self._lock:
            acts = [act for chosen, act in self._races if chosen(writes)]
            self._races = [race for race in self._races if not race[0](writes)]
        for act in acts:
            act()

    def _taken(self, writes: Sequence[Write]) -> tuple[StoreError | None, bool]:
        with self._lock:
            for place, (chosen, error, after_commit) in enumerate(self._faults):
                if chosen(writes):
                    self.attempts += 1
                    del self._faults[place]
                    return error, after_commit
        return None, False

    def _fail_lease(self) -> None:
        with self._lock:
            if self._lease_faults:
                raise self._lease_faults.pop(0)
