"""
Looking at a store on disk (`mode=ro`): it is left as it is, whatever is there.
"""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from tempfile import mkdtemp
from typing import Final, cast

import pytest
from click.testing import CliRunner

from azoth import (
    ANY,
    EventStore,
    NewEvent,
    StoreClosed,
    StoreCorrupt,
    StoreFailed,
    VerifiableStore,
    Write,
    open_store,
)
from azoth.cli.commands import azoth
from azoth.clocks import Instant
from azoth.store import BackupStore, LeaseStore, RestorableStore
from azoth_lmdb.records import format_record
from tests.stores import lmdb_files
from tests.stores.faults.private_mounts import may_mount

pytestmark = pytest.mark.uncovered

LOOKS: Final = (["info"], ["tail"], ["show", "1"], ["verify"], ["doctor"])
EVENT: Final = NewEvent("T", b"{}")


@pytest.fixture(params=["sqlite", "lmdb"])
def scheme(request: pytest.FixtureRequest) -> str:
    """
    Each store on disk.
    """
    return cast("str", request.param)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """
    Where the store is or may be, in a folder of its own.
    """
    folder = tmp_path / "place"
    folder.mkdir()
    return folder / "log"


@pytest.fixture
def url(scheme: str, path: Path) -> str:
    """
    The store's URL.
    """
    return f"{scheme}:///{path}"


@pytest.fixture
def filled(url: str) -> str:
    """
    The URL of a store with three events.
    """
    with open_store(url) as store:
        store.append(Write("a-1", [EVENT] * 3, ANY))
    return url


def look(url: str) -> EventStore:
    """
    Open a store to look at it.
    """
    return open_store(url, mode="ro")


def contents(folder: Path) -> dict[str, bytes | None]:
    """
    All that is in a folder; LMDB's table of who reads is only named, for reading fills it.
    """
    return {
        str(file.relative_to(folder)): file.read_bytes()
        if file.is_file() and file.name != "lock.mdb"
        else None
        for file in sorted(folder.rglob("*"))
    }


def test_what_is_looked_at_is_read_and_not_changed(filled: str, path: Path) -> None:
    """
    Events, the head, checkpoints, verification; and each file is the same afterwards.
    """
    before = contents(path.parent)

    with look(filled) as store:
        assert [event.position for event in store.read().events] == [1, 2, 3]
        assert (store.wait(0, 0), store.checkpoint("c")) == (3, 0)
        assert cast("VerifiableStore", store).verify() == []

    assert contents(path.parent) == before


def test_whoever_looks_cannot_write(filled: str) -> None:
    """
    Each write says how to open the store for it.
    """
    with look(filled) as store:
        writes: list[Callable[[], object]] = [
            lambda: store.append(Write("a", [EVENT], ANY)),
            lambda: cast("LeaseStore", store).renew("w", Instant(1)),
            lambda: cast("LeaseStore", store).leases(),
            lambda: cast("RestorableStore", store).restore([]),
        ]
        for write in writes:
            with pytest.raises(StoreFailed, match="open it with mode=rw"):
                write()


def test_whoever_looks_follows_a_writer(scheme: str, filled: str) -> None:
    """
    Of the same process too: LMDB opens a file once in it, so the writer comes first there.
    """
    with open_store(filled) as writer, look(filled) as store:
        writer.append(Write("a-1", [EVENT], ANY))

        assert store.wait(3, 60) == 4
        assert len(store.read().events) == 4
    with look(filled) as store:
        if scheme == "lmdb":
            with pytest.raises(StoreFailed, match="close that store first"):
                open_store(filled)
        assert store.wait(0, 0) == 4
    with pytest.raises(StoreClosed):
        store.read()


def test_a_copy_is_made_while_looking(filled: str, tmp_path: Path) -> None:
    """
    And a copy, which nobody has opened yet, is looked at like any other.
    """
    copy = tmp_path / "copies" / "log"
    copy.parent.mkdir()
    with look(filled) as store:
        cast("BackupStore", store).backup(copy)
    before = contents(copy.parent)

    with look(filled.partition(":")[0] + f":///{copy}") as store:
        assert store.wait(0, 0) == 3

    assert contents(copy.parent) == before


def test_a_mode_is_rw_or_ro(url: str) -> None:
    """
    Another word is refused before anything is done.
    """
    with pytest.raises(ValueError, match="give one of rw, ro"):
        open_store(url, mode="rwc")


def _nothing(path: Path) -> None:
    assert not path.exists()


def _empty_file(path: Path) -> None:
    path.touch()


def _empty_folder(path: Path) -> None:
    path.mkdir()


def _notes(path: Path) -> None:
    path.write_text("my notes\n" * 1_000)


def _folder_of_notes(path: Path) -> None:
    path.mkdir()
    _notes(path / "notes.txt")


def _foreign_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE notes (line)")


def _pipe(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize(
    "make",
    [_nothing, _empty_file, _empty_folder, _notes, _folder_of_notes, _foreign_database, _pipe],
)
@pytest.mark.parametrize("arguments", LOOKS, ids=lambda arguments: arguments[0])
def test_a_command_that_looks_makes_nothing(
    url: str, path: Path, make: Callable[[Path], None], arguments: Sequence[str]
) -> None:
    """
    It says in a sentence what is there instead of a store, and leaves that as it is.
    """
    make(path)
    before = contents(path.parent)

    result = CliRunner().invoke(azoth, [*arguments, url])

    assert (result.exit_code, result.stdout) == (3, "")
    assert str(path) in result.stderr
    assert "Traceback" not in result.stderr
    assert contents(path.parent) == before


def test_what_is_not_there_is_not_made(url: str, path: Path) -> None:
    """
    Unlike a store that is opened to write.
    """
    with pytest.raises(StoreFailed, match="there is no store at"):
        look(url)
    with pytest.raises(StoreFailed, match="there is no store at"):
        look(f"{url}/no/such")

    assert contents(path.parent) == {}


def test_whoever_looks_follows_a_map_that_grows(path: Path) -> None:
    """
    L2: another process made it larger than the one that is looked through.
    """
    url = f"lmdb:///{path}"
    with open_store(url, map_size=lmdb_files.SMALL) as store:
        store.append(Write("a", [EVENT], ANY))
    with open_store(url, map_size=lmdb_files.SMALL, mode="ro") as store:
        assert len(store.read().events) == 1

        program = [sys.executable, "-c", GROW, url]
        subprocess.run(program, timeout=60, check=True)

        assert store.read(limit=1, backwards=True).events[0].data == bytes(1_000_000)
        assert cast("VerifiableStore", store).verify() == []


GROW: Final = """
import sys
from azoth import ANY, NewEvent, Write, open_store
with open_store(sys.argv[1]) as store:
    store.append(Write("a", [NewEvent("T", bytes(1_000_000))] * 3, ANY))
"""


def test_a_store_that_was_emptied_is_damaged(filled: str, scheme: str, path: Path) -> None:
    """
    What was made once cannot be new.
    """
    (path if scheme == "sqlite" else path / "data.mdb").write_bytes(b"")

    with pytest.raises((StoreCorrupt, StoreFailed), match=r"it was not|not a database"):
        look(filled)


@pytest.mark.parametrize("arguments", LOOKS, ids=lambda arguments: arguments[0])
def test_a_newer_format_is_not_looked_at(
    filled: str, scheme: str, path: Path, arguments: Sequence[str]
) -> None:
    """
    Nor changed.
    """
    if scheme == "sqlite":
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA user_version = 99")
    else:
        with lmdb_files.tampered(path) as raw:
            raw.put(raw.tables.azoth, b"format", format_record(99))
    before = contents(path.parent)

    result = CliRunner().invoke(azoth, [*arguments, filled])

    assert result.exit_code == 3
    assert "format 99, and this Azoth knows 1; upgrade Azoth" in result.stderr
    assert contents(path.parent) == before


def test_an_older_format_is_not_brought_up_to_date(tmp_path: Path) -> None:
    """
    Only whoever opens it to write does that.
    """
    path = tmp_path / "log"
    url = f"sqlite:///{path}"
    open_store(url).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 0")

    with pytest.raises(StoreFailed, match="has format 0, and this Azoth reads 1"):
        look(url)


WITHOUT_RIGHTS: Final = """
import os, sys
from pathlib import Path
from click.testing import CliRunner
from azoth import ANY, NewEvent, Write, open_store
from azoth.cli.commands import azoth
from tests.stores.faults.private_mounts import make_read_only, mount_small

scheme, folder, how = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
if how == "read-only":
    mount_small(folder, 16 * 1024 * 1024)
url = f"{scheme}:///{folder}/log"
with open_store(url) as store:
    store.append(Write("a-1", [NewEvent("T", b"{}")] * 3, ANY))
    if how == "forbidden, in use" and os.fork():
        # The child looks while its parent has the store open.
        _, status = os.wait()
        os._exit(os.waitstatus_to_exitcode(status))
    if how == "forbidden, in use":
        store.close()
if how == "read-only":
    make_read_only(folder)
else:
    for file in [*folder.rglob("*"), folder]:
        file.chmod(0o555 if file.is_dir() else 0o444)
    if os.geteuid() == 0:
        os.setresuid(65534, 65534, 65534)
for command in (["info"], ["tail"], ["show", "1"], ["verify"], ["doctor"]):
    result = CliRunner().invoke(azoth, [*command, url])
    print(command[0], result.exit_code, result.stderr if result.exit_code else "")
"""


@pytest.mark.parametrize("how", ["read-only", "forbidden", "forbidden, in use"])
def test_looking_needs_no_right_to_write(place_for_all: Path, scheme: str, how: str) -> None:
    """
    On a file system that is mounted read-only, and for a user who may only read.
    """
    if how == "read-only" and not may_mount(place_for_all):
        pytest.skip("this system lets nobody mount a file system of his own")

    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_RIGHTS, scheme, str(place_for_all), how],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    said = [f"{command[0]} 0 " for command in LOOKS]
    assert (done.stdout.splitlines(), done.stderr) == (said, "")


@pytest.fixture
def place_for_all() -> Iterator[Path]:
    """
    A folder that every user can reach.
    """
    folder = Path(mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)
