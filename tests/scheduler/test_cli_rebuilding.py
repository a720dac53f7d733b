"""
The commands that build the schedule table anew: in a file, or to compare it.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from azoth import open_store
from azoth_scheduler import Cron, Scheduler, ScheduleTaskRequest
from azoth_scheduler.cli import rebuilding
from azoth_scheduler.cli.commands import azoth_scheduler
from azoth_scheduler.projection import SqliteScheduleProjection


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
    monkeypatch.setattr(f"{rebuilding.__name__}._STEP", 10)
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


def test_a_table_is_replaced_by_force_and_never_while_it_is_open(url: str, tmp_path: Path) -> None:
    """
    Whoever has it open would go on with the old one.
    """
    file = tmp_path / "table.db"
    table = SqliteScheduleProjection(file)

    refused = run("rebuild", str(file), url=url)
    in_use = run("rebuild", "--force", str(file), url=url)
    table.close()

    assert (refused.exit_code, "--force" in refused.stderr) == (3, True)
    assert (in_use.exit_code, "in use" in in_use.stderr) == (3, True)
    assert found(run("rebuild", "--force", "--json", str(file), url=url))["position"] == 30
    assert sorted(path.name for path in tmp_path.glob("table*")) == ["table.db"]


def test_a_replay_ends_where_it_is_told(url: str) -> None:
    """
    And prints digests on the way.
    """
    lines = run("replay", "--until", "20", "--print-digest", "every=8", url=url).stdout.splitlines()

    assert [line.split()[0] for line in lines] == ["8", "16", "20"]
    assert run("replay", "--until", "31", url=url).exit_code == 2
