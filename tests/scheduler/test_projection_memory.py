"""
The due index of the table in memory: what a look costs, and that it forgets what is outdated.
"""

import heapq
from typing import Any

import pytest
from attrs import evolve

from azoth.clocks import Instant, datetime_of
from azoth_scheduler.events import Options
from azoth_scheduler.projection import due_index
from azoth_scheduler.projection.base import Served
from azoth_scheduler.projection.due_index import DueIndex
from azoth_scheduler.schedules import OneTime
from azoth_scheduler.task import NO_TASK, TaskState
from tests.support.task_story import at, define

ALL = Served()


class Counted:
    """
    Count how often the heaps are pushed to and popped from.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.steps = 0
        for name in ("heappush", "heappop"):
            monkeypatch.setattr(due_index, name, self._counting(getattr(heapq, name)))

    def _counting(self, wrapped: Any) -> Any:  # noqa: ANN401 - heappush and heappop
        def count(*values: Any) -> Any:  # noqa: ANN401 - likewise
            self.steps += 1
            return wrapped(*values)

        return count


def waiting(task_id: str, wake: Instant, priority: int = 0, queue: str = "default") -> TaskState:
    """
    Return the state of a task that waits for *wake*.
    """
    definition = define(OneTime(datetime_of(wake)), options=Options(priority=priority, queue=queue))
    return evolve(
        NO_TASK,
        task_id=task_id,
        generation=1,
        definition=definition,
        next_nominal_at=wake,
        next_run_at=wake,
    )


def put(index: DueIndex, states: dict[str, TaskState], state: TaskState) -> None:
    """
    Move a task to its new state.
    """
    index.put(states.get(state.task_id, NO_TASK), state)
    states[state.task_id] = state


def test_ten_of_ten_thousand_that_are_due_cost_as_much_as_ten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    A pass that takes ten does not look at the thousands behind them, nor at those that lie ahead.
    """
    index, states = DueIndex(), dict[str, TaskState]()
    for number in range(10_000):
        put(index, states, waiting(f"due-{number:05}", at(seconds=number % 60)))
        put(index, states, waiting(f"later-{number:05}", at(days=9)))
    index.due(at(minutes=5), 1, ALL)
    counted = Counted(monkeypatch)

    for _ in range(100):
        found = index.due(at(minutes=5), 10, ALL)
        for task_id in found:
            put(index, states, evolve(states[task_id], next_run_at=None))
        index.next_wake(ALL)

    assert counted.steps < 100 * 60
    assert sum(task_id.startswith("due") for task_id in index._places) == 9_000


def test_what_is_outdated_is_forgotten() -> None:
    """
    A task that is edited a thousand times leaves no thousand places behind.
    """
    index, states = DueIndex(), dict[str, TaskState]()
    for number in range(5_000):
        put(index, states, waiting(f"task-{number % 10}", at(days=1, seconds=number)))

    kept = [len(lane._wakes) + len(lane._ahead) for lane in index._lanes.values()]
    assert sum(kept) < 500
    assert index.next_wake(ALL) == at(days=1, seconds=4_990)


def test_a_task_stands_in_one_place_when_it_comes_back_to_it() -> None:
    """
    Moved away and back again, it is found once.
    """
    index, states = DueIndex(), dict[str, TaskState]()
    for wake in (at(minutes=1), at(minutes=2), at(minutes=1), at(minutes=2), at(minutes=1)):
        put(index, states, waiting("task", wake))

    assert index.due(at(minutes=9), 10, ALL) == ["task"]
    assert index.due(at(minutes=9), 10, ALL) == ["task"]


def test_a_task_moves_between_lanes() -> None:
    """
    Another queue or priority at the same time is another place.
    """
    index, states = DueIndex(), dict[str, TaskState]()
    put(index, states, waiting("task", at(), queue="slow"))
    put(index, states, waiting("other", at(), priority=1))
    put(index, states, waiting("task", at(), queue="default"))

    assert index.due(at(), 10, Served(queues=("slow",))) == []
    assert index.due(at(), 10, Served(queues=("default",))) == ["task", "other"]
    put(index, states, waiting("task", at(), priority=2))
    assert index.due(at(), 10, ALL) == ["other", "task"]


@pytest.mark.rule("S-43")
def test_what_lies_ahead_again_after_a_step_back_is_not_due() -> None:
    """
    Found once does not mean due for ever: the clock that asks decides.
    """
    index, states = DueIndex(), dict[str, TaskState]()
    put(index, states, waiting("first", at(minutes=1)))
    put(index, states, waiting("urgent", at(minutes=5), priority=-1))

    assert index.due(at(minutes=5), 10, ALL) == ["urgent", "first"]
    assert index.due(at(minutes=2), 10, ALL) == ["first"]
    assert index.due(at(), 10, ALL) == []
    assert index.next_wake(ALL) == at(minutes=1)
    assert index.due(at(minutes=5), 10, ALL) == ["urgent", "first"]
