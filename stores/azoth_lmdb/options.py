"""
The options of an LMDB store, as text from a URL or as values.
"""

from typing import Final

from attrs import field, frozen

from azoth.options import to_busy_timeout, to_durability, to_mode

__all__ = ["MAP_BYTES_MAX", "MAP_BYTES_MIN", "LmdbOptions"]

MAP_BYTES_MIN: Final = 256 * 1024
"""A new store needs a third of it: a smaller map could not even be filled."""

MAP_BYTES_MAX: Final = 2**46
"""64 TiB: a process has 128 TiB of addresses, and the map is not all that is in them."""


def _to_bytes(value: object) -> int:
    try:
        size = int(str(value))
    except ValueError:
        raise ValueError(f"map_size is {value!r}; give a number of bytes") from None
    if not MAP_BYTES_MIN <= size <= MAP_BYTES_MAX:
        raise ValueError(f"map_size is {size}; give bytes from {MAP_BYTES_MIN} to {MAP_BYTES_MAX}")
    return size


@frozen(kw_only=True)
class LmdbOptions:
    """
    Hold the options of an LMDB store.

    Attributes:
        mode: `rw`: made if it is missing, and brought up to date. `ro`: only looked at.
        durability: `full`: an acknowledged append survives a power cut. `normal`: it survives
            the end of the process; a power cut may take the last ones, and damages nothing.
        busy_timeout: Seconds to wait for another process that is writing.
        map_size: Bytes of address space to begin with; the map doubles whenever it is full, and
            takes no room on the disk before it is used.
    """

    mode: str = field(default="rw", converter=to_mode)
    durability: str = field(default="full", converter=to_durability)
    busy_timeout: float = field(default=5.0, converter=to_busy_timeout)
    map_size: int = field(default=64 * 1024 * 1024, converter=_to_bytes)
