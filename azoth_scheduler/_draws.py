"""
Draws without chance: a number from a hash of what it is for, the same wherever it is asked for.
"""

from hashlib import blake2b
from typing import Final

from azoth.clocks import Microseconds

__all__ = ["drawn"]

_HASH_BYTES: Final = 8


def drawn(key: str, below: Microseconds) -> Microseconds:
    """
    Return a number from 0 up to *below*, without it.
    """
    if below <= 0:
        return Microseconds(0)
    digest = blake2b(key.encode(), digest_size=_HASH_BYTES).digest()
    return Microseconds(int.from_bytes(digest) % below)
