"""
Mutants of the table and of the loop: what is applied, what wakes a worker, how it ends.
"""

from collections.abc import Callable, Generator, Sequence
from typing import Final

from azoth.clocks import Instant, Microseconds
from azoth.errors import StoreError
from azoth.events import Event
from azoth_scheduler.leases import LeaseKeeper
from azoth_scheduler.projection import MemoryScheduleProjection
from azoth_scheduler.projection.base import Served
from azoth_scheduler.projection.due_index import DueIndex
from azoth_scheduler.scheduler import Scheduler
from azoth_scheduler.task import TaskState
from azoth_scheduler.worker import Worker
from tests.simulation.mutants.planting import at

_APPLY: Final = "azoth_scheduler.projection.memory.MemoryScheduleProjection.apply"


@at(_APPLY, killer="R1")
def a_cursor_is_lost(
    sound: Callable[..., None], table: MemoryScheduleProjection, events: Sequence[Event], to: int
) -> None:
    """
    A table forgets its position, and what it has applied is applied again.
    """
    before = table._position
    sound(table, events, to)
    table._position = before
    sound(table, events, to)


@at(_APPLY, killer="R1")
def the_last_of_a_batch_is_lost(
    sound: Callable[..., None], table: MemoryScheduleProjection, events: Sequence[Event], to: int
) -> None:
    """
    A table moves behind an event that it has not applied.
    """
    sound(table, events[:-1] if len(events) > 1 else events, to)


@at("azoth_scheduler.projection.fold.skip_event", killer="R1")
def a_foreign_event_has_no_version(_: object, state: TaskState) -> TaskState:
    """
    A table does not count what it cannot read, and claims on the version before.
    """
    return state


@at("azoth_scheduler.projection.fold.evolve_attempt", killer="R1")
def an_attempt_has_no_end(sound: Callable[..., object], known: object, *rest: object) -> object:
    """
    The history keeps the start of an attempt, and not what became of it.
    """
    return sound(known, *rest) if known is None else known


@at("azoth_scheduler.projection.due_index.DueIndex.due", killer="C15", since=410)
def the_least_important_goes_first(
    sound: Callable[..., list[str]], index: DueIndex, now: Instant, limit: int, served: Served
) -> list[str]:
    """
    What is due is started in the wrong order.
    """
    return sound(index, now, 1_000, served)[::-1][:limit]


@at("azoth_scheduler.projection.due_index.DueIndex.put", killer="L1")
def a_task_that_was_edited_is_not_found(
    sound: Callable[..., None], index: DueIndex, before: TaskState, state: TaskState
) -> None:
    """
    The due index forgets a task of a second generation.
    """
    if state.generation < 2:
        sound(index, before, state)


@at("azoth_scheduler.worker.Worker._next_look", killer="L1")
def a_loop_spins(_: object, worker: Worker) -> Instant:
    """
    There is always something to do at once.
    """
    return worker._clock.now()


@at("azoth_scheduler.worker.Worker._wakes", killer="L1")
def nobody_wakes_for_what_comes(*_: object) -> list[Instant]:
    """
    A worker does not say when it has to look again.
    """
    return []


@at("azoth_scheduler.worker.Worker._take_finished", killer="L1")
def a_slot_leaks(sound: Callable[[Worker], None], worker: Worker) -> None:
    """
    Whoever comes back after its deadline keeps its slot for ever.
    """
    settled = {fence: one for fence, one in worker._running.items() if one.settled}
    sound(worker)
    worker._running.update(settled)


@at("azoth_scheduler.worker.Worker._hold", killer="C4")
def an_outcome_is_dropped_while_the_store_is_busy(
    sound: Callable[..., Microseconds], worker: Worker, error: StoreError
) -> Microseconds:
    """
    What cannot be recorded at once is never recorded.
    """
    worker._unrecorded.clear()
    return sound(worker, error)


@at("azoth_scheduler.worker.Worker._overdue", killer="L1")
def nobody_looks_at_deadlines(*_: object) -> tuple[()]:
    """
    An attempt that hangs is never timed out by its own worker.
    """
    return ()


@at("azoth_scheduler.leases.LeaseKeeper._taken", killer="C12", since=20)
def two_workers_have_one_name(_: object, keeper: LeaseKeeper) -> str:
    """
    A worker that starts again has the id that it had.
    """
    if keeper._store is not None:
        keeper._store.renew(f"{keeper._name}/1", keeper._until())
    return f"{keeper._name}/1"


@at("azoth_scheduler.leases.LeaseKeeper.renew", killer="C12", since=80)
def a_lease_is_not_renewed(*_: object) -> None:
    """
    A worker that lives longer than its lease loses its attempts.
    """


@at("azoth_scheduler.scheduler.Scheduler.draining", killer="L4")
def a_shutdown_waits_for_ever(
    _: object, scheduler: Scheduler, timeout: float
) -> Generator[float, None, bool]:
    """
    A shutdown waits for whoever runs, and asks nobody to stop.
    """
    scheduler._worker.claiming = False
    while True:
        scheduler._step()
        if not scheduler._worker.busy:
            return True
        yield 0.1
