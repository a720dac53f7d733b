"""
The one place where what SQLite reports becomes an error of Azoth.
"""

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from azoth.errors import StoreBusy, StoreCorrupt, StoreError, StoreFailed, StoreFull
from azoth.faults import FailedSync, shortage

__all__ = ["ENGINE_ERRORS", "Faults"]

ENGINE_ERRORS: Final = (sqlite3.Error, UnicodeDecodeError)
"""The second where SQLite quotes a damaged schema, and the driver cannot decode its words."""

_SYNCS: Final = {
    sqlite3.SQLITE_IOERR_FSYNC,
    sqlite3.SQLITE_IOERR_DIR_FSYNC,
}
_FORBIDDEN: Final = ("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")


class Faults:
    """
    Translate the errors of the database at *path*.

    Args:
        path: The database file.
        busy_timeout: How long SQLite waits for a lock, in seconds.
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
        Raise errors of SQLite as errors of Azoth.
        """
        try:
            yield
        except ENGINE_ERRORS as error:
            raise self.translate(error) from error

    def translate(self, error: sqlite3.Error | UnicodeDecodeError) -> StoreError:
        """
        Return the error of Azoth that says what *error* means.
        """
        code = _code_of(error)
        if code in _SYNCS:
            return self._sync.happened(str(error))
        match code & 0xFF:
            case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
                return StoreBusy(seconds=self.busy_timeout)
            case sqlite3.SQLITE_FULL:
                return StoreFull(reason=str(error))
            case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
                return StoreCorrupt(position=None, reason=str(error))
            case sqlite3.SQLITE_IOERR:
                return self._after_input_output(error)
            case _:
                return StoreFailed(reason=self._reason(error))

    def _after_input_output(self, error: Exception) -> StoreError:
        # SQLite calls only ENOSPC full; a quota and a limit on file sizes it calls a failed write.
        reason = shortage(self._files())
        return (
            StoreFailed(reason=self._reason(error)) if reason is None else StoreFull(reason=reason)
        )

    def _reason(self, error: Exception) -> str:
        name: str = getattr(error, "sqlite_errorname", type(error).__name__)
        hint = "; check the permissions" if name.startswith(_FORBIDDEN) else ""
        return f"{self._path}: {error} ({name}){hint}"

    def _files(self) -> list[Path]:
        names = (f"{self._path}{suffix}" for suffix in ("", "-wal", "-shm"))
        return [path for path in map(Path, names) if path.exists()]


def _code_of(error: sqlite3.Error | UnicodeDecodeError) -> int:
    if isinstance(error, UnicodeDecodeError):
        return sqlite3.SQLITE_CORRUPT
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code
