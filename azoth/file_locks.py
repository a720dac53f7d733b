"""
Locks between processes, for store authors: held by an open file, gone with the process.

`flock` belongs to the open file, so two objects of one process exclude each other too, and closing
another file frees nothing. A lock file is never removed: whoever removed it would let two hold it.
"""

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep  # clock: real waiting
from typing import Final
from weakref import WeakSet

from azoth.errors import StoreBusy

__all__ = ["FileLock", "is_locked"]

_FIRST_PAUSE_SECONDS: Final = 0.000_2
_LONGEST_PAUSE_SECONDS: Final = 0.005
"""Far below a commit's share of the lock that a reader of the clock would notice."""


class FileLock:
    """
    Hold a lock on a file of its own, which is made if it is missing.

    Args:
        path: The lock file.

    Raises:
        OSError: The file can be neither made nor opened.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        _OPEN.add(self)

    def mark(self) -> None:
        """
        Write in the lock file that what it guards was made.
        """
        os.pwrite(self._file, b"made", 0)

    def is_marked(self) -> bool:
        """
        Say whether what it guards was made: if it is empty now, it was emptied.
        """
        return os.fstat(self._file).st_size > 0

    def try_lock(self) -> bool:
        """
        Take the lock if nobody holds it.
        """
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def acquire(self, seconds: float) -> None:
        """
        Take the lock, waiting for it at most so many seconds.

        Raises:
            StoreBusy: Somebody else held it all the time.
        """
        if not self.try_lock():
            self._wait(seconds)

    def release(self) -> None:
        """
        Free the lock.
        """
        fcntl.flock(self._file, fcntl.LOCK_UN)

    @contextmanager
    def held(self, seconds: float) -> Generator[None, None, None]:
        """
        Hold the lock, waiting for it at most so many seconds.

        Raises:
            StoreBusy: Somebody else held it all the time.
        """
        self.acquire(seconds)
        try:
            yield
        finally:
            self.release()

    def close(self) -> None:
        """
        Free the lock; twice is fine.
        """
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)

    def _wait(self, seconds: float) -> None:
        # The kernel's own queue knows no timeout, so the lock is asked for again and again.
        deadline = monotonic() + seconds  # clock: real waiting
        pause = _FIRST_PAUSE_SECONDS
        while not self.try_lock():
            if monotonic() >= deadline:  # clock: real waiting
                raise StoreBusy(seconds=seconds)
            sleep(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE_SECONDS)


def is_locked(path: Path) -> bool:
    """
    Say whether somebody holds the lock on *path*; nobody holds one that is missing.

    It takes the lock for a moment, so whoever takes it in earnest must be kept out meanwhile.
    """
    try:
        file = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False


_OPEN: Final = WeakSet[FileLock]()


def _leave_to_parent() -> None:
    # A child that kept the open file would keep the lock alive after its parent's death.
    for lock in list(_OPEN):
        lock.close()


os.register_at_fork(after_in_child=_leave_to_parent)
