"""
Starts: C2, C3, and of C5 that attempts are numbered.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from azoth.clocks import Instant, datetime_of
from azoth_scheduler.events import TaskExecuted, TaskRunAbandoned, TaskRunStarted, TaskTriggered
from azoth_scheduler.simulation.invariants._ledger import Run, Task
from azoth_scheduler.simulation.invariants._rules import Rule
from azoth_scheduler.simulation.invariants.entries import Checker, Entry


def _starts_in_time(task: Task, entry: Entry) -> Iterator[str]:
    # C2: never before `next_run_at`, a retry never before `retry_at`; and nothing that is not due.
    told = entry.told
    assert isinstance(told, TaskRunStarted)
    run = task.open.get(told.run_id)
    if run is not None:
        if run.retry_at is not None and told.at < run.retry_at:
            yield f"{told.execution_id} started {run.retry_at - told.at} µs early"
        if (told.nominal_at, told.due_at) != (run.nominal_at, run.due_at):
            yield f"{told.execution_id} stands for another time than its run"
    elif told.triggered_run:
        yield f"{told.execution_id} started, and nobody asked for it"
    elif told.attempt != 1 or told.generation != task.generation:
        yield f"{told.execution_id} started, though its run is over"
    else:
        yield from _occurrence_is_due(task, told)


def _occurrence_is_due(task: Task, told: TaskRunStarted) -> Iterator[str]:
    # What was kept was due when it was decided.
    if not task.kept:
        if task.next_run_at is None:
            yield f"{told.execution_id} started, and nothing was due"
        elif told.at < task.next_run_at:
            yield f"{told.execution_id} started {task.next_run_at - told.at} µs early"
        elif (told.nominal_at, told.due_at) != (task.next_nominal_at, task.next_run_at):
            yield f"{told.execution_id} is not what was next, {task.next_nominal_at}"
    elif told.nominal_at != task.kept[0]:
        yield f"{told.execution_id} started before {task.kept[0]}, which was kept"
    if told.at < told.due_at:
        yield f"{told.execution_id} started before it was due"


def _one_attempt_at_a_time(task: Task, entry: Entry) -> Iterator[str]:
    # C3: one active attempt of a run, and of a task unless its overlap is `allow`; under all other
    # overlaps an occurrence waits until no run is open.
    told = entry.told
    assert isinstance(told, TaskRunStarted)
    run, allowed = task.open.get(told.run_id), task.options.overlap == "allow"
    if run is not None and run.fence is not None:
        yield f"{told.execution_id} started beside its attempt {run.attempt}"
    elif run is None and not told.triggered_run and not allowed and task.open:
        yield f"{told.execution_id} started while {', '.join(task.open)} was open"
    elif not allowed and not (run is not None and run.beside):
        others = [one.run_id for one in task.active() if not one.beside]
        if others:
            yield f"{told.execution_id} started beside {', '.join(others)}"


class Slots(Checker):
    """
    C3: a worker has at most so many active attempts, at every prefix.

    Args:
        slots: Of workers, by their names: an incarnation has as many as its name says.
    """

    invariant = "C3"
    kinds = (TaskRunStarted, TaskExecuted, TaskRunAbandoned)

    def __init__(self, slots: Mapping[str, int]) -> None:
        self._slots = slots
        self._active: Counter[str] = Counter()

    def see(self, entry: Entry) -> Iterable[str]:
        """
        Count the attempts of the worker of one more event.
        """
        told = entry.told
        if isinstance(told, TaskExecuted | TaskRunAbandoned):
            self._active[told.worker_id] -= 1
            if self._active[told.worker_id] <= 0:
                del self._active[told.worker_id]
        elif isinstance(told, TaskRunStarted):
            self._active[told.worker_id] += 1
            limit = self._slots.get(told.worker_id.rpartition("/")[0])
            if limit is not None and self._active[told.worker_id] > limit:
                yield f"{told.worker_id} runs {self._active[told.worker_id]}, its limit is {limit}"


def _attempts_are_numbered(task: Task, entry: Entry) -> Iterator[str]:
    # C5: attempts of a run are 1, 2, 3 …; ids follow from them, so none is given out twice.
    told = entry.told
    assert isinstance(told, TaskRunStarted)
    run = task.open.get(told.run_id)
    if told.attempt != (1 if run is None else run.attempt + 1):
        yield f"{told.run_id} has attempt {told.attempt} next"
    if told.execution_id != f"{told.run_id}#{told.attempt}":
        yield f"{told.execution_id} is no id of attempt {told.attempt} of {told.run_id}"
    if run is not None:
        if (run.triggered, run.generation) != (told.triggered_run, told.generation):
            yield f"{told.execution_id} is of another kind, or generation, than its run"
    elif told.run_id != _run_id(told.task_id, told.generation, told.nominal_at):
        yield f"{told.run_id} is no id of the run at {told.nominal_at}"


def _run_id(task_id: str, generation: int, nominal_at: Instant) -> str:
    # Six decimals only when they are not zero.
    return f"{task_id}/{generation}@{datetime_of(nominal_at).isoformat().removesuffix('+00:00')}Z"


def _failures_are_carried_on(task: Task, entry: Entry) -> Iterator[str]:
    # C5: a run starts at no failures, an attempt at those of the ones before, below the policy's.
    told = entry.told
    assert isinstance(told, TaskRunStarted)
    run: Run | None = task.open.get(told.run_id)
    before = 0 if run is None else run.retry_count
    if told.retry_count != before:
        yield f"{told.execution_id} starts with {told.retry_count} failures, it had {before}"
    if told.retry_count >= told.max_attempts:
        yield f"{told.execution_id} starts, exhausted"


def _triggers_are_numbered(task: Task, entry: Entry) -> Iterator[str]:
    # C5: the k-th triggered run of a generation is called so, and no other.
    told = entry.told
    assert isinstance(told, TaskTriggered)
    expected = f"{told.task_id}/{told.generation}!{task.triggers + 1}"
    if told.run_id != expected:
        yield f"{told.run_id} is triggered, not {expected}"


CLAIMS: Final = (
    Rule("C2", _starts_in_time, (TaskRunStarted,)),
    Rule("C3", _one_attempt_at_a_time, (TaskRunStarted,)),
    Rule("C5", _attempts_are_numbered, (TaskRunStarted,)),
    Rule("C5", _failures_are_carried_on, (TaskRunStarted,)),
    Rule("C5", _triggers_are_numbered, (TaskTriggered,)),
)
