"""
The commands that build the schedule table anew: in a file, or to compare it.
"""

import json
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from azoth import open_store
from azoth_scheduler import Cron, Scheduler, ScheduleTaskRequest
from azoth_scheduler.cli import rebuilding
from azoth_scheduler.cli.commands import azoth_scheduler
from azoth_scheduler.projection import SqliteScheduleProjection, rebuild_table


@pytest.fixture
def url(tmp_path: Path) -> str:
    """
    A log with thirty tasks.
    """
    made = f"sqlite:///{tmp_path}/azoth.db"
    with open_store(made) as store, Scheduler(store) as scheduler:
        for number in range(30):
            request = ScheduleTaskRequest(f"task-{number}", "report", Cron("0 0 0 * * *"))
            scheduler.schedule_task(request)
    return made


def run(*arguments: str, url: str) -> Result:
    """
    Run the command in this process.
    """
    return CliRunner().invoke(azoth_scheduler, arguments, env={"AZOTH_STORE": url})


def found(result: Result) -> Any:  # noqa: ANN401 - JSON
    """
    The one JSON line that a command printed.
    """
    assert result.exit_code == 0, (result.output, result.exception)
    return json.loads(result.stdout)


def test_a_table_is_built_anew(url: str, tmp_path: Path) -> None:
    """
    It has the digest that a replay in memory has, and is used by a scheduler as it is.
    """
    file = tmp_path / "table.db"

    rebuilt = found(run("rebuild", "--json", str(file), url=url))

    assert rebuilt == {"file": str(file), **found(run("replay", "--json", url=url))}
    table = SqliteScheduleProjection(file)
    assert (table.position, table.digest()) == (30, rebuilt["digest"])
    table.close()


def test_a_rebuild_that_was_stopped_is_gone_on_with(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    From where it stood; the table that is there stays until then.
    """
    by_tens = partial(rebuild_table, page_size=10)
    monkeypatch.setattr(f"{rebuilding.__name__}.rebuild_table", by_tens)
    file, told = tmp_path / "table.db", list[int]()

    def stopped(position: int) -> None:
        told.append(position)
        if told == [10]:
            raise KeyboardInterrupt

    class Shown:
        def __init__(self, **_: object) -> None:
            pass

        def __enter__(self) -> Any:  # noqa: ANN401 - a progress
            return lambda _step, done, _total: stopped(done)

        def __exit__(self, *_: object) -> None:
            return None

    monkeypatch.setattr(f"{rebuilding.__name__}.progress_shown", Shown)
    assert run("rebuild", str(file), url=url).exit_code == 130
    assert not file.exists()

    assert run("rebuild", str(file), url=url).exit_code == 0
    assert told == [10, 20, 30]


def test_a_table_is_replaced_by_force_also_while_it_is_open(url: str, tmp_path: Path) -> None:
    """
    Whoever has it open sees the new rows; without force it stays as it is.
    """
    file = tmp_path / "table.db"
    with closing(SqliteScheduleProjection(file)) as table:
        refused = run("rebuild", str(file), url=url)
        before = table.position
        rebuilt = found(run("rebuild", "--force", "--json", str(file), url=url))

        assert (refused.exit_code, "--force" in refused.stderr, before) == (3, True, 0)
        assert (table.position, table.digest()) == (30, rebuilt["digest"])
    assert sorted(path.name for path in tmp_path.glob("table*")) == ["table.db"]


def test_a_file_of_another_program_is_left_as_it_is(url: str, tmp_path: Path) -> None:
    """
    By force too.
    """
    file = tmp_path / "table.db"
    file.write_bytes(b"not a table" * 100)

    refused = run("rebuild", "--force", str(file), url=url)

    assert (refused.exit_code, "not a database" in refused.stderr) == (3, True)
    assert file.read_bytes() == b"not a table" * 100


def test_a_replay_ends_where_it_is_told(url: str) -> None:
    """
    And prints digests on the way.
    """
    lines = run("replay", "--until", "20", "--print-digest", "every=8", url=url).stdout.splitlines()

    assert [line.split()[0] for line in lines] == ["8", "16", "20"]
    assert run("replay", "--until", "31", url=url).exit_code == 2


@pytest.mark.parametrize("left", ["nothing", "a table", "other things"])
def test_a_rebuild_without_room_goes_on_by_the_same_command(
    url: str, tmp_path: Path, left: str
) -> None:
    """
    A file without a table is no table that would be lost; anything else takes --force.
    """
    file = tmp_path / "table.db"
    if left == "a table":
        assert run("rebuild", str(file), url=url).exit_code == 0
    else:
        file.write_bytes(b"" if left == "nothing" else b"other things" * 100)
    assert run("rebuild", str(file), url=url).exit_code == 3

    SqliteScheduleProjection(f"{file}.rebuild").close()

    assert run("rebuild", str(file), url=url).exit_code == (0 if left == "nothing" else 3)
