"""
The proof of a worker's death, for store authors: its process holds a lock while it lives.

The lock files stand in a folder beside the log, one for each worker, and are never removed.
"""

from hashlib import sha256
from pathlib import Path

from azoth.errors import StoreFailed
from azoth.file_locks import FileLock, is_locked

__all__ = ["WorkerLocks"]


class WorkerLocks:
    """
    Hold the locks of the workers that renewed a lease at one store object.

    It is called under the store's write lock, which keeps out whoever takes a lock meanwhile.

    Args:
        folder: Of the lock files; made when the first lock is taken.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._locks: dict[str, FileLock] = {}

    def hold(self, worker: str) -> bool:
        """
        Say whether the worker's lock is ours; it is taken if nobody holds it.

        Raises:
            StoreFailed: The lock file cannot be made.
        """
        return worker in self._locks or self._lock(worker)

    def is_dead(self, worker: str) -> bool:
        """
        Say whether the worker once held its lock, and nobody holds it now.
        """
        file = self._file(worker)
        return file.exists() and not is_locked(file)

    def close(self) -> None:
        """
        Free the locks: those who look find these workers dead.
        """
        while self._locks:
            self._locks.popitem()[1].close()

    def _lock(self, worker: str) -> bool:
        try:
            self._folder.mkdir(exist_ok=True)
            lock = FileLock(self._file(worker))
        except OSError as error:
            raise StoreFailed(
                reason=f"{self._folder} cannot be written ({error.strerror}); check the permissions"
            ) from error
        if not lock.try_lock():
            lock.close()
            return False
        self._locks[worker] = lock
        return True

    def _file(self, worker: str) -> Path:
        # A worker's id may be longer than a file's name, and hold what a name cannot.
        return self._folder / sha256(worker.encode()).hexdigest()[:32]
