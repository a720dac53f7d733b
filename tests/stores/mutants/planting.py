"""
What mutants are made of: the memory store, open where a fault is planted, and a door that waits.
"""

from collections.abc import Sequence
from threading import Event as Flag
from typing import Final

from azoth.appending import AppendRequest, CheckedWrite, Draft, admit_all, check_append
from azoth.events import ALL, Appended, Checkpoint, Page, Query, Write
from azoth.reading import ReadRequest, check_read
from azoth_memory.log import MemoryLog
from azoth_memory.store import MemoryStore

__all__ = ["AppendMutant", "Door", "ReadMutant", "part_of"]

_HELD_SECONDS: Final = 5.0


class AppendMutant(MemoryStore):
    """
    Be sound, save for what a subclass makes of `appends`.
    """

    def append(
        self, *writes: Write, checkpoint: Checkpoint | None = None, key: str | None = None
    ) -> Appended:
        return self.appends(check_append(writes, checkpoint, key))

    def appends(self, request: AppendRequest) -> Appended:
        """
        Append what is well formed.
        """
        with self._opened() as log:
            return self.commit(log, request)

    def commit(self, log: MemoryLog, request: AppendRequest) -> Appended:
        """
        Decide and write; the lock is held, or forgotten.
        """
        draft = Draft(log, self._clock.now())
        answer = self.admit(draft, request)
        log.apply(draft)
        self._bell.ring(log.head)
        return answer

    def admit(self, draft: Draft, request: AppendRequest) -> Appended:
        """
        Decide, and raise the conflict if it is one.
        """
        (outcome,) = admit_all([request], draft)
        if not isinstance(outcome, Appended):
            raise outcome
        return outcome


class ReadMutant(MemoryStore):
    """
    Be sound, save for what a subclass makes of `reads`.
    """

    def read(
        self,
        query: Query = ALL,
        *,
        after: int = 0,
        until: int | None = None,
        limit: int = 500,
        backwards: bool = False,
    ) -> Page:
        return self.reads(check_read(query, after, until, limit, backwards=backwards))

    def reads(self, asked: ReadRequest) -> Page:
        """
        Return the page that is asked for.
        """
        return self.page(asked)

    def page(self, asked: ReadRequest) -> Page:
        """
        Return the page as the sound store does.
        """
        with self._opened() as log:
            return log.read(asked)


class Door:
    """
    Hold the first who comes until somebody else was there, so that a race is lost every time.
    """

    def __init__(self) -> None:
        self._opened = Flag()
        self._used = False

    def open(self) -> None:
        """
        Let go on whoever is held.
        """
        self._opened.set()

    def hold(self) -> None:
        """
        Be held until `open` is called from now on; only the first who comes, and not for ever.
        """
        if not self._used:
            self._used = True
            self._opened.clear()
            self._opened.wait(_HELD_SECONDS)


def part_of(
    request: AppendRequest,
    writes: Sequence[CheckedWrite] = (),
    checkpoint: Checkpoint | None = None,
    key: str | None = None,
) -> AppendRequest:
    """
    Return the request of a part of an append.
    """
    count = sum(len(write.events) for write in writes)
    return request._replace(writes=writes, checkpoint=checkpoint, key=key, event_count=count)
