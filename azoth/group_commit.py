"""
One writer, many callers: whoever comes first commits for all who wait.

There is no writer thread. A caller puts its append into the queue and takes the writer's lock; if
nobody has committed the append by then, the caller commits the whole queue in one transaction, and
the others find their answers when the lock comes to them. A lone caller pays for one lock.
"""

from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from copy import copy
from threading import Lock, get_ident
from typing import Final, TypeAlias

from azoth.appending import AppendRequest
from azoth.errors import AzothError, Conflict, OutcomeUnknown, StoreClosed, StoreFull
from azoth.events import APPEND_BYTES_MAX, APPEND_EVENTS_MAX, Appended
from azoth.forking import Stage, hold_at_fork

__all__ = ["COMMIT_APPENDS_MAX", "Commit", "GroupCommit", "Outcome"]

COMMIT_APPENDS_MAX: Final = 1_000
"""Of one commit: a caller that joins late must not wait for a transaction without an end."""

Outcome: TypeAlias = Appended | Conflict
"""What became of one append of a commit: its answer, or the conflict that rejects it alone."""

Commit: TypeAlias = Callable[[Sequence[AppendRequest]], Sequence[Outcome]]
"""
A store's commit: durable when it returns, one outcome for each request in order.

It raises a `StoreError` if nothing of the whole transaction remains (`StoreFull`, `StoreBusy`) or
its fate is not known (`StoreFailed`, `OutcomeUnknown`). It is called under the writer's lock.
"""


class GroupCommit:
    """
    Serialise the writers of one store object, and let those who wait share a commit.
    """

    def __init__(self, commit: Commit) -> None:
        self._commit = commit
        self._writer = Lock()
        self._waiting: deque[_Ticket] = deque()
        self._holder: int | None = None
        self._closed = False
        hold_at_fork(self, Stage.QUEUES)

    def append(self, request: AppendRequest) -> Appended:
        """
        Return the answer of *request* once it is committed, by this caller or by another.

        Raises:
            Conflict: The append is rejected.
            StoreError: What the commit raised.
            StoreClosed: The queue was closed before the append came into it.
            RuntimeError: It is called in the midst of a write of the same store.
        """
        self._check_caller()
        ticket = _Ticket(request)
        self._waiting.append(ticket)
        with self._writer:
            self._holder = get_ident()
            try:
                while ticket.outcome is None:
                    self._commit_next(ticket)
            finally:
                self._holder = None
        if isinstance(ticket.outcome, AzothError):
            raise ticket.outcome
        return ticket.outcome

    @contextmanager
    def exclusive(self) -> Generator[None, None, None]:
        """
        Hold the writer's lock for a write that is no append.

        Raises:
            StoreClosed: The queue was closed.
            RuntimeError: It is called in the midst of a write of the same store.
        """
        self._check_caller()
        with self._writer:
            if self._closed:
                raise StoreClosed
            self._holder = get_ident()
            try:
                yield
            finally:
                self._holder = None

    def hold(self) -> None:
        """
        Let the commit that runs end, and none begin: the process is about to fork.
        """
        self._writer.acquire()

    def let_go(self) -> None:
        """
        Let commits begin again.
        """
        self._writer.release()

    def let_go_in_child(self) -> None:
        """
        Let commits begin; in a child those that waited have nobody who waits for them.
        """
        self._writer.release()

    def close(self) -> None:
        """
        Commit what is in the queue, and refuse what comes later.
        """
        with self._writer:
            while self._waiting:
                self._settle(self._take())
            self._closed = True

    def _check_caller(self) -> None:
        # A clock, or whoever gives the events of a restore, would wait for itself for ever.
        if self._holder == get_ident():
            raise RuntimeError("an append inside an append: let the first one return before")

    def _commit_next(self, ticket: "_Ticket") -> None:
        tickets = self._take()
        if self._closed:
            for refused in tickets:
                refused.outcome = StoreClosed()
        elif tickets:
            self._settle(tickets)
        else:
            # Whoever took the ticket out of the queue was interrupted before it committed.
            ticket.outcome = OutcomeUnknown(reason="the caller that committed it was interrupted")

    def _take(self) -> "list[_Ticket]":
        tickets: list[_Ticket] = []
        count = size = 0
        while self._waiting and len(tickets) < COMMIT_APPENDS_MAX:
            request = self._waiting[0].request
            count, size = count + request.event_count, size + request.size
            if tickets and (count > APPEND_EVENTS_MAX or size > APPEND_BYTES_MAX):
                break
            tickets.append(self._waiting.popleft())
        return tickets

    def _settle(self, tickets: "Sequence[_Ticket]") -> None:
        try:
            outcomes: Sequence[Outcome | AzothError] = self._commit([t.request for t in tickets])
        except StoreFull as error:
            # Together they do not fit; a small one may fit alone.
            outcomes = [error] if len(tickets) == 1 else [self._alone(t) for t in tickets]
        except AzothError as error:
            # An exception object belongs to one thread: raising adds to its traceback.
            outcomes = [copy(error) for _ in tickets]
        except BaseException as error:
            reason = f"the caller that committed it failed with {error!r}"
            _answer(tickets, [OutcomeUnknown(reason=reason) for _ in tickets])
            raise
        _answer(tickets, outcomes)

    def _alone(self, ticket: "_Ticket") -> Outcome | AzothError:
        try:
            return self._commit([ticket.request])[0]
        except AzothError as error:
            return error


class _Ticket:
    __slots__ = ("outcome", "request")

    def __init__(self, request: AppendRequest) -> None:
        self.request = request
        self.outcome: Appended | AzothError | None = None


def _answer(tickets: Sequence[_Ticket], outcomes: Sequence[Outcome | AzothError]) -> None:
    for ticket, outcome in zip(tickets, outcomes, strict=True):
        ticket.outcome = outcome
