"""
The units of a plan on their way into appends.
"""

from collections.abc import Collection

from azoth.events import Write
from azoth_scheduler.events import TaskExecuted, TaskRunAbandoned, registry, stream_of
from azoth_scheduler.execution import Fence
from azoth_scheduler.packing import Parcel, parcel_of
from azoth_scheduler.plan import Unit

__all__ = ["ends_of", "stale_in", "unit_parcel", "without_claims"]


def without_claims(group: list[Parcel[Unit]], count: int) -> tuple[list[Parcel[Unit]], int]:
    """
    Return a group without its last *count* claims, and how many are still to be left out.
    """
    # Those of the lowest rank stand last; a claim that follows an outcome of its own task stays.
    kept: list[Parcel[Unit]] = []
    for parcel in reversed(group):
        if count and parcel.item.starts and not parcel.item.settles:
            count -= 1
        else:
            kept.append(parcel)
    return kept[::-1], count


def unit_parcel(unit: Unit) -> Parcel[Unit]:
    """
    Return what a unit writes: its handlers' events directly before its own.
    """
    children = [_own_write(child) for child in unit.children]
    return parcel_of(unit, (*children, *unit.output, _own_write(unit)))


def stale_in(
    group: list[Parcel[Unit]], streams: Collection[str]
) -> tuple[list[Parcel[Unit]], list[Parcel[Unit]]]:
    """
    Return those of a group that write to one of *streams*, and the rest.
    """
    stale = [one for one in group if any(write.stream in streams for write in one.writes)]
    return stale, [one for one in group if one not in stale]


def _own_write(unit: Unit) -> Write:
    events = tuple(registry.encode(event) for event, _ in unit.changes)
    return Write(stream_of(unit.task_id), events, unit.expected)


def ends_of(unit: Unit) -> list[Fence]:
    """
    Return the attempts whose end is in the log once the unit has landed.
    """
    ends = (one for one, _ in unit.changes if isinstance(one, TaskExecuted | TaskRunAbandoned))
    return [(unit.task_id, one.fence) for one in ends]
