"""
What one scheduler may do next, each with its words; and what its world may do to it.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from attrs import frozen

from azoth.clocks import Instant, Microseconds
from azoth_scheduler._copies import changed
from azoth_scheduler.events import (
    Outcome,
    SchedulerEvent,
    TaskDisabled,
    TaskExecuted,
    TaskRunAbandoned,
    TaskRunBuffered,
    TaskRunCancelRequested,
    TaskRunSkipped,
    TaskRunStarted,
)
from azoth_scheduler.execution import Finished
from azoth_scheduler.plan import Unit
from azoth_scheduler.simulation.invariants import Breach
from azoth_scheduler.simulation.search.passes import Reading, landing, read
from azoth_scheduler.simulation.search.scheduler_states import (
    Lease,
    Running,
    SchedulerState,
)
from azoth_scheduler.simulation.search.scopes import Scope
from azoth_scheduler.simulation.search.task_logs import TaskLog, TaskLogs

__all__ = ["Acting", "Move", "acts", "reads", "renewed"]


@frozen(kw_only=True)
class Move:
    """
    Say what one move leads to.

    Attributes:
        said: What happens, in words.
        written: The logs of the tasks that it wrote to, after it.
        gone: The lease of a process that died in it.
        fault: Whether it is one of those faults that a scope may count.
        breach: What is wrong with the move itself.
    """

    said: str
    scheduler: SchedulerState
    written: tuple[TaskLog, ...] = ()
    gone: Lease | None = None
    fault: bool = False
    breach: Breach | None = None


@frozen(kw_only=True)
class Acting:
    """
    Hold what the moves of a scheduler depend on, besides itself.

    Attributes:
        log: Of the tasks that its plan writes to.
        at: The true time.
        claims: Whether a claim of it is active in the log.
    """

    log: tuple[TaskLog, ...]
    at: Instant
    claims: bool


def reads(scope: Scope, scheduler: SchedulerState, reading: Reading) -> Iterator[Move]:
    """
    Yield passes up to what they will append, if they find anything to do.

    What ends between two passes is seen by the second only. So an attempt may end in the same move,
    unless its scheduler may sleep: then when it ended makes a difference.
    """
    if not scheduler.alive or scheduler.pending:
        return
    yield from _pass(scope, scheduler, reading, "")
    if "sleep" not in scope.faults:
        for said, ended in _after_ends(scope, scheduler, reading.at):
            yield from _pass(scope, ended, reading, f"{said}; ")


def _pass(scope: Scope, scheduler: SchedulerState, reading: Reading, first: str) -> Iterator[Move]:
    said = f"{first}{scheduler.name} reads"
    try:
        after, breach = read(scope, scheduler, reading)
    except Exception as error:  # noqa: BLE001 - a pass that raises is what is looked for
        breach = Breach("L1", 0, f"a pass raises {error!r}")
        yield Move(said=said, scheduler=scheduler, breach=breach)
        return
    kept = changed(after, until=scheduler.until, renewed=scheduler.renewed)
    if breach is not None or kept != scheduler:
        yield Move(said=said, scheduler=after, breach=breach)


def _after_ends(
    scope: Scope, scheduler: SchedulerState, at: Instant
) -> Iterator[tuple[str, SchedulerState]]:
    # Each attempt that is at work may end, or several of them.
    for place, one in enumerate(scheduler.running):
        if one.ended:
            continue
        for said, ended in _ends(scope, scheduler, one, at):
            yield said, ended
            behind = {other.fence for other in scheduler.running[place + 1 :]}
            for also, both in _after_ends(scope, ended, at):
                if both.inbox[-1].fence in behind and also:
                    yield f"{said}; {also}", both


def acts(scope: Scope, logs: TaskLogs, scheduler: SchedulerState, acting: Acting) -> Iterator[Move]:
    """
    Yield every other move of a scheduler, of its attempts, and of its process.
    """
    if not scheduler.alive:
        begun = _restarted(scope, scheduler, acting)
        yield Move(said=f"{scheduler.name} starts again", scheduler=begun)
        return
    if scheduler.pending:
        yield from _appends(scope, logs, scheduler, acting)
    if "sleep" in scope.faults:
        for one in scheduler.working:
            for said, ended in _ends(scope, scheduler, one, acting.at):
                yield Move(said=said, scheduler=ended)
    yield from _suffers(scope, scheduler, acting)


def renewed(scope: Scope, scheduler: SchedulerState, at: Instant) -> SchedulerState:
    """
    Return a scheduler whose lease was renewed, as its thread does while time passes.
    """
    if not scheduler.alive:
        return scheduler
    until = at - scheduler.back + (scope.settings.lease or 0)
    return changed(scheduler, until=Instant(until), renewed=at)


def _appends(
    scope: Scope, logs: TaskLogs, scheduler: SchedulerState, acting: Acting
) -> Iterator[Move]:
    units, taken = landing(scheduler, acting.log)
    rest, before = scheduler.pending[1:], {one.task_id: one for one in acting.log}
    written = tuple(logs.after(before[unit.task_id], _events(unit)) for unit in units)
    after = changed(scheduler, pending=rest, taken=taken if rest else 0)
    for unit in units:
        after = after.landed(unit, acting.at)
    said = ", ".join(map(_words, units)) or "finds that others were faster"
    yield Move(said=f"{scheduler.name} {said}", scheduler=after, written=written)
    nothing = changed(scheduler, pending=(), taken=0)
    if "busy" in scope.faults:
        busy = f"the store is busy for {scheduler.name}"
        yield Move(said=busy, scheduler=nothing, fault=True)
    if "lost_answer" in scope.faults and units:
        lost = f"{scheduler.name} {said}, and never hears of it"
        yield Move(said=lost, scheduler=nothing, written=written, fault=True)


def _events(unit: Unit) -> tuple[SchedulerEvent, ...]:
    return tuple(event for event, _ in unit.changes)


def _ends(
    scope: Scope, scheduler: SchedulerState, one: Running, at: Instant
) -> Iterator[tuple[str, SchedulerState]]:
    for outcome in _outcomes(scope, one, at):
        finished = _finished(scheduler, one, at, outcome)
        running = tuple(
            changed(other, ended=True) if other is one else other for other in scheduler.running
        )
        said = f"{one.fence[0]} of fence {one.fence[1]} {_ENDED[outcome]} at {scheduler.name}"
        yield said, changed(scheduler, running=running, inbox=(*scheduler.inbox, finished))


_ENDED: Final[Mapping[Outcome, str]] = {
    "succeeded": "succeeds",
    "failed": "fails",
    "cancelled": "stops",
}


def _outcomes(scope: Scope, one: Running, at: Instant) -> Iterator[Outcome]:
    yield "succeeded"
    # What is late or settled is judged alike, whatever it says.
    if "failure" in scope.faults and at < one.deadline and not one.settled:
        yield "failed"
    if one.stopped:
        yield "cancelled"


def _finished(scheduler: SchedulerState, one: Running, at: Instant, outcome: Outcome) -> Finished:
    return Finished(
        fence=one.fence,
        completed_at=Instant(at - scheduler.back),
        duration=Microseconds(at - one.started),
        outcome=outcome,
        error=None if outcome == "succeeded" else outcome,
    )


def _suffers(scope: Scope, scheduler: SchedulerState, acting: Acting) -> Iterator[Move]:
    name = scheduler.name
    if "crash" in scope.faults and (acting.claims or not scheduler.idle):
        yield Move(
            said=f"{name} dies",
            scheduler=_dead(scheduler),
            gone=_lease_behind(scope, scheduler),
            fault=True,
        )
    if "clock_back" in scope.faults and not scheduler.back:
        back = changed(scheduler, back=scope.step_back * 1_000_000)
        yield Move(said=f"the clock of {name} goes back", scheduler=back, fault=True)
    if "shutdown" in scope.faults and scheduler.claiming and not scheduler.idle:
        running = tuple(
            changed(one, released=one.released or not one.stopped, stopped=True)
            for one in scheduler.running
        )
        after = changed(scheduler, claiming=False, running=running)
        yield Move(said=f"{name} shuts down", scheduler=after, fault=True)


def _lease_behind(scope: Scope, scheduler: SchedulerState) -> Lease:
    # Where a death is proved, nobody asks how old the row is.
    if scope.proof:
        return Lease(scheduler.worker_id, Instant(0), Instant(0), dead=True)
    return scheduler.lease


def _dead(scheduler: SchedulerState) -> SchedulerState:
    return SchedulerState(
        name=scheduler.name, incarnation=scheduler.incarnation, alive=False, back=scheduler.back
    )


def _restarted(scope: Scope, scheduler: SchedulerState, acting: Acting) -> SchedulerState:
    # A name that no claim carries is as good as a new one, and makes fewer states.
    fresh = SchedulerState(
        name=scheduler.name, incarnation=scheduler.incarnation + acting.claims, back=scheduler.back
    )
    return renewed(scope, fresh, acting.at)


def _words(unit: Unit) -> str:
    return ", ".join(map(_word, _events(unit)))


def _word(event: SchedulerEvent) -> str:
    kind = type(event)
    return _WORDS[kind](event) if kind in _WORDS else f"writes {kind.__name__} of {event.task_id}"


_WORDS: Final[Mapping[type, Callable[[Any], str]]] = {
    TaskRunStarted: lambda told: f"claims {told.execution_id}",
    TaskExecuted: lambda told: f"records that {told.execution_id} {told.outcome}",
    TaskRunAbandoned: lambda told: f"takes {told.execution_id} back: {told.reason}",
    TaskRunSkipped: lambda told: f"leaves out {told.count} of {told.task_id} ({told.reason})",
    TaskRunBuffered: lambda told: f"keeps {len(told.nominals)} of {told.task_id}",
    TaskRunCancelRequested: lambda told: f"asks {told.run_id} to stop",
    TaskDisabled: lambda told: f"disables {told.task_id}",
}
