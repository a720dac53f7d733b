"""
Mutants that break the promise of a key or of a checkpoint.
"""

from attrs import evolve

from azoth.appending import AppendRequest, FirstAnswer
from azoth.errors import Conflict, IdempotencyConflict
from azoth.events import Appended
from tests.stores.mutants.planting import AppendMutant, part_of

__all__ = [
    "HandsOutTheAnswerItKeeps",
    "IgnoresKeys",
    "MovesTheCheckpointAfterTheCommit",
    "MovesTheCheckpointBeforeTheCommit",
    "MovesTheCheckpointFromAnywhere",
    "TakesOtherContentForAKnownKey",
    "TakesTheKeyOfARefusedAppend",
]


class IgnoresKeys(AppendMutant):
    """
    An append is written again, whatever its key.
    """

    def appends(self, request: AppendRequest) -> Appended:
        return super().appends(request._replace(key=None))


class TakesOtherContentForAKnownKey(AppendMutant):
    """
    A known key gets the first answer, whatever is to be written.
    """

    def appends(self, request: AppendRequest) -> Appended:
        try:
            return super().appends(request)
        except IdempotencyConflict as refused:
            first = self._log.first_answer(refused.key)
            assert first is not None
            return evolve(first.answer, duplicate=True)


class TakesTheKeyOfARefusedAppend(AppendMutant):
    """
    The key is kept before the append is admitted.
    """

    def appends(self, request: AppendRequest) -> Appended:
        try:
            return super().appends(request)
        except Conflict:
            if request.key is not None:
                refused = self._log.first_answer(request.key)
                super().appends(request._replace(writes=(), checkpoint=None, event_count=0))
                assert refused is None
            raise


class HandsOutTheAnswerItKeeps(AppendMutant):
    """
    The answer kept for a key is the very object that the caller was given.
    """

    def appends(self, request: AppendRequest) -> Appended:
        answer = super().appends(request)
        if request.key is not None and not answer.duplicate:
            self._log._keys[request.key] = FirstAnswer(request.digest, answer)
        return answer


class MovesTheCheckpointAfterTheCommit(AppendMutant):
    """
    The events are committed, and then the checkpoint: the events of a fenced runner stay.
    """

    def appends(self, request: AppendRequest) -> Appended:
        if request.checkpoint is None or not request.writes:
            return super().appends(request)
        answer = super().appends(part_of(request, request.writes, key=request.key))
        super().appends(part_of(request, checkpoint=request.checkpoint))
        return answer


class MovesTheCheckpointBeforeTheCommit(AppendMutant):
    """
    The checkpoint is committed, and then the events: a refused append has moved it.
    """

    def appends(self, request: AppendRequest) -> Appended:
        if request.checkpoint is None or not request.writes:
            return super().appends(request)
        super().appends(part_of(request, checkpoint=request.checkpoint))
        return super().appends(part_of(request, request.writes, key=request.key))


class MovesTheCheckpointFromAnywhere(AppendMutant):
    """
    Where the checkpoint stood is not compared, so that two runners go on side by side.
    """

    def appends(self, request: AppendRequest) -> Appended:
        moved = request.checkpoint
        if moved is not None:
            actual = self.checkpoint(moved.consumer)
            moved = evolve(moved, previous=actual, position=max(actual, moved.position))
        return super().appends(request._replace(checkpoint=moved))
