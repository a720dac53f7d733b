"""
What this machine can be asked: how busy it is, how full its memory and its disk are.
"""

import os
import shutil
from pathlib import Path
from typing import Final

from azoth_scheduler.demo.events import DiskMeasured, LoadSampled

__all__ = ["PROC", "measure_disk", "sample_load"]

PROC: Final = Path("/proc")
"""Where Linux tells about itself."""

_KIBIBYTE: Final = 1024


def sample_load(proc: Path) -> LoadSampled:
    """
    Return the load averages of the last 1, 5 and 15 minutes, and how much memory is in use.

    Args:
        proc: Where `loadavg` and `meminfo` are; what is missing there is asked of the C library.
    """
    one, five, fifteen = _load(proc / "loadavg")
    return LoadSampled(
        load_1=one, load_5=five, load_15=fifteen, memory_used=_memory_used(proc / "meminfo")
    )


def measure_disk(path: Path) -> DiskMeasured:
    """
    Return the size of the disk that *path* is on, and how much of it is free.
    """
    usage = shutil.disk_usage(path)
    return DiskMeasured(path=str(path), total=usage.total, free=usage.free)


def _load(file: Path) -> tuple[float, float, float]:
    try:
        one, five, fifteen = map(float, file.read_text().split()[:3])
    except (OSError, ValueError):
        return os.getloadavg()
    return one, five, fifteen


def _memory_used(file: Path) -> float | None:
    """
    Return the share of the memory that is in use, from 0 to 1; None where nobody tells.
    """
    try:
        sizes = dict(_size_of(line) for line in file.read_text().splitlines())
        return round(1 - sizes["MemAvailable"] / sizes["MemTotal"], 4)
    except (OSError, ValueError, KeyError, ZeroDivisionError):
        return None


def _size_of(line: str) -> tuple[str, int]:
    name, _, size = line.partition(":")
    return name, int(size.split()[0]) * _KIBIBYTE
