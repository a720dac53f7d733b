"""
The command `azoth`: lines for people, JSON for machines, an exit code for scripts, no tracebacks.
"""

import json
import signal
import subprocess
import sys
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner, Result

from azoth import (
    ANY,
    EventStore,
    NewEvent,
    Page,
    Problem,
    Progress,
    Query,
    StoreCorrupt,
    Write,
    open_store,
)
from azoth.cli import main, opening
from azoth.cli.commands import azoth
from azoth.testing import FaultyStore

NAMES: Final = ("info", "tail", "show", "verify")


@pytest.fixture
def filled(url: str) -> str:
    """
    A store with twelve events, one of which is no JSON.
    """
    with open_store(url) as store:
        for number in range(1, 12):
            data = b'{"n":%d,"name":"\xc3\xa9"}' % number
            store.append(Write(f"a-{number % 2}", [NewEvent("T", data, {"user": "ada"})], ANY))
        store.append(Write("b-1", [NewEvent("B", b"\x1b[31m\xff")], ANY))
    return url


def run(*arguments: str, url: str | None = None) -> Result:
    """
    Run the command in this process.
    """
    return CliRunner().invoke(azoth, arguments, env={"AZOTH_STORE": url})


def lines(result: Result) -> list[Any]:
    """
    The JSON lines that a command printed.
    """
    assert result.exit_code in {0, 1}, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_the_store_is_named_by_argument_option_or_variable(filled: str) -> None:
    """
    The argument wins over the option, and the option over the variable.
    """
    for result in (
        run("info", "--json", filled),
        run("info", "--json", "--store", filled),
        run("info", "--json", url=filled),
        run("info", "--json", filled, "--store", "memory://", url="memory://"),
        run("info", "--json", "--store", filled, url="memory://"),
    ):
        assert lines(result)[0]["head"] == 12


def test_info_says_how_long_the_log_is_and_what_the_store_can_do(filled: str) -> None:
    """
    For people and for machines.
    """
    (facts,) = lines(run("info", "--json", url=filled))

    assert (facts["store"], facts["head"], facts["last_type"]) == (filled, 12, "B")
    assert facts["first_recorded_at"] <= facts["last_recorded_at"]
    assert {"verify", "backup"} <= set(facts["can"])
    assert "12" in run("info", url=filled).stdout


def test_info_of_an_empty_log_has_no_times() -> None:
    """
    And does not fail.
    """
    (facts,) = lines(run("info", "--json", url="memory://"))

    assert (facts["head"], facts["first_recorded_at"], facts["last_type"]) == (0, None, None)
    assert run("info", url="memory://").exit_code == 0


def test_tail_prints_the_last_events_oldest_first(filled: str) -> None:
    """
    Ten unless asked for another number.
    """
    assert [event["position"] for event in lines(run("tail", "--json", url=filled))] == [
        *range(3, 13)
    ]
    assert [event["position"] for event in lines(run("tail", "--json", "-n2", url=filled))] == [
        11,
        12,
    ]
    assert lines(run("tail", "--json", "-n0", url=filled)) == []


@pytest.mark.parametrize(
    ("options", "positions"),
    [
        (["--after", "9"], [10, 11, 12]),
        (["--stream", "a-0", "-n", "2"], [8, 10]),
        (["--category", "b"], [12]),
        (["--type", "B", "--type", "T", "-n", "1"], [12]),
        (["--type", "None"], []),
    ],
)
def test_tail_may_be_kept_to_some_events(
    filled: str, options: list[str], positions: list[int]
) -> None:
    """
    By stream, category, type, or from a position on.
    """
    shown = lines(run("tail", "--json", *options, url=filled))

    assert [event["position"] for event in shown] == positions


def test_tail_reads_on_where_a_page_is_shorter_than_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    A page may end for its size.
    """
    store = open_store("memory://")
    store.append(Write("a", [NewEvent("T", b"%d" % n) for n in range(5)], ANY))

    class Short(FaultyStore):
        def read(self, query: Query = Query(), **bounds: Any) -> Page:  # noqa: ANN401, B008 - the port's
            return super().read(query, **(bounds | {"limit": 1}))

    monkeypatch.setattr(opening, "open_store", lambda _: Short(store))

    shown = lines(run("tail", "--json", "-n3", url="memory://"))

    assert [event["position"] for event in shown] == [3, 4, 5]


def test_an_event_is_shown_whole(filled: str) -> None:
    """
    With its data parsed, or as base64 where it is no JSON.
    """
    (first,) = lines(run("show", "--json", "1", url=filled))
    (last,) = lines(run("show", "--json", "12", url=filled))

    assert first["data"] == {"n": 1, "name": "é"}
    assert (first["stream"], first["version"], first["type"]) == ("a-1", 1, "T")
    assert first["metadata"] == {"user": "ada"}
    assert b64decode(last["data_base64"]) == b"\x1b[31m\xff"
    assert '"name": "é"' in run("show", "1", url=filled).stdout


@pytest.mark.parametrize("data", [b"NaN", b'"\\ud800"', b"[" * 100_000, b"", b"\xff"])
def test_any_data_can_be_shown(url: str, data: bytes) -> None:
    """
    As what it is, in JSON that every reader takes.
    """
    with open_store(url) as store:
        store.append(Write("a", [NewEvent("T", data)], ANY))

    for command in (["show", "1"], ["tail"]):
        assert run(*command, url=url).exit_code == 0
    for command in (["show", "--json", "1"], ["tail", "--json"]):
        json.loads(run(*command, url=url).stdout, parse_constant=pytest.fail)


def test_a_stream_is_shown_event_by_event(filled: str) -> None:
    """
    Up to a limit.
    """
    shown = lines(run("show", "--json", "a-1", "--limit", "3", url=filled))

    assert [event["version"] for event in shown] == [1, 2, 3]
    assert "b-1@1" in run("show", "b-1", url=filled).stdout


@pytest.mark.parametrize("what", ["nobody", "bogus-1", "-", "12a"])
def test_a_stream_that_is_not_there_has_exit_code_1(filled: str, what: str) -> None:
    """
    It is called a stream, for that is what was asked for.
    """
    result = run("show", "--", what, url=filled)

    assert (result.exit_code, result.stdout) == (1, "")
    assert f"there is no stream {what!r}" in result.stderr


@pytest.mark.parametrize("what", ["13", "0", "99999999", "9" * 30, "9" * 5_000])
def test_a_position_that_is_none_has_exit_code_2(filled: str, what: str) -> None:
    """
    The message says which ones there are.
    """
    result = run("show", what, url=filled)

    assert (result.exit_code, result.stdout) == (2, "")
    assert f"there is no position {what[:19]}; give one from 1 to 12" in result.stderr
    assert "the log is empty" in run("show", "1", url="memory://").stderr


def test_what_is_in_a_log_does_not_reach_the_terminal(url: str) -> None:
    """
    Colours, cursor movements and titles are shown as what they are.
    """
    with open_store(url) as store:
        event = NewEvent("T\x1b]0;t\x07", b"\x1b[2J", {"m\x1b": "\x9b"})
        store.append(Write("a\x1b[1A", [event, NewEvent("J", b'{"k":"\\u001b"}')], ANY))

    for command in (["tail"], ["show", "1"], ["show", "2"], ["tail", "--json"], ["info"]):
        output = run(*command, url=url).stdout
        assert not set(output) & {"\x1b", "\x07", "\x9b"}


def test_a_sound_log_has_exit_code_0(filled: str) -> None:
    """
    The verdict is one line, or one JSON object.
    """
    (verdict,) = lines(run("verify", "--json", url=filled))

    assert verdict == {"sound": True, "head": 12, "problems": []}
    assert "12 events, sound" in run("verify", url=filled).stderr


def test_a_damaged_log_has_exit_code_1(filled: str, tmp_path: Path) -> None:
    """
    Each problem is named with its position.
    """
    file = tmp_path / "azoth.db"
    file.write_bytes(file.read_bytes().replace(b'{"n":7', b'{"n":8'))

    result = run("verify", "--json", url=filled)

    (verdict,) = lines(result)
    assert (result.exit_code, verdict["sound"]) == (1, False)
    assert 7 in [problem["position"] for problem in verdict["problems"]]
    assert "position 7: " in run("verify", url=filled).stdout
    assert run("show", "7", url=filled).exit_code == 3


class Damaged(FaultyStore):
    """
    A store that cannot verify itself, with records that fail their checksum.
    """

    def __init__(self, store: EventStore, *positions: int | None) -> None:
        super().__init__(store)
        self._positions = positions

    def read(self, query: Query = Query(), *, after: int = 0, **bounds: Any) -> Page:  # noqa: ANN401, B008 - the port's
        for position in self._positions:
            if position is None or position > after:
                raise StoreCorrupt(position=position)
        return super().read(query, after=after, **bounds)


@pytest.mark.parametrize(
    ("positions", "found"), [((), []), ((2, 4), [2, 4]), ((2, None), [2, None])]
)
def test_a_store_that_cannot_verify_is_read(
    monkeypatch: pytest.MonkeyPatch, positions: tuple[int | None, ...], found: list[int | None]
) -> None:
    """
    Behind each event that cannot be read, reading goes on where that is possible.
    """
    store = open_store("memory://")
    store.append(Write("a", [NewEvent("T", b"")] * 5, ANY))
    monkeypatch.setattr(opening, "open_store", lambda _: Damaged(store, *positions))

    result = run("verify", "--json", url="memory://")

    assert [problem["position"] for problem in lines(result)[0]["problems"]] == found
    assert result.exit_code == bool(found)


def test_a_store_s_own_check_is_asked_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    It sees what reading does not.
    """

    class Own(FaultyStore):
        def verify(self, progress: Progress | None = None) -> list[Problem]:
            return [Problem(position=None, reason="a key has no event")]

    monkeypatch.setattr(opening, "open_store", lambda _: Own(open_store("memory://")))

    result = run("verify", url="memory://")

    assert (result.exit_code, result.stdout) == (1, "a key has no event\n")


def test_verify_tells_how_far_it_is(filled: str) -> None:
    """
    In lines where nobody watches, and not at all to a machine; the verdict stands alone.
    """
    result = run("verify", url=filled)

    assert "checking events: 12 of 12\n" in result.stderr
    assert result.stderr.endswith("\n12 events, sound\n")
    assert result.stdout == ""
    assert run("verify", "--json", url=filled).stderr == ""


def test_verify_shows_a_bar_on_a_terminal(filled: str) -> None:
    """
    It is gone once the verdict is there.
    """
    environment = {"AZOTH_STORE": filled, "FORCE_COLOR": "1", "TERM": "xterm", "COLUMNS": "100"}

    result = CliRunner().invoke(azoth, ["verify"], env=environment)

    assert "checking leases" in result.stderr
    assert "━" in result.stderr
    assert "12 of 12" not in result.stderr


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("nonsense", "is no store URL"),
        ("mysql://x", "no store serves 'mysql'"),
        ("postgresql://x", "run: pip install 'azoth-scheduler[postgres]'"),
        ("sqlite:///no/such.db", "there is no store at 'no/such.db'"),
        ("memory://?color=red", "has no option 'color'"),
    ],
)
def test_a_store_that_cannot_be_opened_has_exit_code_3(name: str, url: str, reason: str) -> None:
    """
    One sentence says what to change; nothing is created.
    """
    result = run(name, *(["1"] if name == "show" else []), url=url)

    assert (result.exit_code, result.stdout) == (3, "")
    assert reason in result.stderr
    assert "Traceback" not in result.stderr


def test_a_file_that_is_no_store_is_left_as_it_is(tmp_path: Path) -> None:
    """
    Whatever it is.
    """
    file = tmp_path / "notes.txt"
    file.write_text("my notes\n" * 1_000)

    result = run("info", f"sqlite:///{file}")

    assert result.exit_code == 3
    assert file.read_text() == "my notes\n" * 1_000


@pytest.mark.parametrize(
    "arguments",
    [
        ["info"],
        ["show"],
        ["tail", "-n", "-1", "memory://"],
        ["tail", "--after", "x", "memory://"],
        ["fly"],
        ["info", "a", "b"],
    ],
)
def test_a_command_that_is_not_understood_has_exit_code_2(arguments: list[str]) -> None:
    """
    The usage is printed, or what is missing.
    """
    result = run(*arguments)

    assert result.exit_code == 2
    assert "Usage: " in result.stderr


def test_two_filters_that_exclude_each_other_are_refused() -> None:
    """
    With the words of the library.
    """
    result = run("tail", "--stream", "a", "--category", "a", url="memory://")

    assert result.exit_code == 3
    assert "not both" in result.stderr


def test_an_interrupted_command_has_exit_code_130(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    As a shell expects.
    """

    class Interrupted(FaultyStore):
        def wait(self, after: int, timeout: float | None = None) -> int:
            raise KeyboardInterrupt

    monkeypatch.setattr(opening, "open_store", lambda _: Interrupted(open_store("memory://")))

    assert run("tail", url="memory://").exit_code == 130


def test_a_pipe_that_is_closed_ends_the_command_quietly(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    `azoth tail | head -1` is no error of the store.
    """

    class Closed(FaultyStore):
        def wait(self, after: int, timeout: float | None = None) -> int:
            raise BrokenPipeError

    monkeypatch.setattr(opening, "open_store", lambda _: Closed(open_store("memory://")))

    assert run("tail", url="memory://").exit_code not in {0, 3}


@pytest.mark.parametrize(
    "arguments", [("tail",), ("tail", "--json"), ("info",), ("show", "a-1")], ids=" ".join
)
def test_an_output_that_is_full_is_not_a_store_that_is_full(
    filled: str, arguments: tuple[str, ...]
) -> None:
    """
    It has exit code 1 and one sentence, which names the output.
    """
    command = [str(Path(sys.executable).with_name("azoth")), *arguments, "--store", filled]
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)

    assert ended.returncode == 1
    assert ended.stderr.startswith("Error: standard output cannot be written: No space left")
    assert ended.stderr.count("\n") == 1


def test_without_the_extra_the_command_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    Instead of a traceback.
    """
    monkeypatch.setitem(sys.modules, "azoth.cli.commands", None)

    with pytest.raises(SystemExit, match=r"pip install 'azoth-scheduler\[cli\]'"):
        main()


def test_help_names_the_exit_codes() -> None:
    """
    A script's author looks there first.
    """
    result = run("--help")

    assert result.exit_code == 0
    assert "130 interrupted" in " ".join(result.stdout.split())


def test_tail_follows_another_process_until_it_is_interrupted(filled: str) -> None:
    """
    The console script itself: what is appended is printed at once.
    """
    with following(filled) as (process, shown):
        assert json.loads(next(shown))["position"] == 12
        with open_store(filled) as store:
            store.append(Write("a-1", [NewEvent("New", b"{}")], ANY))

        assert json.loads(next(shown))["type"] == "New"
        process.send_signal(signal.SIGINT)

        assert process.wait(60) == 130
        assert process.stderr is not None
        assert process.stderr.read() == ""


class following:  # noqa: N801 - it reads as a verb
    """
    Run `azoth tail --follow` beside the test.
    """

    def __init__(self, url: str) -> None:
        command = [str(Path(sys.executable).with_name("azoth")), "tail", "-f", "-n1", "--json", url]
        # A shell starts what runs in its background deaf to Ctrl-C, and children inherit that.
        self._process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=_hear_ctrl_c,  # noqa: PLW1509 - it takes no lock
        )

    def __enter__(self) -> tuple[subprocess.Popen[str], Iterator[str]]:
        assert self._process.stdout is not None
        return self._process, iter(self._process.stdout)

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()


def _hear_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
