"""
The life of a store object, for store authors: opened, opened anew after a fork, closed.

What a store holds in one process, its connections, locks and queue, is its session. A forked child
inherits the memory of its parent's session and may use none of it.
"""

import os
from collections.abc import Callable
from threading import Lock
from typing import Generic, Protocol, TypeVar

from azoth.errors import StoreClosed

__all__ = ["Session", "Sessions"]


class Session(Protocol):
    """
    Be what a store holds in one process.
    """

    def check(self) -> None:
        """
        Raise again what made the session useless, such as a failed sync.
        """
        ...

    def close(self) -> None:
        """
        Let running calls end, and free everything.
        """
        ...

    def leave_to_parent(self) -> None:
        """
        Give up everything after a fork, and do nothing to what the parent still uses.
        """
        ...


Held = TypeVar("Held", bound=Session)


class Sessions(Generic[Held]):
    """
    Hold the session of a store object, and open another one in a fork.

    Args:
        open_session: Opens one in the process that calls it.
    """

    def __init__(self, open_session: Callable[[], Held]) -> None:
        self._open = open_session
        self._lock = Lock()
        self._process = os.getpid()
        self._session = open_session()
        self._closed = False

    def current(self) -> Held:
        """
        Return the session of this process.

        Raises:
            StoreClosed: The store was closed.
            StoreError: The session cannot be used, or not be opened after a fork.
        """
        if self._closed:
            raise StoreClosed
        if self._process != os.getpid():
            self._reopen()
        self._session.check()
        return self._session

    def close(self) -> None:
        """
        Close the session, or leave it to the parent who opened it; twice is fine.
        """
        with self._lock:
            was_closed, self._closed = self._closed, True
        if was_closed:
            return
        if self._process == os.getpid():
            self._session.close()
        else:
            self._session.leave_to_parent()

    def _reopen(self) -> None:
        with self._lock:
            if self._process != os.getpid():
                inherited, self._session = self._session, self._open()
                self._process = os.getpid()
                inherited.leave_to_parent()
