"""
What a fork waits for, for store authors: a child inherits locks that nobody frees any more.

A process that forks in the midst of a commit hands its child an engine that believes in a lock
which nobody holds. So a fork waits for what runs, keeps anything else from beginning, and lets go
on both sides. What is held is held in stages, as a commit takes it: first the queues, then what
stands behind them; the other way round a fork and a commit could wait for each other.
"""

import os
from enum import IntEnum
from threading import Lock
from typing import Final, Protocol
from weakref import WeakSet

__all__ = ["Holder", "Stage", "hold_at_fork"]


class Stage(IntEnum):
    """
    Name when something is held before a fork, lower numbers first.
    """

    QUEUES = 0
    ENGINES = 1


class Holder(Protocol):
    """
    Be something that must stand still while the process forks.
    """

    def hold(self) -> None:
        """
        Let what runs end, and nothing begin: the process is about to fork.
        """
        ...

    def let_go(self) -> None:
        """
        Go on in the parent.
        """
        ...

    def let_go_in_child(self) -> None:
        """
        Give up in the child what the fork does not carry over.
        """
        ...


def hold_at_fork(holder: Holder, stage: Stage) -> None:
    """
    Hold *holder*, for as long as somebody else keeps it, whenever the process forks.
    """
    _GUARD.watch(holder, stage)


class _Guard:
    def __init__(self) -> None:
        self._forking = Lock()
        self._watched: dict[Stage, WeakSet[Holder]] = {stage: WeakSet() for stage in Stage}
        self._held: list[Holder] = []

    def watch(self, holder: Holder, stage: Stage) -> None:
        self._watched[stage].add(holder)

    def before(self) -> None:
        self._forking.acquire()
        for stage in Stage:
            for holder in list(self._watched[stage]):
                holder.hold()
                self._held.append(holder)

    def after_in_parent(self) -> None:
        while self._held:
            self._held.pop().let_go()
        self._forking.release()

    def after_in_child(self) -> None:
        while self._held:
            self._held.pop().let_go_in_child()
        self._forking.release()


_GUARD: Final = _Guard()
os.register_at_fork(
    before=_GUARD.before,
    after_in_parent=_GUARD.after_in_parent,
    after_in_child=_GUARD.after_in_child,
)
