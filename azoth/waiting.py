"""
Waiting for the head to move, for store authors: level-triggered, by a bell and by looking.

A commit of the same store object rings; those of other objects and processes are found by looking.
Only one of all who wait looks, so that a hundred waiters cost as much as one.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from threading import Condition
from time import monotonic  # clock: real waiting
from typing import Final

from azoth.errors import StoreClosed

__all__ = ["LOOK_SECONDS", "Bell"]

LOOK_SECONDS: Final = 0.02
"""Between two looks: far below the 100 ms promised, and fifty looks a second are cheap."""


class Bell:
    """
    Let threads wait until the head exceeds a position.

    Args:
        look: Returns the head, whoever moved it; it must be cheap, and safe in any thread.
        foreign: Whether others than the owner of this bell can move the head.
    """

    def __init__(self, look: Callable[[], int], *, foreign: bool) -> None:
        self._look = look
        self._foreign = foreign
        self._changed = Condition()
        self._rung = 0
        self._seen = 0
        self._closed = False
        self._has_lookout = False
        self._waiters = 0

    def ring(self, head: int) -> None:
        """
        Tell those who wait that *head* is committed; nearly free while nobody waits.

        It is called under the write lock, so that heads come in their order.
        """
        # A waiter is counted before it compares, so either it sees this head or it is seen here.
        self._rung = head
        if self._waiters:
            with self._changed:
                self._changed.notify_all()

    def wait(self, after: int, timeout: float | None) -> int:
        """
        Return the head as soon as it exceeds *after*, or when *timeout* is over.

        Args:
            after: A position already seen.
            timeout: Seconds; 0 looks once, None waits for ever.

        Raises:
            StoreClosed: The bell was closed, also while waiting.
        """
        deadline = None if timeout is None else monotonic() + timeout  # clock: real waiting
        self._note(self._look())
        with self._changed, self._place() as sleep:
            while not self._closed and self._head() <= after:
                left = None if deadline is None else deadline - monotonic()  # clock: real waiting
                if left is not None and left <= 0:
                    break
                sleep(left)
            if self._closed:
                raise StoreClosed
            return self._head()

    def close(self) -> None:
        """
        Make everyone who waits, now or later, raise `StoreClosed`.
        """
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @contextmanager
    def _place(self) -> Generator[Callable[[float | None], object], None, None]:
        """
        Give a waiter its way to sleep: the first one looks out, the others hear of it.
        """
        looks_out = False
        self._waiters += 1

        def sleep(left: float | None) -> None:
            nonlocal looks_out
            if self._foreign and not self._has_lookout:
                self._has_lookout = looks_out = True
            if looks_out:
                self._look_out(left)
            else:
                self._changed.wait(left)

        try:
            yield sleep
        finally:
            self._waiters -= 1
            if looks_out:
                # Somebody else takes over; all are woken, since one alone might be leaving too.
                self._has_lookout = False
                self._changed.notify_all()

    def _look_out(self, left: float | None) -> None:
        if self._changed.wait(LOOK_SECONDS if left is None else min(left, LOOK_SECONDS)):
            return
        # A look may take a while, and a commit must not wait for it to ring.
        self._changed.release()
        try:
            head = self._look()
        finally:
            self._changed.acquire()
        self._note(head)

    def _note(self, head: int) -> None:
        with self._changed:
            if head > self._seen:
                self._seen = head
                self._changed.notify_all()

    def _head(self) -> int:
        # Kept apart: the bell rings without the condition's lock, and must not be overwritten.
        return max(self._rung, self._seen)
