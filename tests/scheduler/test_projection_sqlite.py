"""
The schedule table in a file: shared, begun anew, replaced, damaged, foreign, and cut off half-way.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from multiprocessing import get_context
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from azoth.errors import (
    CheckpointAhead,
    StoreBusy,
    StoreClosed,
    StoreDiverged,
    StoreFailed,
    StoreFull,
)
from azoth.events import Event, NewEvent, Write
from azoth.marks import START, Mark, mark_of
from azoth.projector import Projector
from azoth.streams import ANY
from azoth.testing import ManualClock
from azoth.urls import StoreUrl
from azoth_memory.store import open_memory
from azoth_scheduler.projection import MemoryScheduleProjection, SqliteScheduleProjection
from azoth_scheduler.projection.base import QUERY, Served
from azoth_scheduler.projection.statements import statement
from azoth_scheduler.projection.table_file import TableFile
from tests.support.task_logs import LogTeller
from tests.support.task_story import at

pytestmark = pytest.mark.uncovered


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """
    Where the table is kept.
    """
    return tmp_path / "schedule.db"


@pytest.fixture
def events() -> list[Event]:
    """
    A log of five tasks.
    """
    return LogTeller(42).tell(80)


def digest_of(events: list[Event]) -> str:
    """
    Return the digest of a table folded afresh.
    """
    projection = MemoryScheduleProjection()
    projection.apply(events, len(events))
    return projection.digest()


@pytest.fixture
def table(path: Path) -> Iterator[SqliteScheduleProjection]:
    """
    A table in a file.
    """
    with closing(SqliteScheduleProjection(path)) as projection:
        yield projection


@pytest.mark.rule("S-08")
def test_a_table_goes_on_where_it_was(path: Path, events: list[Event]) -> None:
    """
    Rows and position outlive the process.
    """
    with closing(SqliteScheduleProjection(path)) as first:
        first.save(events[:40], mark_of(events[39]))
    with closing(SqliteScheduleProjection(path)) as second:
        assert second.position == 40
        assert second.mark == mark_of(events[39])
        second.save(events[40:], mark_of(events[-1]))

        assert second.digest() == digest_of(events)


def test_two_tables_on_one_file_share_the_work(path: Path, events: list[Event]) -> None:
    """
    Each looks at the position again inside its transaction: what the other did is passed over.
    """
    with (
        closing(SqliteScheduleProjection(path)) as one,
        closing(SqliteScheduleProjection(path)) as two,
    ):
        for number in range(0, len(events), 10):
            batch = events[number : number + 10]
            one.save(batch, mark_of(batch[-1]))
            two.save(batch, mark_of(batch[-1]))
            assert one.digest() == two.digest() == digest_of(events[: number + len(batch)])


def test_a_digest_counts_what_another_table_wrote_in_between(
    path: Path, events: list[Event]
) -> None:
    """
    A digest is kept up to date by its own batches alone, so one that missed a batch is made anew.
    """
    with (
        closing(SqliteScheduleProjection(path)) as one,
        closing(SqliteScheduleProjection(path)) as two,
    ):
        one.save(events[:10], mark_of(events[9]))
        one.digest()
        two.save(events[10:20], mark_of(events[19]))
        one.save(events[20:30], mark_of(events[29]))

        assert one.digest() == digest_of(events[:30])


def _fold_in_child(path: Path, count: int) -> None:
    events = LogTeller(42).tell(count)
    with closing(SqliteScheduleProjection(path)) as projection:
        while (position := projection.position) < len(events):
            batch = events[position : position + 3]
            projection.save(batch, mark_of(batch[-1]))


def test_several_processes_may_fold_into_one_file(path: Path) -> None:
    """
    Rows and position move together, whoever moves them.
    """
    context = get_context("spawn")
    children = [context.Process(target=_fold_in_child, args=(path, 400)) for _ in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join()

    assert [child.exitcode for child in children] == [0, 0, 0]
    with closing(SqliteScheduleProjection(path)) as projection:
        assert projection.digest() == digest_of(LogTeller(42).tell(400))


def test_threads_may_ask_while_another_one_folds(events: list[Event]) -> None:
    """
    One object serves any number of threads, in memory as in a file.
    """
    projection = SqliteScheduleProjection()
    failures: list[BaseException] = []

    def ask() -> None:
        try:
            while projection.position < len(events):
                projection.due(at(days=9), 5, Served())
                projection.digest()
        except BaseException as error:
            failures.append(error)
            raise

    threads = [Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for event in events:
        projection.apply([event], event.position)
    for thread in threads:
        thread.join()

    assert failures == []
    assert projection.digest() == digest_of(events)


@pytest.mark.rule("S-10")
def test_a_crash_between_any_two_statements_changes_nothing(
    tmp_path: Path, events: list[Event]
) -> None:
    """
    R4: rows and position are one transaction; what broke off is folded again.
    """
    place, completed = 0, False
    while not completed:
        completed = break_at(place, tmp_path / f"table-{place}", events)
        place += 1

    assert place > 10, "the batch has too few statements to prove anything"


def break_at(place: int, path: Path, events: list[Event]) -> bool:
    """
    Interrupt a save before its statement number *place*; say whether it came to its end before.
    """
    half = len(events) // 2
    table = SqliteScheduleProjection(path)
    table.save(events[:half], mark_of(events[half - 1]))
    before = table.digest()
    connection = Breaking(table._file._connection, place)
    table._file._connection = connection  # type: ignore[assignment] # a double
    try:
        table.save(events[half:], mark_of(events[-1]))
    except KeyboardInterrupt:
        assert table.position == half
        assert table.digest() == before
    table.close()
    with closing(SqliteScheduleProjection(path)) as again:
        assert again.position in (half, len(events))
        again.save(events, mark_of(events[-1]))
        assert again.digest() == digest_of(events)
    return connection.left >= 0


class Breaking:
    """
    Be a connection that is interrupted before one of its writing statements.
    """

    def __init__(self, connection: Any, left: int) -> None:  # noqa: ANN401 - a double
        self._connection = connection
        self.left = left

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - a double
        return getattr(self._connection, name)

    def execute(self, sql: str, *values: object) -> object:
        """
        Execute, unless it is the one to break at.
        """
        if not sql.startswith(("SELECT", "WITH", "ROLLBACK", "BEGIN DEFERRED")):
            self._count()
        return self._connection.execute(sql, *values)

    def executemany(self, sql: str, rows: list[Any]) -> object:
        """
        Execute row by row, so that it can break between two of them.
        """
        for row in rows:
            self._count()
            self._connection.execute(sql, row)
        return None

    def _count(self) -> None:
        self.left -= 1
        if self.left == -1:
            raise KeyboardInterrupt


def test_rows_of_another_version_are_folded_again(
    path: Path, events: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The table is made of the log alone: other code drops it and begins at 0, forwards and back.
    """
    with closing(SqliteScheduleProjection(path)) as old:
        old.save(events, mark_of(events[-1]))
    monkeypatch.setattr(SqliteScheduleProjection, "version", 2)
    with closing(SqliteScheduleProjection(path)) as new:
        assert new.position == 0
        assert new.mark == START
        assert new.get("task-1").version == 0
        new.save(events, mark_of(events[-1]))
        assert new.digest() == digest_of(events)
    monkeypatch.undo()
    with closing(SqliteScheduleProjection(path)) as back:
        assert back.position == 0


def test_a_table_that_was_begun_anew_is_told_to_its_other_users(
    path: Path,
    table: SqliteScheduleProjection,
    events: list[Event],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    A program of another version never folds into rows that are not its own.
    """
    table.save(events[:40], mark_of(events[39]))
    monkeypatch.setattr(SqliteScheduleProjection, "version", 2)
    with closing(SqliteScheduleProjection(path)) as other:
        other.save(events[:10], mark_of(events[9]))
    monkeypatch.undo()

    with pytest.raises(StoreFailed, match="a file each"):
        table.save(events[40:], mark_of(events[-1]))


def test_a_log_that_lost_its_tail_is_told(path: Path, table: SqliteScheduleProjection) -> None:
    """
    A table beside a shorter log, or one that goes on otherwise, is never folded on in silence.
    """
    first, second, third = (open_store() for _ in range(3))
    for store, said in ((first, b"1"), (first, b"2"), (second, b"1"), (third, b"1"), (third, b"3")):
        store.append(Write("$task-a", [NewEvent("TaskPaused", said)], ANY))
    Projector(first, table).catch_up()
    table.close()

    for store, error in ((second, CheckpointAhead), (third, StoreDiverged)):
        with closing(SqliteScheduleProjection(path)) as again, pytest.raises(error):
            Projector(store, again).catch_up()


def open_store() -> Any:  # noqa: ANN401 - a store of its own for each log
    """
    Return an empty log.
    """
    return open_memory(StoreUrl("memory", "", ""), clock=ManualClock())


def test_a_file_of_another_program_is_refused_and_left_alone(path: Path) -> None:
    """
    A foreign file is refused, never overwritten.
    """
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (one INTEGER)")
        connection.commit()
    before = path.read_bytes()

    with pytest.raises(StoreFailed, match="another program"):
        SqliteScheduleProjection(path)
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_refused_and_left_alone(path: Path) -> None:
    """
    The error says what to do about it.
    """
    path.write_bytes(b"not a database, " * 1_000)

    with pytest.raises(StoreFailed, match="not a database"):
        SqliteScheduleProjection(path)
    assert path.read_bytes() == b"not a database, " * 1_000


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    """
    The folder must exist; a typo does not make one.
    """
    with pytest.raises(StoreFailed, match="folder"):
        SqliteScheduleProjection(tmp_path / "no" / "table")


def test_a_folder_is_no_table(tmp_path: Path) -> None:
    """
    It is told as one, not as a damaged file that can be deleted, and nothing is made in it.
    """
    with pytest.raises(StoreFailed, match=r"is a folder; name a file in it$"):
        SqliteScheduleProjection(tmp_path)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("path", "error"),
    [(None, TypeError), (5, TypeError), (b"t.db", TypeError), ("", ValueError), ("\0", ValueError)],
)
def test_what_is_no_path_is_refused(path: Any, error: type[Exception]) -> None:  # noqa: ANN401 - what users do
    """
    The error says what is taken, and how to have a table in memory.
    """
    with pytest.raises(error, match=r"^path is .*; .*leave it out for a table in memory"):
        SqliteScheduleProjection(path)


def test_a_closed_table_says_so(table: SqliteScheduleProjection) -> None:
    """
    Every method raises after `close`.
    """
    table.close()

    with pytest.raises(StoreClosed):
        table.get("task-1")
    with pytest.raises(StoreClosed):
        table.apply([], 1)


def test_a_table_that_another_process_holds_too_long_is_busy(
    path: Path, events: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The wait is bounded, and nothing was written.
    """
    monkeypatch.setattr("azoth_scheduler.projection.table_file.BUSY_SECONDS", 0.01)
    with closing(SqliteScheduleProjection(path)) as table, closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreBusy):
            table.save(events, mark_of(events[-1]))
        other.rollback()
        table.save(events, mark_of(events[-1]))

        assert table.digest() == digest_of(events)


def test_a_full_disk_is_told_and_nothing_of_the_batch_remains(path: Path) -> None:
    """
    The batch is taken back whole, and folded again once there is room.
    """
    events = LogTeller(42, tasks=100).tell(600)
    with closing(SqliteScheduleProjection(path)) as table:
        table.save(events[:10], mark_of(events[9]))
        before = table.digest()
        connection = table._file._connection
        assert connection is not None
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages + 1}")
        with pytest.raises(StoreFull):
            table.save(events, mark_of(events[-1]))

        assert table.position == 10
        assert table.digest() == before
        connection.execute("PRAGMA max_page_count = 1000000")
        table.save(events, mark_of(events[-1]))
        assert table.digest() == digest_of(events)


def test_a_damaged_table_says_that_it_can_be_deleted(path: Path, events: list[Event]) -> None:
    """
    It is made of the log alone.
    """
    with closing(SqliteScheduleProjection(path)) as table:
        table.save(events, mark_of(events[-1]))
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)

    with pytest.raises(StoreFailed, match="can be deleted"):
        SqliteScheduleProjection(path).digest()


def _ask_after_fork(table: SqliteScheduleProjection, answers: Any) -> None:  # noqa: ANN401 - a queue
    try:
        table.get("task-1")
    except StoreFailed as error:
        answers.put(str(error))


def test_a_forked_child_does_not_touch_its_parents_connection(
    table: SqliteScheduleProjection,
) -> None:
    """
    After a fork the child's first call raises: a shared connection damages the file.
    """
    context = get_context("fork")
    answers = context.Queue()
    child = context.Process(target=_ask_after_fork, args=(table, answers))
    child.start()

    assert "forked" in answers.get(timeout=30)
    child.join()


def test_an_event_does_not_write_its_payload_again(path: Path) -> None:
    """
    State, definition and payload stand apart: a megabyte is written once for each generation.
    """
    written: list[str] = []
    with closing(SqliteScheduleProjection(path)) as table:
        teller = LogTeller(8, tasks=1)
        events = teller.tell(200)
        table._file._connection.set_trace_callback(written.append)  # type: ignore[union-attr] # it is open
        for event in events:
            table.save([event], mark_of(event))

    definitions = [sql for sql in written if sql.startswith("INSERT INTO definitions")]
    assert len(definitions) == sum(event.type == "TaskScheduled" for event in events)
    assert len(definitions) < len(events) / 2


def test_what_is_due_is_found_without_looking_at_the_others() -> None:
    """
    `due` is O(due): every step of its plans is a search in an index.
    """
    with TableFile(":memory:", 1).transaction() as connection:
        for name, values in (
            ("select_due", ("lane", 1, 1)),
            ("select_lanes", ()),
            ("select_running", ()),
            ("select_attempts", ("task", 1, 1)),
        ):
            plan = connection.execute(f"EXPLAIN QUERY PLAN {statement(name)}", values).fetchall()
            steps = [step[3] for step in plan if "tasks" in step[3] or "attempts" in step[3]]
            assert steps
            assert all("INDEX" in step or "PRIMARY KEY" in step for step in steps), steps
            assert not any(step[3].startswith("USE TEMP B-TREE") for step in plan), plan


def test_the_table_reads_the_events_of_tasks_alone(table: SqliteScheduleProjection) -> None:
    """
    An application's own events cost it nothing.
    """
    assert table.query == QUERY
    assert table.name == MemoryScheduleProjection().name
    assert table.mark == Mark(position=0, crc=0)
