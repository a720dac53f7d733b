"""
What wakes a scheduler: one bell for appends, for attempts that ended, and for its own methods.
"""

from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Final, Self

from azoth.errors import StoreClosed, StoreError
from azoth.store import EventStore

__all__ = ["Bell", "Watcher"]

_LOOK_SECONDS: Final = 1.0


class Bell:
    """
    Be rung by many and heard by one; a ring before the wait is heard too.

    It may be rung in a signal handler, which runs in the midst of whatever its thread was doing. An
    `Event` must not: one that is set while the same thread begins to wait for it locks it for ever.
    """

    def __init__(self) -> None:
        self._rings: SimpleQueue[None] = SimpleQueue()
        self._rung = False

    def ring(self) -> None:
        """
        Wake whoever waits, or the next one who does.
        """
        # Whoever is about to wake sees what this is rung for: it forgets first, then looks.
        if not self._rung:
            self._rung = True
            self._rings.put(None)

    def wait(self, seconds: float) -> None:
        """
        Wait for a ring, at most *seconds*, and forget it.
        """
        with suppress(Empty):
            self._rings.get(timeout=seconds)
            self._rung = False


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
