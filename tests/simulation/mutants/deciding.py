"""
Mutants of what people ask for, and of the occurrences that are kept or left out.
"""

from collections.abc import Callable
from typing import TypeAlias

from attrs import evolve

from azoth.clocks import Instant
from azoth_scheduler._copies import changed
from azoth_scheduler.commands import ScheduleTask
from azoth_scheduler.events import TaskRunBuffered, TaskRunSkipped, TaskScheduled
from azoth_scheduler.grid import Grid, Occurrence
from azoth_scheduler.task import TaskState
from tests.simulation.mutants.planting import Events, at, retold

_Next: TypeAlias = tuple[Instant | None, Instant | None]


@at("azoth_scheduler.decisions._schedule", killer="C11")
def an_edit_keeps_its_generation(
    sound: Callable[..., Events], state: TaskState, command: ScheduleTask
) -> Events:
    """
    Another definition is told as the same generation.
    """
    return retold(sound(state, command), TaskScheduled, generation=max(1, state.generation))


@at("azoth_scheduler.decisions._same_times", killer="C9", since=15)
def an_edit_begins_anew(*_: object) -> bool:
    """
    An edit that leaves the schedule as it was counts from now.
    """
    return False


@at("azoth_scheduler.decisions._following", killer="C9")
def a_resume_owes_what_fell_due(
    sound: Callable[..., _Next], state: TaskState, *rest: object
) -> _Next:
    """
    What fell due while the task was paused is run when it goes on.
    """
    if state.next_run_at is None:
        return sound(state, *rest)
    return state.next_nominal_at, state.next_run_at


@at("azoth_scheduler.decisions._trigger", killer="C5")
def a_trigger_takes_the_id_before_it(
    sound: Callable[..., Events], state: TaskState, *rest: object
) -> Events:
    """
    Two triggered runs have one id.
    """
    return sound(changed(state, triggers=max(0, state.triggers - 1)), *rest)


@at("azoth_scheduler.attempts.overlapped", killer="C9")
def what_overlaps_is_not_told(*_: object) -> Events:
    """
    What fell due while a run was open is decided by catch-up, at its leisure.
    """
    return ()


@at("azoth_scheduler.attempts.overlapped", killer="C9", since=15)
def what_is_kept_is_dropped(sound: Callable[..., Events], *rest: object) -> Events:
    """
    The first of the occurrences that are to be kept is left out of the event.
    """
    events = sound(*rest)
    return tuple(
        evolve(one, nominals=one.nominals[1:]) if isinstance(one, TaskRunBuffered) else one
        for one in events
    )


@at("azoth_scheduler.attempts.overlapped", killer="C9", since=15)
def one_skip_too_few_is_counted(sound: Callable[..., Events], *rest: object) -> Events:
    """
    Of the occurrences that are left out one is not counted.
    """
    return tuple(
        evolve(one, count=one.count - 1)
        if isinstance(one, TaskRunSkipped) and one.count > 1
        else one
        for one in sound(*rest)
    )


@at("azoth_scheduler.occurrences._newest", killer="C9", since=15)
def all_means_the_oldest(
    _: object, grid: Grid, since: Instant, last: Instant, limit: int
) -> list[Instant]:
    """
    Of what was missed the oldest are caught up, and the newest are forgotten.
    """
    found: list[Instant] = []
    after = Instant(since - 1)
    while len(found) < limit:
        coming = grid.next(after)
        if coming is None or coming.nominal_at > last:
            break
        after = coming.nominal_at
        found.append(after)
    return found


@at("azoth_scheduler.grid.Grid.occurrence", killer="C7")
def jitter_is_not_drawn(_: object, __: Grid, nominal_at: Instant) -> Occurrence:
    """
    All tasks of a full hour start at once, whatever their jitter.
    """
    return Occurrence(nominal_at, nominal_at)


@at("azoth_scheduler.grid.Grid.occurrence", killer="C7")
def jitter_comes_early(
    sound: Callable[..., Occurrence], grid: Grid, nominal_at: Instant
) -> Occurrence:
    """
    A jitter is taken from the nominal time, not added to it.
    """
    late = sound(grid, nominal_at).due_at - nominal_at
    return Occurrence(nominal_at, Instant(nominal_at - late))


@at("azoth_scheduler.grid.Grid._bounded", killer="C9")
def the_end_is_not_looked_at(
    _: object, grid: Grid, nominal_at: Instant | None
) -> Occurrence | None:
    """
    A schedule goes on behind its end.
    """
    return None if nominal_at is None else grid.occurrence(nominal_at)


@at("azoth_scheduler.grid.Grid.next", killer="C9")
def the_grid_begins_at_the_last_run(
    sound: Callable[..., Occurrence | None], grid: Grid, after: Instant
) -> Occurrence | None:
    """
    A late run shifts the grid of an interval.
    """
    found = sound(grid, after)
    if found is None:
        return None
    return Occurrence(Instant(found.nominal_at + 1_000), Instant(found.due_at + 1_000))
