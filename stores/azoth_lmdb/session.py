"""
What a store object holds in one process: the environment, locks, the queue, and who waits.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from azoth.appending import AppendRequest
from azoth.clocks import Clock
from azoth.errors import StoreFailed
from azoth.events import Event
from azoth.file_locks import FileLock
from azoth.group_commit import GroupCommit, Outcome
from azoth.options import LOOKING
from azoth_lmdb.creating import create_environment
from azoth_lmdb.faults import Faults
from azoth_lmdb.looking import LookingSession, look, open_checked
from azoth_lmdb.options import LmdbOptions
from azoth_lmdb.place import LOCK, WORKERS, check_place
from azoth_lmdb.workers import Workers
from azoth_lmdb.writer import Writer

__all__ = ["Session", "open_session"]


def open_session(path: Path, options: LmdbOptions, clock: Clock) -> LookingSession:
    """
    Return a session that does what the mode allows: only a `Session` writes.
    """
    return look(path, options) if options.mode == LOOKING else Session(path, options, clock)


class Session(LookingSession):
    """
    Hold all that must not cross a fork.

    Args:
        path: The folder of the environment.
        options: Of the store.
        clock: Gives events their time.

    Raises:
        StoreFailed: No environment of ours is or can be made there.
        StoreCorrupt: There is one, and it is damaged.
        StoreBusy: Another process is writing for longer than the busy timeout.
    """

    def __init__(self, path: Path, options: LmdbOptions, clock: Clock) -> None:
        faults = Faults(path, options.busy_timeout)
        check_place(path)
        self._lock = _open_lock(path)
        try:
            with faults.translated(), self._lock.held(options.busy_timeout):
                create_environment(path, options)
                environment = open_checked(path, options)
        except OSError as error:
            self._lock.close()
            raise faults.after_opening(error) from error
        except BaseException:
            self._lock.close()
            raise
        super().__init__(path, options, environment, faults)
        self.writer: Final = Writer(environment, self._lock, options, clock, faults)
        self.queue: Final = GroupCommit(self._commit)
        self.workers: Final = Workers(path / WORKERS)

    def restore(self, events: Sequence[Event]) -> None:
        """
        Write *events*, which go on from the head; the queue's lock is held.
        """
        self.writer.restore(events)
        self.bell.ring(self.writer.head)

    def close(self) -> None:
        """
        Let running calls end, and free everything.
        """
        self.queue.close()
        self.workers.close()
        super().close()
        self._lock.close()

    def _commit(self, requests: Sequence[AppendRequest]) -> Sequence[Outcome]:
        outcomes = self.writer.commit(requests)
        self.bell.ring(self.writer.head)
        return outcomes


def _open_lock(path: Path) -> FileLock:
    try:
        path.mkdir(exist_ok=True)
        return FileLock(path / LOCK)
    except OSError as error:
        raise StoreFailed(
            reason=f"{path / LOCK} cannot be written ({error.strerror}); check the permissions"
        ) from error
