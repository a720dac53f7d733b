"""
Leases, and the proof of a death: each worker's process holds a lock while it lives.
"""

from collections.abc import Sequence
from pathlib import Path

from attrs import evolve

from azoth.clocks import Instant
from azoth.store import Lease
from azoth.worker_locks import WorkerLocks
from azoth_lmdb.records import lease_of, lease_record
from azoth_lmdb.saving import save_counted
from azoth_lmdb.state import WriterState
from azoth_lmdb.tables import Transaction

__all__ = ["Workers"]


class Workers:
    """
    Keep the leases of all workers, and the locks of those that renewed here.

    It is called within the writer's transactions: they keep out whoever takes a lock meanwhile.

    Args:
        folder: Of the lock files; made when the first lease is renewed.
    """

    def __init__(self, folder: Path) -> None:
        self._locks = WorkerLocks(folder)

    def renew(
        self, transaction: Transaction, state: WriterState, worker: str, until: Instant
    ) -> bool:
        """
        Write a lease if the worker's lock is or can be ours.
        """
        if not self._locks.hold(worker):
            return False
        name = worker.encode()
        save_counted(transaction, state, transaction.tables.leases, name, lease_record(name, until))
        return True

    def leases(self, transaction: Transaction, _: WriterState) -> Sequence[Lease]:
        """
        Return all leases, and of which workers the death is proved.
        """
        records = transaction.cursor(transaction.tables.leases).iternext()
        leases = [lease_of(worker, record) for worker, record in records]
        return [evolve(lease, dead=self._locks.is_dead(lease.worker)) for lease in leases]

    def close(self) -> None:
        """
        Free the locks: those who look find these workers dead.
        """
        self._locks.close()
