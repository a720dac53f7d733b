"""
Leases, and the proof of a death: each worker's process holds a lock while it lives.

The lock files stand in a folder beside the database, one for each worker, and are never removed.
"""

import sqlite3
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

from attrs import evolve

from azoth.clocks import Instant
from azoth.errors import StoreFailed
from azoth.file_locks import FileLock, is_locked
from azoth.store import Lease
from azoth_sqlite.rows import lease_of, lease_row
from azoth_sqlite.statements import statement

__all__ = ["Workers"]

_REPLACE_LEASE: Final = statement("replace_lease")
_SELECT_LEASES: Final = statement("select_leases")


class Workers:
    """
    Keep the leases of all workers, and the locks of those that renewed here.

    It is called within the writer's transactions: they keep out whoever takes a lock meanwhile.

    Args:
        folder: Of the lock files; made when the first lease is renewed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._locks: dict[str, FileLock] = {}

    def renew(self, cursor: sqlite3.Cursor, worker: str, until: Instant) -> bool:
        """
        Write a lease if the worker's lock is or can be ours.
        """
        if worker not in self._locks and not self._lock(worker):
            return False
        cursor.execute(_REPLACE_LEASE, lease_row(worker, until))
        return True

    def leases(self, cursor: sqlite3.Cursor) -> Sequence[Lease]:
        """
        Return all leases, and of which workers the death is proved.
        """
        leases = [lease_of(row) for row in cursor.execute(_SELECT_LEASES).fetchall()]
        return [evolve(lease, dead=self._is_dead(lease.worker)) for lease in leases]

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

    def _is_dead(self, worker: str) -> bool:
        file = self._file(worker)
        return file.exists() and not is_locked(file)

    def _file(self, worker: str) -> Path:
        # A worker's id may be longer than a file's name, and hold what a name cannot.
        return self._folder / sha256(worker.encode()).hexdigest()[:32]
