"""
Damage, full disks and other programs' files: nothing is lost, nothing is believed.
"""

import errno
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import lmdb
import pytest
from attrs import evolve

from azoth.clocks import Instant
from azoth.errors import (
    StoreBusy,
    StoreCorrupt,
    StoreError,
    StoreFailed,
    StoreFull,
)
from azoth.events import Checkpoint, Query
from azoth.faults import SyncFailed
from azoth.testing import ManualClock
from azoth_lmdb.faults import Faults
from azoth_lmdb.records import format_record
from azoth_lmdb.store import LmdbStore
from azoth_lmdb.tables import Transaction, to_key
from tests.stores.lmdb_files import SMALL, environment, opened, run, tampered, write

pytestmark = pytest.mark.uncovered

FIRST = Checkpoint(consumer="c", position=1, previous=0)

PAGE = 4_096
COMMIT_AT = 16 + 128
LASTS = (16 + 120, PAGE + 16 + 120)
ROOTS = (16 + 112, PAGE + 16 + 112)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """
    Be where the store's folder is.
    """
    return tmp_path / "log.lmdb"


@pytest.fixture
def store(path: Path) -> Iterator[LmdbStore]:
    """
    Be an open store.
    """
    with opened(path) as made:
        yield made


@pytest.fixture
def filled(path: Path) -> Path:
    """
    Be the folder of a store that has a record of each kind.
    """
    with opened(path, clock=ManualClock()) as store:
        store.append(write("a-1", 3), write("b", 2), key="k")
        store.append(write("a-2", 2), checkpoint=Checkpoint(consumer="c", position=3, previous=0))
        store.renew("w", Instant(1))
    return path


def every_call(store: LmdbStore) -> Iterator[Callable[[], object]]:
    """
    Yield calls that between them meet each kind of record.
    """
    yield store.read
    yield lambda: store.read(Query(stream="a-1"))
    yield lambda: store.read(Query(stream="z"))
    yield lambda: store.read(Query(category="a"))
    yield lambda: store.checkpoint("c")
    yield store.leases
    yield lambda: store.append(write("a-1", 3), write("b", 2), key="k")
    yield lambda: store.append(write("a-1"))


Damage = Callable[[Transaction], object]

DAMAGES: dict[str, Damage] = {
    "an event": lambda raw: raw.put(raw.tables.events, to_key(2), b"x" * 40),
    "a short event": lambda raw: raw.put(raw.tables.events, to_key(2), b"x"),
    "a lost event": lambda raw: raw.handle.delete(to_key(2), db=raw.tables.events),
    "a lost last event": lambda raw: raw.handle.delete(to_key(7), db=raw.tables.events),
    "an event in another's place": lambda raw: raw.put(
        raw.tables.events, to_key(2), raw.get(raw.tables.events, to_key(3)) or b""
    ),
    "a stream's end": lambda raw: raw.put(raw.tables.streams, b"a-1", b"x" * 20),
    "a lost stream's end": lambda raw: raw.handle.delete(b"a-1", db=raw.tables.streams),
    "a lost version": lambda raw: raw.handle.delete(b"a-1", to_key(2), db=raw.tables.by_stream),
    "a lost last version": lambda raw: raw.handle.delete(
        b"a-1", to_key(3), db=raw.tables.by_stream
    ),
    "a version too many": lambda raw: raw.index(raw.tables.by_stream, [(b"a-1", to_key(5))]),
    "a version that is nowhere": lambda raw: raw.index(raw.tables.by_stream, [(b"z", to_key(9))]),
    "a stranger in a category": lambda raw: raw.index(raw.tables.by_category, [(b"a", to_key(4))]),
    "a key": lambda raw: raw.put(raw.tables.keys, b"k", b"x" * 60),
    "a short key": lambda raw: raw.put(raw.tables.keys, b"k", b"x"),
    "a checkpoint": lambda raw: raw.put(raw.tables.checkpoints, b"c", b"x" * 12),
    "a lease": lambda raw: raw.put(raw.tables.leases, b"w", b"x" * 12),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=list(DAMAGES))
def test_a_damaged_record_is_reported_by_who_needs_it_and_by_verify(
    filled: Path, damage: Damage
) -> None:
    """
    Whoever reads it gets `StoreCorrupt` and no other answer; nobody else is disturbed.
    """
    with tampered(filled) as raw:
        damage(raw)

    with opened(filled) as store:
        assert store.verify() != []
        corrupt = 0
        for call in every_call(store):
            try:
                call()
            except StoreCorrupt:
                corrupt += 1
        assert corrupt > 0


HIDDEN: dict[str, Damage] = {
    "a place in a category that is none": lambda raw: raw.index(
        raw.tables.by_category, [(b"a", to_key(9))]
    ),
    "a category's event": lambda raw: raw.handle.delete(b"a", to_key(2), db=raw.tables.by_category),
    "a key": lambda raw: raw.handle.delete(b"k", db=raw.tables.keys),
    "a checkpoint": lambda raw: raw.handle.delete(b"c", db=raw.tables.checkpoints),
    "a lease": lambda raw: raw.handle.delete(b"w", db=raw.tables.leases),
}


@pytest.mark.parametrize("damage", HIDDEN.values(), ids=list(HIDDEN))
def test_what_no_read_meets_is_found(filled: Path, damage: Damage) -> None:
    """
    A page that went bad hides records without a word; `verify` knows what should be there.
    """
    with tampered(filled) as raw:
        damage(raw)

    with opened(filled) as store:
        assert len(store.verify()) == 1


def test_a_record_that_is_older_than_the_head_is_found(filled: Path) -> None:
    """
    The whole page of before, with all its checksums, is damage too.
    """
    with opened(filled) as store, environment(store).reading() as transaction:
        old = transaction.get(transaction.tables.checkpoints, b"c")
    assert old is not None
    with opened(filled) as store:
        store.append(checkpoint=Checkpoint(consumer="c", position=9, previous=3))
    with tampered(filled) as raw:
        raw.put(raw.tables.checkpoints, b"c", old)

    with opened(filled) as store:
        (problem,) = store.verify()
        assert "older than the head" in problem.reason


def test_problems_are_told_up_to_a_limit(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A file that is damaged all over is told from one that has a scratch.
    """
    monkeypatch.setattr("azoth_lmdb.verifying.PROBLEMS_MAX", 5)
    monkeypatch.setattr("azoth_lmdb.verifying.RECORDS_AT_ONCE", 2)
    with opened(path) as store:
        store.append(write(count=20))
        assert store.verify() == []
    with tampered(path) as raw:
        for position in range(1, 11):
            raw.put(raw.tables.events, to_key(position), b"x" * 40)

    with opened(path) as store:
        assert [problem.position for problem in store.verify()] == [1, 2, 3, 4, 5]


def test_a_snapshot_that_another_commit_wrote_is_refused(filled: Path) -> None:
    """
    LMDB took an older snapshot for the last one, or another program wrote: nobody goes on with it.
    """
    with tampered(filled, forgets_commit=True) as raw:
        raw.put(raw.tables.keys, b"other", b"program")

    with pytest.raises(StoreCorrupt, match="the snapshot is of"):
        opened(filled)


def poke(file: Path, value: bytes, *offsets: int) -> None:
    """
    Change the file as a failing disk would.
    """
    with file.open("r+b") as opened_file:
        for offset in offsets:
            opened_file.seek(offset)
            opened_file.write(value)


def number(value: int) -> bytes:
    """
    Return a number as LMDB writes it.
    """
    return struct.pack("=Q", value)


HEADERS: dict[str, tuple[type[StoreError], str, Callable[[Path], object]]] = {
    "no file of LMDB's": (StoreFailed, "left as it is", lambda file: poke(file, b"no", 16)),
    "an empty file": (StoreFailed, "left as it is", lambda file: file.write_bytes(b"")),
    "another version": (StoreFailed, "version 3", lambda file: poke(file, b"\3", 20)),
    "a size of pages": (StoreCorrupt, "bytes", lambda file: poke(file, b"\7", 40)),
    "the second page": (StoreCorrupt, "second page", lambda file: poke(file, b"no", PAGE + 16)),
    "half of the second page": (
        StoreCorrupt,
        "second page",
        lambda file: file.write_bytes(file.read_bytes()[: PAGE + 40]),
    ),
    "a number of a commit": (
        StoreCorrupt,
        "follow",
        lambda file: poke(file, number(1_000), COMMIT_AT),
    ),
    "a root": (StoreCorrupt, "root", lambda file: poke(file, number(5_000), *ROOTS)),
    "a truncated file": (
        StoreCorrupt,
        "pages",
        lambda file: file.write_bytes(file.read_bytes()[: 3 * PAGE]),
    ),
    "a last page": (
        StoreCorrupt,
        "pages",
        lambda file: poke(file, number(10**9), *LASTS),
    ),
}


@pytest.mark.parametrize("case", HEADERS.values(), ids=list(HEADERS))
def test_bounds_are_checked_before_lmdb_believes_them(
    filled: Path, case: tuple[type[StoreError], str, Callable[[Path], object]]
) -> None:
    """
    LMDB maps what the header says and crashes where nothing is; here it is an error.
    """
    error, words, change = case
    change(filled / "data.mdb")

    with pytest.raises(error, match=words):
        opened(filled)


def test_a_flipped_byte_is_reported_or_harmless(path: Path, tmp_path: Path) -> None:
    """
    Wherever it is: an error when the store is opened or read, a problem, or the same answers.
    """
    with opened(path, clock=ManualClock()) as store:
        for place in range(30):
            moved = evolve(FIRST, position=place + 1, previous=place)
            store.append(write(f"a-{place % 3}", 5, b"data"), key=f"k{place}", checkpoint=moved)
        store.append(write("b", 600))
        store.renew("w", Instant(1))
        told = answers(store)
    whole, random = (path / "data.mdb").read_bytes(), Random(7)

    for place in range(40):
        folder, bad = tmp_path / f"bad-{place}", bytearray(whole)
        folder.mkdir()
        at = random.randrange(len(bad))
        bad[at] ^= random.randrange(1, 256)
        (folder / "data.mdb").write_bytes(bad)
        try:
            with opened(folder, clock=ManualClock()) as store:
                assert store.verify() or answers(store) == told, f"byte {at}"
        except StoreError:
            continue


def answers(store: LmdbStore) -> list[object]:
    """
    Return what a reader learns of a store.
    """
    queries = [Query(stream=f"a-{place}") for place in range(3)]
    queries += [Query(), Query(stream="b"), Query(category="a"), Query(types=["t"])]
    return [
        *(store.read(query, limit=10_000) for query in queries),
        store.read(backwards=True, limit=10),
        store.checkpoint("c"),
        store.leases(),
        store.append(write("a-0", 5, b"data"), key="k0", checkpoint=FIRST),
    ]


FULL = """
import resource, sys
from azoth import ANY, NewEvent, StoreFull, Write, open_store
from azoth_lmdb.store import LmdbStore

limit, url = getattr(resource, sys.argv[1]), sys.argv[3]
store = open_store(url)
store.append(Write("a", [NewEvent("t", b"first")], ANY))
_, most = resource.getrlimit(limit)
resource.setrlimit(limit, (int(sys.argv[2]), most))
appended = 1
try:
    while True:
        store.append(Write("a", [NewEvent("t", bytes(200_000))] * 4, ANY))
        appended += 4
except StoreFull as error:
    print(error)
assert store.read(limit=1).head == appended
try:
    store.backup(sys.argv[4])
except StoreFull:
    pass
resource.setrlimit(limit, (most, most))
assert store.append(Write("a", [NewEvent("t", bytes(200_000))] * 4, ANY)).first == appended + 1
assert store.verify() == []
store.close()
"""


@pytest.mark.parametrize(
    ("limit", "size", "words"),
    [("RLIMIT_FSIZE", 4_000_000, "too large"), ("RLIMIT_AS", 300_000_000, "no addresses")],
)
def test_a_store_that_cannot_grow_says_so_and_goes_on(
    path: Path, tmp_path: Path, limit: str, size: int, words: str
) -> None:
    """
    L20: nothing of the append remains, and with more room the next one goes in.
    """
    done = run(FULL, limit, size, f"lmdb:///{path}?map_size={SMALL}", tmp_path / "copy")

    assert done.returncode == 0, done.stderr
    assert words in done.stdout


def contents(folder: Path) -> dict[str, bytes]:
    """
    Return all files of a folder.
    """
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_a_folder_that_holds_something_else_is_left_as_it_is(path: Path) -> None:
    """
    Nothing is written, not even a lock file.
    """
    path.mkdir()
    (path / "notes.txt").write_text("mine")

    with pytest.raises(StoreFailed, match="something else"):
        opened(path)
    assert contents(path) == {"notes.txt": b"mine"}


@pytest.mark.parametrize("named", [True, False])
def test_another_programs_environment_is_left_as_it_is(path: Path, named: bool) -> None:
    """
    It is read without a lock, so not even LMDB's own lock file comes to be.
    """
    path.mkdir()
    with lmdb.open(str(path), max_dbs=4) as theirs:
        table = theirs.open_db(b"theirs") if named else theirs.open_db()
        with theirs.begin(write=True) as handle:
            handle.put(b"key", b"value", db=table)
    (path / "lock.mdb").unlink()
    before = contents(path)

    with pytest.raises(StoreFailed, match="another program"):
        opened(path)
    assert contents(path) == before


def test_a_copy_of_the_data_alone_is_opened(filled: Path, tmp_path: Path) -> None:
    """
    Lock files are made again.
    """
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "data.mdb").write_bytes((filled / "data.mdb").read_bytes())

    with opened(tmp_path / "copy") as copy:
        assert copy.read().head == 7


def test_a_newer_format_is_refused(filled: Path) -> None:
    """
    And the sentence says what to do.
    """
    with tampered(filled) as raw:
        raw.put(raw.tables.azoth, b"format", format_record(2))
        raw.handle.drop(raw.tables.leases)

    with pytest.raises(StoreFailed, match="format 2, and this Azoth knows 1; upgrade"):
        opened(filled)


def test_a_place_where_nothing_can_be_made_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    No parent, a file in the way, a lock file that is none, a folder of somebody else.
    """
    (tmp_path / "file").touch()
    (tmp_path / "odd" / "azoth-lock").mkdir(parents=True)
    with pytest.raises(StoreFailed, match="does not exist"):
        opened(tmp_path / "missing" / "log")
    with pytest.raises(StoreFailed, match="is a file"):
        opened(tmp_path / "file")
    with pytest.raises(StoreFailed, match="azoth-lock cannot be written"):
        opened(tmp_path / "odd")
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(StoreFailed, match="permissions"):
        opened(tmp_path / "theirs")


def test_what_a_crash_left_of_a_new_store_is_removed(path: Path) -> None:
    """
    A store is made beside its place; half of one is no store.
    """
    (path / "unfinished").mkdir(parents=True)
    (path / "unfinished" / "data.mdb").write_bytes(b"half")

    with opened(path) as store:
        assert store.append(write()).first == 1
    assert not (path / "unfinished").exists()


def failure(code: int, words: str) -> lmdb.Error:
    """
    Return an error of a system call.
    """
    return lmdb.Error(f"mdb_txn_commit: {words}", code)


FAILURES: dict[str, tuple[lmdb.Error, type[StoreError]]] = {
    "readers": (lmdb.ReadersFullError(""), StoreBusy),
    "map": (lmdb.MapFullError(""), StoreFull),
    "transaction": (lmdb.TxnFullError(""), StoreFull),
    "page": (lmdb.CorruptedError(""), StoreCorrupt),
    "panic": (lmdb.PanicError(""), SyncFailed),
    "sync": (failure(errno.EIO, "Input/output error"), SyncFailed),
    "permission": (failure(errno.EACCES, "Permission denied"), StoreFailed),
    "words alone": (lmdb.Error("mdb_txn_commit: Input/output error"), SyncFailed),
    "closed": (lmdb.Error("Attempt to operate on closed/deleted/dropped object."), StoreFailed),
}


@pytest.mark.parametrize("case", FAILURES.values(), ids=list(FAILURES))
def test_each_error_of_lmdb_has_one_meaning(
    tmp_path: Path, case: tuple[lmdb.Error, type[StoreError]]
) -> None:
    """
    None of them reaches a user as it is.
    """
    error, meaning = case
    faults = Faults(tmp_path, 1.0)
    (tmp_path / "data.mdb").touch()

    with pytest.raises(meaning), faults.translated():
        raise error
    if meaning is SyncFailed:
        with pytest.raises(SyncFailed):
            faults.check()


def test_after_a_failed_sync_the_store_must_be_reopened(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The append's fate is unknown, and the key tells after reopening.
    """
    with opened(path, durability="normal"), opened(path) as store:

        def fail() -> None:
            raise failure(errno.EIO, "Input/output error")

        monkeypatch.setattr(environment(store), "sync", fail)
        with pytest.raises(StoreFailed, match="retry with the key"):
            store.append(write(), key="k")
        for call in (store.read, lambda: store.append(write(), key="k"), store.leases):
            with pytest.raises(StoreFailed, match="sync"):
                call()
    with opened(path) as again:
        assert again.append(write(), key="k").duplicate
