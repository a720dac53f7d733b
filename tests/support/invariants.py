"""
What must hold of every log that schedulers have written: checkers fed by the log alone.

Each is a function from a log to its breaches, and looks at every prefix of it. None of them calls
a decision of the scheduler, so that what it proves is not what it is proved by.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from attrs import Factory, define, frozen

from azoth.clocks import Instant, datetime_of, instant_of
from azoth.events import ALL, Event
from azoth.store import EventStore
from azoth_scheduler.events import (
    CATEGORY,
    SchedulerEvent,
    TaskCancelled,
    TaskDisabled,
    TaskExecuted,
    TaskPaused,
    TaskResumed,
    TaskRunAbandoned,
    TaskRunBuffered,
    TaskRunCancelRequested,
    TaskRunSkipped,
    TaskRunStarted,
    TaskScheduled,
    TaskTriggered,
    registry,
)
from azoth_scheduler.retries import RetryPolicy
from azoth_scheduler.schedules import Cron, Interval, OneTime, Schedule
from tests.support.cron_reference import Reference

__all__ = ["CHECKS", "Breach", "Entry", "assert_sound", "breaches_of", "read_log"]

SECOND: Final = 1_000_000
FAILURES: Final = ("failed", "timed_out")
POLICY: Final = RetryPolicy()
"""What a scheduler that is told nothing goes by."""

NO_POLICIES: Final[Mapping[str, RetryPolicy]] = {}


@frozen
class Breach:
    """
    Name what does not hold, and the first position that shows it.
    """

    invariant: str
    position: int
    what: str

    def __str__(self) -> str:
        return f"{self.invariant} at {self.position}: {self.what}"


@frozen
class Entry:
    """
    Hold one event of the log and, where it is one of the scheduler's, what it says.
    """

    event: Event
    told: SchedulerEvent | None

    @property
    def position(self) -> int:
        """
        Return its place in the log.
        """
        return self.event.position


Log: TypeAlias = Sequence[Entry]
Policies: TypeAlias = Mapping[str, RetryPolicy]
Check: TypeAlias = Callable[[Log], Iterator[Breach]]


def read_log(store: EventStore) -> list[Entry]:
    """
    Read a whole log, decoded where it can be.
    """
    entries: list[Entry] = []
    after = 0
    while True:
        page = store.read(ALL, after=after, limit=1_000)
        entries += [Entry(event, _told(event)) for event in page.events]
        after = page.next_after
        if not page.more:
            return entries


def _told(event: Event) -> SchedulerEvent | None:
    if not event.stream.startswith(f"{CATEGORY}-"):
        return None
    try:
        decoded: SchedulerEvent = registry.decode(event)
        return decoded if event.stream == f"{CATEGORY}-{decoded.task_id}" else None
    except Exception:  # noqa: BLE001 - tests put events there that nobody can read
        return None


def breaches_of(log: Log, policies: Policies = NO_POLICIES, /, **slots: int) -> list[Breach]:
    """
    Return every breach in a log.

    Args:
        log: The whole of it.
        policies: Of handlers, by their types: they are not in the log.
        slots: Of workers, by their names: limits that must hold.
    """
    found = [breach for check in CHECKS for breach in check(log)]
    found += retries_wait_as_the_policy_says(log, policies)
    return found + list(no_worker_exceeds_its_slots(log, slots))


def assert_sound(log: Log, policies: Policies = NO_POLICIES, /, **slots: int) -> None:
    """
    Fail with the first breaches of a log.
    """
    found = breaches_of(log, policies, **slots)
    assert not found, "\n".join(map(str, found[:10]))


def positions_are_dense(log: Log) -> Iterator[Breach]:
    """
    S1: positions are 1, 2, 3 … in the log, versions in each stream.
    """
    versions: Counter[str] = Counter()
    for place, entry in enumerate(log, 1):
        versions[entry.event.stream] += 1
        if entry.position != place:
            yield Breach("S1", entry.position, f"stands at place {place}")
        if entry.event.version != versions[entry.event.stream]:
            yield Breach("S1", entry.position, f"version {entry.event.version} of its stream")


def time_never_goes_back(log: Log) -> Iterator[Breach]:
    """
    C1: `recorded_at` never decreases; an event's own time never within its stream.
    """
    recorded = 0
    told_at: dict[str, int] = {}
    for entry in log:
        if entry.event.recorded_at < recorded:
            yield Breach("C1", entry.position, "recorded before the one above it")
        recorded = max(recorded, entry.event.recorded_at)
        if entry.told is not None:
            before = told_at.get(entry.event.stream, 0)
            if entry.told.at < before:
                yield Breach("C1", entry.position, f"decided {before - entry.told.at} µs back")
            told_at[entry.event.stream] = max(before, entry.told.at)


def nothing_starts_early(log: Log) -> Iterator[Breach]:
    """
    C2: never before `next_run_at`, a retry never before `retry_at`.
    """
    next_run: dict[str, int | None] = {}
    retry_at: dict[str, dict[str, int | None]] = {}
    kept: dict[str, set[int]] = {}
    for entry in log:
        match entry.told:
            case TaskRunStarted() as told:
                allowed = retry_at.get(told.task_id, {}).pop(told.run_id, None)
                if told.attempt == 1 and not told.triggered_run:
                    # What was kept was due when it was decided.
                    was_kept = told.nominal_at in kept.get(told.task_id, ())
                    allowed = told.due_at if was_kept else next_run.get(told.task_id)
                if told.at < (allowed or 0):
                    yield Breach("C2", entry.position, f"{told.execution_id} started early")
            case TaskExecuted() | TaskRunAbandoned() as told:
                retry_at.setdefault(told.task_id, {})[told.run_id] = told.retry_at
            case TaskRunBuffered() as told:
                kept.setdefault(told.task_id, set()).update(told.nominals)
            case TaskResumed() as told:
                # Whoever resumes asks for what waits at once.
                retry_at.pop(told.task_id, None)
            case _:
                pass
        moved: Any = entry.told
        if _moves_the_schedule(moved):
            next_run[moved.task_id] = moved.next_run_at


def _moves_the_schedule(told: object) -> bool:
    # Two events say what is next only where they close a run of a fixed delay.
    if isinstance(told, TaskRunAbandoned | TaskRunCancelRequested):
        return told.next_run_at is not None
    return hasattr(told, "next_run_at")


def one_attempt_at_a_time(log: Log) -> Iterator[Breach]:
    """
    C3: a run has at most one active attempt, and so has a task unless its overlap is `allow`.
    """
    active: dict[str, dict[str, str]] = {}
    alone: dict[str, bool] = {}
    beside: set[str] = set()
    for entry in log:
        match entry.told:
            case TaskScheduled() as told:
                alone[told.task_id] = told.options.overlap != "allow"
            case TaskTriggered(overlap="allow") as told:
                beside.add(told.run_id)
            case TaskRunStarted() as told:
                others = active.setdefault(told.task_id, {})
                one_only = alone.get(told.task_id, True) and told.run_id not in beside
                if told.run_id in others or (one_only and set(others) - beside):
                    what = f"{told.execution_id} started beside {', '.join(others.values())}"
                    yield Breach("C3", entry.position, what)
                others[told.run_id] = told.execution_id
            case TaskExecuted() | TaskRunAbandoned() as told:
                active.get(told.task_id, {}).pop(told.run_id, None)
            case _:
                pass


def no_worker_exceeds_its_slots(log: Log, slots: Mapping[str, int]) -> Iterator[Breach]:
    """
    C3: a worker has at most so many active attempts, at every prefix.
    """
    active: Counter[str] = Counter()
    for entry in log:
        match entry.told:
            case TaskRunStarted() as told:
                active[told.worker_id] += 1
                limit = slots.get(told.worker_id.rpartition("/")[0])
                if limit is not None and active[told.worker_id] > limit:
                    what = f"{told.worker_id} runs {active[told.worker_id]}, its limit is {limit}"
                    yield Breach("C3", entry.position, what)
            case TaskExecuted() | TaskRunAbandoned() as told:
                active[told.worker_id] -= 1
            case _:
                pass


def outcomes_carry_the_active_fence(log: Log) -> Iterator[Breach]:
    """
    C4: an outcome names the version of the claim that it ends, which nothing has ended before.
    """
    fences: dict[str, int] = {}
    for entry in log:
        match entry.told:
            case TaskRunStarted() as told:
                fences[told.execution_id] = entry.event.version
            case TaskExecuted() | TaskRunAbandoned() as told:
                if fences.pop(told.execution_id, None) != told.fence:
                    what = f"{told.execution_id} ended by fence {told.fence}"
                    yield Breach("C4", entry.position, what)
            case _:
                pass


def attempts_are_numbered(log: Log) -> Iterator[Breach]:
    """
    C5: attempts of a run are 1, 2, 3 …; execution ids follow from them and never repeat.
    """
    attempts: Counter[str] = Counter()
    for entry in log:
        if isinstance(entry.told, TaskRunStarted):
            told = entry.told
            attempts[told.run_id] += 1
            if told.attempt != attempts[told.run_id]:
                yield Breach("C5", entry.position, f"{told.run_id} has attempt {told.attempt} next")
            if told.execution_id != f"{told.run_id}#{told.attempt}":
                yield Breach("C5", entry.position, f"{told.execution_id} is no id of its attempt")


def failures_are_counted(log: Log) -> Iterator[Breach]:
    """
    C5: only failures count, each once, and only up to the policy.
    """
    started: dict[str, TaskRunStarted] = {}
    for entry in log:
        match entry.told:
            case TaskRunStarted() as told:
                started[told.execution_id] = told
            case TaskExecuted() as told if told.execution_id in started:
                begun = started[told.execution_id]
                if told.retry_count != begun.retry_count + (told.outcome in FAILURES):
                    yield Breach("C5", entry.position, f"{told.execution_id} counts wrongly")
                if told.retry_at is not None and told.retry_count >= begun.max_attempts:
                    yield Breach("C5", entry.position, f"{told.run_id} goes on, exhausted")
            case _:
                pass


def disabled_means_exhausted(log: Log) -> Iterator[Breach]:
    """
    C5: a task is disabled by the event that follows its last failure or loss, and by no other.

    A task that fires once is disabled by its discard too.
    """
    last: dict[str, SchedulerEvent] = {}
    once: set[str] = set()
    for entry in log:
        told = entry.told
        if isinstance(told, TaskScheduled):
            repeats = isinstance(told.schedule, Cron | Interval)
            (once.discard if repeats else once.add)(told.task_id)
        if isinstance(told, TaskDisabled):
            cause = last.get(told.task_id)
            closes = isinstance(cause, TaskExecuted | TaskRunAbandoned) and cause.retry_at is None
            ends = (*FAILURES, "discarded") if told.task_id in once else FAILURES
            failed = not isinstance(cause, TaskExecuted) or cause.outcome in ends
            if not closes or not failed:
                yield Breach("C5", entry.position, f"{told.task_id} disabled by {cause}")
        if told is not None:
            last[told.task_id] = told


def retries_wait_as_the_policy_says(log: Log, handlers: Policies) -> Iterator[Breach]:
    """
    C6: retry time = completion + min(cap, base * factor ** (k - 1)) + recorded jitter.
    """
    policies: dict[str, RetryPolicy] = {}
    for entry in log:
        match entry.told:
            case TaskScheduled() as told:
                policy = told.options.retry or handlers.get(told.task_type, POLICY)
                policies[told.task_id] = policy
            case TaskExecuted() as told if told.retry_by == "policy":
                policy = policies[told.task_id]
                wait = policy.base.total_seconds() * policy.factor ** (told.retry_count - 1)
                wait = round(min(wait, policy.cap.total_seconds()) * SECOND)
                if told.retry_at != told.completed_at + wait + told.retry_jitter:
                    yield Breach("C6", entry.position, f"{told.execution_id} waits otherwise")
            case _:
                pass


def nominal_times_are_on_the_grid(log: Log) -> Iterator[Breach]:
    """
    C7: every nominal time is one that its schedule names, triggers and fixed delays aside.
    """
    grids: dict[tuple[str, int], tuple[Schedule, int]] = {}
    for entry in log:
        match entry.told:
            case TaskScheduled() as told:
                grids[told.task_id, told.generation] = told.schedule, told.anchor
            case TaskRunStarted(attempt=1, triggered_run=False) as told:
                grid = grids.get((told.task_id, told.generation))
                if grid is not None and not _names(*grid, told.nominal_at):
                    yield Breach("C7", entry.position, f"{told.run_id} is off its grid")
            case _:
                pass


def _names(schedule: Schedule, anchor: int, nominal: int) -> bool:
    match schedule:
        case Interval(mode="fixed_rate"):
            return nominal >= anchor and (nominal - anchor) % round(schedule.every * SECOND) == 0
        case Cron():
            return _cron_after(schedule, nominal - 1) == nominal
        case OneTime(at):
            return nominal == at
        case _:
            return True


def nominal_times_increase(log: Log) -> Iterator[Breach]:
    """
    C8: nominal times of first attempts by the schedule strictly increase within a generation.
    """
    last: dict[tuple[str, int], int] = {}
    for entry in log:
        told = entry.told
        if isinstance(told, TaskRunStarted) and told.attempt == 1 and not told.triggered_run:
            key = (told.task_id, told.generation)
            if told.nominal_at <= last.get(key, -1):
                yield Breach("C8", entry.position, f"{told.run_id} is no later than the last")
            last[key] = told.nominal_at


@define
class _Account:
    # What a task's grid owes: the next occurrence to be decided; None while that is not known.
    schedule: Schedule
    anchor: int
    owed: int | None = None
    held: set[str] = Factory(set)
    kept: set[int] = Factory(set)


def every_occurrence_is_accounted_for(log: Log) -> Iterator[Breach]:
    """
    C9: each grid time up to the last decided one is in one first attempt or in one skip.
    """
    accounts: dict[str, _Account] = {}
    for entry in log:
        match entry.told:
            case TaskScheduled(schedule=Cron() | Interval(mode="fixed_rate")) as told:
                accounts[told.task_id] = _Account(told.schedule, told.anchor, told.next_nominal_at)
            case TaskScheduled() as told:
                accounts.pop(told.task_id, None)
            case TaskResumed() as told if told.task_id in accounts:
                accounts[told.task_id].owed = told.next_nominal_at
            case TaskRunStarted() | TaskRunSkipped() | TaskRunBuffered() as told if (
                told.task_id in accounts
            ):
                yield from _settle(accounts[told.task_id], told, entry.position)
            case _:
                pass


def _settle(
    account: _Account, told: TaskRunStarted | TaskRunSkipped | TaskRunBuffered, position: int
) -> Iterator[Breach]:
    if isinstance(told, TaskRunStarted):
        if told.attempt > 1 or told.triggered_run or told.nominal_at in account.kept:
            return
        first = last = told.nominal_at
        count = 1
    elif isinstance(told, TaskRunBuffered):
        account.kept.update(told.nominals)
        first, last, count = told.nominals[0], told.nominals[-1], len(told.nominals)
    elif told.first in account.kept:
        # It was kept, and decided by that; it has expired since.
        return
    else:
        if told.run_id is not None:
            return
        first, last, count = told.first, told.last, told.count
    if account.owed != first:
        yield Breach("C9", position, f"{account.owed} is owed, {first} is decided")
    exact = not isinstance(told, TaskRunSkipped) or told.exact
    found = _walked(account, first, last)
    if exact and found != count:
        yield Breach("C9", position, f"{found} occurrences from {first} to {last}, {count} told")
    account.owed = _after(account, last)


def _walked(account: _Account, first: int, last: int) -> int:
    at: int | None = first
    count = 0
    while at is not None and at <= last:
        count += 1
        at = _after(account, at)
    return count


def _after(account: _Account, at: int) -> int | None:
    # Worked out by hand, or by the slow and obvious evaluator of the cron tests.
    schedule = account.schedule
    if isinstance(schedule, Interval):
        every = round(schedule.every * SECOND)
        return account.anchor + ((at - account.anchor) // every + 1) * every
    assert isinstance(schedule, Cron)
    return _cron_after(schedule, at)


def _cron_after(schedule: Cron, at: int) -> int | None:
    reference = Reference(schedule.expr, schedule.tz, schedule.dst, schedule.day_match)
    found = reference.next_after(datetime_of(Instant(at)))
    return None if found is None else instant_of(found)


def cancelled_means_over(log: Log) -> Iterator[Breach]:
    """
    C10: after a cancel nothing of that generation but the end of the attempts that ran.
    """
    cancelled: set[str] = set()
    active: dict[str, set[str]] = {}
    for entry in log:
        told = entry.told
        if told is None:
            continue
        if told.task_id in cancelled and not isinstance(told, TaskScheduled):
            ended = told.execution_id if isinstance(told, TaskExecuted | TaskRunAbandoned) else ""
            if ended not in active.get(told.task_id, ()):
                yield Breach("C10", entry.position, f"{type(told).__name__} of {told.task_id}")
        match told:
            case TaskScheduled():
                cancelled.discard(told.task_id)
            case TaskCancelled():
                cancelled.add(told.task_id)
            case TaskRunStarted():
                active.setdefault(told.task_id, set()).add(told.execution_id)
            case TaskExecuted() | TaskRunAbandoned():
                active.get(told.task_id, set()).discard(told.execution_id)
            case _:
                pass


def old_generations_move_nothing(log: Log) -> Iterator[Breach]:
    """
    C11: a run of an old generation is not tried again, however its attempt ended.
    """
    generations: dict[str, int] = {}
    for entry in log:
        match entry.told:
            case TaskScheduled() as told:
                generations[told.task_id] = told.generation
            case TaskExecuted() | TaskRunAbandoned() as told:
                is_old = told.generation < generations.get(told.task_id, 0)
                if is_old and told.retry_at is not None:
                    yield Breach("C11", entry.position, f"{told.run_id} goes on, though replaced")
            case _:
                pass


def no_lease_is_cut_short(log: Log) -> Iterator[Breach]:
    """
    C12: an attempt is taken for its lease only when that has run out.
    """
    for entry in log:
        match entry.told:
            case TaskRunAbandoned(reason="its lease has run out") as told:
                if told.at < told.lease_until:
                    what = f"{told.execution_id} taken {told.lease_until - told.at} µs early"
                    yield Breach("C12", entry.position, what)
            case _:
                pass


def paused_means_no_start(log: Log) -> Iterator[Breach]:
    """
    C13: no start by the schedule while a task is paused.
    """
    paused: set[str] = set()
    for entry in log:
        match entry.told:
            case TaskPaused() as told:
                paused.add(told.task_id)
            case TaskResumed() | TaskCancelled() as told:
                paused.discard(told.task_id)
            case TaskRunStarted(triggered_run=False) as told if told.task_id in paused:
                yield Breach("C13", entry.position, f"{told.execution_id} started while paused")
            case _:
                pass


def output_stands_with_its_outcome(log: Log) -> Iterator[Breach]:
    """
    C14: a handler's events stand directly before the outcome of its attempt, all or none.
    """
    waiting: list[Entry] = []
    for entry in log:
        told = entry.told
        if "causation_id" in entry.event.metadata:
            waiting.append(entry)
            continue
        ended = told.execution_id if isinstance(told, TaskExecuted) else None
        triggered = told.triggered if isinstance(told, TaskExecuted) else 0
        same_time = all(one.event.recorded_at == entry.event.recorded_at for one in waiting)
        caused = [one.event.metadata["causation_id"] for one in waiting]
        if caused != [ended] * triggered or not same_time:
            yield Breach("C14", entry.position, f"{ended} follows {caused}, tells {triggered}")
        waiting = []
    if waiting:
        yield Breach("C14", waiting[0].position, "events of a handler without their outcome")


CHECKS: Final[Sequence[Check]] = (
    positions_are_dense,
    time_never_goes_back,
    nothing_starts_early,
    one_attempt_at_a_time,
    outcomes_carry_the_active_fence,
    attempts_are_numbered,
    failures_are_counted,
    disabled_means_exhausted,
    nominal_times_are_on_the_grid,
    nominal_times_increase,
    every_occurrence_is_accounted_for,
    cancelled_means_over,
    old_generations_move_nothing,
    no_lease_is_cut_short,
    paused_means_no_start,
    output_stands_with_its_outcome,
)
"""Those that need nothing but the log."""
