"""
What a store may offer beyond the port: verify, backup, restore, checkpoints, leases.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import cast

import pytest

from azoth.clocks import Instant
from azoth.errors import StoreClosed
from azoth.events import APPEND_EVENTS_MAX, Checkpoint, Event, NewEvent, Query, Write
from azoth.store import (
    BackupStore,
    CheckpointStore,
    EventStore,
    Lease,
    LeaseStore,
    RestorableStore,
    VerifiableStore,
)
from azoth.streams import ANY, Position, Version
from azoth.testing.conformance.children import Child
from azoth.testing.conformance.suite import StoreSuite, everything, write

__all__ = ["CapabilityContract"]


class CapabilityContract(StoreSuite):
    """
    Prove that a store can do what it declares, and declares what it can do.
    """

    def test_a_sound_store_verifies(self, store: EventStore) -> None:
        """
        `verify` finds nothing in a store that nobody damaged, empty or not.
        """
        if not self.can("verify"):
            return
        verify = cast("VerifiableStore", store).verify
        assert list(verify()) == []

        _fill(store)

        assert list(verify()) == []

    def test_a_backup_is_the_store_again(self, store: EventStore) -> None:
        """
        Events, keys and checkpoints are in it, and the original goes on.
        """
        if not self.can("backup"):
            return
        _fill(store)
        copied = everything(store)

        cast("BackupStore", store).backup(self.folder / "copy")
        store.append(write("later"))

        copy = self.at(self.folder / "copy")
        assert everything(copy) == copied
        assert copy.checkpoint("c") == 3
        assert copy.append(write("keyed", 2), key="k").duplicate
        assert copy.append(write("a", 1, 3)).first == len(copied) + 1
        assert len(everything(store)) == len(copied) + 1

    def test_a_backup_under_load_is_a_prefix(self, store: EventStore) -> None:
        """
        Whatever is being written, the copy is a log that the store once was.
        """
        if not self.can("backup"):
            return
        backup = cast("BackupStore", store).backup

        def load() -> None:
            for version in range(60):
                store.append(write("a", 2, 2 * version), write("b", 1, version))

        self.together(
            load, lambda: backup(self.folder / "one"), lambda: backup(self.folder / "two")
        )

        log = everything(store)
        for name in ("one", "two"):
            copied = everything(self.at(self.folder / name))
            assert copied == log[: len(copied)]
            assert len(copied) % 3 == 0

    def test_a_backup_overwrites_nothing(self, store: EventStore) -> None:
        """
        Something at the path is `FileExistsError`, and is left as it is.
        """
        if not self.can("backup"):
            return
        (self.folder / "file").write_text("mine")
        (self.folder / "folder").mkdir()

        for name in ("file", "folder"):
            with pytest.raises(FileExistsError):
                cast("BackupStore", store).backup(self.folder / name)
        assert (self.folder / "file").read_text() == "mine"

    def test_a_restored_log_is_the_log_it_came_from(self, store: EventStore) -> None:
        """
        Positions, versions, times, data and metadata are kept, and appends go on from there.
        """
        if not self.can("restore"):
            return
        log = _log()
        restore = cast("RestorableStore", store).restore

        restore(iter(log[:2]))
        restore(())
        restore(log[2:])

        assert everything(store) == log
        assert everything(store, Query(stream="a")) == [e for e in log if e.stream == "a"]
        assert store.wait(0, 0) == len(log)
        answer = store.append(write("a", 1, log[-1].version))
        assert answer.first == len(log) + 1
        assert everything(store)[-1].recorded_at == log[-1].recorded_at

    def test_only_what_goes_on_from_the_head_is_restored(self, store: EventStore) -> None:
        """
        A hole, a double, a wrong version or time is a `ValueError`, and nothing of it remains.
        """
        if not self.can("restore"):
            return
        log = _log()
        restore = cast("RestorableStore", store).restore
        for there in (0, 2):
            restore(log[store.read().head : there])
            for wrong in _wrong_logs(log):
                with pytest.raises(ValueError, match=r"position|version|recorded"):
                    restore(wrong[there:])
                assert (store.read().head, store.wait(0, 0)) == (there, there)
            with pytest.raises(ZeroDivisionError):
                restore(_failing(log[there:]))
            assert store.read().head == there
        with pytest.raises(ValueError, match="follows 2"):
            restore(log)

        restore(log[2:])

        assert everything(store) == log

    def test_a_restore_is_as_large_as_an_append_may_be(self, store: EventStore) -> None:
        """
        What is larger is a `ValueError`, and nothing of it remains.
        """
        if not self.can("restore"):
            return
        restore = cast("RestorableStore", store).restore
        log = [_event(position, "a", position) for position in range(1, APPEND_EVENTS_MAX + 2)]
        with pytest.raises(ValueError, match="several times"):
            restore(log)
        assert store.read().head == 0

        restore(log[:-1])

        assert store.read().head == APPEND_EVENTS_MAX

    def test_who_keeps_a_position_is_listed(self, store: EventStore) -> None:
        """
        Each consumer with the position that it saved last.
        """
        if not self.can("checkpoints"):
            return
        listing = cast("CheckpointStore", store)
        assert dict(listing.checkpoints()) == {}
        for consumer, previous, position in (("b", 0, 7), ("ä" * 100, 0, 0), ("b", 7, 9)):
            mark = Checkpoint(consumer=consumer, position=position, previous=previous)
            store.append(checkpoint=mark)

        assert dict(listing.checkpoints()) == {"b": 9, "ä" * 100: 0}

    def test_leases_are_kept_apart_from_the_log(self, store: EventStore) -> None:
        """
        One row for each worker, the last renewal counts, and the head does not move.
        """
        if not self.can("leases"):
            return
        leasing = cast("LeaseStore", store)
        assert list(leasing.leases()) == []
        for worker, until in (("b/1", 5), ("a/1", 7), ("ä" * 100, 1), ("b/1", 9), ("a/1", 6)):
            assert leasing.renew(worker, Instant(until))

        assert list(leasing.leases()) == [
            Lease(worker="a/1", until=Instant(6)),
            Lease(worker="b/1", until=Instant(9)),
            Lease(worker="ä" * 100, until=Instant(1)),
        ]
        assert store.read().head == 0

    def test_a_worker_id_has_one_holder(self, store: EventStore) -> None:
        """
        Another object cannot renew it while the holder lives; when the holder closes, it can.
        """
        if not (self.can("leases") and self.can("shared")):
            return
        holder, other = (cast("LeaseStore", each) for each in (self.again(store), store))
        assert holder.renew("w/1", Instant(5))
        assert not other.renew("w/1", Instant(9))
        assert other.renew("w/2", Instant(5))
        assert [lease.dead for lease in other.leases()] == [False, False]
        assert [lease.dead for lease in holder.leases()] == [False, False]

        cast("EventStore", holder).close()

        assert [(lease.until, lease.dead) for lease in other.leases()] == [(5, True), (5, False)]
        assert other.renew("w/1", Instant(9))
        assert [lease.dead for lease in other.leases()] == [False, False]

    def test_the_death_of_a_process_is_proved(self, store: EventStore) -> None:
        """
        A worker is dead when its process is, however it ended, and not before.
        """
        if not (self.can("leases") and self.can("shared")):
            return
        leasing = cast("LeaseStore", store)
        assert leasing.renew("here", Instant(1))
        with Child("lease", self.url(), "there/1", "there/2", "here") as child:
            assert [child.line() for _ in range(4)] == ["True", "True", "False", "ready"]
            assert [lease.dead for lease in leasing.leases()] == [False] * 3
            assert not leasing.renew("there/1", Instant(9))

            child.kill()

        assert [lease.dead for lease in leasing.leases()] == [False, True, True]
        assert leasing.renew("there/1", Instant(9))
        assert [lease.dead for lease in leasing.leases()] == [False, False, True]

    def test_leases_outlive_the_object(self, store: EventStore) -> None:
        """
        Their rows are kept, so that no worker's id is given out again by accident.
        """
        if not (self.can("leases") and self.can("durable")):
            return
        cast("LeaseStore", store).renew("w/1", Instant(5))

        reopened = cast("LeaseStore", self.reopen(store))

        assert [lease.worker for lease in reopened.leases()] == ["w/1"]

    def test_a_closed_store_refuses_them_all(self, store: EventStore) -> None:
        """
        A capability is closed with its store.
        """
        store.close()
        calls: dict[str, Callable[[], object]] = {
            "verify": lambda: cast("VerifiableStore", store).verify(),
            "backup": lambda: cast("BackupStore", store).backup(self.folder / "copy"),
            "restore": lambda: cast("RestorableStore", store).restore([]),
            "leases": lambda: cast("LeaseStore", store).leases(),
            "checkpoints": lambda: cast("CheckpointStore", store).checkpoints(),
        }
        for name in filter(self.can, calls):
            with pytest.raises(StoreClosed):
                calls[name]()


def _fill(store: EventStore) -> None:
    store.append(write("a", 2), write("b-1", 1))
    store.append(Write("a", [NewEvent("t", b"\0", {"k": "v"}, 7)], ANY))
    store.append(write("keyed", 2), key="k")
    store.append(checkpoint=Checkpoint(consumer="c", position=3, previous=0), key="other")


def _log() -> Sequence[Event]:
    template = [("a", 1), ("b-1", 1), ("a", 2), ("b-1", 2), ("a", 3)]
    return [
        _event(position, stream, version) for position, (stream, version) in enumerate(template, 1)
    ]


def _event(position: int, stream: str, version: int, recorded_at: int | None = None) -> Event:
    data, metadata = b"%d" % position, NewEvent("t", b"", {"n": str(position)}).metadata
    # Later than the clock of the tests, which must not overtake it.
    when = Instant(4_000_000_000_000_000 + position if recorded_at is None else recorded_at)
    place, number = Position(position), Version(version)
    return Event(place, stream, number, "t", data, metadata, position, when)


def _wrong_logs(log: Sequence[Event]) -> Iterator[Sequence[Event]]:
    yield log[1:]
    yield [*log[:2], *log[3:]]
    yield [*log[:2], log[1]]
    yield [*log[:4], _event(5, "a", 4)]
    yield [*log[:4], _event(5, "c", 0)]
    yield [*log[:4], _event(5, "a", 3, recorded_at=1)]


def _failing(log: Sequence[Event]) -> Iterator[Event]:
    yield from log
    raise ZeroDivisionError
