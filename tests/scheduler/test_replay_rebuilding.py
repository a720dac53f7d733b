"""
The schedule table rebuilt in its file, while appends go on, through stops, kills and failures.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from threading import Event as Flag
from threading import Thread
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from azoth import Event, EventStore, Projector, StoreFailed, open_store, replay
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
        while True:
            digest, position = table.digest(), table.position
            # Whoever else has it open may have gone on in between.
            if digest == table.digest():
                return digest, position


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


def test_a_rebuilt_table_is_like_one_that_was_never_rebuilt(path: Path) -> None:
    """
    It has the same indexes, and takes in what is appended next.
    """
    found: list[list[Any]] = []
    with stored(LOG[:40]) as store, closing(Table(path)) as rebuilt, closing(Table()) as other:
        assert rebuild_table(store, path)
        grow(store, LOG, 40, 20)
        for table in (rebuilt, other):
            Projector(store, table).catch_up()
            with table._file.transaction() as connection:
                made = connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name")
                found.append(made.fetchall())
            found[-1].append(table.digest())

    assert found[0] == found[1]


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


APPEND: Final = """
import sys
from threading import Event
from time import monotonic
from azoth import NewEvent, Write, open_store
from tests.support.task_logs import LogTeller
events = LogTeller(7).tell(4_000)
with open_store(sys.argv[1]) as store:
    begun, pause = monotonic(), Event()
    for number, each in enumerate(events):
        pause.wait(max(0, begun + number / 200 - monotonic()))
        new = NewEvent(each.type, each.data, each.metadata, each.schema)
        store.append(Write(each.stream, [new], each.version - 1))
"""


def child(program: str, *arguments: object) -> subprocess.Popen[str]:
    """
    Start a program of ours.
    """
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'stores'}"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def let_go_on(
    rebuild: subprocess.Popen[str], pages: int | None, during: Callable[[int], object] = abs
) -> None:
    """
    Let a rebuild fold so many pages and kill it; None for all of them.
    """
    assert rebuild.stdin is not None
    assert rebuild.stdout is not None
    with rebuild:
        while (line := rebuild.stdout.readline().strip()).isdecimal():
            during(int(line))
            if pages is not None and (pages := pages - 1) == 0:
                # It waits for us, so it dies right behind a page.
                rebuild.kill()
                return
            rebuild.stdin.write("\n")
            rebuild.stdin.flush()


@pytest.mark.soak
@pytest.mark.rule("R7")
def test_rebuilds_killed_twice_while_200_events_a_second_are_appended_equal_the_live_table(
    tmp_path: Path, path: Path
) -> None:
    """
    One after the other, for as long as the appends take; each switch shows the fold of the log.
    """
    url, stop, switches = f"sqlite:///{tmp_path}/log.db", Flag(), 0
    with (
        open_store(url) as store,
        closing(Table(path)) as live,
        child(APPEND, url) as appending,
    ):
        projector = Projector(store, live)
        follower = Thread(target=projector.run, args=(stop,))
        follower.start()
        store.wait(100)
        while appending.poll() is None:
            for pages in (2, 2, None):
                let_go_on(child(REBUILD, url, path), pages)
            switches += 1
            digest, position = digest_of(path)
            assert digest == replay(store, MemoryScheduleProjection(), until=position).digest()
        stop.set()
        follower.join()
        projector.catch_up()

        assert appending.returncode == 0
        assert switches
        assert (live.digest(), live.position) == folded(store)


@pytest.mark.rule("R7")
def test_a_rebuild_that_was_killed_twice_goes_on(tmp_path: Path, path: Path) -> None:
    """
    Appends go on meanwhile; at the switch the rows are those of the live table.
    """
    url, told = f"sqlite:///{tmp_path}/log.db", 60
    events: list[Event] = LogTeller(7).tell(200)
    with stored(events[:told], url) as store, closing(Table(path)) as live:
        projector, reached = Projector(store, live), list[int]()

        def append(position: int) -> None:
            nonlocal told
            reached.append(position)
            told = grow(store, events, told, 5)
            projector.catch_up()

        for pages in (2, 2, None):
            let_go_on(child(REBUILD, url, path), pages, append)
        projector.catch_up()

        assert reached == sorted(reached)
        assert len(reached) > 4
        assert (live.digest(), live.position) == folded(store)
