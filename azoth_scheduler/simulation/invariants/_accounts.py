"""
C9, the accounts of a schedule: each grid time up to the last decided one is run, kept or skipped.
"""

from collections.abc import Iterable, Iterator
from typing import Final, TypeAlias

from azoth.clocks import Instant
from azoth_scheduler.events import (
    TaskCancelled,
    TaskExecuted,
    TaskResumed,
    TaskRunAbandoned,
    TaskRunBuffered,
    TaskRunCancelRequested,
    TaskRunSkipped,
    TaskRunStarted,
    TaskScheduled,
)
from azoth_scheduler.schedules import Interval
from azoth_scheduler.simulation.invariants._ledger import Ledger, Task
from azoth_scheduler.simulation.invariants._occurrences import begins
from azoth_scheduler.simulation.invariants._rules import Rule
from azoth_scheduler.simulation.invariants.entries import Checker, Entry
from azoth_scheduler.simulation.oracle import count_times, next_time, times_of

_COUNT_EXACT_MAX: Final = 10_000

_Decides: TypeAlias = TaskRunStarted | TaskRunSkipped | TaskRunBuffered


class Accounts(Checker):
    """
    C9: each grid time up to the last decided one is in one first attempt, or in one skip.

    What is next is what the grid names after it. One append may decide in several events, so what
    one of them says is next counts only where no other decides behind it.
    """

    invariant = "C9"

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        # By task: the next time to be decided; None where none is.
        self._owed: dict[str, Instant | None] = {}
        # By task: the position and the words of what is wrong unless more is decided.
        self._suspected: dict[str, tuple[int, str]] = {}

    def see(self, entry: Entry) -> Iterable[str]:
        """
        Enter one more event into the books.
        """
        told = entry.told
        if told is None:
            return
        task = self._ledger.task(told.task_id)
        suspected = self._suspected.pop(told.task_id, None) if self._suspected else None
        if isinstance(told, _Decides) and _decides(task, told):
            yield from self._settle(task, told, entry.position)
            return
        if suspected is not None:
            yield f"{suspected[1]} (at {suspected[0]})"
        match told:
            case TaskScheduled():
                yield from _begins_rightly(task, told)
                self._owed[told.task_id] = told.next_nominal_at
            case TaskResumed():
                yield from _goes_on_rightly(task, told)
                self._owed[told.task_id] = told.next_nominal_at
            case TaskCancelled():
                self._owed.pop(told.task_id, None)
            case _:
                pass

    def end(self) -> Iterable[tuple[int, str]]:
        """
        Say what is wrong, now that no more is decided.
        """
        return self._suspected.values()

    def _settle(self, task: Task, told: _Decides, position: int) -> Iterator[str]:
        first, last = _reach(told)
        owed = self._owed.get(told.task_id)
        if owed != first:
            yield f"{owed} of {told.task_id} is owed, {first} is decided"
        if isinstance(told, TaskRunSkipped):
            yield from _counts_rightly(task, told)
        if isinstance(told, TaskRunBuffered):
            yield from _keeps_rightly(task, told)
        if not isinstance(told, TaskRunStarted):
            yield from _is_alone(task, told)
        following = next_time(task.schedule, task.anchor, last)
        self._owed[told.task_id] = following
        expected = None if _is_over(task, told, following) else following
        if told.next_nominal_at != expected:
            words = f"{told.next_nominal_at} of {told.task_id} is next, not {expected}"
            self._suspected[told.task_id] = position, words


def _decides(task: Task, told: _Decides) -> bool:
    if not task.gridded:
        return False
    match told:
        case TaskRunStarted():
            return begins(task, told) and told.nominal_at not in task.kept
        case TaskRunSkipped():
            # What was kept is decided already; it has expired since.
            return told.run_id is None and told.first not in task.kept
        case TaskRunBuffered():
            return bool(told.nominals)


def _reach(told: _Decides) -> tuple[Instant, Instant]:
    match told:
        case TaskRunStarted():
            return told.nominal_at, told.nominal_at
        case TaskRunSkipped():
            return told.first, told.last
        case TaskRunBuffered():
            return told.nominals[0], told.nominals[-1]


def _is_over(task: Task, told: _Decides, following: Instant | None) -> bool:
    # Whether nothing follows: the grid ends, or all runs were started or are kept.
    most, end = task.options.max_runs, task.options.end
    if following is None or (end is not None and following > end):
        return True
    more = len(told.nominals) if isinstance(told, TaskRunBuffered) else 0
    more += isinstance(told, TaskRunStarted)
    return most is not None and task.runs_started + len(task.kept) + more >= most


def _counts_rightly(task: Task, told: TaskRunSkipped) -> Iterator[str]:
    limit = _COUNT_EXACT_MAX + 1
    found = count_times(task.schedule, task.anchor, told.first, told.last, limit)
    expected = (min(found, _COUNT_EXACT_MAX), found <= _COUNT_EXACT_MAX)
    if (told.count, told.exact) != expected:
        reach = f"from {told.first} to {told.last} of {told.task_id}"
        yield f"{found} occurrences {reach}, {told.count} told, exact: {told.exact}"


def _keeps_rightly(task: Task, told: TaskRunBuffered) -> Iterator[str]:
    at: Instant | None = told.nominals[0]
    for nominal in told.nominals:
        if nominal != at:
            yield f"{nominal} of {told.task_id} is kept, {at} comes before it"
            return
        at = next_time(task.schedule, task.anchor, nominal)


def _is_alone(task: Task, told: _Decides) -> Iterator[str]:
    # Nothing is decided while a run is open, unless occurrences run beside each other; what is left
    # out behind the one that begins stands behind its start.
    begun = task.last.run_id if isinstance(task.last, TaskRunStarted) else ""
    others = [run_id for run_id in task.open if run_id != begun]
    if others and task.options.overlap != "allow":
        yield f"occurrences of {told.task_id} were decided while {', '.join(others)} was open"


def _begins_rightly(task: Task, told: TaskScheduled) -> Iterator[str]:
    was, now = task.options, told.options
    lives = task.generation > 0 and not task.cancelled
    same = (task.schedule, was.start, was.start_now) == (told.schedule, now.start, now.start_now)
    if lives and same:
        yield from _is_kept(task, told)
        return
    if told.anchor != (told.at if now.start is None else now.start):
        yield f"{told.task_id} is counted from {told.anchor}, not from its start"
    if told.runs_started:
        yield f"{told.task_id} begins with {told.runs_started} runs"
    expected = next(times_of(told), None)
    if told.next_nominal_at != expected:
        yield f"{told.task_id} begins with {told.next_nominal_at}, not {expected}"


def _is_kept(task: Task, told: TaskScheduled) -> Iterator[str]:
    if (told.anchor, told.runs_started) != (task.anchor, task.runs_started):
        yield f"{told.task_id} keeps its schedule, and not its anchor and its {task.runs_started}"
    most, end = told.options.max_runs, told.options.end
    if told.next_nominal_at is None and task.gridded:
        following = next_time(told.schedule, told.anchor, told.at)
        is_over = following is None or (end is not None and following > end)
        if not is_over and (most is None or told.runs_started < most):
            yield f"nothing of {told.task_id} is next, not {following}"


def _goes_on_rightly(task: Task, told: TaskResumed) -> Iterator[str]:
    # What fell due while it was held is not owed; what lies ahead is kept, else the next one comes.
    found, due = told.next_nominal_at, told.next_run_at
    if (found, due) == (task.next_nominal_at, task.next_run_at) and not (
        task.gridded and due is not None and due <= told.at
    ):
        return
    if not task.gridded:
        if not task.recurring:
            yield f"{told.task_id} fires once, and its resume moves it to {found}"
        return
    following = next_time(task.schedule, task.anchor, told.at)
    if found is None:
        end = task.options.end
        is_over = following is None or (end is not None and following > end)
        if not is_over and not task.spent:
            yield f"nothing of {told.task_id} is next, not {following}"
    elif task.spent:
        yield f"{told.task_id} goes on with {found}, and has no runs left"
    elif due is not None and due <= told.at:
        yield f"{found} of {told.task_id} is owed, though it fell due while it was held"
    elif found > told.at and found != following:
        yield f"{told.task_id} goes on with {found}, not with {following}"


def _nothing_else_moves_it(task: Task, entry: Entry) -> Iterator[str]:
    # C9: retries, triggers and outcomes move nothing; a fixed delay is counted from each closing.
    told = entry.told
    assert isinstance(told, _MOVERS)
    if told.generation != task.generation or (isinstance(told, _Decides) and _decides(task, told)):
        return
    expected: Instant | None
    if isinstance(told, TaskRunAbandoned | TaskRunCancelRequested):
        expected = _named_by_closing(task, told)
    elif isinstance(told, TaskExecuted):
        expected = _named_by_closing(task, told) or task.next_nominal_at
    elif isinstance(told, TaskRunSkipped) and told.run_id is None and not task.gridded:
        expected = _named_by_skip(task, told)
    elif isinstance(told, TaskRunStarted) and begins(task, told) and not task.gridded:
        # A fixed delay is counted from the closing of this run; all else fires once.
        expected = None
    else:
        expected = task.next_nominal_at
    if told.next_nominal_at != expected:
        yield f"{told.next_nominal_at} of {told.task_id} is next, not {expected}"


_MOVERS: Final = (
    TaskRunStarted,
    TaskExecuted,
    TaskRunAbandoned,
    TaskRunSkipped,
    TaskRunCancelRequested,
)


def _named_by_closing(
    task: Task, told: TaskExecuted | TaskRunAbandoned | TaskRunCancelRequested
) -> Instant | None:
    run = task.open.get(told.run_id)
    goes_on = (
        run is not None and run.fence is not None
        if isinstance(told, TaskRunCancelRequested)
        else told.retry_at is not None
    )
    return None if run is None or goes_on else task.after_closing(run, told.at)


def _named_by_skip(task: Task, told: TaskRunSkipped) -> Instant | None:
    # What fires by itself and has expired: a fixed delay is counted on from there.
    schedule, end = task.schedule, task.options.end
    if not isinstance(schedule, Interval):
        return None
    found = Instant(told.at + round(schedule.every * 1_000_000))
    return found if end is None or found <= end else None


ACCOUNTS: Final = (Rule("C9", _nothing_else_moves_it, _MOVERS),)
