"""
Mutants that lose a race: what stands under the lock in the store stands beside it here.
"""

from attrs import evolve

from azoth.appending import AppendRequest, Draft
from azoth.clocks import Clock, Instant
from azoth.events import Appended, Page
from azoth.reading import ReadRequest
from azoth.streams import Position
from tests.stores.mutants.planting import AppendMutant, Door, ReadMutant, part_of

__all__ = [
    "AnswersBeforeItWrites",
    "ForgetsItsLockForCheckpoints",
    "ForgetsItsLockForKeys",
    "ShowsBatchesInParts",
    "TakesItsPositionBeforeTheLock",
    "TellsTheHeadOfAnotherSnapshot",
]


class TakesItsPositionBeforeTheLock(AppendMutant):
    """
    The position is counted first, then the lock is taken, as a database sequence would do it.
    """

    def appends(self, request: AppendRequest) -> Appended:
        draft = Draft(self._log, Instant(0))
        answer = self.admit(draft, request)
        draft.recorded_at = Instant(max(draft.recorded_at, self._clock.now()))
        with self._opened() as log:
            log.apply(draft)
            self._bell.ring(log.head)
        return answer


class ForgetsItsLockForKeys(AppendMutant):
    """
    An append with a key does not take the lock.
    """

    def appends(self, request: AppendRequest) -> Appended:
        if request.key is not None:
            return self.commit(self._log, request)
        return super().appends(request)


class ForgetsItsLockForCheckpoints(AppendMutant):
    """
    An append with a checkpoint does not take the lock.
    """

    def appends(self, request: AppendRequest) -> Appended:
        if request.checkpoint is not None:
            return self.commit(self._log, request)
        return super().appends(request)


class AnswersBeforeItWrites(AppendMutant):
    """
    An append is acknowledged while it still lies in a buffer, which the next one writes.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._buffered: Draft | None = None

    def appends(self, request: AppendRequest) -> Appended:
        with self._opened() as log:
            if self._buffered is not None:
                log.apply(self._buffered)
            self._buffered = Draft(log, self._clock.now())
            return self.admit(self._buffered, request)


class ShowsBatchesInParts(AppendMutant, ReadMutant):
    """
    The lock is let go between two writes of one append, though all were checked before.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._door = Door()

    def appends(self, request: AppendRequest) -> Appended:
        if len(request.writes) < 2 or request.key is not None:
            return super().appends(request)
        with self._opened() as log:
            answer = self.admit(Draft(log, Instant(0)), request)
        for place, write in enumerate(request.writes):
            if place:
                self._door.hold()
            with self._opened() as log:
                self.commit(log, part_of(request, [write]))
        if request.checkpoint is not None:
            super().appends(part_of(request, checkpoint=request.checkpoint))
        return answer

    def reads(self, asked: ReadRequest) -> Page:
        page = super().reads(asked)
        self._door.open()
        return page


class TellsTheHeadOfAnotherSnapshot(AppendMutant, ReadMutant):
    """
    The events are read first, then the head, and an append may come between them.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._door = Door()

    def appends(self, request: AppendRequest) -> Appended:
        answer = super().appends(request)
        self._door.open()
        return answer

    def reads(self, asked: ReadRequest) -> Page:
        page = super().reads(asked)
        self._door.hold()
        return evolve(page, head=Position(self._head()))
