"""
Mutants of the claim: who starts what, when, and how many at a time.
"""

from collections.abc import Callable, Generator
from itertools import count

from attrs import evolve

from azoth.clocks import Instant
from azoth.errors import OutcomeUnknown
from azoth.events import Query, Write
from azoth.streams import ANY
from azoth_scheduler._copies import changed
from azoth_scheduler.commands import StartRun
from azoth_scheduler.events import TaskRunSkipped, TaskRunStarted
from azoth_scheduler.packing import Parcel
from azoth_scheduler.plan import Unit
from azoth_scheduler.task import OpenRun, TaskState
from azoth_scheduler.worker import Worker
from tests.simulation.mutants.planting import Events, at, retold


@at("azoth_scheduler.worker.Worker._append", killer="C3")
def two_schedulers_both_claim(
    sound: Callable[..., Generator[str, None, int]],
    worker: Worker,
    group: list[Parcel[Unit]],
    taken: int,
) -> Generator[str, None, int]:
    """
    What a pass decided is appended at whatever version the stream has by then.
    """
    writes = [tuple(_at_any_version(worker, one) for one in parcel.writes) for parcel in group]
    group = [evolve(parcel, writes=own) for parcel, own in zip(group, writes, strict=True)]
    return (yield from sound(worker, group, taken))


def _at_any_version(worker: Worker, write: Write) -> Write:
    if write.expected is ANY:
        return write
    last = worker._shop.store.read(Query(stream=write.stream), backwards=True, limit=1).events
    return evolve(write, expected=last[0].version if last else 0)


@at("azoth_scheduler.worker.Worker._append", killer="C3")
def a_lost_claim_is_carried_out(
    sound: Callable[..., Generator[str, None, int]],
    worker: Worker,
    group: list[Parcel[Unit]],
    taken: int,
) -> Generator[str, None, int]:
    """
    Whoever loses the race for a task runs its handler all the same.
    """
    starts = [start for parcel in group for start in parcel.item.starts]
    taken = yield from sound(worker, group, taken)
    for start in starts:
        if start.fence not in worker._running:
            worker._launch(start)
    return taken


@at("azoth_scheduler.worker.Worker._append", killer="C3")
def a_claim_without_an_answer_is_carried_out(
    sound: Callable[..., Generator[str, None, int]],
    worker: Worker,
    group: list[Parcel[Unit]],
    taken: int,
) -> Generator[str, None, int]:
    """
    Whoever cannot tell whether its claim is in the log runs the handler.
    """
    try:
        return (yield from sound(worker, group, taken))
    except OutcomeUnknown:
        for start in [start for parcel in group for start in parcel.item.starts]:
            worker._launch(start)
        raise


@at("azoth_scheduler.worker.Worker._free", killer="C3")
def one_slot_too_many(sound: Callable[..., int], worker: Worker, *given_back: int) -> int:
    """
    A worker claims one attempt more than it may.
    """
    return sound(worker, *given_back) + worker.claiming


@at("azoth_scheduler.attempts.start_run", "azoth_scheduler.decisions.start_run", killer="C8")
def a_claim_leaves_next_as_it_was(
    sound: Callable[..., Events], state: TaskState, command: StartRun
) -> Events:
    """
    What is next is not moved by the start of it, so catch-up runs it twice.
    """
    return retold(
        sound(state, command),
        TaskRunStarted,
        next_nominal_at=state.next_nominal_at,
        next_run_at=state.next_run_at,
    )


@at("azoth_scheduler.decisions.start_run", killer="C9")
def a_claim_forgets_what_is_next(
    sound: Callable[..., Events], state: TaskState, command: StartRun
) -> Events:
    """
    A recurring task has no next run once it is started.
    """
    return retold(sound(state, command), TaskRunStarted, next_nominal_at=None, next_run_at=None)


@at("azoth_scheduler.decisions.start_run", killer="C9")
def a_skip_is_not_recorded(
    sound: Callable[..., Events], state: TaskState, command: StartRun
) -> Events:
    """
    What catch-up leaves out of the missed ones is told by no event.
    """
    events = sound(state, command)
    starts = any(isinstance(one, TaskRunStarted) for one in events)
    return tuple(one for one in events if not (starts and isinstance(one, TaskRunSkipped)))


@at("azoth_scheduler.attempts._started", killer="C5")
def an_attempt_is_counted_twice(
    sound: Callable[..., TaskRunStarted], state: TaskState, run: OpenRun, *rest: object
) -> TaskRunStarted:
    """
    Attempts are numbered 1, 3, 5: there is a hole.
    """
    return sound(state, changed(run, attempt=run.attempt + bool(run.attempt)), *rest)


@at("azoth_scheduler.attempts._started", killer="C5", since=15)
def a_lost_run_begins_anew(
    sound: Callable[..., TaskRunStarted], state: TaskState, run: OpenRun, *rest: object
) -> TaskRunStarted:
    """
    A run whose worker was lost has attempt 1 once more.
    """
    return sound(state, changed(run, attempt=0) if run.lost_count else run, *rest)


@at("azoth_scheduler.attempts._begun", killer="C5")
def failures_of_the_run_before_count(
    sound: Callable[..., TaskRunStarted], state: TaskState, *rest: object
) -> TaskRunStarted:
    """
    A new run starts with the failures of the one before it.
    """
    return evolve(sound(state, *rest), retry_count=state.retry_count)


@at("azoth_scheduler.task.startable", "azoth_scheduler.attempts.startable", killer="C2")
def a_retry_does_not_wait(
    sound: Callable[[TaskState], tuple[OpenRun, ...]], state: TaskState
) -> tuple[OpenRun, ...]:
    """
    A retry is made as soon as a slot is free.
    """
    return tuple(changed(run, retry_at=Instant(0)) for run in sound(state))


@at(
    "azoth_scheduler.task.startable",
    "azoth_scheduler.attempts.startable",
    killer="C13",
)
def a_pause_is_ignored_for_retries(
    sound: Callable[[TaskState], tuple[OpenRun, ...]], state: TaskState
) -> tuple[OpenRun, ...]:
    """
    A paused task tries again what has failed.
    """
    return sound(changed(state, paused=False))


@at(
    "azoth_scheduler.task.is_held",
    "azoth_scheduler.attempts.is_held",
    "azoth_scheduler.occurrences.is_held",
    killer="C13",
)
def a_disabled_task_goes_on(_: Callable[[TaskState], bool], state: TaskState) -> bool:
    """
    A task that was disabled for its failures starts its next occurrence.
    """
    return state.paused or state.cancelled


@at("azoth_scheduler.occurrences._fresh_from", killer="C9")
def what_has_expired_is_started(*_: object) -> None:
    """
    No run is too old to begin.
    """


@at("azoth_scheduler.occurrences._punctual", killer="C9", since=10)
def grace_is_not_looked_at(_: object, __: object, first: Instant, *___: object) -> Instant:
    """
    What is later than its grace is run under `catch_up="skip"`.
    """
    return first


@at("azoth_scheduler.occurrences._left", killer="C9")
def there_is_always_one_more_run(sound: Callable[[TaskState], int], state: TaskState) -> int:
    """
    `max_runs` is one too many.
    """
    return sound(state) + 1


@at("azoth_scheduler.attempts._started", killer="C5")
def an_execution_id_is_drawn(sound: Callable[..., TaskRunStarted], *rest: object) -> TaskRunStarted:
    """
    An execution id is unique, and says nothing of its attempt.
    """
    return evolve(sound(*rest), execution_id=f"run-{next(_DRAWN)}")


_DRAWN = count()
