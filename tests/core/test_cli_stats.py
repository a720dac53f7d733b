"""
The commands that count events and those that settle dead letters.
"""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from azoth import (
    ANY,
    DeadLetter,
    Event,
    EventProcessor,
    NewEvent,
    Write,
    open_store,
)
from azoth.cli.commands import azoth
from azoth.testing import ManualClock


@pytest.fixture
def filled(url: str, clock: ManualClock) -> str:
    """
    Six events over two days, and an escape sequence in a name.
    """
    with open_store(url, clock=clock) as store:
        for hours, stream, type_ in (
            (0, "a-1", "T"),
            (1, "a-2", "T"),
            (1, "a-1", "T"),
            (22, "b", "U"),
            (5, "b", "T"),
            (0, "c-\x1b[1m", "V"),
        ):
            clock.advance(hours * 3_600)
            store.append(Write(stream, [NewEvent(type_, b"1")], ANY))
    return url


def run(*arguments: str, url: str | None = None) -> Result:
    """
    Run the command in this process.
    """
    return CliRunner().invoke(azoth, arguments, env={"AZOTH_STORE": url})


def rows(url: str, *arguments: str) -> list[tuple[str, int]]:
    """
    The rows of `stats`.
    """
    result = run("stats", "--json", *arguments, url=url)
    assert result.exit_code == 0, result.output
    return [(row["name"], row["events"]) for row in json.loads(result.stdout)["rows"]]


def test_events_are_counted_by_what_they_are(filled: str) -> None:
    """
    The most frequent first.
    """
    assert rows(filled) == [("T", 4), ("U", 1), ("V", 1)]
    assert rows(filled, "--by", "category")[0] == ("a", 3)
    assert rows(filled, "--by", "stream", "--top", "1") == [("a-1", 2)]
    assert rows(filled, "--after", "2", "--until", "4", "--category", "a") == [("T", 1)]


def test_events_are_counted_by_when_they_were(filled: str) -> None:
    """
    In the order of time, of which the last are shown.
    """
    assert [count for _, count in rows(filled, "--by", "day")] == [3, 3]
    assert [count for _, count in rows(filled, "--by", "hour")] == [1, 1, 1, 1, 2]
    assert rows(filled, "--by", "hour", "--top", "1")[0][1] == 2
    assert rows(filled, "--by", "hour")[0][0].endswith(":00Z")


def test_counts_are_a_table_with_bars(filled: str) -> None:
    """
    Whose bars are as long as the counts, and which holds no escape sequence.
    """
    result = run("stats", "--by", "stream", url=filled)

    bars = {line.split()[0]: line.count("█") for line in result.stdout.splitlines()[1:]}
    assert (bars["a-1"], bars["a-2"]) == (30, 15)
    assert "\x1b" not in result.stdout
    assert "6 events, 4 by stream" in result.stderr
    assert "3 more not shown" in run("stats", "--by", "stream", "--top", "1", url=filled).stderr


MODULE = """
class Bill:
    name, types = "bill", ("T",)

    def handle(self, event):
        {body}

handlers = [Bill()]
"""


@pytest.fixture
def letters(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """
    A store with two dead letters, and a module that can handle them.
    """

    class Bill:
        name, types = "bill", ("T",)

        def handle(self, _event: Event) -> None:
            raise ValueError("no\x1b[1m money")

    with open_store(url) as store:
        store.append(Write("a", [NewEvent("T", b"1"), NewEvent("T", b"2")], ANY))
        EventProcessor(store, [Bill()], name="bills", on_error=DeadLetter()).catch_up()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "mending.py").write_text(MODULE.format(body="return None"))
    (tmp_path / "failing.py").write_text(MODULE.format(body="raise KeyError"))
    return url


def listed(url: str, *arguments: str) -> list[Any]:
    """
    The letters that are open.
    """
    result = run("dead-letters", "list", "--json", *arguments, url=url)
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_dead_letters_are_listed(letters: str) -> None:
    """
    Of all consumers, or of one.
    """
    assert [letter["id"] for letter in listed(letters)] == ["1/bill", "2/bill"]
    assert listed(letters)[0]["errors"] == [
        {"type": "builtins.ValueError", "text": "no\x1b[1m money"}
    ]
    assert listed(letters, "--consumer", "nobody") == []
    shown = run("dead-letters", "list", url=letters)
    assert "ValueError" in shown.stdout
    assert "\x1b" not in shown.stdout
    assert "2 open" in shown.stderr


def test_a_dead_letter_is_retried(letters: str) -> None:
    """
    By handlers that are named; what fails again has exit code 1.
    """
    command = ["dead-letters", "retry", "bills"]

    failed = run(*command, "1/bill", "--handlers", "failing:handlers", url=letters)
    assert (failed.exit_code, "0 settled, 2 open" in failed.stderr) == (1, True)
    mended = run(*command, "1/bill", "--json", "--handlers", "mending:handlers", url=letters)
    assert (mended.exit_code, json.loads(mended.stdout)) == (0, {"settled": 1, "open": 1})
    assert run(*command, "--all", "--handlers", "mending:handlers", url=letters).exit_code == 0
    assert run(*command, "--all", "--handlers", "mending:handlers", url=letters).exit_code == 0
    assert listed(letters) == []
    gone = run(*command, "1/bill", "--handlers", "mending:handlers", url=letters)
    assert (gone.exit_code, "no open dead letter" in gone.stderr) == (1, True)


def test_a_dead_letter_is_dropped(letters: str) -> None:
    """
    With a reason.
    """
    dropped = run("dead-letters", "drop", "bills", "2/bill", "--reason", "paid", url=letters)

    assert (dropped.exit_code, "1 open" in dropped.stderr) == (0, True)
    assert [letter["id"] for letter in listed(letters)] == ["1/bill"]
    assert run("dead-letters", "drop", "bills", "2/bill", url=letters).exit_code == 1
