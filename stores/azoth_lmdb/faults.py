"""
The one place where what LMDB reports becomes an error of Azoth.
"""

import errno
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import lmdb

from azoth.errors import StoreBusy, StoreCorrupt, StoreError, StoreFailed, StoreFull
from azoth.faults import NO_ROOM, FailedSync, shortage

__all__ = ["Faults"]

_DAMAGED: Final = (
    lmdb.BadValsizeError,
    lmdb.CorruptedError,
    lmdb.CursorFullError,
    lmdb.IncompatibleError,
    lmdb.InvalidError,
    lmdb.NotFoundError,
    lmdb.PageFullError,
    lmdb.PageNotFoundError,
    lmdb.VersionMismatchError,
)
_FULL: Final = (lmdb.MapFullError, lmdb.TxnFullError)
_FORBIDDEN: Final = {errno.EACCES, errno.EPERM, errno.EROFS}


class Faults:
    """
    Translate the errors of the environment at *path*.

    Args:
        path: The folder.
        busy_timeout: How long a lock is waited for, in seconds.
    """

    def __init__(self, path: Path, busy_timeout: float) -> None:
        self.busy_timeout = busy_timeout
        self._path = path
        self._sync = FailedSync()

    def check(self) -> None:
        """
        Raise again if a sync failed: until the store is reopened nothing can be relied on.
        """
        self._sync.check()

    @contextmanager
    def translated(self) -> Generator[None, None, None]:
        """
        Raise errors of LMDB as errors of Azoth.
        """
        try:
            yield
        except lmdb.Error as error:
            raise self.translate(error) from error

    def translate(self, error: lmdb.Error) -> StoreError:
        """
        Return the error of Azoth that says what *error* means.
        """
        match error:
            case lmdb.ReadersFullError():
                return StoreBusy(seconds=self.busy_timeout)
            case _ if isinstance(error, _FULL):
                return StoreFull(reason=str(error))
            case _ if isinstance(error, _DAMAGED):
                return StoreCorrupt(position=None, reason=str(error))
            case lmdb.PanicError():
                return self._sync.happened(str(error))
            case _:
                return self._after_system_call(error)

    def after_opening(self, error: OSError) -> StoreError:
        """
        Return the error of Azoth that says that an environment cannot be made: none is there.
        """
        if error.errno in NO_ROOM:
            return StoreFull(reason=str(error))
        return StoreFailed(reason=f"{self._path}: {error}")

    def after_sync(self, error: lmdb.Error) -> StoreError:
        """
        Return the error of Azoth that says that a sync of its own failed.
        """
        return self._sync.happened(str(error))

    def _after_system_call(self, error: lmdb.Error) -> StoreError:
        number = _number_of(error)
        if number not in {errno.EIO, *NO_ROOM}:
            hint = "; check the permissions" if number in _FORBIDDEN else ""
            return StoreFailed(reason=f"{self._path}: {error}{hint}")
        # A failed sync is reported as a failed write, and one that was cut short as either.
        reason = shortage([file for file in self._path.iterdir() if file.is_file()])
        return self._sync.happened(str(error)) if reason is None else StoreFull(reason=reason)


def _number_of(error: lmdb.Error) -> int:
    """
    Return the number of the system's error; 0 for one of LMDB's own.

    Before 3.0 the binding tells it in words alone.
    """
    code: int = getattr(error, "code", 0)
    if code > 0:
        return code
    words = str(error)
    known = (errno.EIO, errno.ENOMEM, *NO_ROOM, *_FORBIDDEN)
    return next((number for number in known if os.strerror(number) in words), 0)
