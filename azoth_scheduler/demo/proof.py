"""
What a demo must show: claims about its log, each with the numbers that it rests on.
"""

from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from attrs import frozen

from azoth import EventStore, replay
from azoth_scheduler import (
    Immediate,
    MemoryScheduleProjection,
    SqliteScheduleProjection,
    TaskScheduled,
)
from azoth_scheduler.demo.handlers import FAILURES
from azoth_scheduler.demo.ledger import Ledger
from azoth_scheduler.demo.samples import Samples
from azoth_scheduler.demo.script import FLAKY, HANGING, RETRY
from azoth_scheduler.schedules import is_recurring, next_occurrence

__all__ = ["Claim", "Comparison", "claims_of", "compared"]


@frozen(kw_only=True)
class Claim:
    """
    Say one thing that must hold, whether it does, and what was counted.

    Attributes:
        name: A short name, for machines.
        says: What must hold.
        holds: Whether it does.
        found: The numbers.
    """

    name: str
    says: str
    holds: bool
    found: str


@frozen(kw_only=True)
class Comparison:
    """
    Hold the digests of one projection: as it lived through the kill, and rebuilt from the log.
    """

    projection: str
    live: str
    rebuilt: str

    @property
    def holds(self) -> bool:
        """
        Say whether they are equal.
        """
        return self.live == self.rebuilt


def claims_of(ledger: Ledger) -> tuple[Claim, ...]:
    """
    Return every claim about a demo's log; its digests are compared elsewhere.
    """
    return (
        _nothing_lost(ledger),
        _nothing_twice(ledger),
        _every_start_ended(ledger),
        _kill_survived(ledger),
        _attempts_numbered(ledger),
        *(
            _accounted(ledger, one)
            for one in ledger.scheduled.values()
            if is_recurring(one.schedule)
        ),
        _output_with_outcome(ledger),
        _ladder_kept(ledger),
        _timed_out_once(ledger),
        _samples_noted(ledger),
    )


def _nothing_lost(ledger: Ledger) -> Claim:
    immediate = [one.task_id for one in ledger.scheduled.values() if one.schedule == Immediate()]
    succeeded = Counter(
        one.task_id for some in ledger.outcomes.values() for one in some if one.success
    )
    good = sum(succeeded[task_id] == 1 for task_id in immediate)
    return Claim(
        name="nothing-lost",
        says="each immediate task succeeded exactly once",
        holds=good == len(immediate) > 0,
        found=f"{good} of {len(immediate)}",
    )


def _nothing_twice(ledger: Ledger) -> Claim:
    return Claim(
        name="nothing-twice",
        says="no run and no task ever had two attempts at once",
        holds=not ledger.crowded,
        found=f"at none of {ledger.events} positions"
        if not ledger.crowded
        else f"but after positions {ledger.crowded}",
    )


def _every_start_ended(ledger: Ledger) -> Claim:
    endings = {
        execution_id: len(ledger.outcomes.get(execution_id, []))
        + len(ledger.abandoned.get(execution_id, []))
        for execution_id in ledger.started
    }
    kinds = Counter[str](one.outcome for some in ledger.outcomes.values() for one in some)
    kinds["abandoned"] = sum(map(len, ledger.abandoned.values()))
    ended = " + ".join(
        f"{count} {kind.replace('_', ' ')}" for kind, count in kinds.items() if count
    )
    return Claim(
        name="every-start-ended",
        says="each start has one outcome, or was abandoned once",
        holds=set(endings.values()) == {1} and kinds.total() == len(endings),
        found=f"{len(endings)} starts = {ended}",
    )


def _kill_survived(ledger: Ledger) -> Claim:
    lost = [one for some in ledger.abandoned.values() for one in some]
    workers = {start.worker_id for start in ledger.started.values()}
    again = [
        one for one in lost if any(s.attempt > one.attempt for s in ledger.attempts_of(one.run_id))
    ]
    return Claim(
        name="kill-survived",
        says="what the dead worker was doing was abandoned, and done again by the next one",
        holds=len(again) == len(lost) > 0
        and len(workers) == 2
        and len({one.worker_id for one in lost}) == 1,
        found=f"{len(lost)} attempts of {', '.join(sorted({one.worker_id for one in lost}))}"
        if lost
        else "but no attempt was running at the kill",
    )


def _attempts_numbered(ledger: Ledger) -> Claim:
    runs: dict[str, list[int]] = {}
    for start in ledger.started.values():
        runs.setdefault(start.run_id, []).append(start.attempt)
    holed = [run for run, numbers in runs.items() if numbers != [*range(1, len(numbers) + 1)]]
    return Claim(
        name="attempts-numbered",
        says="the attempts of each run are numbered 1, 2, 3 … without a hole",
        holds=not holed,
        found=f"{len(runs)} runs, {len(ledger.started)} attempts",
    )


def _accounted(ledger: Ledger, task: TaskScheduled) -> Claim:
    # A skip names its first and last time; the times between them are on the grid.
    first = [
        int(start.nominal_at)
        for start in ledger.started.values()
        if start.task_id == task.task_id and start.attempt == 1 and not start.triggered_run
    ]
    skips = [one for one in ledger.skipped if one.task_id == task.task_id]
    grid = _grid(task, max([*first, *(int(one.last) for one in skips)], default=0))
    left_out = [at for one in skips for at in grid if one.first <= at <= one.last]
    return Claim(
        name=f"accounted:{task.task_id}",
        says=f"{task.task_id}: each of its times was run, or left out, once",
        holds=sorted([*first, *left_out]) == grid
        and len(grid) > 0
        and sum(one.count for one in skips) == len(left_out),
        found=f"{len(grid)} times = {len(first)} run + {len(left_out)} left out",
    )


def _grid(task: TaskScheduled, last: int) -> list[int]:
    times: list[int] = []
    at = task.next_nominal_at
    while at is not None and at <= last:
        times.append(int(at))
        at = next_occurrence(task.schedule, task.anchor, at)
    return times


def _output_with_outcome(ledger: Ledger) -> Claim:
    wanted = {
        execution_id: some[0].triggered
        for execution_id, some in ledger.outcomes.items()
        if some[0].triggered
    }
    return Claim(
        name="output-with-outcome",
        says="each event of a handler stands directly before its outcome, none twice, none alone",
        holds=dict(ledger.emitted) == wanted and not ledger.misplaced,
        found=f"{ledger.emitted.total()} events, {len(wanted)} outcomes",
    )


def _ladder_kept(ledger: Ledger) -> Claim:
    failed = [one for one in ledger.outcomes_of(FLAKY) if not one.success]
    starts = {start.attempt: start for start in ledger.started.values() if start.task_id == FLAKY}
    waits = [(one.retry_at or one.completed_at) - one.completed_at for one in failed]
    too_early = [
        one.execution_id
        for one in failed
        if one.attempt + 1 not in starts or starts[one.attempt + 1].at < (one.retry_at or 0)
    ]
    wanted = [RETRY.delay(failure) for failure in range(1, FAILURES + 1)]
    return Claim(
        name="ladder-kept",
        says=f"{FLAKY}: each failure was followed by the wait of its policy",
        holds=waits == wanted and not too_early,
        found=f"{len(failed)} failures, waits of {_seconds(waits)}",
    )


def _seconds(waits: Iterable[int]) -> str:
    return " and ".join(f"{wait / 1_000_000:g} s" for wait in waits) or "none"


def _timed_out_once(ledger: Ledger) -> Claim:
    outcomes = [one.outcome for one in ledger.outcomes_of(HANGING)]
    stopped = [one.task_id for one in ledger.disabled]
    return Claim(
        name="timed-out",
        says=f"{HANGING}: it was ended at its deadline, and its task disabled",
        holds=outcomes == ["timed_out"] and stopped == [HANGING],
        found=f"{', '.join(outcomes).replace('_', ' ') or 'no outcome'}",
    )


def _samples_noted(ledger: Ledger) -> Claim:
    answered = [note.sample for note in ledger.notes]
    counts = [note.count for note in ledger.notes]
    return Claim(
        name="samples-noted",
        says="the event handler answered each sample once, in order, though it was killed too",
        holds=answered == ledger.samples and counts == [*range(1, len(counts) + 1)] != [],
        found=f"{len(ledger.samples)} samples, {len(answered)} answers",
    )


def compared(store: EventStore, table: Path, ledger: Ledger) -> tuple[Comparison, ...]:
    """
    Return the digests of what the workers kept, beside those of folds of the whole log.

    Args:
        store: The log.
        table: The file of the workers' schedule table.
        ledger: What the log says; the event handler wrote its digest into its last answer.
    """
    last = ledger.notes[-1] if ledger.notes else None
    return (
        Comparison(
            projection="schedule table",
            live=_digest_of(table, store),
            rebuilt=replay(store, MemoryScheduleProjection()).digest(),
        ),
        Comparison(
            projection="samples",
            live="" if last is None else last.digest,
            rebuilt=replay(store, Samples()).digest(),
        ),
    )


def _digest_of(table: Path, store: EventStore) -> str:
    # It only lacks what the worker itself wrote last.
    with closing(SqliteScheduleProjection(table)) as projection:
        return replay(store, projection).digest()
