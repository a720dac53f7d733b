"""
What wakes a scheduler: one bell for appends, for attempts that ended, and for its own methods.
"""

from threading import Event, Thread
from typing import Final, Self

from azoth.errors import StoreClosed, StoreError
from azoth.store import EventStore

__all__ = ["Bell", "Watcher"]

_LOOK_SECONDS: Final = 1.0


class Bell:
    """
    Be rung by many and heard by one; a ring before the wait is heard too.
    """

    def __init__(self) -> None:
        self._rung = Event()

    def ring(self) -> None:
        """
        Wake whoever waits, or the next one who does.
        """
        self._rung.set()

    def wait(self, seconds: float) -> None:
        """
        Wait for a ring, at most *seconds*, and forget it.
        """
        self._rung.wait(seconds)
        # What was rung for is visible before the ring, so a pass after this line sees it.
        self._rung.clear()


class Watcher:
    """
    Ring the bell for each append, by whomever, in whatever process; a context manager.
    """

    def __init__(self, store: EventStore, bell: Bell) -> None:
        self._store = store
        self._bell = bell
        self._stopping = Event()

    def __enter__(self) -> Self:
        Thread(target=self._watch, name="azoth-watcher", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()

    def _watch(self) -> None:
        head = 0
        while not self._stopping.is_set():
            try:
                seen = self._store.wait(head, _LOOK_SECONDS)
            except StoreClosed:
                return
            except StoreError:
                # The pass meets the same trouble, and deals with it; here it is only waited out.
                self._stopping.wait(_LOOK_SECONDS)
                continue
            if seen != head:
                head = seen
                self._bell.ring()
