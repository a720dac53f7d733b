"""
The reading half of a session, which is all that there is of one that only looks.
"""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from azoth.errors import StoreClosed
from azoth.waiting import Bell
from azoth_lmdb.environment import Environment, open_environment, release_environment
from azoth_lmdb.faults import Faults
from azoth_lmdb.lookout import Lookout
from azoth_lmdb.options import LmdbOptions
from azoth_lmdb.place import check_is_there
from azoth_lmdb.records import load_head
from azoth_lmdb.tables import Transaction

__all__ = ["LookingSession", "look", "open_checked"]


class LookingSession:
    """
    Hold the environment, and who waits.

    Args:
        path: The folder of the environment.
        options: Of the store.
        environment: Is released when the session is closed.
        faults: Translates errors.
    """

    def __init__(
        self, path: Path, options: LmdbOptions, environment: Environment, faults: Faults
    ) -> None:
        self._environment = environment
        self._faults = faults
        self._closed = False
        self._lookout = Lookout(environment)
        self.path: Final = path
        self.options: Final = options
        self.bell: Final = Bell(self._head, foreign=True)

    def check(self) -> None:
        """
        Raise again if a sync failed.
        """
        self._faults.check()

    @contextmanager
    def environment(self) -> Generator[Environment, None, None]:
        """
        Lend the environment, and translate its errors.

        Raises:
            StoreClosed: The session was closed.
        """
        if self._closed:
            raise StoreClosed
        with self._faults.translated():
            yield self._environment

    @contextmanager
    def reading(self) -> Generator[Transaction, None, None]:
        """
        Lend a snapshot.

        Raises:
            StoreClosed: The session was closed.
        """
        with self.environment() as environment, environment.reading() as transaction:
            yield transaction

    def close(self) -> None:
        """
        Let running calls end, and free everything.
        """
        self.bell.close()
        self._closed = True
        release_environment(self._environment)

    def leave_to_parent(self) -> None:
        """
        Give up everything after a fork; the fork itself gave up the locks and the environment.
        """

    def _head(self) -> int:
        with self.environment():
            return self._lookout.head()


def look(path: Path, options: LmdbOptions) -> LookingSession:
    """
    Return a session that looks at the environment at *path* and leaves it as it is.

    Raises:
        StoreFailed: No environment of ours is there, or one of another format.
        StoreCorrupt: There is one, and it is damaged.
    """
    faults = Faults(path, options.busy_timeout)
    try:
        check_is_there(path)
        with faults.translated():
            environment = open_checked(path, options)
    except OSError as error:
        raise faults.after_opening(error) from error
    return LookingSession(path, options, environment, faults)


def open_checked(path: Path, options: LmdbOptions) -> Environment:
    """
    Return the environment at *path* once its head is known to be the last one.

    Raises:
        StoreCorrupt: LMDB took an older snapshot for the last one.
    """
    environment = open_environment(path, options)
    try:
        with environment.reading() as transaction:
            load_head(transaction, transaction.number)
    except BaseException:
        release_environment(environment)
        raise
    return environment
