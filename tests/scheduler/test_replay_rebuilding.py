"""
The schedule table rebuilt in its file, while appends go on, through stops, kills and failures.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import Event as Flag
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from azoth import Event, EventStore, Projector, StoreFailed, replay
from azoth.replay import Pace, paced
from azoth.testing import ManualClock
from azoth_scheduler import MemoryScheduleProjection, OutdatedTable, rebuild_table
from azoth_scheduler import SqliteScheduleProjection as Table
from azoth_scheduler.projection import rebuilding
from tests.house.sources import ROOT
from tests.support.replaying import grow, stored
from tests.support.task_logs import LogTeller

pytestmark = pytest.mark.uncovered

LOG: Final = LogTeller(7).tell(60)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """
    Where the table is.
    """
    return tmp_path / "tasks.db"


@pytest.fixture
def store() -> Iterator[EventStore]:
    """
    A log of some tasks.
    """
    with stored(LOG) as opened:
        yield opened


def digest_of(path: Path) -> tuple[str, int]:
    """
    Return the digest and the position of the table in a file.
    """
    with closing(Table(path)) as table:
        return table.digest(), table.position


def folded(store: EventStore) -> tuple[str, int]:
    """
    Return digest and position of the fold of the whole log.
    """
    table = replay(store, MemoryScheduleProjection())
    return table.digest(), table.position


@pytest.mark.rule("R7")
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 99), st.lists(st.integers(0, 9), max_size=6), st.integers(1, 20))
def test_a_table_rebuilt_while_appends_go_on_equals_the_live_one(
    tmp_path_factory: pytest.TempPathFactory, seed: int, during: list[int], page: int
) -> None:
    """
    Appends, and stops after each page, at will: at the switch both are one.
    """
    events, path = LogTeller(seed).tell(80), tmp_path_factory.mktemp("r7") / "tasks.db"
    told = len(events) // 2
    with stored(events[:told]) as store, closing(Table(path)) as live:
        projector = Projector(store, live)
        projector.catch_up()
        stops = list(during)
        switched = False
        while not switched:
            stop = Flag()

            def append(_step: str, _done: int, _total: int | None, stop: Flag = stop) -> None:
                nonlocal told
                if stops:
                    told = grow(store, events, told, stops.pop())
                    projector.catch_up()
                    stop.set()

            switched = rebuild_table(store, path, stop=stop, progress=append, page_size=page)

        assert live.digest() == folded(store)[0]
        assert live.position == projector.catch_up() == folded(store)[1]
        assert not Path(f"{path}.rebuild").exists()


def test_rows_that_are_wrong_are_mended(store: EventStore, path: Path) -> None:
    """
    What somebody changed in the table is as the log says again, also for who has it open.
    """
    with closing(Table(path)) as live:
        Projector(store, live).catch_up()
        with live._file.transaction("IMMEDIATE") as connection:
            connection.execute("DELETE FROM attempts")

        assert rebuild_table(store, path)

        live._digest = None
        assert live.digest() == folded(store)[0]


def test_a_table_that_is_missing_is_made(store: EventStore, path: Path) -> None:
    """
    A rebuild is a first build as well.
    """
    assert rebuild_table(store, path)
    assert digest_of(path) == folded(store)


def test_a_stop_before_the_first_page_changes_nothing(store: EventStore, path: Path) -> None:
    """
    The table is as it was, and what was built stays for the next call.
    """
    stop = Flag()
    stop.set()

    assert not rebuild_table(store, path, stop=stop)
    assert not path.exists()
    assert rebuild_table(store, path)


def test_a_rebuild_goes_on_where_it_was_stopped(store: EventStore, path: Path) -> None:
    """
    Page by page; no event is folded twice.
    """
    starts: list[int] = []
    for _ in range(3):
        stop = Flag()

        def tell(_step: str, done: int, _total: int | None, stop: Flag = stop) -> None:
            starts.append(done)
            stop.set()

        rebuild_table(store, path, stop=stop, progress=tell, page_size=10)

    assert starts == [10, 20, 30]


def test_a_switch_that_fails_leaves_the_old_rows(
    store: EventStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    It is one transaction; the next call switches.
    """
    with closing(Table(path)) as live:
        Projector(store, live).catch_up(until=20)
    before = digest_of(path)

    def fails(*_: Any) -> None:  # noqa: ANN401 - it takes what it is given
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(rebuilding, "_TABLES", ("meta", "tasks", "no such table"))
        with pytest.raises(StoreFailed):
            rebuild_table(store, path)
    with monkeypatch.context() as patch:
        patch.setattr(rebuilding, "_copy", fails)
        with pytest.raises(KeyboardInterrupt):
            rebuild_table(store, path)

    assert digest_of(path) == before
    assert rebuild_table(store, path)
    assert digest_of(path) == folded(store)


def test_what_was_built_of_another_log_is_thrown_away(store: EventStore, path: Path) -> None:
    """
    A log that was restored from a backup since has other events there.
    """
    with stored(LogTeller(8).tell(90)) as other, closing(Table(f"{path}.rebuild")) as beside:
        Projector(other, beside).catch_up()

    assert rebuild_table(store, path)
    assert digest_of(path) == folded(store)


def test_the_old_version_answers_until_the_switch(
    store: EventStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    New code refuses old rows when asked to, rebuilds beside them, and tells the old program.
    """
    old = Table(path)
    Projector(store, old).catch_up()
    monkeypatch.setattr(Table, "version", 2)
    with pytest.raises(OutdatedTable, match="are of version 1, and this program writes 2"):
        Table(path, on_version="refuse")
    monkeypatch.setattr(Table, "version", 1)
    answers: list[int] = []

    def ask(_step: str, _done: int, _total: int | None) -> None:
        monkeypatch.setattr(Table, "version", 1)
        answers.append(old.position)
        monkeypatch.setattr(Table, "version", 2)

    monkeypatch.setattr(Table, "version", 2)
    assert rebuild_table(store, path, progress=ask, page_size=30)

    assert answers == [len(LOG)] * len(answers) != []
    with closing(Table(path, on_version="refuse")) as new:
        assert (new.digest(), new.position) == folded(store)
    monkeypatch.setattr(Table, "version", 1)
    with pytest.raises(StoreFailed, match="begun anew"):
        _ = old.position
    old.close()


def test_rows_of_another_version_are_dropped_or_refused_by_choice(
    store: EventStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The default drops them; there is no third way.
    """
    with closing(Table(path)) as table:
        Projector(store, table).catch_up()
    monkeypatch.setattr(Table, "version", 2)

    with pytest.raises(OutdatedTable):
        Table(path, on_version="refuse")
    with pytest.raises(ValueError, match="on_version is 'keep'"):
        Table(path, on_version="keep")  # type: ignore[arg-type] # there is no such choice
    with closing(Table(path, on_version="rebuild")) as again:
        assert again.position == 0
    with closing(Table(path, on_version="refuse")) as empty:
        assert empty.position == 0


def test_a_pace_is_a_rate_and_the_time_left() -> None:
    """
    What an earlier process did does not count; a new step begins anew.
    """
    clock, told = ManualClock(), list[Pace]()
    progress = paced(clock, told.append)

    progress("folding", 100, 1000)
    clock.advance(2)
    progress("folding", 300, 1000)
    progress("copying", 5, None)

    assert [(pace.per_second, pace.seconds_left) for pace in told] == [
        (0.0, None),
        (100.0, 7.0),
        (0.0, None),
    ]
    assert told[1].total == 1000


REBUILD: Final = """
import sys
from azoth import open_store
from azoth_scheduler import rebuild_table
def tell(step, done, total):
    print(done, flush=True)
    sys.stdin.readline()
with open_store(sys.argv[1]) as store:
    rebuild_table(store, sys.argv[2], progress=tell, page_size=20)
print("switched", flush=True)
"""


@pytest.mark.rule("R7")
def test_a_rebuild_that_was_killed_twice_goes_on(tmp_path: Path, path: Path) -> None:
    """
    Appends go on meanwhile; at the switch the rows are those of the live table.
    """
    url, told = f"sqlite:///{tmp_path}/log.db", 60
    events: list[Event] = LogTeller(7).tell(200)
    with stored(events[:told], url) as store, closing(Table(path)) as live:
        projector, reached = Projector(store, live), list[int]()
        for left in (2, 2, -1):
            lives = left
            child = subprocess.Popen(
                [sys.executable, "-c", REBUILD, url, str(path)],
                env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'stores'}"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            assert child.stdin is not None
            assert child.stdout is not None
            while (line := child.stdout.readline()).strip().isdecimal():
                reached.append(int(line))
                told = grow(store, events, told, 5)
                projector.catch_up()
                if (lives := lives - 1) == 0:
                    # It waits for us, so it dies right behind a page.
                    child.send_signal(signal.SIGKILL)
                    break
                child.stdin.write("\n")
                child.stdin.flush()
            child.wait(20)
            child.stdin.close()
            child.stdout.close()
        projector.catch_up()

        assert reached == sorted(reached)
        assert len(reached) > 4
        assert (live.digest(), live.position) == folded(store)
