"""
After every fault: what was acknowledged is there, batches are whole, keys tell, the store works.

This is the short tier, with one seed; `make soak` has all points, all seeds and all the time.
"""

from collections.abc import Iterable

import pytest

from tests.stores.faults import syscall_faults
from tests.stores.faults.campaigns import CAMPAIGNS, Stage
from tests.stores.faults.subjects import SUBJECTS
from tests.stores.faults.syscall_faults import ERRORS, SYNCS, Point, Sweep, fail_each, points
from tests.stores.faults.trials import Trial

pytestmark = pytest.mark.uncovered

EVERY = 15
"""The points of a sweep of which one is tried here; syncs are all tried."""


def broken(trials: Iterable[Trial]) -> list[str]:
    """
    Return the promises that were broken; there must have been trials.
    """
    done = list(trials)
    assert done, "no fault was tried"
    return [f"{trial.kind}, {trial.where}: {wrong}" for trial in done for wrong in trial.wrong]


@pytest.mark.parametrize("fault", ["kill", "full", "power"])
def test_nothing_acknowledged_is_lost(stage: Stage, fault: str) -> None:
    """
    Kills, disks without room and power cuts leave whole batches, all that were acknowledged.

    At `normal` a power cut may take the last ones.
    """
    assert broken(CAMPAIGNS[fault](stage)) == []


@pytest.mark.parametrize("durability", ["full"], indirect=True)
def test_damage_is_never_another_answer(stage: Stage) -> None:
    """
    A changed file is reported, an event's own bytes with its position, or changes no answer.
    """
    assert broken(CAMPAIGNS["damage"](stage)) == []


@pytest.mark.parametrize("subject", [each.name for each in SUBJECTS if each.tail], indirect=True)
@pytest.mark.parametrize("durability", ["full"], indirect=True)
def test_a_damaged_wal_ends_the_log_at_a_whole_batch(stage: Stage) -> None:
    """
    SQLite cannot tell a damaged frame from one that a power cut tore: the log ends before it.
    """
    assert broken(CAMPAIGNS["tail"](stage)) == []


@pytest.mark.parametrize("subject", ["sqlite"], indirect=True)
def test_sqlite_syncs_what_it_must(stage: Stage) -> None:
    """
    The same power cuts as SQLite's own file system sees them, whatever the system below.
    """
    assert broken(CAMPAIGNS["vfs"](stage)) == []


@pytest.mark.parametrize("durability", ["full"], indirect=True)
@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("part", syscall_faults.STAGES)
def test_each_system_call_may_fail(stage: Stage, part: str, error: str) -> None:
    """
    A process dies, a disk fails or is full, at a call of an opening, an append or a closing.
    """
    sweep = sweep_on(stage)
    chosen = some_of(list(points(sweep, part, error)))

    assert [trial.wrong for trial in fail_each(sweep, chosen) if trial.wrong] == []


@pytest.mark.parametrize("durability", ["full"], indirect=True)
@pytest.mark.parametrize("error", ["EIO", "ENOSPC"])
def test_a_disk_may_fail_for_good(stage: Stage, error: str) -> None:
    """
    What was acknowledged before the disk failed is there when it works again.
    """
    sweep = sweep_on(stage)
    chosen = some_of(list(points(sweep, "last", error, for_good=True)))[::2]

    assert [trial.wrong for trial in fail_each(sweep, chosen) if trial.wrong] == []


def sweep_on(stage: Stage, mutant: str | None = None) -> Sweep:
    """
    Return the sweep of a stage.
    """
    return Sweep(
        nursery=stage.nursery,
        subject=stage.subject,
        durability=stage.durability,
        folder=stage.folder,
        seed=stage.seed,
        mutant=mutant,
    )


def some_of(all_points: list[Point]) -> list[Point]:
    """
    Return every sync and some of the writes.
    """
    syncs = [point for point in all_points if point.call in SYNCS]
    others = [point for point in all_points if point.call not in SYNCS]
    return [*syncs[:6], *others[:: max(1, min(EVERY, len(others) // 2))]]
