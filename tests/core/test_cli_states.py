"""
Every command on every kind of store: empty, missing, damaged, from a newer version, in use.
"""

import shutil
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest
from click.testing import CliRunner

from azoth import ANY, LeaseStore, NewEvent, Write, open_store
from azoth.cli.commands import azoth
from azoth.clocks import INSTANT_MAX

pytestmark = pytest.mark.uncovered

STATES: Final = ("empty", "missing", "damaged", "newer", "in use")

COMMANDS: Final[Mapping[str, tuple[Sequence[str], Sequence[int]]]] = {
    # The exit codes in the order of the states.
    "info": (["info", "{store}"], (0, 3, 3, 3, 0)),
    "tail": (["tail", "{store}"], (0, 3, 3, 3, 0)),
    "tail of nothing": (["tail", "-n", "0", "{store}"], (0, 3, 0, 3, 0)),
    "show": (["show", "2", "{store}"], (2, 3, 3, 3, 0)),
    "show a stream": (["show", "a", "{store}"], (1, 3, 3, 3, 0)),
    "verify": (["verify", "{store}"], (0, 3, 1, 3, 0)),
    "doctor": (["doctor", "{store}"], (0, 3, 1, 3, 0)),
    "stats": (["stats", "--by", "stream", "{store}"], (0, 3, 3, 3, 0)),
    "export": (["export", "{folder}/out", "{store}"], (0, 3, 3, 3, 0)),
    "export to a pipe": (["export", "-", "{store}"], (0, 3, 3, 3, 0)),
    "export too much": (["export", "-", "--until", "9", "{store}"], (2, 3, 2, 3, 2)),
    "import": (["import", "{folder}/log", "{store}"], (0, 0, 3, 3, 3)),
    "import --append": (["import", "--append", "{folder}/log", "{store}"], (0, 3, 0, 3, 0)),
    "copy from": (["copy", "{store}", "sqlite:///{folder}/out.db"], (0, 3, 3, 3, 0)),
    "copy to": (["copy", "sqlite:///{folder}/sound.db", "{store}"], (0, 0, 3, 3, 3)),
    "backup": (["backup", "{folder}/out", "{store}"], (0, 3, 0, 3, 0)),
    "restore from": (["restore", "{path}", "sqlite:///{folder}/out.db"], (0, 3, 3, 3, 0)),
    "restore to": (["restore", "{folder}/sound.db", "{store}"], (3, 0, 3, 3, 3)),
    "at": (["at", "2", "{store}"], (2, 3, 3, 3, 0)),
    "diff": (["diff", "0", "2", "{store}"], (2, 3, 3, 3, 0)),
    "diff of stores": (["diff", "{store}", "{store}"], (0, 3, 3, 3, 0)),
    "bisect": (["bisect", "x=1", "--key", "k", "{store}"], (1, 3, 3, 3, 1)),
    "why": (["why", "daily", "{store}"], (1, 3, 3, 3, 1)),
    "what-if": (["what-if", "daily", '{{"command":"pause"}}', "{store}"], (1, 3, 3, 3, 1)),
    "replay": (["replay", "{store}"], (0, 3, 3, 3, 0)),
    "projections": (["projections", "{store}"], (0, 3, 0, 3, 0)),
    "dead-letters list": (["dead-letters", "list", "{store}"], (0, 3, 0, 3, 0)),
    "dead-letters drop": (
        ["dead-letters", "drop", "c", "1/h", "--store", "{store}"],
        (1, 3, 1, 3, 1),
    ),
    "dead-letters retry": (
        ["dead-letters", "retry", "c", "1/h", "--handlers", "builtins:list", "-s", "{store}"],
        (1, 3, 1, 3, 1),
    ),
}

ONCE: Final = {"backup", "copy", "export", "import", "restore"}
"""Commands that cannot be given twice, or do nothing then."""

WORDS: Final = {
    "missing": "there is no store at",
    "damaged": "restore a backup",
    "newer": "upgrade Azoth",
}


def fill(url: str) -> None:
    """
    Make a log with three events.
    """
    with open_store(url) as store:
        store.append(Write("a", [NewEvent("T", b'{"n":%d}' % n) for n in (1, 2, 3)], ANY))


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """
    A folder for each state: a store in it, and beside it a sound one and its export.
    """
    templates = tmp_path_factory.mktemp("templates")
    for state in STATES:
        folder = templates / state
        folder.mkdir()
        fill(f"sqlite:///{folder}/sound.db")
        sound = ["export", f"{folder}/log", f"sqlite:///{folder}/sound.db"]
        assert CliRunner().invoke(azoth, sound).exit_code == 0
        _make(folder / "azoth.db", state)
    return templates


def _make(path: Path, state: str) -> None:
    if state == "empty":
        open_store(f"sqlite:///{path}").close()
    elif state != "missing":
        fill(f"sqlite:///{path}")
    if state == "damaged":
        path.write_bytes(path.read_bytes().replace(b'{"n":2}', b'{"n":9}'))
    elif state == "newer":
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA user_version = 99")


@pytest.fixture
def path(request: pytest.FixtureRequest, tmp_path: Path, templates: Path) -> Iterator[Path]:
    """
    A store in the state that is asked for.
    """
    folder = shutil.copytree(templates / request.param, tmp_path / "stores")
    if request.param != "in use":
        yield folder / "azoth.db"
        return
    with open_store(f"sqlite:///{folder}/azoth.db") as store:
        assert isinstance(store, LeaseStore)
        store.renew("web-1/1", INSTANT_MAX)
        yield folder / "azoth.db"


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(("path", "state"), [(s, s) for s in STATES], indirect=["path"], ids=STATES)
def test_every_command_answers_on_every_kind_of_store(path: Path, state: str, command: str) -> None:
    """
    With an exit code of the table, a sentence that says what to do, and without a change.
    """
    template, codes = COMMANDS[command]
    places = {"store": f"sqlite:///{path}", "path": str(path), "folder": str(path.parent)}
    before = path.read_bytes() if state in {"damaged", "newer"} else b""

    for options in ([], ["--json"]):
        result = CliRunner().invoke(
            azoth, [*(part.format(**places) for part in template), *options]
        )

        expected = codes[STATES.index(state)]
        assert result.exit_code == expected, (result.output, result.exception)
        assert result.exception is None or isinstance(result.exception, SystemExit)
        if expected == 3 and "to" not in command and "import" not in command:
            assert WORDS[state] in result.stderr
        if expected == 0 and template[0] in ONCE:
            break
    if before and command != "import --append":
        assert path.read_bytes() == before
