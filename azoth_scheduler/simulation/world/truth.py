"""
What is known from outside the log: what was acknowledged, and what the executors really did.

The checkers of the log see only what it says. These compare it with the answers that its writers
were given, and with the journal of the executors.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from azoth.clocks import Instant
from azoth.events import Appended, Event, Write
from azoth.following import iterate
from azoth.store import EventStore
from azoth_scheduler.events import (
    SchedulerEvent,
    TaskExecuted,
    TaskRunAbandoned,
    TaskRunStarted,
)
from azoth_scheduler.projection import ScheduleProjection
from azoth_scheduler.simulation.invariants import Checker, Entry
from azoth_scheduler.simulation.world.executor import Journal
from azoth_scheduler.simulation.world.log import Leases

__all__ = [
    "NothingIsTaken",
    "Wrong",
    "answers_hold",
    "history_holds",
    "lease_was_over",
    "log_holds",
    "outcomes_are_true",
    "starts_are_claimed",
]

Wrong: TypeAlias = Iterator[tuple[str, int, str]]
"""The invariant, the position that shows it, and what is wrong."""

_MILLION: Final = 1_000_000
_QUICKEST_CLOCK: Final = 970_000
"""Of a million: how much truly passes while an observer's clock goes on by one."""


class NothingIsTaken(Checker):
    """
    C12: while all workers live and can renew their leases, no attempt is taken from one.
    """

    invariant = "C12"
    kinds = (TaskRunAbandoned,)

    def see(self, entry: Entry) -> Iterable[str]:
        """
        See why an attempt was taken; at a shutdown it is given back.
        """
        told = entry.told
        if isinstance(told, TaskRunAbandoned) and told.reason != "shutdown":
            yield f"{told.execution_id} was taken from {told.worker_id}, which lives: {told.reason}"


def answers_hold(writes: Sequence[Write], answer: Appended, events: Sequence[Event]) -> Wrong:
    """
    Compare an answer with what stands in the log: S4 and S5.

    Args:
        writes: What was appended.
        answer: What the store said.
        events: What the log holds from `answer.first` to its head.
    """
    wanted = [(write.stream, event) for write in writes for event in write.events]
    if len(events) != len(wanted) or answer.last - answer.first + 1 != len(wanted):
        yield "S5", answer.first, f"{len(wanted)} events were appended, {len(events)} stand there"
        return
    for (stream, given), event in zip(wanted, events, strict=True):
        same = (event.stream, event.type, event.data) == (stream, given.type, given.data)
        if not same:
            yield "S5", event.position, f"{event.type} of {event.stream} stands in the batch"
    for write in writes:
        yield from _expected(write, answer)


def _expected(write: Write, answer: Appended) -> Wrong:
    if not isinstance(write.expected, int):
        return
    first = answer.versions[write.stream] - len(write.events)
    if first != write.expected:
        what = f"{write.stream} was written at {first}, its writer expected {write.expected}"
        yield "S4", answer.first, what


def lease_was_over(leases: Leases, position: int, told: Mapping[int, SchedulerEvent]) -> Wrong:
    """
    Compare the loss of an attempt with the table of leases: its worker's row has stood still (C12).
    """
    lost = told[position]
    assert isinstance(lost, TaskRunAbandoned), "the log tells of a loss there"
    if lost.reason != "its lease has run out":
        return
    for claim in told.values():
        if isinstance(claim, TaskRunStarted) and claim.execution_id == lost.execution_id:
            lease = (claim.lease_until - claim.at) * _QUICKEST_CLOCK // _MILLION
            if not leases.stood_still(lost.worker_id, lease):
                yield "C12", position, f"{lost.execution_id} taken, though its worker renews"


def log_holds(store: EventStore, seen: Sequence[Event]) -> Wrong:
    """
    Compare the log with what was read of it while it grew: S2 and S7.
    """
    now = list(iterate(store))
    for before, after in zip(seen, now, strict=False):
        if before != after:
            yield "S7", before.position, "the event was another one when it was first seen"
    if len(now) < len(seen):
        yield "S2", len(now) + 1, f"{len(seen) - len(now)} acknowledged events are gone"


def history_holds(table: ScheduleProjection, told: Mapping[int, SchedulerEvent]) -> Wrong:
    """
    Compare the history in a schedule table with what the log tells of each attempt (R1).
    """
    for position, event in told.items():
        if isinstance(event, TaskRunStarted):
            row = table.get_run(event.execution_id)
            if row is None or row.started_position != position:
                yield "R1", position, f"the start of {event.execution_id} is not in the history"
        elif isinstance(event, TaskExecuted | TaskRunAbandoned):
            outcome = event.outcome if isinstance(event, TaskExecuted) else "abandoned"
            row = table.get_run(event.execution_id)
            if row is None or (row.outcome, row.ended_position) != (outcome, position):
                yield "R1", position, f"the end of {event.execution_id} is not in the history"


def starts_are_claimed(journal: Journal, told: Mapping[int, SchedulerEvent]) -> Wrong:
    """
    Compare the starts with their claims: each handler was called for one claim, and once (C3).
    """
    claims = {
        event.execution_id: position
        for position, event in told.items()
        if isinstance(event, TaskRunStarted)
    }
    for execution_id in journal.begun_twice:
        yield "C3", claims.get(execution_id, 1), f"{execution_id} was carried out twice"
    for execution_id in journal.entries:
        if execution_id not in claims:
            yield "C3", max(told, default=0), f"{execution_id} was carried out and never claimed"


def outcomes_are_true(journal: Journal, told: Mapping[int, SchedulerEvent]) -> Wrong:
    """
    Compare what the log says of an attempt with what became of it: C4 and C14.

    A handler that came back is recorded as what it was, or as timed out. A claim that is given back
    because nobody carries it out was never carried out: its handler would run again.
    """
    for position, event in told.items():
        if isinstance(event, TaskRunAbandoned) and event.reason == "its claim was never answered":
            if event.execution_id in journal.entries:
                yield "C4", position, f"{event.execution_id} was carried out, and is given back"
            continue
        if not isinstance(event, TaskExecuted) or event.outcome == "timed_out":
            continue
        entry = journal.entries.get(event.execution_id)
        if entry is None:
            yield "C4", position, f"{event.execution_id} has an outcome and was never carried out"
        elif event.outcome not in entry.outcomes:
            what = f"{event.execution_id} {event.outcome}, in truth {entry.outcomes}"
            yield "C14", position, what
        elif not any(_is_when(event, at) for at in entry.completed_at):
            what = f"{event.execution_id} ended at {entry.completed_at}, not at what is told"
            yield "C6", position, f"{what}: {event.completed_at}"


def _is_when(event: TaskExecuted, completed_at: Instant) -> bool:
    # It lies between the start and the moment of writing, whatever the clock of its machine says.
    return event.completed_at == min(max(completed_at, event.started_at), event.at)
