"""
Which tasks are due, in order, without looking at those that are not.

Each pair of task type and queue has a lane of three heaps: all its tasks by time, those that lie
ahead by time, and those that are due by priority. A task moves from the second to the third once,
when its time comes; so a change costs O(log n), and a look at the first k that are due O(k log n),
also while ten thousand wait behind them.
"""

from collections.abc import Iterator
from heapq import heapify, heappop, heappush, merge
from itertools import islice
from typing import Final, TypeAlias

from azoth.clocks import Instant
from azoth_scheduler.projection.base import Served
from azoth_scheduler.task import TaskState, wake_at

__all__ = ["DueIndex"]

_Place: TypeAlias = tuple[int, Instant, str]
# Priority, time, task id: the order in which what is due starts.

_PUSHES_MIN: Final = 64
# Below it, counting what is outdated costs more than carrying it.


class DueIndex:
    """
    Keep the place of each task that will start something.

    A heap is never searched for what is outdated: an entry counts only if it is the very tuple
    that `_places` holds for its task.
    """

    def __init__(self) -> None:
        self._places: dict[str, _Place] = {}
        self._lanes: dict[tuple[str, str], _Lane] = {}

    def put(self, before: TaskState, state: TaskState) -> None:
        """
        Move a task to the place of its new state.
        """
        task_id, wake = state.task_id, wake_at(state)
        definition = state.definition
        if wake is None:
            self._places.pop(task_id, None)
            return
        place = (definition.options.priority, wake, task_id)
        lane = (definition.task_type, definition.options.queue)
        if self._places.get(task_id) == place and lane == _lane_of(before):
            return
        self._places[task_id] = place
        self._lane(lane).push(place)

    def due(self, now: Instant, limit: int, served: Served) -> list[str]:
        """
        Return the first *limit* tasks that are due, in order.
        """
        lanes = list(self._served(served))
        found = list(islice(merge(*(lane.pop_due(now) for lane in lanes)), max(0, limit)))
        for lane in lanes:
            lane.put_back()
        return [task_id for _, _, task_id in found]

    def next_wake(self, served: Served) -> Instant | None:
        """
        Return the earliest time of all tasks, whether it has come or not.
        """
        wakes = (lane.next_wake() for lane in self._served(served))
        return min((wake for wake in wakes if wake is not None), default=None)

    def _lane(self, key: tuple[str, str]) -> "_Lane":
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = _Lane(self._places)
        return lane

    def _served(self, served: Served) -> "Iterator[_Lane]":
        for (task_type, queue), lane in self._lanes.items():
            if served.types is not None and task_type not in served.types:
                continue
            if served.queues is None or queue in served.queues:
                yield lane


def _lane_of(state: TaskState) -> tuple[str, str]:
    return state.definition.task_type, state.definition.options.queue


class _Lane:
    def __init__(self, places: dict[str, _Place]) -> None:
        self._places = places
        self._wakes: list[tuple[Instant, _Place]] = []
        self._ahead: list[tuple[Instant, _Place]] = []
        self._ready: list[_Place] = []
        self._taken: list[_Place] = []
        self._pushes_left = _PUSHES_MIN

    def push(self, place: _Place) -> None:
        self._pushes_left -= 1
        if self._pushes_left < 0:
            self._drop_outdated()
        heappush(self._wakes, (place[1], place))
        heappush(self._ahead, (place[1], place))

    def _drop_outdated(self) -> None:
        # Done after as many pushes as entries are left, so that each push pays for one of them.
        self._wakes = [entry for entry in self._wakes if self._counts(entry[1])]
        self._ahead = [entry for entry in self._ahead if self._counts(entry[1])]
        self._ready = [place for place in self._ready if self._counts(place)]
        heapify(self._wakes)
        heapify(self._ahead)
        heapify(self._ready)
        self._pushes_left = max(_PUSHES_MIN, len(self._wakes))

    def _counts(self, place: _Place) -> bool:
        return self._places.get(place[2]) is place

    def next_wake(self) -> Instant | None:
        while self._wakes and not self._counts(self._wakes[0][1]):
            heappop(self._wakes)
        return self._wakes[0][0] if self._wakes else None

    def pop_due(self, now: Instant) -> Iterator[_Place]:
        """
        Yield what is due, in order, and keep it for `put_back`.
        """
        while self._ahead and self._ahead[0][0] <= now:
            heappush(self._ready, heappop(self._ahead)[1])
        while self._ready:
            place = heappop(self._ready)
            if not self._counts(place):
                continue
            if place[1] > now:
                # The clock was set back, and this one lies ahead again.
                heappush(self._ahead, (place[1], place))
                continue
            self._taken.append(place)
            yield place

    def put_back(self) -> None:
        for place in self._taken:
            heappush(self._ready, place)
        self._taken.clear()
