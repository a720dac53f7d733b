"""
`azoth doctor`: what a store stands on, what endangers it, what to do.
"""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, cast

import pytest
from click.testing import CliRunner, Result

from azoth import (
    ANY,
    DiagnosableStore,
    Finding,
    NewEvent,
    Problem,
    Progress,
    StoreCorrupt,
    Write,
    diagnosing,
    mounts,
    open_store,
)
from azoth.cli import opening
from azoth.cli.commands import azoth
from azoth.testing import FaultyStore
from azoth_lmdb import diagnosing as of_lmdb
from azoth_sqlite import diagnosing as of_sqlite

READ_AND_STOP: Final = """
import os, signal, sys
import lmdb
environment = lmdb.open(sys.argv[1], max_readers=1_024, create=False)
snapshot = environment.begin()
print("reading", flush=True)
signal.pause()
"""


@pytest.fixture(params=["sqlite", "lmdb"])
def scheme(request: pytest.FixtureRequest) -> str:
    """
    Each store on disk.
    """
    return cast("str", request.param)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """
    Where the store is.
    """
    return tmp_path / "log"


@pytest.fixture
def filled(scheme: str, path: Path) -> str:
    """
    The URL of a store with two streams.
    """
    with open_store(f"{scheme}:///{path}") as store:
        store.append(
            Write("a-1", [NewEvent("T", b"{}")] * 3, ANY), Write("b-1", [NewEvent("T", b"{}")], ANY)
        )
    return f"{scheme}:///{path}"


@pytest.fixture(autouse=True)
def _healthy_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounted(tmp_path, monkeypatch, "ext4")
    monkeypatch.setattr(diagnosing, "FREE_BYTES_MIN", 0)
    monkeypatch.setattr(of_sqlite, "WAL_RESET_FIXED", (3, 0, 0))


def mounted(folder: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """
    Let all files lie on one kind of file system.
    """
    table = folder / "mountinfo"
    table.write_text(f"21 1 8:1 / / rw - {kind} /dev/sda1 rw\n")
    monkeypatch.setattr(mounts, "MOUNTS", table)


def run(*arguments: str) -> Result:
    """
    Run the command in this process.
    """
    return CliRunner().invoke(azoth, ["doctor", *arguments])


def findings(url: str, *options: str, code: int = 0) -> dict[str, Any]:
    """
    Return what the command finds, by name.
    """
    result = run("--json", *options, url)
    assert (result.exit_code, result.stderr) == (code, "")
    told = json.loads(result.stdout)
    assert told["healthy"] is (code == 0)
    return {finding["name"]: finding for finding in told["findings"]}


COMMON: Final = {"engine", "durability", "head", "streams", "verification"}
ON_DISK: Final = COMMON | {"format", "file_bytes", "file_system", "free_bytes"}
NAMES: Final = {
    "sqlite": ON_DISK | {"journal_mode", "wal_bytes"},
    "lmdb": ON_DISK | {"map_bytes", "used_bytes", "readers", "stale_readers"},
}


def test_a_healthy_store_has_exit_code_0(filled: str, scheme: str) -> None:
    """
    For people and for machines.
    """
    found = findings(filled)

    assert found.keys() == NAMES[scheme]
    assert (found["head"]["value"], found["streams"]["value"]) == (4, 2)
    assert found["verification"]["value"] == "4 events, sound"
    assert {finding["level"] for finding in found.values()} == {"ok"}
    result = run(filled)
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (0, "healthy")
    assert "file system" in result.stdout


def test_verification_may_be_left_out(filled: str) -> None:
    """
    It reads the whole log.
    """
    assert "verification" not in findings(filled, "--quick")


def test_a_store_in_memory_says_that_nothing_survives() -> None:
    """
    It has no file to look at.
    """
    found = findings("memory://")

    assert found.keys() == COMMON
    assert "ends with its process" in found["durability"]["value"]


def test_durability_is_that_of_the_url(filled: str) -> None:
    """
    Each opening chooses its own.
    """
    found = findings(f"{filled}?durability=normal", "--quick")

    assert "may take the last commits" in found["durability"]["value"]


@pytest.mark.parametrize("version", [(3, 40, 1), (3, 51, 2)])
def test_an_old_sqlite_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: tuple[int, ...]
) -> None:
    """
    S8: below 3.51.3 a commit beside a checkpoint may damage the file; a warning is no failure.
    """
    monkeypatch.undo()
    mounted(tmp_path, monkeypatch, "ext4")
    monkeypatch.setattr(sqlite3, "sqlite_version_info", version)
    url = f"sqlite:///{tmp_path}/log"
    open_store(url).close()

    found = findings(url, "--quick")

    assert found["engine"]["level"] == "warning"
    assert "WAL-reset" in found["engine"]["advice"]
    assert "1 warning" in run("--quick", url).stderr
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 51, 3))
    assert findings(url, "--quick")["engine"]["level"] == "ok"


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "9p", "fuse.sshfs", "fuseblk", "virtiofs"])
def test_a_file_system_of_others_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """
    S13: there locks and shared memory may hold nothing together.
    """
    url = f"sqlite:///{tmp_path}/log"
    open_store(url).close()
    mounted(tmp_path, monkeypatch, kind)

    found = findings(url, "--quick")["file_system"]

    assert (found["value"], found["level"]) == (kind, "warning")
    assert "local disk" in found["advice"]


def test_lmdb_on_a_network_is_not_even_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    L18: it would damage the file.
    """
    url = f"lmdb:///{tmp_path}/log"
    open_store(url).close()
    mounted(tmp_path, monkeypatch, "nfs4")

    result = run(url)

    assert (result.exit_code, result.stdout) == (3, "")
    assert "use a local disk" in result.stderr


def test_an_unknown_file_system_is_no_reason_to_warn(
    filled: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Only Linux tells it.
    """
    monkeypatch.setattr(mounts, "MOUNTS", tmp_path / "missing")

    found = findings(filled, "--quick")["file_system"]

    assert (found["value"], found["level"]) == (None, "ok")


def test_a_disk_that_is_nearly_full_is_a_warning(
    filled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Before appends fail.
    """
    monkeypatch.setattr(diagnosing, "FREE_BYTES_MIN", 2**63)

    assert findings(filled, "--quick")["free_bytes"]["level"] == "warning"


def test_a_long_wal_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    S6: somebody keeps it from being copied.
    """
    monkeypatch.setattr(of_sqlite, "WAL_BYTES_MAX", 1_000)
    url = f"sqlite:///{tmp_path}/log"
    with open_store(url) as store:
        store.append(Write("a", [NewEvent("T", b"{}")], ANY))

        assert findings(url, "--quick")["wal_bytes"]["level"] == "warning"
    assert findings(url, "--quick")["wal_bytes"]["value"] == 0


def test_another_journal_is_a_warning(tmp_path: Path) -> None:
    """
    S1: another program may have set it; whoever opens the store to write sets it back.
    """
    path = tmp_path / "log"
    url = f"sqlite:///{path}"
    open_store(url).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.close()

    assert findings(url, "--quick")["journal_mode"]["level"] == "warning"
    open_store(url).close()
    assert findings(url, "--quick")["journal_mode"]["value"] == "wal"


@contextmanager
def killed_reader(path: Path) -> Iterator[None]:
    """
    Let a process die while it reads.
    """
    command = [sys.executable, "-c", READ_AND_STOP, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"reading\n"
        yield
        process.send_signal(signal.SIGKILL)


def test_a_reader_that_died_is_a_warning(path: Path) -> None:
    """
    L10: its place keeps the pages that it saw.
    """
    url = f"lmdb:///{path}"
    with open_store(url):
        with killed_reader(path):
            alive = findings(url, "--quick")
        dead = findings(url, "--quick")

        assert (alive["stale_readers"]["value"], dead["stale_readers"]["value"]) == (0, 1)
        assert alive["readers"]["value"] >= 1
        assert dead["stale_readers"]["level"] == "warning"


def test_many_readers_are_a_warning(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    L11: the next ones wait for a place.
    """
    monkeypatch.setattr(of_lmdb, "READERS_MANY", -1)
    url = f"lmdb:///{path}"
    open_store(url).close()

    assert findings(url, "--quick")["readers"]["level"] == "warning"


def test_the_process_of_somebody_else_is_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    It may not be signalled, which proves that it is there.
    """

    def forbidden(process: int, number: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", forbidden)

    assert of_lmdb._is_alive(1)


def test_damage_has_exit_code_1(tmp_path: Path) -> None:
    """
    Each finding that cannot be told any more is a problem, and the others are told.
    """
    path = tmp_path / "log"
    url = f"sqlite:///{path}"
    with open_store(url) as store:
        store.append(Write("a", [NewEvent("T", b"a certain text")], ANY))
    path.write_bytes(path.read_bytes().replace(b"a certain text", b"another words!"))

    found = findings(url, code=1)

    assert found["verification"]["level"] == "problem"
    assert found["head"]["level"] == "ok"
    result = run(url)
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (1, "1 problem")


def test_a_damaged_head_is_one_finding_of_many(tmp_path: Path) -> None:
    """
    What else can be told is told.
    """
    path = tmp_path / "log"
    url = f"sqlite:///{path}"
    open_store(url).close()
    connection = sqlite3.connect(path)
    connection.execute("UPDATE head SET position = 7")
    connection.commit()
    connection.close()

    found = findings(url, code=1)

    assert (found["head"]["level"], found["verification"]["level"]) == ("problem", "problem")
    assert found["streams"]["level"] == "ok"


def test_a_store_too_damaged_to_open_has_exit_code_1(filled: str, scheme: str, path: Path) -> None:
    """
    It is damage all the same, and no question of the command.
    """
    file = path if scheme == "sqlite" else path / "data.mdb"
    with file.open("r+b") as opened:
        opened.truncate(4_096)
        if scheme == "sqlite":
            opened.truncate(0)

    (found,) = findings(filled, code=1).values()

    assert (found["name"], found["level"]) == ("opening", "problem")
    assert "restore a backup" in found["advice"]


def test_a_store_that_cannot_diagnose_itself_is_verified(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A store of others need not offer it.
    """

    class Own(FaultyStore):
        diagnose: None = None

        def verify(self, progress: Progress | None = None) -> list[Problem]:
            return [Problem(position=None, reason="a key has no event")]

    monkeypatch.setattr(opening, "open_store", lambda _: Own(open_store("memory://")))

    found = findings("memory://", code=1)

    assert found.keys() == {"head", "verification"}
    assert "a key has no event" in found["verification"]["value"]


def test_what_a_store_says_does_not_reach_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Names of damaged records may hold anything.
    """

    class Loud(FaultyStore):
        def diagnose(self) -> list[Finding]:
            return [Finding(name="n", value="\x1b[2J", level="warning", advice="\x07")]

    assert isinstance(Loud(open_store("memory://")), DiagnosableStore)
    monkeypatch.setattr(opening, "open_store", lambda _: Loud(open_store("memory://")))

    assert not set(run("memory://").stdout) & {"\x1b", "\x07"}


def test_a_finding_takes_damage_for_a_problem() -> None:
    """
    And no other error.
    """

    def damaged() -> int:
        raise StoreCorrupt(position=3)

    finding = diagnosing.found("head", damaged)

    assert (finding.value, finding.level) == (None, "problem")
    assert "position 3" in finding.advice
