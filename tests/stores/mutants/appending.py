"""
Mutants whose appends check too little or write the wrong thing.
"""

from attrs import evolve

from azoth.appending import AppendRequest
from azoth.errors import Conflict
from azoth.events import Appended, Event
from azoth.streams import ANY, Position, Version, WrongExpectedVersion
from tests.stores.mutants.planting import AppendMutant, part_of

__all__ = [
    "BurnsAPositionForARefusal",
    "ForgetsTheSchema",
    "ListsOneStaleWrite",
    "SkipsChecksOfUnwrittenStreams",
    "SwallowsConflicts",
    "WritesOneByOne",
]


class SwallowsConflicts(AppendMutant):
    """
    A conflict is answered as if the append had been written.
    """

    def appends(self, request: AppendRequest) -> Appended:
        try:
            return super().appends(request)
        except Conflict:
            head = self._head()
            versions = {write.stream: self._log.version(write.stream) for write in request.writes}
            return Appended(first=Position(head + 1), last=Position(head), versions=versions)


class WritesOneByOne(AppendMutant):
    """
    Each write is a commit of its own; the first stays when the second is refused.
    """

    def appends(self, request: AppendRequest) -> Appended:
        first: Appended | None = None
        for write in request.writes[:-1]:
            first = super().appends(part_of(request, [write]))
        last = super().appends(
            part_of(request, request.writes[-1:], request.checkpoint, request.key)
        )
        return last if first is None else evolve(last, first=first.first)


class SkipsChecksOfUnwrittenStreams(AppendMutant):
    """
    What is expected of a stream is compared only if the stream is written.
    """

    def appends(self, request: AppendRequest) -> Appended:
        writes = [
            write if write.events else write._replace(expected=ANY) for write in request.writes
        ]
        return super().appends(request._replace(writes=writes))


class ListsOneStaleWrite(AppendMutant):
    """
    The comparison ends at the first stale write.
    """

    def appends(self, request: AppendRequest) -> Appended:
        try:
            return super().appends(request)
        except WrongExpectedVersion as refused:
            raise WrongExpectedVersion(failures=refused.failures[:1]) from None


class BurnsAPositionForARefusal(AppendMutant):
    """
    A refused append uses a position up, as a database sequence does.
    """

    def appends(self, request: AppendRequest) -> Appended:
        try:
            return super().appends(request)
        except Conflict:
            with self._opened() as log:
                place, version = Position(log.head + 1), Version(log.version("burned") + 1)
                log.add(Event(place, "burned", version, "t", b"", {}, 1, self._clock.now()), 0)
            raise


class ForgetsTheSchema(AppendMutant):
    """
    Every event is written with schema 1.
    """

    def appends(self, request: AppendRequest) -> Appended:
        writes = [
            write._replace(events=[evolve(event, schema=1) for event in write.events])
            for write in request.writes
        ]
        return super().appends(request._replace(writes=writes))
