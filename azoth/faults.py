"""
What a failing disk means, for store authors: a lack of room is no failure, and a failed sync is.
"""

import errno
import os
import tempfile
from collections.abc import Sequence
from copy import copy
from pathlib import Path
from typing import Final

from azoth.errors import StoreFailed

__all__ = ["NO_ROOM", "FailedSync", "SyncFailed", "shortage"]

NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""The errors of a system call that say that there is no room: of the disk, a quota, a limit."""

_PROBE_BYTES: Final = 64 * 1024
"""What the smallest commit of any store writes, with room to spare."""


class SyncFailed(StoreFailed):
    """
    Say that a sync failed: what reached the disk is not known, and asking again would not tell.
    """


class FailedSync:
    """
    Remember that a sync failed: until the store is reopened nothing can be relied on.
    """

    def __init__(self) -> None:
        self._failure: SyncFailed | None = None

    def check(self) -> None:
        """
        Raise again if a sync failed.
        """
        if self._failure is not None:
            raise copy(self._failure)

    def happened(self, reason: str) -> SyncFailed:
        """
        Return the error to raise, now and from every later `check`.
        """
        self._failure = SyncFailed(
            reason=f"a sync failed ({reason}); reopen it, and retry with the key"
        )
        return copy(self._failure)


def shortage(files: Sequence[Path]) -> str | None:
    """
    Return the system's words if the largest of *files* could not grow; None if it could.

    Engines call a quota and a limit on file sizes a failed write, so the same is tried beside them.
    """
    try:
        end = max(file.stat().st_size for file in files)
        with tempfile.TemporaryFile(dir=files[0].parent) as probe:
            os.pwrite(probe.fileno(), bytes(_PROBE_BYTES), end)
    except OSError as error:
        return str(error) if error.errno in NO_ROOM else None
    return None
