"""
Folders in memory: a fault is played, so no disk has to wait for it.
"""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

__all__ = ["folder_in_memory"]

MEMORY: Final = Path("/dev/shm")


@contextmanager
def folder_in_memory() -> Generator[Path, None, None]:
    """
    Make a folder that is gone afterwards; where there is none in memory, on the disk.
    """
    with TemporaryDirectory(prefix="azoth-", dir=MEMORY if MEMORY.is_dir() else None) as folder:
        yield Path(folder)
