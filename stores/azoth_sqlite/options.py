"""
The options of a SQLite store, as text from a URL or as values.
"""

from attrs import field, frozen

from azoth.options import to_busy_timeout, to_durability, to_mode

__all__ = ["SqliteOptions"]


@frozen(kw_only=True)
class SqliteOptions:
    """
    Hold the options of a SQLite store.

    Attributes:
        mode: `rw`: made if it is missing, and brought up to date. `ro`: only looked at.
        durability: `full`: an acknowledged append survives a power cut. `normal`: it survives
            the end of the process; a power cut may take the last ones, and damages nothing.
        busy_timeout: Seconds to wait for another process that is writing.
    """

    mode: str = field(default="rw", converter=to_mode)
    durability: str = field(default="full", converter=to_durability)
    busy_timeout: float = field(default=5.0, converter=to_busy_timeout)
