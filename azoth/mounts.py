"""
What kind of file system a store lies on, for store authors.
"""

import os
import re
from pathlib import Path
from typing import Final

__all__ = ["MOUNTS", "NETWORKS", "file_system_of"]

MOUNTS: Final = Path("/proc/self/mountinfo")
"""Where Linux tells what is mounted; elsewhere nothing is known."""

NETWORKS: Final = frozenset(
    {
        "9p",
        "afs",
        "ceph",
        "cifs",
        "fuse.glusterfs",
        "fuse.sshfs",
        "lustre",
        "nfs",
        "nfs4",
        "smb2",
        "smb3",
        "smbfs",
    }
)
"""The file systems of other machines: locks and shared memory end there."""


_OCTAL: Final = re.compile(rb"\\([0-7]{3})")


def file_system_of(path: Path) -> str:
    """
    Return the kind of the file system that holds *path*; nothing where that is not told.
    """
    try:
        lines = MOUNTS.read_bytes().splitlines()
    except OSError:
        return ""
    place = path.resolve()
    best, kind = -1, ""
    for line in lines:
        fields = line.split()
        point = Path(os.fsdecode(_OCTAL.sub(_byte, fields[4])))
        if place.is_relative_to(point) and len(point.parts) >= best:
            best, kind = len(point.parts), fields[fields.index(b"-") + 1].decode(errors="replace")
    return kind


def _byte(octal: re.Match[bytes]) -> bytes:
    # Spaces and the like stand as octal numbers.
    return bytes([int(octal[1], 8) & 0xFF])
