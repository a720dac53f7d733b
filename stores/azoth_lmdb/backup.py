"""
Copying an environment while it is in use: whole and under its name, or not at all.
"""

import errno
import shutil
from pathlib import Path
from secrets import token_hex
from typing import Final

from azoth.errors import StoreFailed, StoreFull
from azoth.faults import NO_ROOM
from azoth_lmdb.creating import sync_path
from azoth_lmdb.environment import Environment
from azoth_lmdb.faults import Faults
from azoth_lmdb.place import DATA

__all__ = ["back_up"]

_THERE: Final = {errno.EEXIST, errno.ENOTDIR, errno.ENOTEMPTY}


def back_up(environment: Environment, path: Path) -> None:
    """
    Write a snapshot of *environment* to the folder *path*.

    Raises:
        FileExistsError: Something is at *path*.
        StoreFull: There is no room for it.
        StoreFailed: Its parent is missing or cannot be written.
    """
    if path.exists():
        raise FileExistsError(f"{path} exists; a backup overwrites nothing")
    if not path.parent.is_dir():
        raise StoreFailed(reason=f"the folder {path.parent} does not exist; make it first")
    try:
        _write(environment, path)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno in NO_ROOM:
            raise StoreFull(reason=str(error)) from error
        raise StoreFailed(reason=f"{path} cannot be written ({error})") from error


def _write(environment: Environment, path: Path) -> None:
    unfinished = Path(f"{path}.unfinished-{token_hex(4)}")
    unfinished.mkdir()
    try:
        with Faults(unfinished, busy_timeout=0).translated():
            environment.copy(unfinished)
        sync_path(unfinished / DATA)
        sync_path(unfinished)
        _rename(unfinished, path)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    sync_path(path.parent)


def _rename(unfinished: Path, path: Path) -> None:
    # It takes the place of an empty folder, of which nothing is lost, and of nothing else.
    try:
        unfinished.rename(path)
    except OSError as error:
        if error.errno in _THERE:
            raise FileExistsError(f"{path} came to be meanwhile; it was left as it is") from error
        raise
