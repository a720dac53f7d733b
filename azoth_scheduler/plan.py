"""
One pass, decided: from what was gathered to what is written and what is done once it is.

`plan` is a function of its arguments and nothing else. It evolves what it decides, so a task that
an outcome frees can be claimed in the same pass, in the same commit.
"""

from collections.abc import Mapping
from heapq import heapify, heappop, heappush
from typing import TypeAlias

from attrs import define, field, frozen

from azoth.clocks import Instant, Microseconds
from azoth.events import Write
from azoth_scheduler.changes import evolve
from azoth_scheduler.commands import AbandonRun, RecordOutcome, ScheduleTask, StartRun, TaskCommand
from azoth_scheduler.decisions import decide
from azoth_scheduler.errors import SchedulerError
from azoth_scheduler.events import SchedulerEvent, TaskRunCancelRequested, TaskRunStarted
from azoth_scheduler.execution import Fence, Finished, refused, timed_out
from azoth_scheduler.requests import ScheduleTaskRequest
from azoth_scheduler.settings import Settings
from azoth_scheduler.task import OpenRun, TaskState, startable, wake_at

__all__ = ["Gathered", "Lost", "Overdue", "Plan", "Start", "Stop", "Unit", "plan"]

_Turn: TypeAlias = tuple[int, Instant, str]
# A task's place in the order in which tasks start: priority, due time, id.


@frozen(kw_only=True)
class Overdue:
    """
    Name an attempt that is past its deadline.

    Attributes:
        ran: How long it has been running.
    """

    fence: Fence
    ran: Microseconds


@frozen(kw_only=True)
class Lost:
    """
    Name an attempt whose worker is gone, or that its worker gives back.
    """

    fence: Fence
    reason: str
    lease_until: Instant
    given_back: bool = False


@frozen(kw_only=True)
class Gathered:
    """
    Hold what a pass knows: read once, then never again while it is decided.

    Attributes:
        worker_id: The worker that decides, its incarnation included.
        free: How many attempts may be claimed.
        finished: Attempts of this worker that ended, in the order in which they did.
        overdue: Attempts past their deadline.
        lost: Attempts to be taken from their workers.
        running: Attempts that this worker runs, save those whose outcome the log has.
        due: Tasks with something to start, in the order in which they start.
        states: The tasks of everything named above.
    """

    worker_id: str
    settings: Settings
    free: int
    finished: tuple[Finished, ...] = ()
    overdue: tuple[Overdue, ...] = ()
    lost: tuple[Lost, ...] = ()
    running: tuple[Fence, ...] = ()
    due: tuple[TaskState, ...] = ()
    states: Mapping[str, TaskState] = field(factory=dict[str, TaskState])

    @property
    def is_empty(self) -> bool:
        """
        Say whether there is nothing to decide: nothing ended, is lost, runs or is due.
        """
        return not (self.finished or self.overdue or self.lost or self.running or self.due)


@frozen(kw_only=True)
class Start:
    """
    Carry out an attempt, once its claim is in the log.
    """

    fence: Fence
    run: OpenRun
    state: TaskState


@frozen(kw_only=True)
class Stop:
    """
    Ask a running attempt to stop.
    """

    fence: Fence
    reason: str


@frozen(kw_only=True)
class Unit:
    """
    Hold all that a pass writes for one task: all of it lands, or none.

    Attributes:
        expected: The version of the task's stream that it was decided on.
        changes: The task's events, each with the state after it.
        output: The handler's events, which stand directly before the task's own.
        settles: The attempts that are over once it has landed.
        starts: The attempts that begin then.
        children: Tasks that the handler wants scheduled, which land with it.
    """

    task_id: str
    expected: int
    changes: tuple[tuple[SchedulerEvent, TaskState], ...]
    output: tuple[Write, ...] = ()
    settles: tuple[Fence, ...] = ()
    starts: tuple[Start, ...] = ()
    children: "tuple[Unit, ...]" = ()

    @property
    def asks_to_stop(self) -> bool:
        """
        Say whether a run is asked to stop: the next pass tells its attempt, so it is to come soon.
        """
        return any(isinstance(event, TaskRunCancelRequested) for event, _ in self.changes)


@frozen(kw_only=True)
class Plan:
    """
    Say what to write, in order, and what to do.

    Attributes:
        units: To be appended; each stands alone.
        stops: To be carried out at once; asking again does no harm.
        refused: Attempts whose fence is gone: what is known of them is dropped.
    """

    units: tuple[Unit, ...]
    stops: tuple[Stop, ...]
    refused: tuple[Fence, ...]


@define
class _Draft:
    # What is decided for one task so far; the state runs ahead of the log.
    state: TaskState
    expected: int
    changes: list[tuple[SchedulerEvent, TaskState]] = field(
        factory=list[tuple[SchedulerEvent, TaskState]]
    )
    output: tuple[Write, ...] = ()
    settles: list[Fence] = field(factory=list[Fence])
    starts: list[Start] = field(factory=list[Start])
    children: tuple[Unit, ...] = ()

    def decide(self, command: TaskCommand) -> bool:
        events = decide(self.state, command)
        for event in events:
            self.state = evolve(self.state, event)
            self.changes.append((event, self.state))
            if isinstance(event, TaskRunStarted):
                self._start(event)
        return bool(events)

    def _start(self, event: TaskRunStarted) -> None:
        run = self.state.with_fence(self.state.version)
        assert run is not None, "a start opens its run"
        fence = (event.task_id, self.state.version)
        self.starts.append(Start(fence=fence, run=run, state=self.state))

    def unit(self, task_id: str) -> Unit:
        return Unit(
            task_id=task_id,
            expected=self.expected,
            changes=tuple(self.changes),
            output=self.output,
            settles=tuple(self.settles),
            starts=tuple(self.starts),
            children=self.children,
        )


def plan(gathered: Gathered, now: Instant) -> Plan:
    """
    Decide one pass: outcomes and timeouts, then lost attempts, then claims for the free slots.

    Claims go by priority, due time, id, so a task has to wait only for runs that stand before it:
    those that run, those that were due before it, and those that are more important. With n of
    them, s slots, the longest timeout t and the poll interval p it starts at the latest
    `n // s * (t + 2 * p) + p` after it is due: until then each slot is taken by one of them, and
    each is done with it in t, a poll until its deadline is seen and a poll until its slot is. A
    retry is due when its failure is over or later, so it stands behind whoever waited meanwhile.
    """
    passing = _Pass(gathered, now)
    passing.look_after_running()
    passing.record_outcomes()
    passing.record_timeouts()
    passing.take_lost()
    passing.claim()
    return passing.planned()


class _Pass:
    # The state of one call of `plan`, and of no other.

    def __init__(self, gathered: Gathered, now: Instant) -> None:
        self._gathered = gathered
        self._now = now
        self._drafts: dict[str, _Draft] = {}
        self._refused: list[Fence] = []
        self._stops: list[Stop] = []
        self._put_off = 0

    def planned(self) -> Plan:
        units = [draft.unit(task_id) for task_id, draft in self._drafts.items() if draft.changes]
        # What frees slots stands before what takes them: limits hold at every prefix.
        units.sort(key=lambda unit: bool(unit.starts))
        return Plan(units=tuple(units), stops=tuple(self._stops), refused=tuple(self._refused))

    def look_after_running(self) -> None:
        for fence in self._gathered.running:
            run = self._gathered.states[fence[0]].with_fence(fence[1])
            if run is None:
                self._refused.append(fence)
                self._stop(fence, "the attempt was taken from this worker")
            elif run.cancel is not None:
                self._stop(fence, run.cancel or "cancelled")
        if not self._gathered.free:
            self._make_way()

    def _make_way(self) -> None:
        # An occurrence that asks the run before it to stop needs no slot for that.
        for task_id in dict.fromkeys(fence[0] for fence in self._gathered.running):
            state = self._gathered.states[task_id]
            due = wake_at(state)
            cancels = state.definition.options.overlap == "cancel_other"
            if cancels and due is not None and due <= self._now and not startable(state):
                self._draft(task_id).decide(self._start(state))

    def record_outcomes(self) -> None:
        for finished in self._gathered.finished:
            draft = self._draft(finished.fence[0])
            if draft.changes:
                # The events of a handler stand directly before its outcome, so one unit has room
                # for one outcome; this one is taken up by the next pass, and keeps its slot.
                self._put_off += 1
                continue
            run = draft.state.with_fence(finished.fence[1])
            told = finished if run is None else _in_time(finished, run)
            told, children = self._chained(told)
            if draft.decide(self._outcome(draft.state, told)):
                draft.output = told.output
                draft.children = children
                draft.settles.append(told.fence)
            else:
                self._refused.append(told.fence)

    def _chained(self, finished: Finished) -> tuple[Finished, tuple[Unit, ...]]:
        # Decided on the log as it was read: where a task changes meanwhile, all is decided again.
        drafts: dict[str, _Draft] = {}
        try:
            for request in finished.requests:
                assert isinstance(request, ScheduleTaskRequest), "it was looked at when it came in"
                task_id = request.task_id
                state = self._gathered.states[task_id]
                draft = drafts.setdefault(task_id, _Draft(state, state.version))
                definition = request.definition
                draft.decide(ScheduleTask(at=self._now, task_id=task_id, definition=definition))
        except SchedulerError as error:
            return refused(finished, error), ()
        units = (draft.unit(task_id) for task_id, draft in drafts.items() if draft.changes)
        return finished, tuple(units)

    def record_timeouts(self) -> None:
        for overdue in self._gathered.overdue:
            draft = self._draft(overdue.fence[0])
            run = draft.state.with_fence(overdue.fence[1])
            if run is None:
                # Ended in this pass, or taken before it.
                continue
            if run.worker_id != self._gathered.worker_id and not self._serves(draft.state):
                # What a handler says of retries is known to those who serve its type.
                continue
            told = timed_out(overdue.fence, _allowed(run), completed_at=self._now, ran=overdue.ran)
            draft.decide(self._outcome(draft.state, told))
            draft.settles.append(told.fence)
            self._stop(told.fence, told.error or "")

    def take_lost(self) -> None:
        for lost in self._gathered.lost:
            draft = self._draft(lost.fence[0])
            command = AbandonRun(
                at=self._now,
                fence=lost.fence[1],
                reason=lost.reason,
                lease_until=lost.lease_until,
                given_back=lost.given_back,
                lost_max=self._gathered.settings.max_lost,
                policy=self._gathered.settings.policy_of(draft.state.definition),
            )
            if not draft.decide(command):
                self._refused.append(lost.fence)

    def claim(self) -> None:
        # Those that were due, and those that this pass has freed; a state tells when it is due.
        states = {state.task_id: state for state in self._gathered.due}
        states.update((task_id, draft.state) for task_id, draft in self._drafts.items())
        turns = [turn for state in states.values() for turn in self._turn(state)]
        heapify(turns)
        free = self._gathered.free - self._put_off
        while turns and free > 0:
            draft = self._draft(heappop(turns)[2])
            # What is left out, or asked to stop, takes no slot; what follows from it may.
            begun = len(draft.starts)
            if draft.decide(self._start(draft.state)):
                free -= len(draft.starts) - begun
                # A task that has more to start queues up again: others may be due before that.
                for turn in self._turn(draft.state):
                    heappush(turns, turn)

    def _turn(self, state: TaskState) -> tuple[_Turn, ...]:
        due = wake_at(state)
        if due is None or due > self._now or not self._serves(state):
            return ()
        return ((state.definition.options.priority, due, state.task_id),)

    def _serves(self, state: TaskState) -> bool:
        # What is due was chosen by type and queue, but what is taken from another worker was not.
        return self._gathered.settings.serves(state.definition)

    def _draft(self, task_id: str) -> _Draft:
        draft = self._drafts.get(task_id)
        if draft is None:
            state = self._gathered.states[task_id]
            draft = self._drafts[task_id] = _Draft(state, state.version)
        return draft

    def _outcome(self, state: TaskState, finished: Finished) -> RecordOutcome:
        return RecordOutcome(
            at=self._now,
            fence=finished.fence[1],
            completed_at=finished.completed_at,
            duration=finished.duration,
            outcome=finished.outcome,
            policy=self._gathered.settings.policy_of(state.definition),
            error=finished.error,
            error_type=finished.error_type,
            traceback=finished.traceback,
            triggered=finished.triggered,
            raised=finished.raised,
            retry_after=finished.retry_after,
        )

    def _start(self, state: TaskState) -> StartRun:
        settings = self._gathered.settings
        return StartRun(
            at=self._now,
            worker_id=self._gathered.worker_id,
            timeout=settings.timeout_of(state.definition),
            max_attempts=settings.policy_of(state.definition).max_attempts,
            lease=settings.lease,
        )

    def _stop(self, fence: Fence, reason: str) -> None:
        self._stops.append(Stop(fence=fence, reason=reason))


def _in_time(finished: Finished, run: OpenRun) -> Finished:
    # A handler that overran is timed out even if it came back before anybody looked.
    if finished.duration < _allowed(run):
        return finished
    at, ran = finished.completed_at, finished.duration
    return timed_out(finished.fence, _allowed(run), completed_at=at, ran=ran)


def _allowed(run: OpenRun) -> Microseconds:
    return Microseconds(run.deadline_at - run.started_at)
