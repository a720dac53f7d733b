"""
Damage, failing disks, full disks and other programs' files: nothing is lost, nothing is believed.
"""

import os
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Final

import pytest

from azoth.clocks import SystemClock
from azoth.errors import StoreCorrupt, StoreError, StoreFailed
from azoth.events import Checkpoint, Query
from azoth.urls import open_store
from azoth_sqlite import writer
from azoth_sqlite.store import SqliteStore
from tests.stores.sqlite_files import (
    PATIENCE,
    FailingCursor,
    call_all,
    damage,
    every_call,
    opened,
    session,
    write,
)

FLIPS: Final = 60


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


@pytest.mark.parametrize(
    "sql", ["UPDATE events SET data = x'00'", "DELETE FROM events", "DELETE FROM events WHERE 0=0"]
)
def test_events_are_neither_updated_nor_deleted(
    store: SqliteStore, raw: sqlite3.Connection, sql: str
) -> None:
    """
    Triggers refuse it to every program.
    """
    store.append(write())

    with pytest.raises(sqlite3.IntegrityError, match="never"):
        raw.execute(sql)


DAMAGES = {
    "event's data": ("UPDATE events SET data = x'01' WHERE position = 2", 2),
    "event's time": ("UPDATE events SET recorded_at = recorded_at + 1 WHERE position = 2", 2),
    "event's type": ("UPDATE events SET type = 'u' WHERE position = 2", 2),
    "event's stream": ("UPDATE events SET stream_id = 2, version = 9 WHERE position = 2", 2),
    "event's place": ("UPDATE events SET position = 9 WHERE position = 2", 2),
    "stream": ("UPDATE streams SET name = 'z' WHERE name = 'a'", None),
    "head": ("UPDATE head SET position = 2", None),
    "no head": ("DELETE FROM head", None),
    "checkpoint": ("UPDATE checkpoints SET position = 8", None),
    "key": ("UPDATE keys SET last = 8", None),
    "key's answer": ("UPDATE keys SET versions = '{}'", None),
    "lease": ("UPDATE leases SET until = 8", None),
}


@pytest.mark.parametrize(("sql", "position"), DAMAGES.values(), ids=DAMAGES.keys())
def test_a_changed_record_is_never_believed(path: Path, sql: str, position: int | None) -> None:
    """
    Each kind of record has a checksum: the call that meets it raises, and `verify` names it.
    """
    with opened(path) as store:
        store.append(write("a", 3), write("b"), key="k")
        store.append(checkpoint=Checkpoint(consumer="c", position=4, previous=0))
        store.renew("w", SystemClock().now())
    damage(path, sql)

    with opened(path) as store:
        problems = store.verify()
        assert problems
        assert position is None or position in {problem.position for problem in problems}
        with pytest.raises(StoreCorrupt) as corrupt:
            call_all(every_call(store))
        assert corrupt.value.position == position


@pytest.mark.parametrize("table", ["categories", "streams"])
def test_a_record_that_cannot_be_reached_is_found(path: Path, table: str) -> None:
    """
    What has another name now is asked for by nobody, so `verify` looks at all there is.
    """
    with opened(path) as store:
        store.append(write("a-1", 3), write("b"))
    damage(path, f"UPDATE {table} SET name = 'z' WHERE name LIKE 'a%'")

    with opened(path) as store:
        assert any("checksum" in problem.reason for problem in store.verify())


@pytest.mark.parametrize("index", ["events_by_stream", "events_by_category"])
@pytest.mark.parametrize("lost", [2, 3])
def test_an_entry_that_an_index_lost_is_missed(path: Path, index: str, lost: int) -> None:
    """
    A stream has no holes, so its reader notices; `verify` notices what the category lost.
    """
    with opened(path) as store:
        store.append(write("a", 3), write("b"))
    forget(path, index, lost)

    with opened(path) as store:
        assert any(index in problem.reason for problem in store.verify())
        if index == "events_by_stream" and lost == 2:
            with pytest.raises(StoreCorrupt, match="version 2 of stream 'a' is missing"):
                store.read(Query(stream="a"))
            with pytest.raises(StoreCorrupt, match="is missing"):
                store.read(Query(stream="a"), backwards=True)


def test_verification_of_a_ruin_ends(path: Path) -> None:
    """
    It names a thousand problems and no more.
    """
    with opened(path) as store:
        store.append(write("a", 3_000))
    damage(path, "UPDATE events SET data = x'01'")

    with opened(path) as store:
        assert len(store.verify()) == 1_000


def forget(path: Path, index: str, position: int) -> None:
    """
    Make an index lose the entry of one event.
    """
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        change = "UPDATE sqlite_schema SET sql = ? WHERE name = ?"
        (sql,) = connection.execute(
            "SELECT sql FROM sqlite_schema WHERE name = ?", (index,)
        ).fetchone()
        connection.execute(change, (f"{sql} WHERE position <> {position}", index))
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"REINDEX {index}")
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(change, (sql, index))


def test_a_failed_sync_fails_the_store_until_it_is_reopened(store: SqliteStore, path: Path) -> None:
    """
    The append raises `StoreFailed`, and so does every later call; the sync is never retried.
    """
    store.append(write())
    failing = session(store).writer
    failing._cursor = FailingCursor(failing._cursor, "COMMIT")  # type: ignore[assignment]

    for call in (
        lambda: store.append(write(), key="k"),
        lambda: store.append(write()),
        store.read,
        lambda: store.checkpoint("c"),
        lambda: store.wait(0),
        store.verify,
    ):
        with pytest.raises(StoreFailed, match="sync failed"):
            call()
    store.close()
    with opened(path) as again:
        assert again.append(write(), key="k").first == 2


def test_a_failed_sync_of_a_checkpoint_counts_too(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    SQLite hides that of its own checkpoints, so the store makes them itself.
    """
    monkeypatch.setattr(writer, "WAL_PAGES", 1)
    failing = session(store).writer
    failing._cursor = FailingCursor(failing._cursor, "PRAGMA wal_checkpoint")  # type: ignore[assignment]

    for _ in range(2):
        with pytest.raises(StoreFailed, match="sync failed"):
            store.append(write())


def a_text(path: Path) -> None:
    """
    Make a file that is no database.
    """
    path.write_text("not a database, but somebody's notes\n" * 100)


def anothers(path: Path) -> None:
    """
    Make a database of another program.
    """
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE events (mine)")
        connection.commit()


def a_newer_one(path: Path) -> None:
    """
    Make a database of an Azoth to come.
    """
    opened(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (a_text, "not a database of Azoth"),
        (anothers, "another program"),
        (a_newer_one, "upgrade Azoth"),
    ],
)
def test_a_file_that_is_not_ours_is_left_as_it_is(
    tmp_path: Path, path: Path, make: Callable[[Path], None], reason: str
) -> None:
    """
    It is refused with a sentence, and neither changed nor given neighbours.
    """
    make(path)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}

    with pytest.raises(StoreFailed, match=reason):
        opened(path)

    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_a_place_where_no_file_can_be_is_refused(tmp_path: Path) -> None:
    """
    A folder, a missing folder, and no name at all are told apart.
    """
    with pytest.raises(StoreFailed, match="is a folder"):
        opened(tmp_path)
    with pytest.raises(StoreFailed, match="does not exist"):
        opened(tmp_path / "missing" / "log.db")
    for url in ("sqlite://", "sqlite:///", "sqlite://log.db", "sqlite://host/log.db"):
        with pytest.raises(ValueError, match="names no file"):
            open_store(url)


def test_a_folder_that_cannot_be_written_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    It is told before anything is tried; who is root may write everywhere, so the answer is played.
    """
    monkeypatch.setattr(os, "access", lambda *_: False)

    with pytest.raises(StoreFailed, match="check the permissions"):
        opened(tmp_path / "log.db")


FULL = """
import resource, sys
from azoth.errors import StoreFull
from azoth.events import NewEvent, Write
from azoth.streams import ANY
from azoth.urls import open_store

def append(store, size):
    return store.append(Write("a", [NewEvent("t", bytes(size))], ANY)).first

with open_store(sys.argv[1]) as store:
    append(store, 10)
    resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, -1))
    written = 1
    try:
        while True:
            append(store, 20_000)
            written += 1
    except StoreFull as full:
        print("full", full)
    page = store.read(limit=1000)
    assert [event.position for event in page.events] == list(range(1, written + 1)), written
    assert page.head == written
    resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
    assert append(store, 500_000) == written + 1
    assert store.verify() == []
print("good", written)
"""


def test_a_full_disk_costs_nothing_that_was_written(path: Path) -> None:
    """
    `StoreFull` leaves nothing of its append, and the store goes on when there is room again.
    """
    child = subprocess.run(
        [sys.executable, "-c", FULL, f"sqlite:///{path}"],
        check=False,
        capture_output=True,
        text=True,
    )

    assert child.returncode == 0, child.stderr
    assert [line.split()[0] for line in child.stdout.splitlines()] == ["full", "good"]
    with opened(path) as store:
        assert store.read(backwards=True, limit=1).events[0].data == bytes(500_000)


def test_a_flipped_bit_is_reported_or_changes_no_answer(tmp_path: Path) -> None:
    """
    Whichever bit a disk flips, no call gives other data in silence.
    """
    sound = tmp_path / "sound.db"
    with opened(sound) as store:
        store.append(write("a", 3), write("b"), key="k")
        store.append(checkpoint=Checkpoint(consumer="c", position=4, previous=0))
        store.append(write("a-new", 2, b"data"))
        due = answers(store)
    content, draw = sound.read_bytes(), Random(7)
    outcomes = Counter[str]()
    for number in range(FLIPS):
        place = draw.randrange(len(content) * 8)
        flipped = bytearray(content)
        flipped[place // 8] ^= 1 << place % 8
        file = tmp_path / f"{number}.db"
        file.write_bytes(flipped)
        outcomes[outcome_of(file, due)] += 1

    assert outcomes["silent"] == 0
    assert outcomes.total() == FLIPS


def answers(store: SqliteStore) -> list[object]:
    """
    Return all that can be asked of the log.
    """
    queries = (Query(), Query(stream="a"), Query(category="a"), Query(types=["t"]))
    read = [store.read(query) for query in queries]
    again = store.append(write("a", 3), write("b"), key="k")
    return [*read, store.checkpoint("c"), again, store.wait(0, 0)]


def outcome_of(file: Path, due: list[object]) -> str:
    """
    Say whether the damage in *file* raised, was found, is harmless, or was silent.
    """
    try:
        with opened(file) as store:
            found = bool(store.verify())
            if answers(store) == due:
                return "found" if found else "harmless"
    except StoreError:
        return "raised"
    return "found" if found else "silent"
