"""
The digest of a schedule table: the same wherever and whenever it is made, and another for each row.
"""

import os
import subprocess
import sys
from typing import Any, Final

import pytest
from attrs import evolve

from azoth.clocks import Instant
from azoth.json_format import STDLIB
from azoth_scheduler.events import registry
from azoth_scheduler.projection import MemoryScheduleProjection, SqliteScheduleProjection, rows
from azoth_scheduler.task import Definition, OpenRun, TaskState, Totals
from tests.house.sources import ROOT
from tests.support.task_logs import LogTeller

pytestmark = pytest.mark.uncovered

SEED: Final = 2026
PROGRAM: Final = f"""
from tests.support.task_logs import LogTeller
from azoth_scheduler.projection import MemoryScheduleProjection, SqliteScheduleProjection
events = LogTeller({SEED}).tell(120)
for projection in (MemoryScheduleProjection(), SqliteScheduleProjection()):
    projection.apply(events, len(events))
    print(projection.digest())
"""


def digest_here() -> str:
    """
    Return the digest that this process makes of the log.
    """
    projection = MemoryScheduleProjection()
    events = LogTeller(SEED).tell(120)
    projection.apply(events, len(events))
    return projection.digest()


@pytest.mark.rule("S-11")
@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONHASHSEED": "1", "TZ": "Asia/Kathmandu"},
        {"PYTHONHASHSEED": "4294967295", "TZ": "America/St_Johns", "LC_ALL": "C"},
    ],
    ids=["Kathmandu", "St. John's"],
)
def test_a_digest_does_not_depend_on_its_surroundings(environment: dict[str, str]) -> None:
    """
    R6: neither on the hash seed, nor on time zone, locale or the date of the replay.
    """
    told = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'stores'}", **environment},
        capture_output=True,
        text=True,
        check=True,
    )

    assert told.stdout.split() == [digest_here()] * 2


def test_a_digest_does_not_depend_on_the_json_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    R6: a machine without orjson makes the same of the same log.
    """
    with_fastest = digest_here()
    monkeypatch.setattr(rows, "FASTEST", STDLIB)

    assert digest_here() == with_fastest


def changed_in_every_way(state: TaskState) -> list[TaskState]:
    """
    Return the state with each of its fields and each of its definition's changed in turn.
    """
    definition = state.definition
    definitions = [
        evolve(definition, payload=definition.payload + b"!"),
        evolve(definition, task_type="another"),
        evolve(definition, options=evolve(definition.options, priority=99)),
    ]
    fields: dict[str, Any] = {
        "version": 999,
        "paused": not state.paused,
        "next_run_at": 12345,
        "reason": "another reason",
        "runs": (),
        "totals": evolve(state.totals, skipped=12345),
    }
    states = [evolve(state, definition=other) for other in definitions]
    return states + [
        evolve(state, **{name: value})
        for name, value in fields.items()
        if getattr(state, name) != value
    ]


def test_a_digest_tells_every_change_of_a_row() -> None:
    """
    State, definition and payload each count.
    """
    teller = LogTeller(SEED)
    teller.tell(120)
    for state in teller.states.values():
        seen = {row_of(state)} | {row_of(other) for other in changed_in_every_way(state)}

        assert len(seen) == len(changed_in_every_way(state)) + 1


def row_of(state: TaskState) -> bytes:
    """
    Return what the digest hashes of a task.
    """
    hashed = rows.definition_hash(rows.definition_bytes(state.definition), state.definition.payload)
    return rows.row(state.task_id, rows.state_bytes(state), hashed)


def test_rows_come_back_as_they_were() -> None:
    """
    What SQLite keeps of a task is all of it.
    """
    teller = LogTeller(SEED, tasks=20)
    teller.tell(400)
    for state in teller.states.values():
        definition = rows.definition_of(rows.definition_bytes(state.definition))
        whole = evolve(definition, payload=state.definition.payload)

        assert rows.state_of(rows.state_bytes(state), whole) == state


def test_a_definition_is_read_as_the_log_reads_it() -> None:
    """
    One converter writes both, so a schedule that one can hold the other can.
    """
    for event in LogTeller(SEED).tell(60):
        change = registry.decode(event)
        if event.type == "TaskScheduled":
            definition = Definition(
                task_type=change.task_type, schedule=change.schedule, options=change.options
            )

            assert rows.definition_of(rows.definition_bytes(definition)) == definition


def test_a_digest_that_was_asked_for_before_is_kept_up_to_date() -> None:
    """
    Asked at each event, asked at the end, or asked of a table that another one wrote: the same.
    """
    events = LogTeller(SEED).tell(80)
    often, seldom = SqliteScheduleProjection(), SqliteScheduleProjection()
    for event in events:
        often.apply([event], event.position)
        often.digest()
        seldom.apply([event], event.position)

    assert often.digest() == seldom.digest()


def test_a_row_says_what_differs_from_the_default_and_comes_back_as_it_was() -> None:
    """
    Its bytes are those of every version before, so that digests of old and new code compare.
    """
    run = OpenRun(
        run_id="a/1!1",
        generation=1,
        nominal_at=Instant(5),
        due_at=Instant(5),
        triggered=True,
        payload=b"\0\xff",
        retry_at=Instant(6),
    )
    state = TaskState(
        task_id="a",
        version=2,
        generation=1,
        paused=True,
        runs=(run,),
        buffered=(Instant(7), Instant(8)),
        exhausted=evolve(run, payload=b"", retry_at=None),
        totals=Totals(failed=1, skipped_exact=False),
    )

    data = rows.state_bytes(state)

    shown = {"run_id": "a/1!1", "generation": 1, "nominal_at": 5, "due_at": 5, "triggered": True}
    assert data == STDLIB.dumps(
        {
            "task_id": "a",
            "version": 2,
            "generation": 1,
            "paused": True,
            "runs": [{**shown, "payload": "AP8=", "retry_at": 6}],
            "exhausted": {**shown, "payload": ""},
            "buffered": [7, 8],
            "totals": {"failed": 1, "skipped_exact": False},
        }
    )
    assert rows.state_of(data, state.definition) == state
