"""
The files that the demo checks: the repository's, or the installed package's where there is none.
"""

import os
from collections.abc import Iterator, Sequence
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Final

import azoth_scheduler
from azoth_scheduler.demo.events import FilesChecked, WordsCounted

__all__ = ["FILES_MAX", "checksum", "count_words", "files_of", "root_of_files"]

FILES_MAX: Final = 2_000
"""Enough for any repository like ours, and read in well under a second."""

_LEFT_OUT: Final = {"__pycache__", "build", "data", "dist", "node_modules"}
_FILE_BYTES_MAX: Final = 1024 * 1024


def root_of_files() -> Path:
    """
    Return the repository's folder if this code lies in one, else the package's own.
    """
    package = Path(azoth_scheduler.__file__).parent
    return package.parent if (package.parent / "pyproject.toml").is_file() else package


def files_of(root: Path) -> tuple[Path, ...]:
    """
    Return the files below *root*, sorted: no hidden ones, none that tools make, no large ones.
    """
    return tuple(islice(_walk(root), FILES_MAX))


def _walk(root: Path) -> Iterator[Path]:
    for folder, below, names in os.walk(root):
        below[:] = sorted(name for name in below if name[0] != "." and name not in _LEFT_OUT)
        for name in sorted(names):
            path = Path(folder, name)
            if name[0] != "." and path.is_file() and path.stat().st_size <= _FILE_BYTES_MAX:
                yield path


def checksum(root: Path, paths: Sequence[Path]) -> FilesChecked:
    """
    Return one checksum over the names and contents of *paths*, in their order.
    """
    total, size = sha256(), 0
    for path in paths:
        content = _content(path)
        size += len(content)
        total.update(os.fsencode(path.relative_to(root)) + b"\0" + sha256(content).digest())
    return FilesChecked(files=len(paths), size=size, sha256=total.hexdigest())


def count_words(path: Path) -> WordsCounted:
    """
    Return how many lines and words a file has; a file that is gone has none.
    """
    content = _content(path)
    return WordsCounted(path=str(path), lines=len(content.splitlines()), words=len(content.split()))


def _content(path: Path) -> bytes:
    # Somebody may be at work in the repository: what has just gone counts as empty.
    try:
        return path.read_bytes()
    except OSError:
        return b""
