"""
A small file system of its own for one process: nobody else sees it, and it ends with the process.
"""

import ctypes
import os
from pathlib import Path
from typing import Final

__all__ = ["make_read_only", "may_mount", "mount_small"]

CLONE_NEWNS: Final = 0x00020000
CLONE_NEWUSER: Final = 0x10000000
MS_RDONLY_REMOUNT: Final = 0x1 | 0x20
MS_REC_PRIVATE: Final = 0x4000 | 0x40000


def mount_small(folder: Path, size: int) -> None:
    """
    Mount an empty file system of *size* bytes at *folder*, in this process alone.

    Raises:
        OSError: The system does not allow it.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    users = 0 if os.geteuid() == 0 else CLONE_NEWUSER
    _checked(libc.unshare(CLONE_NEWNS | users))
    _checked(libc.mount(b"none", b"/", None, ctypes.c_ulong(MS_REC_PRIVATE), None))
    options = f"size={size}".encode()
    _checked(libc.mount(b"tmpfs", bytes(folder), b"tmpfs", ctypes.c_ulong(0), options))


def make_read_only(folder: Path) -> None:
    """
    Let nobody write any more to the file system that this process mounted at *folder*.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    flags = ctypes.c_ulong(MS_RDONLY_REMOUNT)
    _checked(libc.mount(b"none", bytes(folder), None, flags, None))


def may_mount(folder: Path) -> bool:
    """
    Say whether the system allows it, by trying in a process that ends at once.
    """
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            mount_small(folder, 65_536)
            code = 0
        finally:
            # Whatever was raised: a child must never go on with the tests of its parent.
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    return status == 0


def _checked(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
