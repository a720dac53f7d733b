"""
Leases, and the proof of a death: each worker's process holds a lock while it lives.
"""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from attrs import evolve

from azoth.clocks import Instant
from azoth.store import Lease
from azoth.worker_locks import WorkerLocks
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
        self._locks = WorkerLocks(folder)

    def renew(self, cursor: sqlite3.Cursor, worker: str, until: Instant) -> bool:
        """
        Write a lease if the worker's lock is or can be ours.
        """
        if not self._locks.hold(worker):
            return False
        cursor.execute(_REPLACE_LEASE, lease_row(worker, until))
        return True

    def leases(self, cursor: sqlite3.Cursor) -> Sequence[Lease]:
        """
        Return all leases, and of which workers the death is proved.
        """
        leases = [lease_of(row) for row in cursor.execute(_SELECT_LEASES).fetchall()]
        return [evolve(lease, dead=self._locks.is_dead(lease.worker)) for lease in leases]

    def close(self) -> None:
        """
        Free the locks: those who look find these workers dead.
        """
        self._locks.close()
