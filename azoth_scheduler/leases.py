"""
Who is alive: this worker's lease, and what is known of the others'.

A worker vouches for its claims by a lease that it renews. It has run out when its end is past and
its row has stood still for one lease on the observer's monotonic clock: no clock is compared with
another's. A death on this host is proved by the lock that the worker's process held.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from logging import getLogger
from threading import Event, Lock, Thread
from typing import Final, Self

from attrs import field, frozen

from azoth.clocks import Clock, Instant, Microseconds
from azoth.errors import StoreClosed, StoreError
from azoth.store import EventStore, Lease, LeaseStore
from azoth_scheduler.plan import Lost, Overdue
from azoth_scheduler.projection.base import ActiveRun

__all__ = ["LeaseKeeper", "LeaseWatch", "Renewing", "Survey"]

_logger: Final = getLogger("azoth_scheduler")

_TAKING: Final = Lock()
"""Two schedulers of one process may share a store object, which takes either for its own."""

_RENEWALS: Final = 3
"""How often a lease is renewed while it holds: two renewals may fail before it runs out."""

_PAUSE_SECONDS_MIN: Final = 0.01
"""Between two looks at whether it is time to renew."""


class LeaseKeeper:
    """
    Keep this worker's lease.

    Args:
        store: Where it is kept; a store that keeps none is told from one that does.
        clock: Tells when to renew.
        name: The worker's name, to which its incarnation is added.
        lease: How long it holds without being renewed.
    """

    def __init__(self, store: EventStore, clock: Clock, name: str, lease: Microseconds) -> None:
        self._store = store if isinstance(store, LeaseStore) else None
        self._clock = clock
        self._name = name
        self._lease = lease
        self._worker_id: str | None = None
        self._renewed = Microseconds(0)

    @property
    def lease(self) -> Microseconds | None:
        """
        Return how long a claim holds; None where the store keeps no leases.
        """
        return None if self._store is None else self._lease

    @property
    def interval(self) -> Microseconds:
        """
        Return the time between two renewals.
        """
        return Microseconds(self._lease // _RENEWALS)

    @property
    def worker_id(self) -> str:
        """
        Return the worker's id, incarnation included; the first call takes it, and the lease.
        """
        if self._worker_id is None:
            self._worker_id = self._taken()
        return self._worker_id

    @property
    def taken(self) -> str | None:
        """
        Return the worker's id; None if it was never needed.
        """
        return self._worker_id

    def renew(self) -> None:
        """
        Renew the lease if it is time to, and there is one.
        """
        if self._worker_id is None or self._store is None:
            return
        now = self._clock.monotonic()
        if now - self._renewed < self.interval:
            return
        if self._store.renew(self._worker_id, self._until()):
            self._renewed = now
        else:
            # Another process holds the lock, as a parent does in its fork: be somebody else.
            self._worker_id = self._taken()

    def _taken(self) -> str:
        if self._store is None:
            return f"{self._name}/{self._clock.now()}"
        with _TAKING:
            incarnation = 1 + max(map(self._incarnation_of, self._store.leases()), default=0)
            while not self._store.renew(f"{self._name}/{incarnation}", self._until()):
                incarnation += 1
        self._renewed = self._clock.monotonic()
        return f"{self._name}/{incarnation}"

    def _incarnation_of(self, lease: Lease) -> int:
        name, _, incarnation = lease.worker.rpartition("/")
        return int(incarnation) if name == self._name and incarnation.isdecimal() else 0

    def _until(self) -> Instant:
        return Instant(self._clock.now() + self._lease)


@frozen
class _Sighting:
    # The lease behind an attempt, and since when: it stands still while it is the same.
    until: Instant
    since: Microseconds
    moved: bool = False


@frozen(kw_only=True)
class Survey:
    """
    Say which attempts of other workers are lost, and which are past their deadline.
    """

    lost: tuple[Lost, ...] = field(default=())
    overdue: tuple[Overdue, ...] = field(default=())


class LeaseWatch:
    """
    Watch the workers whose attempts are running elsewhere.
    """

    def __init__(self, store: EventStore, clock: Clock, lease: Microseconds) -> None:
        self._store = store if isinstance(store, LeaseStore) else None
        self._clock = clock
        self._lease = lease
        self._sightings: dict[tuple[str, int | None], _Sighting] = {}

    def survey(self, active: Sequence[ActiveRun], now: Instant) -> Survey:
        """
        Look at the leases of the workers of *active*, none of which is this worker's.
        """
        leases = {lease.worker: lease for lease in self._leases()} if active else {}
        self._sight(active, leases)
        lost: list[Lost] = []
        overdue: list[Overdue] = []
        for one in active:
            lease = leases.get(one.run.worker_id)
            found = self._lost(one, lease, now)
            if found is not None:
                lost.append(found)
            elif now >= one.run.deadline_at + self._lease and self._lives(one, lease, now):
                overdue.append(_overdue(one, now))
        return Survey(lost=tuple(lost), overdue=tuple(overdue))

    def _leases(self) -> Iterable[Lease]:
        return () if self._store is None else self._store.leases()

    def _sight(self, active: Sequence[ActiveRun], leases: Mapping[str, Lease]) -> None:
        # A worker's clock may be set back, so any change of its row is a sign of life.
        now, before = self._clock.monotonic(), self._sightings
        self._sightings = {}
        for one in active:
            row, key = leases.get(one.run.worker_id), (one.task_id, one.run.fence)
            until = one.run.lease_until if row is None else row.until
            seen = before.get(key, _Sighting(until, now))
            same = seen.until == until
            self._sightings[key] = seen if same else _Sighting(until, now, moved=True)

    def _lost(self, one: ActiveRun, lease: Lease | None, now: Instant) -> Lost | None:
        run = one.run
        assert run.fence is not None, "an active run has a fence"
        until = max(run.lease_until, lease.until) if lease is not None else run.lease_until
        fence = (one.task_id, run.fence)
        if lease is not None and lease.dead:
            return Lost(fence=fence, reason="its worker is dead", lease_until=until)
        stood = self._clock.monotonic() - self._sightings[fence].since
        if now >= until and stood >= self._lease:
            return Lost(fence=fence, reason="its lease has run out", lease_until=until)
        return None

    def _lives(self, one: ActiveRun, lease: Lease | None, now: Instant) -> bool:
        # Where both have run out, the attempt is lost; whether the lease has may not be known yet.
        moved = self._sightings[(one.task_id, one.run.fence)].moved
        return lease is not None and (now < lease.until or moved)


def _overdue(one: ActiveRun, now: Instant) -> Overdue:
    assert one.run.fence is not None, "an active run has a fence"
    return Overdue(fence=(one.task_id, one.run.fence), ran=Microseconds(now - one.run.started_at))


class Renewing:
    """
    Renew a lease on a thread of its own while a loop runs, whatever its passes do.

    Args:
        keeper: Keeps the lease.
        holds: Says whether a claim is still held: a handler that hangs when the loop has ended
            keeps its own while its process lives.
    """

    def __init__(self, keeper: LeaseKeeper, holds: Callable[[], bool]) -> None:
        self._keeper = keeper
        self._holds = holds
        self._stopping = Event()

    def __enter__(self) -> Self:
        Thread(target=self._renew, name="azoth-lease", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()

    def _renew(self) -> None:
        pause = max(_PAUSE_SECONDS_MIN, self._keeper.interval / 1_000_000 / _RENEWALS)
        quiet = Event()
        while not self._stopping.wait(pause) or self._holds():
            try:
                self._keeper.renew()
            except StoreClosed:
                return
            except StoreError as error:
                _logger.warning("lease not renewed", extra={"error": str(error)})
            if self._stopping.is_set():
                quiet.wait(pause)
