"""
Where an environment may be opened: what is there is looked at before LMDB may change it.
"""

import os
from pathlib import Path
from typing import Final

import lmdb

from azoth.errors import StoreFailed
from azoth.mounts import NETWORKS, file_system_of
from azoth_lmdb.header import read_header

__all__ = [
    "DATA",
    "LOCK",
    "TABLE_OF_READERS",
    "UNFINISHED",
    "WORKERS",
    "check_is_there",
    "check_place",
]

DATA: Final = "data.mdb"
"""LMDB's own name for the file."""

LOCK: Final = "azoth-lock"
"""The file whose lock the writer holds; where it is, the folder is ours."""

WORKERS: Final = "azoth-workers"
"""The folder of the workers' locks."""

UNFINISHED: Final = "unfinished"
"""The folder in which a new environment is made; what a crash left there is removed."""

TABLE_OF_READERS: Final = "lock.mdb"
"""LMDB's own name for the file of its locks, and of the snapshots that are being read."""

_OURS: Final = frozenset({DATA, LOCK, UNFINISHED, WORKERS, TABLE_OF_READERS})


def check_place(path: Path) -> None:
    """
    Refuse a place where no environment of ours is or can be made; nothing is changed.

    Args:
        path: The folder of the environment.

    Raises:
        StoreFailed: Its parent is missing, something else is there, it lies on a network, or it
            cannot be written.
    """
    if not path.parent.is_dir():
        raise StoreFailed(reason=f"the folder {path.parent} does not exist; make it first")
    _check_folder(path)
    if not os.access(path if path.is_dir() else path.parent, os.W_OK):
        raise StoreFailed(reason=f"{path} cannot be written; check the permissions")


def check_is_there(path: Path) -> None:
    """
    Refuse a place where no environment of ours is; nothing is changed.

    Args:
        path: The folder of the environment.

    Raises:
        StoreFailed: Nothing is there, or something else, or it lies on a network.
    """
    if not path.exists():
        raise StoreFailed(reason=f"there is no store at {path}; check the path")
    _check_folder(path)
    if not (path / DATA).exists():
        raise StoreFailed(reason=f"no store was made in {path}; check the path")


def _check_folder(path: Path) -> None:
    if path.exists() and not path.is_dir():
        raise StoreFailed(reason=f"{path} is a file; name a folder")
    _check_network(path)
    names = {file.name for file in path.iterdir()} if path.is_dir() else set[str]()
    if DATA not in names and names - _OURS:
        raise StoreFailed(reason=f"{path} holds something else; it was left as it is")
    if DATA in names and LOCK not in names:
        _check_owner(path)


def _check_owner(path: Path) -> None:
    """
    Look for our own table, without a lock: where our lock file is missing, nobody writes.
    """
    read_header(path / DATA)
    try:
        with lmdb.open(str(path), create=False, readonly=True, lock=False, max_dbs=1) as found:
            found.open_db(b"azoth", create=False)
    except lmdb.Error as error:
        raise StoreFailed(
            reason=f"{path} belongs to another program ({error}); it was left as it is"
        ) from error


def _check_network(path: Path) -> None:
    # LMDB's locks hold between the processes of one machine, and its map shows their writes only.
    kind = file_system_of(path)
    if kind in NETWORKS:
        raise StoreFailed(
            reason=f"{path} lies on a network ({kind}), where LMDB damages files; use a local disk"
        )
