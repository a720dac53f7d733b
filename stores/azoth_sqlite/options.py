"""
The options of a SQLite store, as text from a URL or as values.
"""

from math import isfinite
from typing import Final

from attrs import field, frozen

__all__ = ["BUSY_SECONDS_MAX", "SqliteOptions"]

BUSY_SECONDS_MAX: Final = 2_000_000
"""SQLite counts milliseconds in 32 bits."""

_DURABILITIES: Final = ("full", "normal")


def _to_durability(value: object) -> str:
    if value not in _DURABILITIES:
        raise ValueError(f"durability is {value!r}; give one of {', '.join(_DURABILITIES)}")
    return str(value)


def _to_seconds(value: object) -> float:
    try:
        seconds = float(str(value))
    except ValueError:
        raise ValueError(f"busy_timeout is {value!r}; give a number of seconds") from None
    if not isfinite(seconds) or not 0 <= seconds <= BUSY_SECONDS_MAX:
        raise ValueError(f"busy_timeout is {value}; give seconds from 0 to {BUSY_SECONDS_MAX}")
    return seconds


@frozen(kw_only=True)
class SqliteOptions:
    """
    Hold the options of a SQLite store.

    Attributes:
        durability: `full`: an acknowledged append survives a power cut. `normal`: it survives
            the end of the process; a power cut may take the last ones, and damages nothing.
        busy_timeout: Seconds to wait for another process that is writing.
    """

    durability: str = field(default="full", converter=_to_durability)
    busy_timeout: float = field(default=5.0, converter=_to_seconds)
