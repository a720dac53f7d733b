"""
The one writer of a store object: its transactions, and the growth of the map.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

import lmdb

from azoth.appending import AppendRequest, Draft, admit_all
from azoth.clocks import Clock
from azoth.events import Event
from azoth.file_locks import FileLock
from azoth.group_commit import Outcome
from azoth_lmdb.environment import Environment
from azoth_lmdb.faults import Faults
from azoth_lmdb.options import LmdbOptions
from azoth_lmdb.restoring import restore
from azoth_lmdb.saving import save
from azoth_lmdb.state import WriterState
from azoth_lmdb.tables import Transaction

__all__ = ["Work", "Writer"]

Result = TypeVar("Result")

Work = Callable[[Transaction, WriterState], Result]
"""What is done in a transaction; done again, from the start, where the map had to grow."""


class Writer:
    """
    Write to the environment; whoever calls it holds the lock of the group commit.

    There is no thread of its own: LMDB asks that one thread begins and commits a transaction, not
    that it is always the same, and a leader does both in one call. To hand each append to another
    thread and back would cost a lone caller more than the append itself.

    Args:
        environment: Shared with other store objects of the process.
        lock: Keeps other objects and processes away, with a patience that LMDB's own lack.
        options: Of the store.
        clock: Gives events their time.
        faults: Translates errors.
    """

    def __init__(
        self,
        environment: Environment,
        lock: FileLock,
        options: LmdbOptions,
        clock: Clock,
        faults: Faults,
    ) -> None:
        self._environment = environment
        self._lock = lock
        self._clock = clock
        self._faults = faults
        self._state = WriterState()
        # Whoever opened the environment first may have asked for less than this store.
        self._syncs = options.durability == "full" and not environment.syncs_all

    @property
    def head(self) -> int:
        """
        Return the head after the last commit.
        """
        return self._state.head

    def commit(self, requests: Sequence[AppendRequest]) -> Sequence[Outcome]:
        """
        Commit those of *requests* that are admitted, in one transaction.
        """

        def append(transaction: Transaction, state: WriterState) -> Sequence[Outcome]:
            draft = Draft(state, self._clock.now())
            outcomes = admit_all(requests, draft)
            if draft.admitted:
                save(transaction, draft, state)
            return outcomes

        return self.write(append)

    def restore(self, events: Sequence[Event]) -> None:
        """
        Write *events*, which go on from the head, in one transaction.
        """
        self.write(lambda transaction, state: restore(transaction, state, events))

    def write(self, work: Work[Result]) -> Result:
        """
        Run *work* in a transaction and commit it; where the map is full, grow it and run it again.

        Raises:
            StoreBusy: Another process held the store for longer than the busy timeout.
            StoreError: What LMDB reported; nothing is written, unless it is `SyncFailed`.
        """
        self._faults.check()
        # No context managers here: they would cost a tenth of an append.
        self._lock.acquire(self._faults.busy_timeout)
        try:
            return self._transact(work)
        except lmdb.Error as error:
            raise self._faults.translate(error) from error
        finally:
            self._lock.release()

    def _transact(self, work: Work[Result]) -> Result:
        while True:
            try:
                return self._commit(work)
            except lmdb.MapFullError:
                # The transaction is over, so nobody of this process needs to be in the map.
                self._environment.grow()

    def _commit(self, work: Work[Result]) -> Result:
        state = self._state

        def act(transaction: Transaction) -> Result:
            state.refresh(transaction)
            result = work(transaction, state)
            state.save(transaction)
            return result

        result = self._environment.write(act)
        if self._syncs:
            self._sync()
        state.keep()
        return result

    def _sync(self) -> None:
        try:
            self._environment.sync()
        except lmdb.Error as error:
            raise self._faults.after_sync(error) from error
