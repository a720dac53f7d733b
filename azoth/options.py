"""
The options that several stores have, for store authors: converters that take text from a URL too.
"""

from math import isfinite
from typing import Final

__all__ = [
    "BUSY_SECONDS_MAX",
    "DURABILITIES",
    "LOOKING",
    "MODES",
    "to_busy_timeout",
    "to_durability",
    "to_mode",
]

BUSY_SECONDS_MAX: Final = 2_000_000
"""Three weeks; SQLite counts milliseconds in 32 bits."""

DURABILITIES: Final = ("full", "normal")
"""
`full`: an acknowledged append survives a power cut. `normal`: it survives the end of the process; a
power cut may take the last ones, and damages nothing.
"""

LOOKING: Final = "ro"
"""The mode of who looks at a store and changes nothing."""

MODES: Final = ("rw", LOOKING)
"""
`rw`: the store is made if it is missing, and brought up to date. `ro`: it is looked at and left as
it is; that needs no right to write, and each write is `StoreFailed`.
"""


def to_durability(value: object) -> str:
    """
    Return *value* if it names a durability.

    Raises:
        ValueError: It does not.
    """
    if value not in DURABILITIES:
        raise ValueError(f"durability is {value!r}; give one of {', '.join(DURABILITIES)}")
    return str(value)


def to_busy_timeout(value: object) -> float:
    """
    Return *value* as seconds to wait for another process that is writing.

    Raises:
        ValueError: It is no number of seconds from 0 to `BUSY_SECONDS_MAX`.
    """
    try:
        seconds = float(str(value))
    except ValueError:
        raise ValueError(f"busy_timeout is {value!r}; give a number of seconds") from None
    if not isfinite(seconds) or not 0 <= seconds <= BUSY_SECONDS_MAX:
        raise ValueError(f"busy_timeout is {value}; give seconds from 0 to {BUSY_SECONDS_MAX}")
    return seconds


def to_mode(value: object) -> str:
    """
    Return *value* if it names a mode.

    Raises:
        ValueError: It does not.
    """
    if value not in MODES:
        raise ValueError(f"mode is {value!r}; give one of {', '.join(MODES)}")
    return str(value)
