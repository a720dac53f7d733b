"""
Exports, imports and copies: the same log, byte for byte, or an error and nothing overwritten.
"""

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from threading import Event as Flag

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from azoth import ANY, Event, EventStore, NewEvent, Query, Write, iterate, open_store
from azoth.copying import LogsDiffer, copy_log, follow_log, log_digest, take_over
from azoth.export_format import BadExport, event_line, read_lines
from azoth.exporting import export_lines
from azoth.importing import append_export, import_log
from azoth.testing import FaultyStore, ManualClock

ODD: Sequence[bytes] = (
    b"",
    b"\xff\x00",
    b'{"n":1,"name":"\xc3\xa9"}',
    b'{"n": 1}',
    b'{"a":1,"a":2}',
    b"1e16",
    b"1e+16",
    b"-0.0",
    b"NaN",
    b'"\\ud800"',
    b'"\xe2\x80\xa8\\u0085\\n"',
    b"[" * 150 + b"]" * 150,
    b"[" * 5_000 + b"]" * 5_000,
    b"123456789012345678901234567890",
    b"9" * 5_000,
    b"null",
    b"{}\n",
)


def filled(clock: ManualClock) -> EventStore:
    """
    A log with data of every kind, several streams and times.
    """
    store = open_store("memory://", clock=clock)
    for number, data in enumerate(ODD):
        metadata = {"z": "é\n", "data": '","data":1', "a": ""} if number % 2 else {}
        event = NewEvent("T\n" if number % 3 else "Ü", data, metadata, number + 1)
        store.append(
            Write(f'a"-{number % 4}', [event], ANY), Write("b", [NewEvent("B", b"1")], ANY)
        )
        clock.advance(0.000_001 + number)
    return store


@pytest.fixture
def source(clock: ManualClock) -> Iterator[EventStore]:
    """
    A log to take over.
    """
    with filled(clock) as store:
        yield store


@pytest.fixture
def lines(source: EventStore) -> Sequence[bytes]:
    """
    The export of that log.
    """
    return list(export_lines(source))


def events(store: EventStore) -> list[Event]:
    """
    All events of a log.
    """
    return list(iterate(store))


def test_a_copy_through_every_store_exports_the_same_bytes(
    source: EventStore, tmp_path: Path
) -> None:
    """
    SQLite to LMDB to memory to SQLite: nothing of an event is lost on the way.
    """
    exported = list(export_lines(source))
    for url in (
        f"sqlite:///{tmp_path}/first.db",
        f"lmdb:///{tmp_path}/second.lmdb",
        "memory://",
        f"sqlite:///{tmp_path}/last.db",
    ):
        target = open_store(url)
        copied = copy_log(source, target)

        assert list(export_lines(target)) == exported
        assert (copied.head, copied.new) == (2 * len(ODD), 2 * len(ODD))
        assert copied.digest == log_digest(target)
        source.close()
        source = target
    source.close()


@given(st.binary(max_size=40) | st.text(max_size=20).map(lambda text: json.dumps(text).encode()))
def test_any_data_comes_back_as_it_was(data: bytes) -> None:
    """
    JSON stands as JSON where the same bytes come back from it, and as base64 otherwise.
    """
    with open_store("memory://") as store, open_store("memory://") as other:
        store.append(Write("a", [NewEvent("T", data)], ANY))
        import_log(other, export_lines(store))

        assert events(other) == events(store)


def test_json_stands_in_a_line_as_json(lines: Sequence[bytes]) -> None:
    """
    So that `jq` and people read it.
    """
    shown = [json.loads(line) for line in lines]

    assert shown[0]["azoth_export"] == 1
    assert {"n": 1, "name": "é"} in [line.get("data") for line in shown]
    assert shown[-1]["azoth_export_end"] == 2 * len(ODD)


def test_an_export_is_imported_as_it_was(source: EventStore, lines: Sequence[bytes]) -> None:
    """
    Metadata keeps its order too; a second import does nothing.
    """
    with open_store("memory://") as target:
        assert import_log(target, lines).new == 2 * len(ODD)
        assert events(target) == events(source)
        assert list(export_lines(target)) == lines

        again = import_log(target, lines)

        assert (again.events, again.new) == (2 * len(ODD), 0)


@pytest.mark.parametrize("cut", [1, 2, 7, -1])
def test_an_export_that_was_cut_is_noticed_and_gone_on_with(
    source: EventStore, lines: Sequence[bytes], cut: int
) -> None:
    """
    What stands before the cut is kept, and the whole export imports the rest.
    """
    with open_store("memory://") as target:
        with pytest.raises(BadExport, match="was cut after"):
            import_log(target, lines[:cut])
        assert events(target) == events(source)[: len(lines[:cut]) - 1]

        import_log(target, lines)

        assert events(target) == events(source)


def test_a_line_that_was_cut_is_named(lines: Sequence[bytes]) -> None:
    """
    By its number.
    """
    with (
        open_store("memory://") as target,
        pytest.raises(BadExport, match="cut in the middle") as bad,
    ):
        import_log(target, [*lines[:4], lines[4][:-3]])

    assert bad.value.line == 5


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"", "no export begins"),
        (b"{}\n", "no export begins"),
        (b"[]\n", "no JSON object"),
        (b"{\n", "no JSON"),
        (b'{"azoth_export":2}\n', "format 2, and this Azoth knows 1; upgrade"),
        (b'{"azoth_export":1}\n', "field 'stream' is missing"),
    ],
)
def test_what_is_no_export_is_refused(line: bytes, words: str) -> None:
    """
    At its first line.
    """
    with pytest.raises(BadExport, match=words):
        read_lines([line] if line else [])


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("position", "7", "position is an integer"),
        ("position", 9, "follows 1"),
        ("stream", "", "give 1 to 255"),
        ("version", 0, "give one from 1"),
        ("schema", True, "schema is an integer"),
        ("recorded_at", "yesterday", "isoformat"),
        ("recorded_at", "2026-01-01T00:00:00", "time zone"),
        ("metadata", {"a": 1}, "is no text"),
        ("data_base64", "***", "base64|alphabet|characters|padding"),
    ],
)
def test_a_field_that_is_wrong_is_named(
    lines: Sequence[bytes], field: str, value: object, words: str
) -> None:
    """
    And the store keeps what came before.
    """
    changed = {**json.loads(lines[2]), field: value}
    if field == "data_base64":
        changed.pop("data")
    with open_store("memory://") as target:
        with pytest.raises((BadExport, ValueError), match=words):
            import_log(target, [*lines[:2], json.dumps(changed).encode() + b"\n", *lines[3:]])
        assert target.wait(0, 0) in {0, 1}


def test_an_event_that_was_changed_is_noticed_by_the_digest(lines: Sequence[bytes]) -> None:
    """
    Also where every field is well formed.
    """
    changed = lines[2].replace(b'"data":1}', b'"data":2}')
    assert changed != lines[2]

    with open_store("memory://") as target, pytest.raises(BadExport, match="the digest is"):
        import_log(target, [*lines[:2], changed, *lines[3:]])
    with open_store("memory://") as target, pytest.raises(BadExport, match="it ends 34 events"):
        import_log(target, [*lines[:-2], lines[-1]])
    with open_store("memory://") as target, pytest.raises(BadExport, match="a line is missing"):
        import_log(target, [*lines[:3], *lines[4:]])
    with open_store("memory://") as target, pytest.raises(BadExport, match="follows the end"):
        import_log(target, [*lines, lines[-1]])


def test_nothing_is_imported_over_another_log(source: EventStore, lines: Sequence[bytes]) -> None:
    """
    The first event that differs is named, and the store is as it was.
    """
    with open_store("memory://") as target:
        take_over(target, islice(iterate(source), 3))
        target.append(Write("mine", [NewEvent("T", b"")], ANY))
        before = events(target)

        for act in (lambda: import_log(target, lines), lambda: copy_log(source, target)):
            with pytest.raises(LogsDiffer) as differ:
                act()
            assert differ.value.position == 4
        assert events(target) == before


def test_nothing_is_copied_into_a_longer_log(source: EventStore) -> None:
    """
    The target went on by itself.
    """
    with open_store("memory://") as target:
        copy_log(source, target)
        target.append(Write("mine", [NewEvent("T", b"")], ANY))

        with pytest.raises(LogsDiffer) as differ:
            copy_log(source, target)
        assert differ.value.position == 2 * len(ODD) + 1


def test_a_part_of_a_log_is_appended_but_never_a_log(source: EventStore) -> None:
    """
    Positions, versions and times are new; the order, the data and the metadata are kept.
    """
    part = list(export_lines(source, Query(category='a"'), after=2))
    with open_store("memory://") as target:
        target.append(Write("mine", [NewEvent("T", b"")], ANY))
        with pytest.raises(ValueError, match="a part of a log"):
            import_log(target, part)

        imported = append_export(target, part)

        chosen = list(iterate(source, Query(category='a"'), after=2))
        assert (imported.events, imported.new) == (len(chosen), len(chosen))
        assert [(e.stream, e.type, e.data, e.metadata, e.schema) for e in events(target)[1:]] == [
            (e.stream, e.type, e.data, e.metadata, e.schema) for e in chosen
        ]


def test_events_are_appended_once(lines: Sequence[bytes]) -> None:
    """
    However often the import is stopped and begun again.
    """
    with open_store("memory://") as target:
        for cut in (5, 9, 2):
            with pytest.raises(BadExport):
                append_export(target, lines[:cut])
        assert append_export(target, lines).events == 2 * len(ODD)
        assert append_export(target, lines).new == 0

        assert target.wait(0, 0) == 2 * len(ODD)


def test_an_export_is_gone_on_with(source: EventStore) -> None:
    """
    Behind what is written, up to the head that was then.
    """
    for query, after in ((Query(), 0), (Query(category="b"), 3)):
        whole = list(export_lines(source, query, after=after))
        source.append(Write("b", [NewEvent("B", b"later")], ANY))
        for written in range(len(whole)):
            begun = whole[:written]
            rest = export_lines(source, query, after=after, until=None, written=begun)
            if written:
                assert [*begun, *rest] == whole
        with pytest.raises(ValueError, match="asked for otherwise"):
            list(export_lines(source, query, after=after + 1, written=whole[:3]))


def test_a_copy_follows_its_source(source: EventStore) -> None:
    """
    What is appended meanwhile is copied as it is, until it is told to stop.
    """
    stop, told = Flag(), list[tuple[int, int]]()

    def pace(copied: int, head: int) -> None:
        told.append((copied, head))
        if len(told) < 3:
            source.append(Write("b", [NewEvent("B", b"later")], ANY))
        else:
            stop.set()

    with open_store("memory://") as target:
        copy_log(source, target)

        follow_log(source, target, stop=stop, pace=pace)

        assert events(target) == events(source)
        assert told[-1] == (len(events(source)),) * 2


def test_a_copy_that_is_not_the_log_is_noticed(source: EventStore) -> None:
    """
    It is read back, and the first difference named.
    """

    class Garbles(FaultyStore):
        def restore(self, given: Sequence[Event]) -> None:
            wrong = [evolve(event, data=b"") for event in given]
            self._store.restore(wrong)  # type: ignore[attr-defined]

    with Garbles(open_store("memory://")) as target, pytest.raises(LogsDiffer) as differ:
        copy_log(source, target)

    assert differ.value.position == 2


def test_a_store_that_takes_over_no_log_says_so(source: EventStore) -> None:
    """
    Before anything is read.
    """

    class Plain(FaultyStore):
        restore = None

    with (
        Plain(open_store("memory://")) as target,
        pytest.raises(ValueError, match="cannot take over"),
    ):
        copy_log(source, target)


def test_a_line_holds_no_other_line(source: EventStore) -> None:
    """
    Whatever stands in an event, its line ends where it ends.
    """
    assert all(event_line(event).count(b"\n") == 1 for event in iterate(source))
