"""
What an environment stands on: the engine, the map, who reads, the file system.
"""

import os
from collections.abc import Sequence
from typing import Final

import lmdb

from azoth.diagnosing import durability_found, file_system_found, found, free_bytes_found
from azoth.store import Finding
from azoth_lmdb.environment import READERS_MAX
from azoth_lmdb.looking import LookingSession
from azoth_lmdb.place import DATA
from azoth_lmdb.records import FORMAT, load_head

__all__ = ["READERS_MANY", "diagnose"]

READERS_MANY: Final = READERS_MAX * 9 // 10
"""Beyond it a burst of readers soon has to wait."""


def diagnose(session: LookingSession) -> Sequence[Finding]:
    """
    Return what is worth knowing of the environment of *session*.
    """
    path = session.path
    with session.environment() as environment:
        map_bytes, used_bytes = environment.sizes()
        readers = _processes(environment.readers())
    return [
        Finding(name="engine", value=_engine()),
        Finding(name="format", value=FORMAT),
        durability_found(session.options.durability),
        found("head", lambda: _head(session)),
        found("streams", lambda: _streams(session)),
        Finding(name="file_bytes", value=(path / DATA).stat().st_size),
        Finding(name="used_bytes", value=used_bytes),
        Finding(name="map_bytes", value=map_bytes),
        _readers_found(len(readers)),
        _stale_readers_found(sum(not _is_alive(process) for process in readers)),
        file_system_found(path),
        free_bytes_found(path),
    ]


def _engine() -> str:
    library = ".".join(map(str, lmdb.version()))
    return f"LMDB {library}, py-lmdb {lmdb.__version__}"


def _head(session: LookingSession) -> int:
    with session.reading() as transaction:
        return load_head(transaction, transaction.number).position


def _streams(session: LookingSession) -> int:
    with session.reading() as transaction:
        return transaction.handle.stat(transaction.tables.streams)["entries"]


def _readers_found(count: int) -> Finding:
    if count <= READERS_MANY:
        return Finding(name="readers", value=count)
    advice = f"there are places for {READERS_MAX}; end those that read for long"
    return Finding(name="readers", value=count, level="warning", advice=advice)


def _stale_readers_found(count: int) -> Finding:
    if not count:
        return Finding(name="stale_readers", value=0)
    advice = (
        "a process died while it read, and the file grows by the pages it saw; who opens the store "
        "next to write frees its place"
    )
    return Finding(name="stale_readers", value=count, level="warning", advice=advice)


def _processes(table: str) -> Sequence[int]:
    """
    Return the process of each place in the table of readers, as LMDB prints it.
    """
    rows = (line.split() for line in table.splitlines())
    return [int(row[0]) for row in rows if len(row) == 3 and row[0].isdigit()]


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
