"""
Making an environment: beside its place, whole and synced, and only then in it.

Of the crashes within the first commits some leave a file that LMDB cannot open.
"""

import os
import shutil
from pathlib import Path

from attrs import evolve

from azoth_lmdb.environment import open_handle
from azoth_lmdb.options import LmdbOptions
from azoth_lmdb.place import DATA, UNFINISHED
from azoth_lmdb.records import FORMAT, NO_HEAD, format_record, head_record
from azoth_lmdb.tables import make_tables

__all__ = ["create_environment", "sync_path"]


def create_environment(path: Path, options: LmdbOptions) -> None:
    """
    Make an empty environment in the folder *path*, unless there is one; the writer's lock is held.
    """
    if (path / DATA).exists():
        return
    unfinished = path / UNFINISHED
    # Whoever left it died: the lock is ours.
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    _make(unfinished, options)
    sync_path(unfinished / DATA)
    (unfinished / DATA).rename(path / DATA)
    sync_path(path)
    sync_path(path.parent)
    shutil.rmtree(unfinished)


def sync_path(path: Path) -> None:
    """
    Make a file, or the names in a folder, survive a power cut.
    """
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _make(path: Path, options: LmdbOptions) -> None:
    with (
        open_handle(path, map_size=options.map_size, metasync=True, create=True) as environment,
        environment.begin(write=True) as handle,
    ):
        tables = make_tables(environment, handle)
        head = evolve(NO_HEAD, commit=handle.id())
        handle.put(b"format", format_record(FORMAT), db=tables.azoth)
        handle.put(b"head", head_record(head), db=tables.azoth)
