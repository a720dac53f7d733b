"""
The states of the world and the moves between them, as tuples of small numbers.

Whatever a part of a state leads to is worked out once and remembered by the numbers of its parts,
so that a move costs a few look-ups. Numbers are given in the order of discovery, which no hash
decides.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final, TypeAlias

from attrs import evolve

from azoth_scheduler.commands import ScheduleTask
from azoth_scheduler.decisions import decide
from azoth_scheduler.errors import SchedulerError
from azoth_scheduler.simulation.invariants import Breach
from azoth_scheduler.simulation.search.moves import Acting, Move, acts, reads, renewed
from azoth_scheduler.simulation.search.passes import Reading, without_stale
from azoth_scheduler.simulation.search.scheduler_states import Lease, SchedulerState
from azoth_scheduler.simulation.search.scopes import NOON, Asked, Scope, seconds_after_noon
from azoth_scheduler.simulation.search.task_logs import TaskLog, TaskLogs
from azoth_scheduler.task import NO_TASK

__all__ = ["State", "Step", "World"]

State: TypeAlias = tuple[int, ...]
"""The instant, the logs, the leases of the dead, what may be asked, faults left; the schedulers."""

Step: TypeAlias = tuple[str, State, Breach | None]
"""What happens, what it leads to, and what is wrong with it."""

_Act: TypeAlias = tuple[str, int, tuple[TaskLog, ...], Lease | None, bool, Breach | None]
# A move of one scheduler: its words, its number after it, what it wrote, who died, whether it is a
# fault, what broke.

_FIRST: Final = 5
# Where the schedulers begin in a state.


class _Numbers:
    # Gives equal values one number.

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._known: dict[Any, int] = {}

    def of(self, value: Any) -> int:  # noqa: ANN401 - whatever can be hashed
        number = self._known.get(value)
        if number is None:
            number = self._known[value] = len(self.values)
            self.values.append(value)
        return number


class World:
    """
    Know every state of a scope by its number, and what follows from it.
    """

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._instants = [seconds_after_noon(seconds) for seconds in scope.instants]
        self.logs = TaskLogs(scope.settings)
        self._log, self._gone, self._schedulers = _Numbers(), _Numbers(), _Numbers()
        self._places = {one.task_id: place for place, one in enumerate(scope.tasks)}
        self._acts: dict[tuple[int, int, int], Sequence[_Act]] = {}
        self._acts_by_need: dict[tuple[int, ...], Sequence[_Act]] = {}
        self._reads: dict[tuple[object, ...], Sequence[_Act]] = {}
        self._reads_by_need: dict[tuple[object, ...], Sequence[_Act]] = {}
        self._workers_of: dict[int, Sequence[str]] = {}
        self._renewals: dict[tuple[int, int], int] = {}
        self._answers: dict[tuple[int, int, int], tuple[str, TaskLog] | None] = {}
        self._breaches: list[Breach | None] = []
        self._stale: dict[tuple[int, int], int] = {}

    def first(self) -> State:
        """
        Return the state at noon: everything is scheduled, and nobody has looked.
        """
        begun = tuple(
            self.logs.begun(
                decide(
                    NO_TASK,
                    ScheduleTask(at=NOON, task_id=one.task_id, definition=one.definition),
                )
            )
            for one in self._scope.tasks
        )
        left = (1 << len(self._scope.asked)) - 1
        fresh = (
            renewed(self._scope, SchedulerState(name=name), self._instants[0])
            for name in self._scope.schedulers
        )
        # A number that no fault brings down to 0 is as good as none.
        faults = -1 if self._scope.faults_max is None else self._scope.faults_max
        numbers = map(self._schedulers.of, fresh)
        return (0, self._log.of(begun), self._gone.of(()), left, faults, *numbers)

    def moves(self, state: State) -> Iterator[Step]:
        """
        Yield everything that may happen next.
        """
        for place in range(_FIRST, len(state)):
            yield from self._moves_of(state, place)
            if self._nobody_acted(state):
                # Schedulers are alike, so it does not matter which of them is the first to act.
                break
        if state[0] + 1 < len(self._instants):
            yield from self._passing(state)
        if state[3]:
            yield from self._asking(state)

    def breach(self, state: State) -> Breach | None:
        """
        Return what is wrong with a state.
        """
        return self._log_breach(state[1]) or self._really(state)

    def logs_of(self, state: State) -> tuple[TaskLog, ...]:
        """
        Return the logs of a state's tasks.
        """
        found: tuple[TaskLog, ...] = self._log.values[state[1]]
        return found

    def _moves_of(self, state: State, place: int) -> Iterator[Step]:
        gone, faults = state[2], state[4]
        steps = (*self._acts_of(state, place), *self._reads_of(state, place))
        for said, after, wrote, died, fault, breach in steps:
            if fault and not faults:
                continue
            changed = list(state)
            changed[place] = after
            if fault and faults > 0:
                changed[4] = faults - 1
            if wrote:
                changed = self._written(changed, wrote)
            if died is not None or wrote:
                changed[2] = self._gone_after(gone, died, changed[1])
            yield said, tuple(changed), breach

    def _nobody_acted(self, state: State) -> bool:
        return all(
            self._schedulers.values[number].untouched for number in state[_FIRST:]
        ) and not any(log.state.last_run_at for log in self.logs_of(state))

    def _acts_of(self, state: State, place: int) -> Sequence[_Act]:
        key = (state[place], state[1], state[0])
        known = self._acts.get(key)
        if known is None:
            known = self._acts[key] = self._made_acts(state, place)
        return known

    def _made_acts(self, state: State, place: int) -> Sequence[_Act]:
        # By what they depend on, which is less: other tasks and their claims do not matter.
        scheduler: SchedulerState = self._schedulers.values[state[place]]
        claims = scheduler.worker_id in self._workers(state[1])
        written = {unit.task_id for group in scheduler.pending for unit in group}
        log = [one for one in self.logs_of(state) if one.task_id in written]
        key = (state[place], state[0], claims, *(one.number for one in log))
        known = self._acts_by_need.get(key)
        if known is None:
            acting = Acting(log=tuple(log), at=self._instants[state[0]], claims=claims)
            moves = acts(self._scope, self.logs, scheduler, acting)
            known = self._acts_by_need[key] = [self._numbered(move) for move in moves]
        return known

    def _reads_of(self, state: State, place: int) -> Sequence[_Act]:
        scheduler: SchedulerState = self._schedulers.values[state[place]]
        if not scheduler.alive or scheduler.pending:
            return ()
        leases = self._leases_for(state, place) if self._workers(state[1]) else ()
        key = (state[place], state[1], state[0], leases)
        known = self._reads.get(key)
        if known is None:
            known = self._reads[key] = self._made_reads(state, place, leases)
        return known

    def _made_reads(self, state: State, place: int, leases: tuple[Lease, ...]) -> Sequence[_Act]:
        scheduler: SchedulerState = self._schedulers.values[state[place]]
        at = self._instants[state[0]]
        now, named = at - scheduler.back, {fence[0] for fence in scheduler.in_hand}
        log = [one for one in self.logs_of(state) if one.task_id in named or one.concerns(now)]
        key = (state[place], state[0], leases, *(one.number for one in log))
        known = self._reads_by_need.get(key)
        if known is None:
            reading = Reading(log=tuple(log), at=at, leases=leases)
            moves = reads(self._scope, scheduler, reading)
            known = self._reads_by_need[key] = [self._numbered(move) for move in moves]
        return known

    def _numbered(self, move: Move) -> _Act:
        scheduler = self._schedulers.of(move.scheduler)
        return move.said, scheduler, move.written, move.gone, move.fault, move.breach

    def _leases_for(self, state: State, place: int) -> tuple[Lease, ...]:
        values = self._schedulers.values
        rows = {values[number].worker_id: number for number in state[_FIRST:]}
        gone: dict[str, Lease] = {row.worker: row for row in self._gone.values[state[2]]}
        me = values[state[place]].worker_id
        return tuple(
            gone[worker] if worker in gone else values[rows[worker]].lease
            for worker in self._workers(state[1])
            if worker != me
        )

    def _workers(self, log: int) -> Sequence[str]:
        known = self._workers_of.get(log)
        if known is None:
            claims = (claim.worker for one in self._log.values[log] for claim in one.claims)
            known = self._workers_of[log] = tuple(dict.fromkeys(claims))
        return known

    def _gone_after(self, gone: int, died: Lease | None, log: int) -> int:
        rows: tuple[Lease, ...] = self._gone.values[gone]
        if died is None and not rows:
            return gone
        claimed = self._workers(log)
        rows = rows if died is None else (*rows, died)
        # The row of a worker without claims says nothing to anybody.
        return self._gone.of(tuple(row for row in rows if row.worker in claimed))

    def _written(self, state: list[int], written: Sequence[TaskLog]) -> list[int]:
        logs = list(self._log.values[state[1]])
        for one in written:
            logs[self._places[one.task_id]] = one
        log = self._log.of(tuple(logs))
        # Whose whole plan is stale by now may read again.
        schedulers = (self._without_stale(one, log) for one in state[_FIRST:])
        return [state[0], log, *state[2:_FIRST], *schedulers]

    def _without_stale(self, number: int, log: int) -> int:
        scheduler: SchedulerState = self._schedulers.values[number]
        if not scheduler.pending:
            return number
        key = (number, log)
        known = self._stale.get(key)
        if known is None:
            after = without_stale(scheduler, self._log.values[log])
            known = self._stale[key] = self._schedulers.of(after)
        return known

    def _passing(self, state: State) -> Iterator[Step]:
        tick, schedulers = state[0] + 1, state[_FIRST:]
        awake = [self._renewed(number, tick) for number in schedulers]
        yield f"it is {self._scope.instants[tick]} s", (tick, *state[1:_FIRST], *awake), None
        if "sleep" not in self._scope.faults or not state[4]:
            return
        faults = state[4] - 1 if state[4] > 0 else -1
        for place, number in enumerate(schedulers):
            scheduler: SchedulerState = self._schedulers.values[number]
            if not scheduler.alive or scheduler.idle:
                continue
            asleep = [*awake[:place], number, *awake[place + 1 :]]
            said = f"{scheduler.name} sleeps; it is {self._scope.instants[tick]} s"
            yield said, (tick, *state[1:4], faults, *asleep), None

    def _renewed(self, number: int, tick: int) -> int:
        key = (number, tick)
        known = self._renewals.get(key)
        if known is None:
            at = self._instants[tick]
            after = renewed(self._scope, self._schedulers.values[number], at)
            known = self._renewals[key] = self._schedulers.of(after)
        return known

    def _asking(self, state: State) -> Iterator[Step]:
        for place in range(len(self._scope.asked)):
            if not state[3] & 1 << place:
                continue
            answer = self._asked(place, state[0], state[1])
            if answer is not None:
                said, written = answer
                changed = self._written(list(state), (written,))
                changed[2] = self._gone_after(state[2], None, changed[1])
                changed[3] = state[3] & ~(1 << place)
                yield said, tuple(changed), None

    def _asked(self, place: int, tick: int, log: int) -> tuple[str, TaskLog] | None:
        command = self._scope.asked[place]
        one: TaskLog = self._log.values[log][self._places[command.task_id]]
        key = (place, tick, one.number)
        if key not in self._answers:
            self._answers[key] = self._answered(evolve(command, at=self._instants[tick]), one)
        return self._answers[key]

    def _answered(self, command: Asked, log: TaskLog) -> tuple[str, TaskLog] | None:
        try:
            events = decide(log.state, command)
        except SchedulerError:
            return None
        said = f"a client asks: {type(command).__name__} of {log.task_id}"
        return (said, self.logs.after(log, events)) if events else None

    def _log_breach(self, log: int) -> Breach | None:
        while len(self._breaches) <= log:
            self._breaches.append(self._wrong(self._log.values[len(self._breaches)]))
        return self._breaches[log]

    def _wrong(self, logs: tuple[TaskLog, ...]) -> Breach | None:
        for one in logs:
            if one.breach is not None:
                return one.breach
        workers = [claim.worker for one in logs for claim in one.claims]
        for worker in workers:
            if workers.count(worker) > self._scope.slots:
                return Breach("C3", 0, f"{worker} has claimed {workers.count(worker)} attempts")
        return None

    def _really(self, state: State) -> Breach | None:
        # What is carried out, whatever the log says: a second attempt is one too many, unless the
        # log has an end of the first.
        schedulers = [self._schedulers.values[number] for number in state[_FIRST:]]
        fences = [one.fence for each in schedulers if each.running for one in each.working]
        if len(fences) < 2:
            return None
        for log in self.logs_of(state):
            active = {claim.fence for claim in log.claims}
            runs = [fence for fence in fences if fence in active]
            alone = log.state.definition.options.overlap != "allow"
            if len(runs) > 1 and (alone or len(set(runs)) < len(runs)):
                return Breach("C3", 0, f"attempts of fences {runs} run at the same time")
        return None
