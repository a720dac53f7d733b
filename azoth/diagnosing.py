"""
What stores on disk find out about themselves in the same way, for store authors.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from azoth.errors import StoreCorrupt
from azoth.mounts import NETWORKS, file_system_of
from azoth.store import Finding, FindingLevel

__all__ = ["FREE_BYTES_MIN", "durability_found", "file_system_found", "found", "free_bytes_found"]

FREE_BYTES_MIN: Final = 256 * 1024 * 1024
"""Below it a log that grows is soon full, and so is what a backup or the WAL needs."""

_BORROWED: Final = ("drvfs", "fuse", "prl_fs", "vboxsf", "virtiofs", "vmhgfs")

_DURABILITIES: Final = {
    "full": "full: what is acknowledged survives a power cut",
    "normal": "normal: a power cut may take the last commits",
}


def found(name: str, look: Callable[[], str | int]) -> Finding:
    """
    Return what *look* returns as a finding; damage that it meets is a problem.
    """
    try:
        return Finding(name=name, value=look())
    except StoreCorrupt as error:
        return Finding(name=name, value=None, level="problem", advice=str(error))


def durability_found(durability: str) -> Finding:
    """
    Return what the durability means that this opening asks for.
    """
    return Finding(name="durability", value=_DURABILITIES[durability])


def file_system_found(path: Path) -> Finding:
    """
    Return on what kind of file system *path* lies; those of other machines are a warning.
    """
    kind = file_system_of(path)
    advice = ""
    if kind in NETWORKS:
        advice = "it lies on a network, where locks and shared memory end; move it to a local disk"
    elif kind.startswith(_BORROWED):
        advice = (
            f"{kind} may hand on what another machine or a host holds, and its locks may hold "
            "nothing together; use a local disk, or open the store in one process only"
        )
    level: FindingLevel = "warning" if advice else "ok"
    return Finding(name="file_system", value=kind or None, level=level, advice=advice)


def free_bytes_found(path: Path) -> Finding:
    """
    Return how much room is left beside *path*; little is a warning.
    """
    free = shutil.disk_usage(path.parent).free
    if free >= FREE_BYTES_MIN:
        return Finding(name="free_bytes", value=free)
    advice = "appends raise StoreFull when nothing is left; make room"
    return Finding(name="free_bytes", value=free, level="warning", advice=advice)
