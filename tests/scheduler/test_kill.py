"""
A scheduler that is killed again and again, and what its log, its table and the world then hold.
"""

from collections import Counter
from pathlib import Path
from random import Random
from time import sleep
from typing import Any, Final

import pytest

from azoth.clocks import SystemClock
from azoth.projector import Projector
from azoth.store import EventStore, VerifiableStore
from azoth.urls import open_store
from azoth_scheduler import (
    InlineExecutor,
    MemoryScheduleProjection,
    Scheduler,
    SchedulerEvent,
    SqliteScheduleProjection,
    TaskExecuted,
    TaskRunAbandoned,
    TaskRunStarted,
    TaskScheduled,
)
from azoth_scheduler.simulation.invariants import Entry, assert_sound, read_log
from tests.support.children import nursery
from tests.support.programs import BATCH, SLOTS, Effects

pytestmark = pytest.mark.uncovered

SEED: Final = 20_260_101
CYCLES: Final = 30
PROGRAMS: Final = "tests.support.programs"


# One test for all of it, since the killing is what takes time.
@pytest.mark.rule("S-08")
@pytest.mark.rule("S-10")
@pytest.mark.rule("S-23")
def test_thirty_kills_lose_nothing_and_finish_nothing_twice(tmp_path: Path) -> None:
    """
    Kill -9 anywhere plus restart ends in the state of an uninterrupted run.
    """
    kill_again_and_again(tmp_path)
    with open_store(url_of(tmp_path)) as store:
        killed = read_log(store)
        finish(store, tmp_path)
        recovered = read_log(store)

    the_kills_have_met_schedulers_at_work(killed)
    every_invariant_holds_at_every_prefix(recovered)
    what_was_acknowledged_is_there(tmp_path, recovered)
    batches_are_whole(recovered)
    each_task_succeeded_once(recovered)
    everything_that_started_has_an_outcome(recovered)
    each_attempt_that_the_world_has_seen_is_in_the_log(tmp_path, recovered)
    the_table_beside_the_log_is_the_fold_of_the_log(tmp_path)
    the_store_is_sound(tmp_path)


def kill_again_and_again(folder: Path) -> None:
    """
    Start schedulers, one after the other, and end each at a moment that nobody chose.
    """
    random = Random(SEED)
    program = f"{PROGRAMS}:schedule_and_run"
    with nursery(PROGRAMS) as children:
        for cycle in range(CYCLES):
            child = children.start(program, folder=str(folder), seed=cycle)
            # A moment of its life: nothing that it does may be the thing that is waited for.
            sleep(random.uniform(0.020, 0.300))
            child.kill()


def finish(store: EventStore, folder: Path) -> None:
    """
    Run all that is left to run, the retries too.
    """
    scheduler = Scheduler(
        store,
        [Effects(folder)],
        projection=SqliteScheduleProjection(folder / "table.db"),
        executor=InlineExecutor(SLOTS),
        worker_id="worker",
        max_concurrent_tasks=SLOTS,
        max_lost=1_000,
    )
    scheduler.cancel_task("beat", "enough")
    while (looks_at := scheduler.step()) is not None:
        sleep(max(0, looks_at.timestamp() - SystemClock().now() / 1_000_000))
    scheduler.close()


def the_kills_have_met_schedulers_at_work(killed: list[Entry]) -> None:
    """
    Attempts were running when their process was killed, or this file proves nothing.
    """
    lost = told(killed, TaskRunAbandoned)

    assert len(told(killed, TaskExecuted)) > CYCLES
    assert len(lost) > CYCLES // 3
    assert {one.reason for one in lost} == {"its worker is dead"}


def every_invariant_holds_at_every_prefix(recovered: list[Entry]) -> None:
    """
    One active attempt for each task, four for each worker, fences, attempts, retries, accounting.
    """
    assert_sound(recovered, worker=SLOTS)


def what_was_acknowledged_is_there(folder: Path, recovered: list[Entry]) -> None:
    """
    Each batch that `schedule_tasks` returned from is in the log.
    """
    noted = (folder / "noted").read_text().split()
    scheduled = {one.task_id for one in told(recovered, TaskScheduled)}

    assert len(noted) > CYCLES
    assert [batch for batch in noted if f"{batch}-0" not in scheduled] == []


def batches_are_whole(recovered: list[Entry]) -> None:
    """
    What was scheduled in one commit is there with all its tasks, side by side, or not at all.
    """
    scheduled = [one.task_id for one in told(recovered, TaskScheduled) if one.task_id != "beat"]
    sizes = Counter(task_id.rpartition("-")[0] for task_id in scheduled)

    assert set(sizes.values()) == {BATCH}
    assert [task_id[-1] for task_id in scheduled] == list("01234") * (len(scheduled) // BATCH)


def each_task_succeeded_once(recovered: list[Entry]) -> None:
    """
    However often it was started.
    """
    scheduled = {one.task_id for one in told(recovered, TaskScheduled)} - {"beat"}
    succeeded = Counter(one.task_id for one in told(recovered, TaskExecuted) if one.success)
    del succeeded["beat"]

    assert succeeded == dict.fromkeys(scheduled, 1)


def everything_that_started_has_an_outcome(recovered: list[Entry]) -> None:
    """
    After the recovery nothing is open.
    """
    begun = Counter(one.execution_id for one in told(recovered, TaskRunStarted))
    ended = Counter(one.execution_id for one in told(recovered, TaskExecuted, TaskRunAbandoned))

    assert begun == ended


def each_attempt_that_the_world_has_seen_is_in_the_log(
    folder: Path, recovered: list[Entry]
) -> None:
    """
    A handler runs only after its claim is durable, and never twice for one claim.
    """
    effects = Counter((folder / "effects").read_text().split())
    begun = {one.execution_id for one in told(recovered, TaskRunStarted)}

    assert set(effects) - begun == set()
    assert set(effects.values()) == {1}


def the_table_beside_the_log_is_the_fold_of_the_log(folder: Path) -> None:
    """
    S-08: it was saved by processes that were killed, and equals one that is made afresh.
    """
    kept = SqliteScheduleProjection(folder / "table.db")
    with open_store(url_of(folder)) as store:
        Projector(store, kept).catch_up()
        fresh = MemoryScheduleProjection()
        Projector(store, fresh).catch_up()

    assert kept.digest() == fresh.digest()
    kept.close()


def the_store_is_sound(folder: Path) -> None:
    """
    No record is damaged.
    """
    with open_store(url_of(folder)) as store:
        assert isinstance(store, VerifiableStore)
        assert store.verify() == []


def told(log: list[Entry], *kinds: type[SchedulerEvent]) -> list[Any]:
    """
    Return what the scheduler's events of some kinds say.
    """
    return [entry.told for entry in log if isinstance(entry.told, kinds)]


def url_of(folder: Path) -> str:
    """
    Return the URL of the log that the children of a folder share.
    """
    return f"sqlite:///{folder}/log.db"
