"""
What SQLite does to the unwary, and what the store makes of it; each test names its trap.
"""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import Barrier, Thread

import pytest

from azoth import waiting
from azoth.errors import StoreBusy, StoreCorrupt, StoreFailed
from azoth.events import Checkpoint, Query
from azoth.file_locks import FileLock
from azoth.urls import open_store
from azoth_sqlite import migrating, statements, writer
from azoth_sqlite.options import SqliteOptions
from azoth_sqlite.store import SqliteStore
from tests.stores.sqlite_files import (
    PATIENCE,
    damage,
    opened,
    session,
    traced,
    write,
)

SQLITE_SHARED_LOCK = (0x40000002, 510)
"""Where SQLite locks a file that it has open: first byte and length."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """
    Be where the store's file is.
    """
    return tmp_path / "log.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    """
    Be an open store.
    """
    with opened(path, busy_timeout=PATIENCE) as made:
        yield made


@pytest.fixture
def raw(store: SqliteStore, path: Path) -> Iterator[sqlite3.Connection]:
    """
    Be another program that has the store's file open.
    """
    with closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as connection:
        yield connection


def test_an_append_leaves_no_transaction_open(store: SqliteStore, raw: sqlite3.Connection) -> None:
    """
    S1: the driver begins no transaction of its own, and the file keeps a write-ahead log.
    """
    store.append(write())
    store.read()
    store.checkpoint("c")

    raw.execute("BEGIN IMMEDIATE")
    assert raw.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_an_append_begins_by_taking_the_write_lock(store: SqliteStore) -> None:
    """
    S2: a transaction that read first would fail at once if somebody wrote meanwhile.
    """
    said: list[str] = []
    traced(store, said.append)

    store.append(write("new"), key="k", checkpoint=Checkpoint(consumer="c", position=1, previous=0))

    assert said[0] == "BEGIN IMMEDIATE"
    assert [word for word in said if word.startswith("BEGIN")] == ["BEGIN IMMEDIATE"]


def test_a_store_that_is_held_by_another_is_busy(
    store: SqliteStore, raw: sqlite3.Connection
) -> None:
    """
    S3: after the busy timeout the append raises `StoreBusy`, wrote nothing, and may be retried.
    """
    raw.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreBusy) as busy:
        store.append(write(), key="k")
    raw.execute("ROLLBACK")

    assert busy.value.retryable
    assert busy.value.seconds == 0.05
    assert not store.append(write(), key="k").duplicate


def test_a_process_that_holds_the_file_lock_is_waited_for(store: SqliteStore, path: Path) -> None:
    """
    S3: the lock in front of SQLite's own has the same patience.
    """
    other = FileLock(Path(f"{path}-lock"))
    with other.held(0), pytest.raises(StoreBusy):
        store.append(write())
    other.close()

    assert store.append(write()).first == 1


def test_a_position_is_never_given_out_again(store: SqliteStore, path: Path) -> None:
    """
    S4: what a foreign hand deleted leaves a hole that is reported, and its position unused.
    """
    store.append(write(count=3))
    store.close()
    damage(path, "DELETE FROM events WHERE position = 3")

    with opened(path) as again:
        assert again.append(write("b")).first == 4
        with pytest.raises(StoreCorrupt) as corrupt:
            again.read()
        assert corrupt.value.position == 3
        assert 3 in {problem.position for problem in again.verify()}


def test_nothing_that_was_read_pins_the_log(store: SqliteStore, raw: sqlite3.Connection) -> None:
    """
    S6: pages hold no cursor, so the whole WAL can be checkpointed while they are kept.
    """
    pages = []
    for _ in range(5):
        store.append(write(count=20))
        pages.append(store.read(limit=3))
        pages.append(store.read(Query(types=["t"]), limit=1, backwards=True))
    store.wait(0)

    busy, *_ = raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    assert busy == 0


def test_the_log_ahead_does_not_grow_for_ever(
    store: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    S6: it is copied into the database as it fills, and removed on close.
    """
    monkeypatch.setattr(writer, "WAL_PAGES", 50)
    for _ in range(40):
        store.append(write(data=bytes(10_000)))

    wal = Path(f"{path}-wal")
    assert wal.stat().st_size < 100 * 4096
    store.close()
    assert not wal.exists()


@pytest.mark.parametrize(("durability", "level"), [("full", 2), ("normal", 1)])
def test_durability_is_the_level_of_sync(path: Path, durability: str, level: int) -> None:
    """
    S7: full syncs each commit, normal at each checkpoint; nothing weaker can be asked for.
    """
    with opened(path, durability=durability) as store:
        connection = session(store).writer._connection
        assert connection.execute("PRAGMA synchronous").fetchone() == (level,)
        assert store.append(write()).first == 1
    with pytest.raises(ValueError, match="full, normal"):
        opened(path, durability="off")


def test_a_checkpoint_of_the_log_keeps_other_processes_out(
    store: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    S8: no other process commits between an append and the end of the checkpoint after it.
    """
    monkeypatch.setattr(writer, "WAL_PAGES", 1)
    other = FileLock(Path(f"{path}-lock"))
    free: dict[str, bool] = {}

    def watch(sql: str) -> None:
        free[sql.partition("(")[0]] = other.try_lock()

    traced(store, watch)
    store.append(write())
    other.close()

    assert free["PRAGMA wal_checkpoint"] is False
    assert free["COMMIT"] is False


def test_a_second_object_frees_no_lock_of_the_first(store: SqliteStore, path: Path) -> None:
    """
    S9: the system frees a process's locks on a file when it closes it anywhere.
    """
    store.append(write())
    with opened(path) as other:
        other.read()
    program = (
        "import fcntl, sys; file = open(sys.argv[1], 'r+b');"
        f"fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, {SQLITE_SHARED_LOCK[1]},"
        f" {SQLITE_SHARED_LOCK[0]})"
    )

    child = subprocess.run(
        [sys.executable, "-c", program, path], check=False, capture_output=True, text=True
    )

    assert "BlockingIOError" in child.stderr


def test_a_burst_of_readers_does_not_keep_its_connections(store: SqliteStore) -> None:
    """
    S10: each reader has a connection for itself, and what is too many is closed again.
    """
    store.append(write())
    pool = session(store)._readers
    ready = Barrier(40)

    def read() -> None:
        with pool.lent() as connection:
            ready.wait()
            assert connection.execute("SELECT count(*) FROM events").fetchone() == (1,)

    readers = [Thread(target=read) for _ in range(40)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()

    assert len(pool._idle) <= 16


def test_a_database_in_memory_is_refused() -> None:
    """
    S11: its connections would each have a log of its own.
    """
    with pytest.raises(ValueError, match="memory://"):
        open_store("sqlite:///:memory:")


def test_who_looks_out_holds_no_transaction(store: SqliteStore) -> None:
    """
    S12: inside one, `data_version` would stand still.
    """
    store.wait(0, 0)
    connection = session(store)._lookout._connection

    assert connection is not None
    assert not connection.in_transaction


def test_an_append_of_the_same_object_is_heard_at_once(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    S12: `data_version` is for the commits of others; our own ring.
    """
    monkeypatch.setattr(waiting, "LOOK_SECONDS", 3_600.0)
    heard: list[int] = []
    waiter = Thread(target=lambda: heard.append(store.wait(0)))
    waiter.start()
    while not session(store).bell._waiters:
        pass
    store.append(write())
    waiter.join()

    assert heard == [1]


def test_a_disk_that_keeps_no_write_ahead_log_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    S13: on a network SQLite keeps its old journal, and says so.
    """

    def connect(at: Path, _: SqliteOptions) -> sqlite3.Connection:
        # This one locks by files beside the database, so no memory can be shared.
        uri = f"{at.as_uri()}?vfs=unix-dotfile"
        connection = sqlite3.connect(uri, uri=True, isolation_level=None)
        connection.text_factory = bytes
        return connection

    monkeypatch.setattr(migrating, "connect", connect)

    with pytest.raises(StoreFailed, match="local disk"):
        opened(path)


def test_a_migration_is_whole_or_not_there(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    S15: a script would commit half-way; what fails in the middle leaves an empty file.
    """
    broken = (*statements.MIGRATIONS[0], "CREATE TABLE head (again)")
    with monkeypatch.context() as patch:
        patch.setattr(migrating, "MIGRATIONS", (broken,))
        with pytest.raises(StoreFailed):
            opened(path)

    with opened(path) as store:
        assert store.append(write()).first == 1


def test_columns_take_only_their_type(raw: sqlite3.Connection) -> None:
    """
    S16: tables are strict where SQLite knows the word, and are made without it where not.
    """
    with pytest.raises(sqlite3.IntegrityError):
        raw.execute("INSERT INTO checkpoints VALUES ('c', 'text', 1)")

    loose = statements._as_understood("CREATE TABLE t (a) STRICT;", strict=False)
    assert loose == "CREATE TABLE t (a);"
    loose = statements._as_understood("CREATE TABLE t (a) STRICT, WITHOUT ROWID;", strict=False)
    assert loose == "CREATE TABLE t (a) WITHOUT ROWID;"


def test_statements_are_plain() -> None:
    """
    S17: nothing that an SQLite of a long-lived system does not know.
    """
    text = " ".join(statements._STATEMENTS.values()).upper()

    assert "RETURNING" not in text
    assert "ON CONFLICT" not in text


def test_a_backup_that_fails_leaves_nothing(
    store: SqliteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    S18: the copy comes to its name only when it is whole and synced.
    """
    store.append(write())

    def fail(*_: object) -> None:
        raise OSError("no links here")

    before = set(tmp_path.iterdir())
    with monkeypatch.context() as patch:
        patch.setattr(os, "link", fail)
        with pytest.raises(StoreFailed, match="no links here"):
            store.backup(tmp_path / "copy.db")

    assert set(tmp_path.iterdir()) == before
    with pytest.raises(StoreFailed, match="does not exist"):
        store.backup(tmp_path / "missing" / "copy.db")


def test_a_lock_file_is_held_for_as_long_as_it_is_open(tmp_path: Path) -> None:
    """
    Two objects of one process exclude each other, and closing frees the lock, twice too.
    """
    mine, other = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    assert mine.try_lock()
    assert not other.try_lock()

    mine.close()
    mine.close()

    assert other.try_lock()
    other.close()


@pytest.mark.parametrize("busy_timeout", ["soon", -1, float("nan"), float("inf"), True, 10**9])
def test_a_busy_timeout_is_a_number_of_seconds(path: Path, busy_timeout: object) -> None:
    """
    Options come from a URL as text and from a program as values, and are checked alike.
    """
    with pytest.raises(ValueError, match="busy_timeout"):
        opened(path, busy_timeout=busy_timeout)
    with pytest.raises(ValueError, match="busy_timeout"):
        open_store(f"sqlite:///{path}?busy_timeout={busy_timeout}")


def test_options_ride_in_the_url(path: Path) -> None:
    """
    And a keyword wins over them.
    """
    url = f"sqlite:///{path}?durability=normal&busy_timeout=1.5"
    with open_store(url) as store:
        assert isinstance(store, SqliteStore)
        assert session(store).options == SqliteOptions(durability="normal", busy_timeout=1.5)
    with open_store(url, durability="full") as store:
        assert isinstance(store, SqliteStore)
        assert session(store).options.durability == "full"
