"""
Copying an environment while it is in use: whole and under its name, or not at all.
"""

import os
import shutil
from pathlib import Path

from azoth.errors import StoreFailed
from azoth_lmdb.creating import sync_path
from azoth_lmdb.environment import Environment
from azoth_lmdb.place import DATA

__all__ = ["back_up"]


def back_up(environment: Environment, path: Path) -> None:
    """
    Write a snapshot of *environment* to the folder *path*.

    Raises:
        FileExistsError: Something is at *path*.
        StoreFailed: Its parent is missing.
    """
    if path.exists():
        raise FileExistsError(f"{path} exists; a backup overwrites nothing")
    if not path.parent.is_dir():
        raise StoreFailed(reason=f"the folder {path.parent} does not exist; make it first")
    unfinished = Path(f"{path}.unfinished-{os.getpid()}")
    unfinished.mkdir()
    try:
        environment.copy(unfinished)
        sync_path(unfinished / DATA)
        sync_path(unfinished)
        # It would take the place of an empty folder, of which nothing is lost.
        unfinished.rename(path)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    sync_path(path.parent)
