"""
Attempts in virtual time: how long each takes and what becomes of its result is drawn.
"""

from asyncio import AbstractEventLoop
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Final

from attrs import define, evolve, field

from azoth.clocks import Clock, Instant, Microseconds
from azoth_scheduler.execution import Attempt, Ended, Fence, Finished
from azoth_scheduler.executors.base import Report
from azoth_scheduler.simulation.world.carrying import Carry, Performance, plainly
from azoth_scheduler.simulation.world.chance import Dice
from azoth_scheduler.simulation.world.faults import Faults

__all__ = ["Journal", "JournalEntry", "Lasts", "Later", "SimulatedExecutor"]

Lasts = Callable[[Attempt], Microseconds]
"""Says how long an attempt takes, by the clock of its machine."""

Later = Callable[[int, Callable[[], None]], None]
"""Does something after so many microseconds of true time."""

_SECOND: Final = 1_000_000
_STOPS_WITHIN: Final = _SECOND
_LATE_MAX: Final = 30 * _SECOND
_HANGS_MAX: Final = 900 * _SECOND


@define
class JournalEntry:
    """
    Hold what became of one attempt in truth.

    Attributes:
        fence: Its task, and the version of its claim.
        scheduler: Who carried it out.
        begun_at: When its handler was called, by the true time.
        outcomes: How it ended, each time that its handler came back; more than one is a fault of
            the executor.
        completed_at: When, each time, by the clock of its machine.
        reports: How often its scheduler was told.
    """

    fence: Fence
    scheduler: str
    begun_at: Instant
    outcomes: list[str] = field(factory=list[str])
    completed_at: list[Instant] = field(factory=list[Instant])
    reports: int = 0


class Journal:
    """
    Be the ground truth of what really started, whatever the log says.

    Attributes:
        begun_twice: Attempts whose handler was called a second time.
    """

    def __init__(self) -> None:
        self._entries: dict[str, JournalEntry] = {}
        self.begun_twice: list[str] = []

    @property
    def entries(self) -> Mapping[str, JournalEntry]:
        """
        Return what became of each attempt, by its execution id, in the order in which they began.
        """
        return self._entries

    def begin(self, execution_id: str, entry: JournalEntry) -> JournalEntry:
        """
        Write down that a handler is called.
        """
        if execution_id in self._entries:
            self.begun_twice.append(execution_id)
        self._entries[execution_id] = entry
        return entry


@define(eq=False)
class _Job:
    attempt: Attempt
    clock: Clock
    report: Report
    entry: JournalEntry
    fate: str | None
    performance: Performance | None = None
    at_work: bool = False
    sleeps: int = 0
    finished: Finished | None = None
    ended: Finished | None = None


def _not_at_all(_attempt: Attempt) -> Microseconds:
    return Microseconds(0)


class SimulatedExecutor:
    """
    Carry out attempts in virtual time, on one thread.

    An attempt that is asked to stop does so within a second, save one that hangs. The handler is
    called when the attempt has lasted as long as it takes, so that it sees whether it should stop.

    Args:
        seed: Of the run; what is drawn for an attempt depends on its execution id alone.
        scheduler: Whose attempts they are.
        faults: Say what strikes an attempt.
        lasts: How long each takes.
        later: Does something in a while.
        now: The true time.
        journal: Where it is written down what really happened.
        woken: Called after each report, as the bell that it rings.
        carry: Calls the handlers.
        rests: How long each takes once its handler has come back; its result waits meanwhile.
    """

    slots: int | None = None

    def __init__(
        self,
        *,
        seed: int,
        scheduler: str,
        faults: Faults,
        lasts: Lasts,
        later: Later,
        now: Callable[[], Instant],
        journal: Journal,
        woken: Callable[[], None],
        carry: Carry = plainly,
        rests: Lasts = _not_at_all,
    ) -> None:
        self._seed = seed
        self._scheduler = scheduler
        self._faults = faults
        self._lasts = lasts
        self._later = later
        self._now = now
        self._journal = journal
        self._woken = woken
        self._carry = carry
        self._rests = rests
        self._jobs: dict[Fence, _Job] = {}
        self._gone = False
        self._hangs = False

    @property
    def running(self) -> int:
        """
        Return how many attempts have not come back.
        """
        return len(self._jobs)

    def submit(self, attempt: Attempt, clock: Clock, report: Report) -> None:
        """
        Begin an attempt; it is reported when virtual time has come there.
        """
        execution_id = attempt.context.execution_id
        entry = JournalEntry(attempt.fence, self._scheduler, self._now())
        self._journal.begin(execution_id, entry)
        fate = self._faults.strike("attempt", self._scheduler)
        job = _Job(attempt, clock, report, entry, fate)
        self._jobs[attempt.fence] = job
        attempt.context.stop.on_set(lambda: self._asked(job))
        if self._hangs:
            # For ever: it neither ends nor stops.
            job.fate = "hang"
        elif fate == "hang":
            dice = Dice(self._seed, f"hang/{execution_id}")
            self._end_later(job, dice.between(_LATE_MAX, _HANGS_MAX))
        else:
            self._end_later(job, self._lasts(attempt))

    def on_loop(self, _loop: AbstractEventLoop) -> AbstractContextManager[None]:
        """
        Do nothing: coroutine handlers have a loop of their own, whose time is virtual.
        """
        return nullcontext()

    def close(self) -> None:
        """
        Do nothing: nothing is held.
        """

    def crash(self) -> None:
        """
        Let whatever runs be gone with its process.
        """
        self._gone = True
        jobs = tuple(self._jobs.values())
        self._jobs.clear()
        for job in jobs:
            if job.performance is None:
                continue
            if job.at_work:
                # It ends its own process; it is closed where it stops.
                self._later(0, job.performance.close)
            else:
                job.performance.close()

    def hang(self) -> None:
        """
        Let whatever begins from now on hang for ever.
        """
        self._hangs = True

    def calm_down(self) -> None:
        """
        Let everything that hangs come back within a second, and what was lost be found.
        """
        for job in tuple(self._jobs.values()):
            fate, job.fate = job.fate, None
            if fate == "lost" and job.ended is not None:
                self._report(job, job.ended)
            elif fate == "hang":
                self._end_later(job, _STOPS_WITHIN)

    def _end_later(self, job: _Job, span: int) -> None:
        self._later(span, lambda: self._call(job))

    def _asked(self, job: _Job) -> None:
        if job.fate != "hang" and job.ended is None and not job.at_work:
            dice = Dice(self._seed, f"stop/{job.attempt.context.execution_id}")
            self._later(dice.below(_STOPS_WITHIN), lambda: self._stop(job))

    def _stop(self, job: _Job) -> None:
        if job.performance is None:
            self._call(job)
        elif job.finished is not None:
            self._hand_in(job, job.finished)
        else:
            self._go_on(job, asked=True)

    def _call(self, job: _Job) -> None:
        if not self._gone and job.performance is None:
            job.performance = self._carry(job.attempt, job.clock)
            self._go_on(job, asked=False)

    def _go_on(self, job: _Job, *, asked: bool) -> None:
        if self._gone or job.performance is None or job.finished is not None:
            return
        job.at_work = True
        try:
            # The first step of a generator can be told nothing.
            slept = job.performance.send(asked) if job.sleeps else next(job.performance)
        except StopIteration as over:
            self._rest(job, over.value)
        else:
            job.sleeps += 1
            nap = job.sleeps
            self._later(slept, lambda: self._wake(job, nap))
        finally:
            job.at_work = False

    def _wake(self, job: _Job, nap: int) -> None:
        # One that was asked to stop meanwhile is awake already.
        if job.sleeps == nap:
            self._go_on(job, asked=False)

    def _rest(self, job: _Job, finished: Finished) -> None:
        job.finished, rest = finished, self._rests(job.attempt)
        if rest and not job.attempt.context.cancelled:
            self._later(rest, lambda: self._hand_in(job, finished))
        else:
            self._hand_in(job, finished)

    def _hand_in(self, job: _Job, finished: Finished) -> None:
        if self._gone or job.ended is not None:
            return
        ran = Microseconds(job.clock.monotonic() - job.attempt.started)
        job.ended = ended = evolve(finished, completed_at=job.clock.now(), duration=ran)
        job.entry.outcomes.append(ended.outcome)
        job.entry.completed_at.append(ended.completed_at)
        match job.fate:
            case "lost":
                # It takes its slot, as one does whose thread has hung.
                return
            case "late":
                dice = Dice(self._seed, f"late/{job.attempt.context.execution_id}")
                self._later(dice.between(_SECOND, _LATE_MAX), lambda: self._report(job, ended))
            case "duplicate":
                self._report(job, ended)
                self._later(_SECOND, lambda: self._report(job, ended))
            case _:
                self._report(job, ended)

    def _report(self, job: _Job, ended: Ended) -> None:
        if not self._gone:
            self._jobs.pop(job.attempt.fence, None)
            job.entry.reports += 1
            job.report(ended)
            self._woken()
