"""
The methods see what they are for: with one guarantee taken away, each of them fails.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from azoth.events import Write
from azoth.store import EventStore
from azoth.streams import ANY
from azoth.urls import open_store
from tests.stores.faults import damage, full_disk, power_cuts
from tests.stores.faults.campaigns import Stage
from tests.stores.faults.checking import History, check
from tests.stores.faults.kills import kill_often
from tests.stores.faults.mutants import mutated
from tests.stores.faults.soak import main
from tests.stores.faults.subjects import SUBJECTS
from tests.stores.faults.syscall_faults import SYNCS, fail_each, points
from tests.stores.faults.test_faults import broken, sweep_on
from tests.stores.faults.tracing import traced
from tests.stores.faults.work import batch

pytestmark = pytest.mark.uncovered

ONE_LEVEL: Final = pytest.mark.parametrize("durability", ["full"], indirect=True)
ON_SQLITE: Final = pytest.mark.parametrize("subject", ["sqlite"], indirect=True)


@ONE_LEVEL
def test_power_cuts_find_a_store_that_does_not_sync(stage: Stage) -> None:
    """
    Without syncs, acknowledged batches are lost or the file is damaged.
    """
    ops = power_cuts.record(
        stage.nursery,
        stage.subject,
        "full",
        stage.folder,
        stage.seed,
        mutant="without syncs",
    )

    assert broken(power_cuts.cut_power(stage.subject, "full", stage.folder, ops, 1)) != []


@ONE_LEVEL
@ON_SQLITE
def test_power_cuts_under_sqlite_find_a_store_that_does_not_sync(stage: Stage) -> None:
    """
    The same for the cuts that SQLite's own file system records.
    """
    with mutated("without syncs"):
        ops = power_cuts.record_inside("full", stage.folder, stage.seed)

    assert broken(power_cuts.cut_power(stage.subject, "full", stage.folder, ops, 1)) != []


@pytest.mark.parametrize("durability", ["normal"], indirect=True)
def test_power_cuts_find_a_store_that_promises_too_much(stage: Stage) -> None:
    """
    What `normal` does would not do for `full`.
    """
    ops = power_cuts.record(stage.nursery, stage.subject, "normal", stage.folder, stage.seed)

    assert broken(power_cuts.cut_power(stage.subject, "full", stage.folder, ops, 1, times=30)) != []


@ONE_LEVEL
def test_failing_syncs_find_a_store_that_goes_on(stage: Stage) -> None:
    """
    A store that forgets a failed sync acknowledges the next append.
    """
    sweep = sweep_on(stage, mutant="forgets failed syncs")
    chosen = [point for point in points(sweep, "last", "EIO") if point.call in SYNCS]

    assert broken(fail_each(sweep, chosen)) != []


@ONE_LEVEL
@ON_SQLITE
def test_kills_at_each_call_find_a_batch_in_two_commits(stage: Stage) -> None:
    """
    One of the points lies between the two commits.
    """
    sweep = sweep_on(stage, mutant="two commits")
    chosen = [point for point in points(sweep, "last", "SIGKILL") if point.call in SYNCS]

    assert broken(fail_each(sweep, chosen)) != []


@ONE_LEVEL
def test_kills_find_an_early_acknowledgement(stage: Stage) -> None:
    """
    What is acknowledged before it is committed is lost sooner or later.
    """
    trials = kill_often(
        stage.nursery,
        stage.subject,
        "full",
        stage.folder,
        stage.seed,
        times=40,
        mutant="acknowledges early",
    )

    assert any(trial.wrong for trial in trials)


@ONE_LEVEL
def test_full_disks_find_a_store_that_calls_them_a_failure(stage: Stage) -> None:
    """
    A full disk has an error of its own.
    """
    trial = full_disk.fill_disk(
        stage.nursery,
        stage.subject,
        "full",
        stage.folder,
        stage.seed,
        limit="RLIMIT_FSIZE",
        mutant="disk is full for nobody",
    )

    assert trial.wrong


@ONE_LEVEL
def test_damage_finds_a_store_without_checksums(stage: Stage) -> None:
    """
    Without checksums, a changed byte of an event is another event.
    """
    whole = stage.folder / "whole"
    whole.mkdir()
    with mutated("without checksums"):
        damage.keep_whole(stage.subject, whole, stage.seed)
    trials = damage.damage(
        stage.nursery,
        stage.subject,
        whole,
        stage.seed,
        kind="byte of an event changed",
        times=3,
        mutant="without checksums",
    )

    assert broken(trials) != []


def lose(store: EventStore) -> None:
    """
    Keep one batch of two.
    """
    batch(1, 1).append_to(store)


def tear(store: EventStore) -> None:
    """
    Keep half of the second batch.
    """
    batch(1, 1).append_to(store)
    store.append(batch(1, 2).writes[0])


def repeat(store: EventStore) -> None:
    """
    Append the second batch twice.
    """
    batch(1, 1).append_to(store)
    batch(1, 2).append_to(store)
    store.append(*batch(1, 2).writes)


def swap(store: EventStore) -> None:
    """
    Let the events of the second batch stand before those of the first.
    """
    store.append(*batch(1, 2).writes)
    batch(1, 1).append_to(store)


def forget_keys(store: EventStore) -> None:
    """
    Keep everything except the keys.
    """
    for number in (1, 2):
        store.append(*batch(1, number).writes, checkpoint=batch(1, number).checkpoint)


def mix(store: EventStore) -> None:
    """
    Put in an event that nobody appended.
    """
    batch(1, 1).append_to(store)
    store.append(Write("order-1", batch(1, 2).writes[0].events[:1], ANY))
    batch(1, 2).append_to(store)


@pytest.mark.parametrize("harm", [lose, tear, repeat, swap, forget_keys, mix])
def test_the_check_finds_what_is_wrong_with_a_log(harm: Callable[[EventStore], None]) -> None:
    """
    Two batches were acknowledged, and something else is in the log.
    """
    with open_store("memory://") as store:
        harm(store)

        assert check(store, History(seed=1, acknowledged=2, tried=2)).wrong


def test_the_check_finds_nothing_wrong_with_a_whole_log() -> None:
    """
    A batch that was tried and not acknowledged may be there or not.
    """
    for count in (2, 3):
        with open_store("memory://") as store:
            for number in range(1, count + 1):
                batch(1, number).append_to(store)

            assert not check(store, History(seed=1, acknowledged=2, tried=3)).wrong


@ONE_LEVEL
@ON_SQLITE
def test_a_missing_strace_is_an_error_and_no_skip(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The message names the command that installs it.
    """
    monkeypatch.setenv("PATH", str(stage.folder))
    arguments = {"store": "sqlite", "folder": str(stage.folder), "durability": "full"}

    with (
        stage.nursery.start("write", **arguments, seed=1, number=1) as child,
        pytest.raises(RuntimeError, match="apt-get install strace"),
        traced(child, stage.folder / "trace"),
    ):
        pass


def test_the_soak_prints_what_it_tried(capsys: pytest.CaptureFixture[str]) -> None:
    """
    One row for each store, durability and kind of fault, and 0 for all that was kept.
    """
    ended = main(["--rounds", "1", "--fault", "full", "--durability", "full"])

    rows = capsys.readouterr().out.splitlines()
    assert ended == 0
    assert rows[0].split()[:3] == ["store", "durability", "fault"]
    assert {row.split()[0] for row in rows[1:-1]} == {subject.name for subject in SUBJECTS}


def test_the_soak_ends_with_1_and_the_command_that_repeats_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A broken promise is printed with its seed.
    """
    monkeypatch.setattr(power_cuts, "record_inside", record_without_syncs)
    asked = ["--rounds", "1", "--fault", "vfs", "--durability", "full", "--seed", "7"]

    assert main(asked) == 1
    assert "--fault vfs --seed 7 --rounds 1" in capsys.readouterr().out


def record_without_syncs(durability: str, folder: Path, seed: int) -> object:
    """
    Record a store that does not sync.
    """
    with mutated("without syncs"):
        return RECORD("full", folder, seed)


RECORD: Final = power_cuts.record_inside
