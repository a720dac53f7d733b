"""
How long what is due may wait: C15, L1 and L2, by bounds that whoever drives the schedulers knows.

Waiting is measured by the store's clock, `recorded_at`, from when a task was ready: from the time
it was due, from when what kept it from starting was over (a pause, an open run), or from when
faults stopped, whichever is last. Nobody's wait is judged before that.
"""

from collections.abc import Callable, Iterable, Iterator
from heapq import heappop, heappush
from typing import TypeAlias

from attrs import define

from azoth.clocks import Instant, Microseconds
from azoth_scheduler.events import (
    TaskExecuted,
    TaskRunAbandoned,
    TaskRunStarted,
    TaskScheduled,
)
from azoth_scheduler.simulation.invariants._ledger import Ledger, Task
from azoth_scheduler.simulation.invariants.entries import Checker, Entry

__all__ = ["Ending", "Fairness", "Liveness", "Serves"]

Serves: TypeAlias = Callable[[TaskScheduled], bool]
"""Says whether somebody serves a task, by its type and queue."""

_Turn: TypeAlias = tuple[int, Instant, str]
# A task's place in the order in which tasks start: priority, due time, id.


def _everything(_: TaskScheduled) -> bool:
    return True


class _Readiness:
    # Since when each task has been ready to be started or decided.

    def __init__(self, since: Instant, serves: Serves) -> None:
        self._since = since
        self._serves = serves
        self._ledger = Ledger()
        self._served: dict[str, bool] = {}
        self._changed: dict[str, Instant] = {}
        # By task: when it is due, which its own events alone change; None where nothing is.
        self.due: dict[str, Instant | None] = {}
        self.active = 0

    def task(self, task_id: str) -> Task:
        return self._ledger.task(task_id)

    def since(self, task_id: str) -> Instant | None:
        # None where it is not ready by itself, or nobody serves it.
        due = self.due.get(task_id)
        if due is None or not self._served.get(task_id, False):
            return None
        return max(due, self._changed.get(task_id, self._since), self._since)

    def see(self, entry: Entry) -> bool:
        # Returns whether the task of the event waits for something else from here on.
        told = entry.told
        if told is None:
            return False
        self._ledger.see(entry)
        if isinstance(told, TaskScheduled):
            self._served[told.task_id] = self._serves(told)
        starts = isinstance(told, TaskRunStarted)
        self.active += starts - isinstance(told, TaskExecuted | TaskRunAbandoned)
        due = self._ledger.task(told.task_id).ready_at()
        if due == self.due.get(told.task_id) and not starts:
            return False
        self.due[told.task_id] = due
        self._changed[told.task_id] = entry.event.recorded_at
        return True


class Liveness(Checker):
    """
    L1: once faults have stopped, what is due is started within a bound while slots are free.

    Args:
        since: When the last fault ended.
        bound: How long that may take. A loop sees what is due within its poll interval; a claim of
            a worker that is gone is released one lease after its lease has run out, and a survey
            is made once a poll interval; clocks differ by the skew. So `poll` where no worker was
            lost, else `2 * lease + 2 * poll + skew`, and above that what a pass and an append may
            take, and the backoff of a worker that met an error just before.
        serves: Whether somebody serves a task; others may wait for ever.
        slots: How many attempts may run at once, those of all schedulers together; None where
            there are enough. Nobody's wait is judged while all are taken.
        now: Says what time it is when the log ends; None for the time of the last event.
    """

    invariant = "L1"

    def __init__(
        self,
        *,
        since: Instant,
        bound: Microseconds,
        serves: Serves = _everything,
        slots: int | None = None,
        now: Callable[[], Instant] | None = None,
    ) -> None:
        self._since = since
        self._bound = bound
        self._slots = slots
        self._now = now
        self._ready = _Readiness(since, serves)
        self._free_since = Instant(0)
        self._last = Instant(0)
        self._position = 0

    def see(self, entry: Entry) -> Iterable[str]:
        """
        See whether the task of one more event has waited too long for it.
        """
        self._last, self._position = entry.event.recorded_at, entry.position
        if entry.told is None:
            return ()
        found = self._overdue(entry.told.task_id, self._last)
        was_full = self._is_full
        self._ready.see(entry)
        if was_full and not self._is_full:
            self._free_since = self._last
        return () if found is None else (found,)

    def end(self) -> Iterable[tuple[int, str]]:
        """
        Name the tasks that have waited too long when the log ends.
        """
        now = self._last if self._now is None else self._now()
        for task_id in self._ready.due:
            found = self._overdue(task_id, now)
            if found is not None:
                yield self._position, f"{found} when the log ends"

    @property
    def _is_full(self) -> bool:
        return self._slots is not None and self._ready.active >= self._slots

    def _overdue(self, task_id: str, now: Instant) -> str | None:
        if now <= self._since + self._bound or self._is_full:
            return None
        since = self._ready.since(task_id)
        if since is None:
            return None
        late = now - max(since, self._free_since)
        if late <= self._bound:
            return None
        return f"{task_id} has been ready since {since} for {late} µs, the bound is {self._bound}"


class Ending(Checker):
    """
    L2: once faults have stopped, every start gets its end.

    Args:
        since: When the last fault ended.
        bound: How long after its deadline, or after *since*, an attempt may be without an end: two
            leases and two poll intervals, the skew, and what a pass and an append may take.
        now: Says what time it is when the log ends; None for the time of the last event.
    """

    invariant = "L2"
    kinds = (TaskRunStarted, TaskExecuted, TaskRunAbandoned)

    def __init__(
        self, *, since: Instant, bound: Microseconds, now: Callable[[], Instant] | None = None
    ) -> None:
        self._since = since
        self._bound = bound
        self._now = now
        self._last = Instant(0)
        self._begun: dict[str, tuple[int, Instant]] = {}

    def see(self, entry: Entry) -> Iterable[str]:
        """
        Take note of one more start, or of its end, which may come too late.
        """
        told, self._last = entry.told, entry.event.recorded_at
        if isinstance(told, TaskRunStarted):
            self._begun[told.execution_id] = entry.position, told.deadline_at
        elif isinstance(told, TaskExecuted | TaskRunAbandoned):
            _, deadline = self._begun.pop(told.execution_id, (0, self._last))
            yield from self._late(told.execution_id, deadline, self._last)

    def end(self) -> Iterable[tuple[int, str]]:
        """
        Name the starts that have no end.
        """
        now = self._last if self._now is None else self._now()
        for execution_id, (position, deadline) in self._begun.items():
            for what in self._late(execution_id, deadline, now):
                yield position, what

    def _late(self, execution_id: str, deadline: Instant, now: Instant) -> Iterator[str]:
        late = now - max(deadline, self._since)
        if late > self._bound:
            yield f"{execution_id} had no end {late} µs after its deadline, or after all faults"


@define
class _Wait:
    # A task that is ready; *ahead* counts the runs that may go before it.
    turn: _Turn
    since: Instant
    ahead: int


class Fairness(Checker):
    """
    C15: a handler that always fails never delays another task beyond the bound.

    A task waits for the runs that stand before it: those that run when it becomes ready, and those
    that start before it and are more important, were due earlier, or as early and have a smaller
    id. With n of them it starts at the latest `n // slots * (timeout + 2 * poll) + poll` after it
    is ready. What starts before it out of turn is not counted, so it shows.

    Args:
        since: When the last fault ended; also, when all schedulers were at work.
        slots: How many attempts run at once, those of all schedulers together.
        timeout: The longest of all tasks.
        poll: The longest poll interval, and above it what clocks differ by and a pass may take.
        serves: Whether somebody serves a task; others may wait for ever.
    """

    invariant = "C15"

    def __init__(
        self,
        *,
        since: Instant,
        slots: int,
        timeout: Microseconds,
        poll: Microseconds,
        serves: Serves = _everything,
    ) -> None:
        self._since = since
        self._slots = slots
        self._round = timeout + 2 * poll
        self._poll = poll
        self._ready = _Readiness(since, serves)
        self._coming: list[tuple[Instant, str]] = []
        self._waiting: dict[str, _Wait] = {}
        self._last = Instant(0)
        self._position = 0

    def see(self, entry: Entry) -> Iterable[str]:
        """
        Let the tasks that wait grow older by one more event.
        """
        self._last, self._position = entry.event.recorded_at, entry.position
        self._ripen(self._last)
        told = entry.told
        if told is None:
            return
        if isinstance(told, TaskRunStarted):
            yield from self._start(told)
        if self._ready.see(entry):
            self._waiting.pop(told.task_id, None)
            since = self._ready.since(told.task_id)
            if since is not None:
                heappush(self._coming, (since, told.task_id))

    def end(self) -> Iterable[tuple[int, str]]:
        """
        Name the tasks that have waited too long when the log ends.
        """
        for place, wait in enumerate(sorted(self._waiting.values(), key=lambda one: one.turn)):
            # Those before it that wait themselves have yet to run.
            wait.ahead += place
            for what in self._late(wait.turn[2], wait):
                yield self._position, f"{what} when the log ends"

    def _ripen(self, now: Instant) -> None:
        # Between two events nothing starts or ends, so what runs now ran when they became ready.
        while self._coming and self._coming[0][0] <= now:
            since, task_id = heappop(self._coming)
            if since == self._ready.since(task_id):
                task = self._ready.task(task_id)
                turn = (task.options.priority, self._ready.due[task_id] or since, task_id)
                self._waiting[task_id] = _Wait(turn, since, self._ready.active)

    def _start(self, told: TaskRunStarted) -> Iterator[str]:
        task = self._ready.task(told.task_id)
        wait = self._waiting.pop(told.task_id, None)
        turn = (task.options.priority, told.at, told.task_id) if wait is None else wait.turn
        for other in self._waiting.values():
            if turn < other.turn:
                other.ahead += 1
        if wait is not None:
            yield from self._late(told.task_id, wait)

    def _late(self, task_id: str, wait: _Wait) -> Iterator[str]:
        late = self._last - wait.since
        bound = wait.ahead // self._slots * self._round + self._poll
        if late > bound:
            yield (
                f"{task_id} has been ready since {wait.since} for {late} µs behind {wait.ahead} "
                f"runs, the bound is {bound}"
            )
