"""
Two scheduler processes on one file: each task runs once.
"""

from collections import Counter
from pathlib import Path
from typing import Final

import pytest

from azoth.store import EventStore
from azoth.urls import open_store
from azoth_scheduler import Immediate, Scheduler, ScheduleTaskRequest, TaskExecuted, TaskRunStarted
from azoth_scheduler.simulation.invariants import assert_sound, read_log
from tests.support.children import nursery
from tests.support.programs import SLOTS

pytestmark = pytest.mark.uncovered

TASKS: Final = 2_000
PROGRAMS: Final = "tests.support.programs"
PATIENCE: Final = 60.0


@pytest.mark.rule("S-44")
def test_two_processes_on_one_file_run_each_task_once(tmp_path: Path) -> None:
    """
    Both work, and no attempt is made twice: the log says so, and so does the world.
    """
    with open_store(f"sqlite:///{tmp_path}/log.db") as store:
        scheduled = schedule(store)
        with nursery(PROGRAMS) as children:
            workers = [
                children.start(f"{PROGRAMS}:work", folder=str(tmp_path), name=name)
                for name in ("first", "second")
            ]
            wait_for_outcomes(store, TASKS)
            for worker in workers:
                worker.terminate()
        log = read_log(store)

    claims = [entry.told for entry in log if isinstance(entry.told, TaskRunStarted)]
    outcomes = [entry.told for entry in log if isinstance(entry.told, TaskExecuted)]
    effects = (tmp_path / "effects").read_text().split()
    assert_sound(log, first=SLOTS, second=SLOTS)
    assert Counter(one.task_id for one in claims) == dict.fromkeys(scheduled, 1)
    assert Counter(one.outcome for one in outcomes) == {"succeeded": TASKS}
    assert sorted(effects) == sorted(one.execution_id for one in claims)
    assert {one.worker_id for one in claims} == {"first/1", "second/1"}


def schedule(store: EventStore) -> list[str]:
    """
    Schedule what there is to do, as a client.
    """
    ids = [f"t{number:04}" for number in range(TASKS)]
    client = Scheduler(store)
    client.schedule_tasks(ScheduleTaskRequest(one, "work", Immediate()) for one in ids)
    client.close()
    return ids


def wait_for_outcomes(store: EventStore, count: int) -> None:
    """
    Wait until so many attempts have ended.
    """
    after = ended = 0
    while ended < count:
        page = store.read(after=after, limit=1_000)
        ended += sum(event.type == "TaskExecuted" for event in page.events)
        if page.next_after == after:
            assert store.wait(after, PATIENCE) > after, f"{ended} of {count} attempts have ended"
        after = page.next_after
