"""
The gate before the map: any number of transactions inside, or somebody alone.

LMDB moves the map when it grows, under the feet of every transaction of the process, and the
binding refuses or invalidates what runs meanwhile. So nobody is inside while the map moves.
"""

from collections.abc import Generator
from contextlib import contextmanager
from threading import Condition, Lock

from azoth.errors import StoreClosed

__all__ = ["Gate"]


class Gate:
    """
    Let many in, or one alone; who wants to be alone goes before those who come later.
    """

    def __init__(self) -> None:
        self._changed = Condition(Lock())
        self._inside = 0
        self._shut = False
        self._closed = False

    def enter(self) -> None:
        """
        Go inside, beside others; nobody enters twice without leaving.

        Raises:
            StoreClosed: The gate was closed.
        """
        with self._changed:
            while self._shut:
                self._changed.wait()
            if self._closed:
                raise StoreClosed
            self._inside += 1

    def leave(self) -> None:
        """
        Go outside.
        """
        with self._changed:
            self._inside -= 1
            if self._shut:
                self._changed.notify_all()

    def shut(self, seconds: float | None = None) -> bool:
        """
        Keep everybody out, once those inside have left.

        Returns:
            Whether they left in time; if not, the gate is open as before.
        """
        with self._changed:
            while self._shut:
                self._changed.wait()
            self._shut = True
            left = self._changed.wait_for(lambda: not self._inside, seconds)
            if not left:
                self._reopen()
            return left

    def open(self) -> None:
        """
        Let everybody in again.
        """
        with self._changed:
            self._reopen()

    @contextmanager
    def alone(self) -> Generator[None, None, None]:
        """
        Be inside alone.

        Raises:
            StoreClosed: The gate was closed.
        """
        self.shut()
        try:
            if self._closed:
                raise StoreClosed
            yield
        finally:
            self.open()

    @contextmanager
    def calm(self) -> Generator[None, None, None]:
        """
        Stay inside until all others have left, and keep them out; for who entered before.
        """
        with self._changed:
            # Who wants to be alone keeps others out too, and waits for us.
            mine = not self._shut
            self._shut = True
            self._changed.wait_for(lambda: self._inside == 1)
        try:
            yield
        finally:
            if mine:
                self.open()

    def close(self) -> None:
        """
        Let those inside leave, and nobody in any more.
        """
        self.shut()
        self._closed = True
        self.open()

    def _reopen(self) -> None:
        self._shut = False
        self._changed.notify_all()
