"""
What LMDB does to the unwary, and what the store makes of it; each test names its trap.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from threading import Event, Thread

import lmdb
import pytest

from azoth import mounts as mounted
from azoth.clocks import Instant, SystemClock
from azoth.errors import Conflict, StoreBusy, StoreClosed, StoreCorrupt, StoreFailed
from azoth.events import Checkpoint, Query
from azoth.file_locks import FileLock
from azoth.urls import open_store
from azoth_lmdb import environment as environments
from azoth_lmdb.options import MAP_BYTES_MAX, LmdbOptions
from azoth_lmdb.place import LOCK
from azoth_lmdb.store import LmdbStore
from tests.stores.lmdb_files import (
    PATIENCE,
    SMALL,
    environment,
    opened,
    run,
    session,
    tampered,
    write,
)

LARGE = bytes(5_000)
"""A few hundred of them fill the smallest map several times."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """
    Be where the store's folder is.
    """
    return tmp_path / "log.lmdb"


@pytest.fixture
def store(path: Path) -> Iterator[LmdbStore]:
    """
    Be an open store whose map is soon full.
    """
    with opened(path, busy_timeout=PATIENCE, map_size=SMALL) as made:
        yield made


def test_a_full_map_grows_under_threads_that_read_and_write(path: Path) -> None:
    """
    L1: nobody hears of it, and each page is still one snapshot.
    """
    written = Event()

    def append(stream: str) -> None:
        for _ in range(40):
            growing.append(write(stream, data=LARGE))

    def read() -> None:
        while not written.is_set():
            page = growing.read(limit=20, backwards=True)
            assert [event.position for event in page.events] == list(
                range(page.head, max(0, page.head - 20), -1)
            )

    with opened(path, map_size=SMALL) as growing, ThreadPoolExecutor(6) as threads:
        readers = [threads.submit(read) for _ in range(2)]
        try:
            for writer in [threads.submit(append, f"s-{place}") for place in range(4)]:
                writer.result()
        finally:
            written.set()
        for reader in readers:
            reader.result()

        assert growing.wait(0, 0) == 160
        assert environment(growing)._map_size() > SMALL
        assert growing.verify() == []


def test_one_append_may_be_larger_than_the_map(store: LmdbStore) -> None:
    """
    L1: the map grows as often as it must.
    """
    assert store.append(write(count=20, data=bytes(SMALL))).last == 20
    assert len(store.read().events[-1].data) == SMALL


APPEND_LARGE = """
import sys
from azoth import ANY, NewEvent, Write, open_store

with open_store(sys.argv[1]) as store:
    for _ in range(40):
        store.append(Write(sys.argv[2], [NewEvent("t", bytes(5_000))], ANY))
        store.read(limit=3, backwards=True)
"""


def test_processes_let_the_map_grow_in_turns(path: Path) -> None:
    """
    L2: what another process grew is taken over, by who reads and by who writes.
    """
    with opened(path, map_size=SMALL) as store, ThreadPoolExecutor(2) as threads:
        url = f"lmdb:///{path}?map_size={SMALL}"
        children = [threads.submit(run, APPEND_LARGE, url, f"child-{n}") for n in range(2)]
        for _ in range(40):
            store.append(write("parent", data=LARGE))
            assert store.read(limit=3, backwards=True).events
        for child in children:
            assert child.result().returncode == 0, child.result().stderr

        assert store.wait(0, 0) == 120
        streams = ("parent", "child-0", "child-1")
        counts = [len(store.read(Query(stream=stream)).events) for stream in streams]
        assert counts == [40, 40, 40]
        assert store.verify() == []


def test_a_reader_finds_what_came_to_be_beyond_its_map(path: Path) -> None:
    """
    L2: this process only reads, and another one grows the file far beyond its map.
    """
    with opened(path, map_size=SMALL) as store:
        store.append(write())
        assert run(APPEND_LARGE, f"lmdb:///{path}", "child").returncode == 0

        assert store.wait(1, 0) == 41
        assert len(store.read(after=1).events) == 40


def test_the_map_grows_when_nobody_is_in_it(
    store: LmdbStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    L3: whoever reads is waited for, and keeps what it sees.
    """
    shut, held = Event(), environment(store).gate
    waits = held.calm

    def announced() -> AbstractContextManager[None]:
        shut.set()
        return waits()

    monkeypatch.setattr(held, "calm", announced)
    store.append(write(data=b"first"))
    writer = Thread(target=store.append, args=(write(count=20, data=LARGE * 10),))
    with session(store).reading() as transaction:
        writer.start()
        shut.wait()
        assert writer.is_alive()
        assert transaction.get(transaction.tables.streams, b"a") is not None
    writer.join()

    assert store.wait(0, 0) == 21


def test_a_stream_may_lie_in_no_category(store: LmdbStore) -> None:
    """
    L4: LMDB knows no empty key; nobody can ask for that category either.
    """
    store.append(write("-x", 2), write("a-x"))

    assert len(store.read(Query(stream="-x")).events) == 2
    assert store.verify() == []


def test_objects_of_one_process_share_one_environment(
    store: LmdbStore, path: Path, tmp_path: Path
) -> None:
    """
    L5: by whatever path they came; and closing one of them frees no lock of the others.
    """
    (tmp_path / "link").symlink_to(path)
    other = opened(tmp_path / "link")
    assert environment(other) is environment(store)
    store.append(write())
    assert other.append(write("b")).first == 2
    other.close()

    with session(store).reading():
        ours = f"{os.getpid()} "
        # A third program would take our place if the lock were gone.
        listed = run(
            "import lmdb, sys; e = lmdb.open(sys.argv[1]); e.reader_check(); print(e.readers())",
            path,
        )
    assert ours in listed.stdout, listed.stderr
    assert store.append(write()).first == 3


def test_a_file_that_took_the_place_of_another_is_another(tmp_path: Path) -> None:
    """
    L5: environments are known by their files, not by their paths.
    """
    with opened(tmp_path / "log") as old:
        old.append(write(count=3))
        (tmp_path / "log").rename(tmp_path / "moved")
        with opened(tmp_path / "log") as new:
            assert new.append(write()).first == 1
        assert old.append(write()).first == 4


FORK = """
import os, sys, threading
import azoth_sqlite.store
from azoth import ANY, NewEvent, Write, open_store

url = sys.argv[1]
store = open_store(url, busy_timeout=20)
stop = threading.Event()

def append(to, stream):
    to.append(Write(stream, [NewEvent("t", bytes(2_000))], ANY))

def keep_appending():
    while not stop.is_set():
        append(store, "parent")

def keep_reading():
    while not stop.is_set():
        store.read(limit=50, backwards=True)
        store.wait(0, 0)

threads = [threading.Thread(target=work) for work in (keep_appending, keep_reading) * 2]
for thread in threads:
    thread.start()
children = []
for number in range(6):
    child = os.fork()
    if child == 0:
        code = 1
        try:
            inherited = store if number % 2 else open_store(url, busy_timeout=20)
            append(inherited, "child")
            inherited.read(limit=1)
            inherited.close()
            code = 0
        finally:
            os._exit(code)
    children.append(child)
ended = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
stop.set()
for thread in threads:
    thread.join()
assert ended == [0] * 6, ended
append(store, "parent")
assert store.verify() == []
store.close()
"""


def test_a_child_forked_amid_transactions_opens_anew(path: Path) -> None:
    """
    L6: a fork waits for them, the child closes what it inherits, and the parent goes on.
    """
    done = run(FORK, f"lmdb:///{path}?map_size={SMALL}")

    assert (done.returncode, done.stderr) == (0, "")


def test_a_fork_that_cannot_wait_leaves_the_child_an_error(
    store: LmdbStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    L6: a transaction that never ends cannot be closed in the child, where its thread is not.
    """
    monkeypatch.setattr(environments, "FORK_SECONDS", 0)
    store.append(write())
    with session(store).reading():
        child = os.fork()
        if child == 0:
            code = 1
            try:
                store.read()
            except StoreFailed:
                code = 0
            finally:
                # Whatever was raised: a child must never go on with the tests of its parent.
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert store.append(write()).first == 2


def test_a_thread_begins_and_commits_its_transaction(store: LmdbStore, path: Path) -> None:
    """
    L7: whoever appends, LMDB's lock of writers is free again afterwards, for other processes too.
    """
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda n: store.append(write(f"s-{n}")), range(40)))
    program = APPEND_LARGE.replace("range(40)", "range(1)")

    assert run(program, f"lmdb:///{path}?busy_timeout=5", "child").returncode == 0
    assert store.wait(0, 0) == 41


def test_an_append_inside_an_append_is_refused(path: Path) -> None:
    """
    L8: it would wait for itself for ever.
    """

    class Recursive(SystemClock):
        def now(self) -> Instant:
            recursive.append(write("inner"))
            return super().now()

    with opened(path, clock=Recursive()) as recursive:
        for _ in range(2):
            with pytest.raises(RuntimeError, match="inside an append"):
                recursive.append(write("outer"))
        assert recursive.read().head == 0


def test_nothing_that_was_read_keeps_pages(store: LmdbStore, path: Path) -> None:
    """
    L9, L13: a page holds no transaction, so the file does not grow by what is written over.
    """
    store.append(write(count=20))
    pages = []
    for position in range(100):
        moved = Checkpoint(consumer="c", position=position + 1, previous=position)
        store.append(checkpoint=moved)
        pages.append(store.read(limit=3))
        pages.append(store.read(Query(types=["t"]), limit=1, backwards=True))
    store.wait(0)

    assert environment(store)._handle.readers() == "(no active readers)\n"
    assert (path / "data.mdb").stat().st_size < SMALL
    assert {type(event.data) for event in pages[0].events} == {bytes}


DIE_READING = """
import os, signal, sys
sys.path.insert(0, ".")
from pathlib import Path
from tests.stores.lmdb_files import opened, session

store = opened(Path(sys.argv[1]))
with session(store).reading():
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_reader_that_was_killed_is_forgotten(store: LmdbStore, path: Path) -> None:
    """
    L10: it keeps no pages: its place is freed when the map grows, and when the store is opened.
    """
    handle = environment(store)._handle
    assert run(DIE_READING, path).returncode == -9
    assert handle.readers() != "(no active readers)\n"
    store.append(write(count=20, data=LARGE * 10))
    assert handle.readers() == "(no active readers)\n"

    assert run(DIE_READING, path).returncode == -9
    store.close()
    with opened(path) as again:
        assert environment(again)._handle.readers() == "(no active readers)\n"


def test_too_many_readers_are_busy(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    L11: places are taken for the time of a page; who finds none tries again, then says so.
    """
    monkeypatch.setattr(environments, "READERS_MAX", 2)
    with opened(path, busy_timeout=PATIENCE) as store:
        store.append(write())
        with session(store).reading(), session(store).reading():
            with pytest.raises(StoreBusy) as busy:
                store.read()
            assert store.append(write()).first == 2

        assert busy.value.seconds == PATIENCE
        assert store.read().head == 2
    assert LmdbOptions().busy_timeout == 5


@pytest.mark.parametrize(("durability", "is_full"), [("full", True), ("normal", False)])
def test_durability_is_what_a_commit_syncs(path: Path, durability: str, is_full: bool) -> None:
    """
    L12: full syncs all, normal all but the page that names the commit; nothing weaker exists.
    """
    with opened(path, durability=durability) as store:
        flags = environment(store)._handle.flags()
        assert (flags["sync"], flags["metasync"]) == (True, is_full)
        assert (flags["writemap"], flags["map_async"]) == (False, False)
    with pytest.raises(ValueError, match="full, normal"):
        opened(path, durability="off")


def test_each_object_has_the_durability_that_it_asked_for(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    L12: one that shares an environment of less syncs by itself.
    """
    with opened(path, durability="normal") as normal, opened(path) as full:
        syncs: list[str] = []
        monkeypatch.setattr(environment(full), "sync", lambda: syncs.append("sync"))
        normal.append(write())
        assert syncs == []
        full.append(write())
        assert syncs == ["sync"]


def test_what_stands_beyond_the_head_is_not_written_over(path: Path) -> None:
    """
    L14: LMDB refuses by its count alone, which is compared.
    """
    with opened(path) as store:
        store.append(write())
    with tampered(path) as raw:
        raw.put(raw.tables.events, (2).to_bytes(8), b"what is this?")

    with opened(path) as store:
        with pytest.raises(StoreCorrupt):
            store.append(write("b"))
        assert store.read().head == 1
        assert any("the last event is at 2" in problem.reason for problem in store.verify())


def test_only_what_is_committed_counts_as_a_commit(store: LmdbStore) -> None:
    """
    L17: a refused append, a read and a look at the leases do not wake who waits.
    """
    store.append(write(), key="k")
    before = environment(store).last_commit()
    with pytest.raises(Conflict):
        store.append(write(), key="k", checkpoint=Checkpoint(consumer="c", position=1, previous=0))
    store.append(write(), key="k")
    store.read()
    store.leases()
    assert environment(store).last_commit() == before
    store.renew("w", Instant(1))
    assert environment(store).last_commit() == before + 1


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.sshfs"])
def test_a_network_drive_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """
    L18: there LMDB's locks hold nothing together.
    """
    drive = tmp_path / "a drive"
    drive.mkdir()
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
        f"22 21 0:1 / {str(drive).replace(' ', chr(92) + '040')} rw shared:1 - {kind} host:/ rw\n"
    )
    monkeypatch.setattr(mounted, "MOUNTS", mounts)

    with pytest.raises(StoreFailed, match=f"network .{kind}"):
        opened(drive / "log")
    assert list(drive.iterdir()) == []
    opened(tmp_path / "local").close()


def test_where_mounts_are_not_told_nothing_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """
    L18: other systems than Linux have no such file.
    """
    monkeypatch.setattr(mounted, "MOUNTS", tmp_path / "missing")
    opened(path).close()


def test_positions_stand_in_order_whatever_their_size(store: LmdbStore) -> None:
    """
    L21: the highest byte comes first, in each table.
    """
    for _ in range(3):
        store.append(write("a-1", 300), write("a-2", 300))

    for query in (Query(), Query(stream="a-2"), Query(category="a")):
        positions = [event.position for event in store.read(query, limit=10_000).events]
        assert positions == sorted(positions)
        back = store.read(query, limit=10_000, backwards=True).events
        assert [event.position for event in back] == positions[::-1]


def test_a_backup_comes_to_its_name_whole(
    store: LmdbStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    L22: what fails leaves nothing, and what is there is left as it is.
    """
    store.append(write(count=3))
    before = set(tmp_path.iterdir())

    def fail(*_: object) -> None:
        raise OSError("no names here")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", fail)
        with pytest.raises(StoreFailed, match="no names here"):
            store.backup(tmp_path / "copy")
    with pytest.raises(StoreFailed, match="does not exist"):
        store.backup(tmp_path / "missing" / "copy")
    assert set(tmp_path.iterdir()) == before

    store.backup(tmp_path / "copy")
    with opened(tmp_path / "copy") as copy:
        assert copy.append(write()).first == 4
    with pytest.raises(FileExistsError):
        store.backup(tmp_path / "copy")


@pytest.mark.parametrize("there", ["file", "folder"])
def test_a_backup_takes_no_name_that_was_taken_meanwhile(
    store: LmdbStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: str
) -> None:
    """
    L22: somebody else wrote to the name while the copy was made.
    """
    held, copy = environment(store), tmp_path / "copy"
    really = held.copy

    def late(path: Path) -> None:
        really(path)
        if there == "folder":
            copy.mkdir()
        (copy / "theirs" if there == "folder" else copy).touch()

    monkeypatch.setattr(held, "copy", late)

    with pytest.raises(FileExistsError):
        store.backup(copy)
    assert {file.name for file in tmp_path.iterdir()} == {"log.lmdb", "copy"}


def test_a_process_that_holds_the_file_lock_is_waited_for(store: LmdbStore, path: Path) -> None:
    """
    LMDB's own lock knows no patience, so nobody waits for that one.
    """
    other = FileLock(path / LOCK)
    with other.held(0), pytest.raises(StoreBusy):
        store.append(write())
    with other.held(0), pytest.raises(StoreBusy):
        opened(path, busy_timeout=PATIENCE)
    other.close()

    assert store.append(write()).first == 1


def test_a_call_that_waits_while_the_store_is_closed_says_so(path: Path) -> None:
    """
    Whoever got the session before it was closed meets a closed gate, and no closed map.
    """
    store = opened(path)
    held, gate = session(store), environment(store).gate
    store.close()

    for call in (gate.enter, gate.alone().__enter__, held.reading().__enter__):
        with pytest.raises(StoreClosed):
            call()


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("busy_timeout", "soon"),
        ("busy_timeout", float("nan")),
        ("map_size", "large"),
        ("map_size", SMALL - 1),
        ("map_size", MAP_BYTES_MAX + 1),
        ("map_size", True),
        ("colour", "red"),
    ],
)
def test_options_are_checked(path: Path, option: str, value: object) -> None:
    """
    Options come from a URL as text and from a program as values, and are checked alike.
    """
    opens: list[Callable[[], object]] = [
        lambda: open_store(f"lmdb:///{path}", **{option: value}),  # type: ignore[arg-type]
        lambda: open_store(f"lmdb:///{path}?{option}={value}"),
    ]
    for call in opens:
        with pytest.raises(ValueError, match=option):
            call()
    assert not path.exists()


@pytest.mark.parametrize("url", ["lmdb://", "lmdb://host/path"])
def test_a_url_names_a_folder(url: str) -> None:
    """
    Without a host, which a path with two slashes would have.
    """
    with pytest.raises(ValueError, match="names no folder"):
        open_store(url)


def test_the_binding_is_new_enough() -> None:
    """
    L19: before 2.3 it lost values over 2 GiB, and moved the map under running calls.
    """
    assert tuple(map(int, lmdb.__version__.split(".")[:2])) >= (2, 3)
