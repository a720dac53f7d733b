"""
Every kind of fault as one function of a seed, for the tests and for the soak.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Final, TypeAlias

from attrs import frozen

from tests.stores.faults import damage, full_disk, power_cuts, syscall_faults
from tests.stores.faults.kills import kill_often
from tests.stores.faults.nursery import Nursery
from tests.stores.faults.subjects import DURABILITIES, SUBJECTS, Durability, Subject
from tests.stores.faults.trials import Trial

__all__ = ["CAMPAIGNS", "Stage", "stages"]


@frozen(kw_only=True)
class Stage:
    """
    Hold where faults are played: the store, an empty folder, and the seed of all that is drawn.

    Attributes:
        nursery: Starts the children.
        subject: The store.
        durability: As it is opened.
        folder: Empty.
        seed: One seed, one run.
        times: How many faults, where the number is free.
    """

    nursery: Nursery
    subject: Subject
    durability: Durability
    folder: Path
    seed: int
    times: int = 20


Campaign: TypeAlias = Callable[[Stage], Iterator[Trial]]


def _kills(stage: Stage) -> Iterator[Trial]:
    return kill_often(
        stage.nursery, stage.subject, stage.durability, stage.folder, stage.seed, times=stage.times
    )


def _syscalls(stage: Stage) -> Iterator[Trial]:
    """
    Take all points of one stage and one error; so many seeds one after the other take all.
    """
    each = list(product(syscall_faults.STAGES, syscall_faults.ERRORS, (False, True)))
    part, error, for_good = each[stage.seed % len(each)]
    sweep = syscall_faults.Sweep(
        nursery=stage.nursery,
        subject=stage.subject,
        durability=stage.durability,
        folder=stage.folder,
        seed=stage.seed,
    )
    # A process dies once.
    for_good = for_good and error != "SIGKILL"
    points = list(syscall_faults.points(sweep, part, error, for_good=for_good))
    return syscall_faults.fail_each(sweep, points)


def _full_disks(stage: Stage) -> Iterator[Trial]:
    for limit in full_disk.LIMITS:
        folder = stage.folder / limit.replace(" ", "-")
        folder.mkdir()
        yield full_disk.fill_disk(
            stage.nursery, stage.subject, stage.durability, folder, stage.seed, limit=limit
        )


def _power_cuts(stage: Stage) -> Iterator[Trial]:
    ops = power_cuts.record(
        stage.nursery, stage.subject, stage.durability, stage.folder, stage.seed
    )
    return power_cuts.cut_power(
        stage.subject, stage.durability, stage.folder, ops, stage.seed, times=stage.times
    )


def _cuts_under_sqlite(stage: Stage) -> Iterator[Trial]:
    if stage.subject.name != "sqlite":
        return iter(())
    ops = power_cuts.record_inside(stage.durability, stage.folder, stage.seed)
    return power_cuts.cut_power(
        stage.subject,
        stage.durability,
        stage.folder,
        ops,
        stage.seed,
        kind="power cut, SQLite's VFS",
        times=stage.times,
    )


def _damage(stage: Stage) -> Iterator[Trial]:
    if stage.durability != "full":
        # A file that is closed is the same at every durability.
        return
    whole = stage.folder / "whole"
    whole.mkdir()
    damage.keep_whole(stage.subject, whole, stage.seed)
    for kind in damage.KINDS:
        times = max(1, stage.times // len(damage.KINDS))
        yield from damage.damage(
            stage.nursery, stage.subject, whole, stage.seed, kind=kind, times=times
        )


def _damaged_tails(stage: Stage) -> Iterator[Trial]:
    if stage.durability != "full":
        return
    whole = stage.folder / "whole"
    whole.mkdir()
    yield from damage.damage_tail(
        stage.nursery, stage.subject, whole, stage.seed, times=max(1, stage.times // 5)
    )


CAMPAIGNS: Final[dict[str, Campaign]] = {
    "kill": _kills,
    "syscall": _syscalls,
    "full": _full_disks,
    "power": _power_cuts,
    "vfs": _cuts_under_sqlite,
    "damage": _damage,
    "tail": _damaged_tails,
}


def stages() -> Sequence[tuple[Subject, Durability]]:
    """
    Return every store at every durability.
    """
    return [(subject, durability) for subject in SUBJECTS for durability in DURABILITIES]
