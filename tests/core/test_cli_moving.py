"""
The commands that take a log elsewhere: whole, or gone on with, and nothing is overwritten.
"""

import gzip
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner, Result

from azoth import ANY, Checkpoint, LeaseStore, NewEvent, Write, iterate, open_store
from azoth.cli import export_files
from azoth.cli.commands import azoth
from azoth.clocks import INSTANT_MAX


@pytest.fixture
def filled(url: str) -> str:
    """
    A store with twelve events, one of which is no JSON.
    """
    with open_store(url) as store:
        for number in range(1, 12):
            event = NewEvent("T", b'{"n":%d}' % number, {"user": "ada"})
            store.append(Write(f"a-{number % 2}", [event], ANY))
        store.append(Write("b-1", [NewEvent("B", b"\x1b[31m\xff")], ANY))
        store.append(checkpoint=Checkpoint(consumer="c", position=5, previous=0))
    return url


def run(*arguments: str, url: str | None = None, given: bytes | None = None) -> Result:
    """
    Run the command in this process.
    """
    return CliRunner().invoke(azoth, arguments, env={"AZOTH_STORE": url}, input=given)


def found(result: Result) -> Any:  # noqa: ANN401 - JSON
    """
    The one JSON line that a command printed.
    """
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def log_of(url: str) -> list[Any]:
    """
    The events of a store.
    """
    with open_store(url) as store:
        return list(iterate(store))


@pytest.mark.parametrize("name", ["log.jsonl", "log.jsonl.gz"])
def test_an_export_is_imported_as_the_same_log(filled: str, tmp_path: Path, name: str) -> None:
    """
    By file, compressed by its name, into a store that is made.
    """
    file, other = tmp_path / name, f"sqlite:///{tmp_path}/other.db"

    assert found(run("export", "--json", str(file), filled))["bytes"] == file.stat().st_size
    assert found(run("import", "--json", str(file), other)) == {"events": 12, "new": 12, "head": 12}

    assert log_of(other) == log_of(filled)
    assert found(run("import", "--json", str(file), other))["new"] == 0
    assert (file.read_bytes()[:2] == b"\x1f\x8b") == name.endswith(".gz")


@pytest.mark.parametrize("options", [[], ["--gzip"]])
def test_an_export_goes_through_a_pipe(filled: str, tmp_path: Path, options: list[str]) -> None:
    """
    A compressed one is known by its first bytes.
    """
    exported = run("export", "-", filled, *options)
    assert exported.exit_code == 0, exported.stderr

    result = run("import", "-", f"lmdb:///{tmp_path}/other.lmdb", given=exported.stdout_bytes)

    assert (result.exit_code, "12 events, 12 of them new; head 12" in result.stderr) == (0, True)


def test_a_part_is_appended_only(filled: str, tmp_path: Path) -> None:
    """
    And once.
    """
    file, other = str(tmp_path / "part"), f"sqlite:///{tmp_path}/other.db"
    options = ["--after", "2", "--until", "11", "--category", "a", "--type", "T"]
    assert run("export", file, filled, *options).exit_code == 0

    refused = run("import", file, other)
    assert (refused.exit_code, "append its events" in refused.stderr) == (3, True)
    for new in (9, 0):
        answer = found(run("import", "--json", "--append", file, other))
        assert answer == {"events": 9, "new": new, "head": 9}


def test_nothing_is_overwritten_without_force(filled: str, tmp_path: Path) -> None:
    """
    A file, a backup, or a store.
    """
    file, mine = tmp_path / "file", tmp_path / "mine.db"
    file.write_text("mine")
    with open_store(f"sqlite:///{mine}") as store:
        store.append(Write("mine", [NewEvent("T", b"")], ANY))
    backup = str(tmp_path / "backup")
    assert run("backup", backup, filled).exit_code == 0

    for arguments in (
        ["export", str(file), filled],
        ["backup", str(file), filled],
        ["restore", backup, f"sqlite:///{mine}"],
        ["copy", filled, f"sqlite:///{mine}"],
    ):
        result = run(*arguments)
        assert result.exit_code == 3, arguments
        assert "exists" in result.stderr or "holds another log" in result.stderr
    assert (file.read_text(), len(log_of(f"sqlite:///{mine}"))) == ("mine", 1)

    assert run("export", "--force", str(file), filled).exit_code == 0
    assert run("import", str(file), f"sqlite:///{mine}").exit_code == 3
    assert len(log_of(f"sqlite:///{mine}")) == 1


@pytest.mark.parametrize("name", ["log", "log.gz"])
@pytest.mark.parametrize("spoil", [b"", b'{"half', b"\x1f\x8b\x08half"])
def test_an_export_that_was_stopped_is_gone_on_with(
    filled: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, spoil: bytes
) -> None:
    """
    The file has its name when it is whole, and is the one that would have been written at once.
    """
    monkeypatch.setattr(export_files, "LINES_AT_ONCE", 3)
    file, whole = tmp_path / name, tmp_path / f"whole-{name}"
    assert run("export", str(whole), filled).exit_code == 0
    real, count = export_files.blocks, 0

    def stopped(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - passed on
        nonlocal count
        for block in real(*arguments, **options):
            if (count := count + 1) == 3:
                raise KeyboardInterrupt
            yield block

    with monkeypatch.context() as patch:
        patch.setattr(export_files, "blocks", stopped)
        assert run("export", str(file), filled).exit_code == 130
    assert not file.exists()
    with (tmp_path / f"{name}.unfinished").open("ab") as unfinished:
        unfinished.write(spoil)
    with open_store(filled) as store:
        store.append(Write("b-1", [NewEvent("B", b"later")], ANY))

    assert run("export", str(file), filled).exit_code == 0

    assert file.read_bytes() == whole.read_bytes()
    assert not (tmp_path / f"{name}.unfinished").exists()


def test_what_cannot_be_gone_on_with_is_exported_anew(filled: str, tmp_path: Path) -> None:
    """
    Or refused, where it was asked for otherwise.
    """
    file, unfinished = tmp_path / "log", tmp_path / "log.unfinished"
    unfinished.write_bytes(b"notes\n")
    result = run("export", str(file), filled)
    assert (result.exit_code, "exporting anew" in result.stderr) == (0, True)

    unfinished.write_bytes(file.read_bytes().partition(b"\n")[0] + b"\n")
    result = run("export", "--force", str(file), filled, "--after", "3")
    assert (result.exit_code, "asked for otherwise" in result.stderr) == (3, True)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda text: text[:-30], "cut in the middle"),
        (lambda text: b"".join(text.splitlines(keepends=True)[:5]), "was cut after 4 events"),
        (lambda text: text.replace(b'"n":7', b'"n":8'), "the digest is"),
        (lambda text: text.replace(b'"azoth_export":1', b'"azoth_export":9'), "upgrade Azoth"),
        (lambda _: b"", "no export begins like this"),
        (lambda text: gzip.compress(text)[:-40], "the file was cut or changed"),
    ],
)
def test_a_file_that_was_cut_or_changed_is_not_imported(
    filled: str, tmp_path: Path, spoil: Callable[[bytes], bytes], words: str
) -> None:
    """
    It is read whole before anything is written.
    """
    file, other = tmp_path / "log", f"sqlite:///{tmp_path}/other.db"
    assert run("export", str(file), filled).exit_code == 0
    file.write_bytes(spoil(file.read_bytes()))

    for options in ([], ["--append"]):
        if options:
            open_store(other).close()
        result = run("import", *options, str(file), other)

        assert (result.exit_code, words in result.stderr) == (3, True), result.stderr
        assert log_of(other) == []


def test_a_copy_has_the_same_digest(filled: str, tmp_path: Path) -> None:
    """
    And a second one copies only what is new.
    """
    other = f"lmdb:///{tmp_path}/other.lmdb"
    first = found(run("copy", "--json", filled, other))
    with open_store(filled) as store:
        store.append(Write("b-1", [NewEvent("B", b"later")], ANY))
    second = found(run("copy", "--json", filled, other))

    assert (first["head"], first["new"], second["head"], second["new"]) == (12, 12, 13, 1)
    assert first["digest"] != second["digest"]
    assert log_of(other) == log_of(filled)
    assert "equal: " in run("copy", filled, other).stdout


def test_a_store_is_not_copied_onto_itself(filled: str) -> None:
    """
    Whatever its options.
    """
    result = run("copy", filled, f"{filled}?durability=normal")

    assert (result.exit_code, "are the same store" in result.stderr) == (2, True)


def test_a_backup_is_restored_with_its_checkpoints(filled: str, tmp_path: Path) -> None:
    """
    To where nothing is.
    """
    backup, other = tmp_path / "backup", f"sqlite:///{tmp_path}/other.db"
    assert found(run("backup", "--json", str(backup), filled)) == {"backup": str(backup)}

    assert found(run("restore", "--json", str(backup), other)) == {"restored": other}

    with open_store(other) as store:
        assert store.checkpoint("c") == 5
    assert log_of(other) == log_of(filled)


def test_a_damaged_backup_is_not_restored(filled: str, tmp_path: Path) -> None:
    """
    It is verified first.
    """
    backup = tmp_path / "backup"
    assert run("backup", str(backup), filled).exit_code == 0
    backup.write_bytes(backup.read_bytes().replace(b'{"n":7', b'{"n":8'))

    result = run("restore", str(backup), f"sqlite:///{tmp_path}/other.db")

    assert (result.exit_code, "the backup is damaged" in result.stderr) == (3, True)
    assert not (tmp_path / "other.db").exists()


def test_no_log_is_taken_over_where_somebody_is_at_work(filled: str, tmp_path: Path) -> None:
    """
    Its worker is named; a log is copied out of a store in use.
    """
    used, file = f"sqlite:///{tmp_path}/used.db", str(tmp_path / "log")
    assert run("export", file, filled).exit_code == 0
    with open_store(used) as store:
        assert isinstance(store, LeaseStore)
        store.renew("web-1/7", INSTANT_MAX)
        for arguments in (["copy", filled, used], ["import", file, used]):
            result = run(*arguments)
            assert (result.exit_code, "web-1/7 is at work on" in result.stderr) == (3, True)

        assert run("copy", used, f"sqlite:///{tmp_path}/out.db").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["export", "-", "--after", "13"], "there is no position 13; the log ends at 12"),
        (["export", "-", "--until", "99"], "there is no position 99; the log ends at 12"),
        (["export", "no/such/file"], "cannot be a file"),
        (["export", "-", "--stream", "a", "--category", "a"], "not both"),
        (["import", "no/such/file"], "No such file"),
        (["restore", "x", "memory://"], "names no place"),
        (["restore", "x", "nonsense"], "is no store URL"),
        (["copy", "nonsense", "memory://"], "is no store URL"),
        (["stats", "--by", "colour"], "colour"),
        (["dead-letters", "retry", "c", "--handlers", "x:y"], "name one letter"),
        (["dead-letters", "retry", "c", "--all", "--handlers", "x:y"], "names nothing"),
        (["dead-letters", "retry", "c", "--all", "--handlers", "json:loads"], "loads() failed"),
    ],
)
def test_bad_input_is_said_in_a_sentence(filled: str, arguments: list[str], words: str) -> None:
    """
    Of what was typed, or of the store.
    """
    result = run(*arguments, url=filled)

    assert result.exit_code in {2, 3}
    assert words in result.stderr
    assert "Traceback" not in result.stderr


def test_a_part_that_ends_before_it_begins_is_not_understood(tmp_path: Path) -> None:
    """
    Nothing is written for it.
    """
    source, file = f"sqlite:///{tmp_path}/source.db", tmp_path / "log"
    with open_store(source) as store:
        store.append(Write("a", [NewEvent("T", b"")] * 3, ANY))

    refused = run("export", str(file), "--after", "3", "--until", "1", source)

    assert (refused.exit_code, file.exists()) == (2, False)
    assert "nothing lies behind 3 and up to 1" in refused.stderr
    for bounds in (["--after", "3", "--until", "1"], ["--until", "4"]):
        assert run("stats", *bounds, source).exit_code == 2


def test_of_standard_input_it_is_said_that_it_was_not_checked(tmp_path: Path) -> None:
    """
    What stood before the wrong line may be written.
    """
    source, other = f"sqlite:///{tmp_path}/source.db", f"sqlite:///{tmp_path}/other.db"
    with open_store(source) as store:
        store.append(Write("a", [NewEvent("T", b"")] * 3, ANY))
    exported = run("export", "-", source).stdout_bytes

    refused = CliRunner().invoke(azoth, ["import", "-", other], input=exported[:-20])

    assert refused.exit_code == 3
    assert "standard input is not checked first" in refused.stderr


def test_an_interrupt_has_its_exit_code_wherever_it_strikes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Before a store is open too.
    """

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("azoth.cli.exporting.looking_at", interrupted)

    assert run("export", str(tmp_path / "log"), "memory://").exit_code == 130


COPIES: Final = """
import resource, sys
from azoth.cli import main
_, most = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)), most))
main()
"""


@pytest.mark.parametrize("command", ["copy", "copy to LMDB", "export"])
def test_a_full_disk_ends_a_command_that_then_goes_on(tmp_path: Path, command: str) -> None:
    """
    With more room, by the same words.
    """
    source, file = f"sqlite:///{tmp_path}/source.db", tmp_path / "log"
    with open_store(source) as store:
        for _ in range(6):
            store.append(Write("a", [NewEvent("T", b"\xff" * 4_000)] * 100, ANY))
    scheme = "lmdb" if "LMDB" in command else "sqlite"
    other = f"{scheme}:///{tmp_path}/other"
    arguments = {
        "copy": ["copy", source, other],
        "copy to LMDB": ["copy", source, other],
        "export": ["export", str(file), source],
    }[command]

    full = subprocess.run(
        [sys.executable, "-c", COPIES, "1000000", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )

    assert full.returncode == 3, full.stderr
    assert "Traceback" not in full.stderr
    assert "room" in full.stderr or "too large" in full.stderr
    assert run(*arguments).exit_code == 0
    if command != "export":
        assert log_of(other) == log_of(source)


def test_a_copy_that_is_killed_or_interrupted_is_gone_on_with(tmp_path: Path) -> None:
    """
    Ctrl-C has exit code 130; a followed copy is stopped by it, and nothing is missing.
    """
    source, other = f"sqlite:///{tmp_path}/source.db", f"lmdb:///{tmp_path}/other.lmdb"
    # A child of a shell's background job is born deaf to Ctrl-C.
    program = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from azoth.cli import main; main()"
    )
    command = [sys.executable, "-c", program, "copy", "--follow", "--json", source, other]
    with open_store(source) as store:
        store.append(Write("a", [NewEvent("T", b"first")] * 100, ANY))
        for end, code in ((signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)):
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
                assert child.stdout is not None
                head = json.loads(child.stdout.readline())["head"]
                store.append(Write("a", [NewEvent("T", b"later")] * 3, ANY))
                while json.loads(child.stdout.readline()) != {
                    "head": head + 3,
                    "copied": head + 3,
                    "lag": 0,
                }:
                    pass
                child.send_signal(end)
                assert child.wait() == code

    assert log_of(other) == log_of(source)
