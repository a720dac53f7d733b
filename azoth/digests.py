"""
A digest of a table that is kept up to date row by row, whatever the order of the rows.

It is the sum of the rows' hashes modulo 2**128: adding and taking away a row are one addition, so
two tables can be compared after every event of a long log. It tells apart tables that differ by
accident; it does not withstand somebody who makes rows in order to collide.
"""

from hashlib import blake2b
from typing import Final

__all__ = ["Digest"]

_BYTES: Final = 16
_MODULUS: Final = 2 ** (8 * _BYTES)


class Digest:
    """
    Hash a multiset of rows.

    Example:
        >>> first, second = Digest(), Digest()
        >>> for row in (b"a", b"b", b"c"):
        ...     first.add(row)
        >>> for row in (b"b", b"a"):
        ...     second.add(row)
        >>> first.remove(b"c")
        >>> first.hexdigest() == second.hexdigest()
        True
    """

    __slots__ = ("_count", "_sum")

    def __init__(self) -> None:
        self._sum = 0
        self._count = 0

    def __repr__(self) -> str:
        return f"Digest({self.hexdigest()!r})"

    @classmethod
    def of(cls, hexdigest: str, count: int) -> "Digest":
        """
        Return the digest of *count* rows whose hash is *hexdigest*, to go on from there.
        """
        digest = cls()
        digest._sum, digest._count = int(hexdigest, 16), count
        return digest

    @property
    def count(self) -> int:
        """
        Return how many rows are in.
        """
        return self._count

    def add(self, row: bytes) -> None:
        """
        Put a row in; the same row twice counts twice.
        """
        self._sum = (self._sum + _hash(row)) % _MODULUS
        self._count += 1

    def remove(self, row: bytes) -> None:
        """
        Take out a row that was put in.
        """
        assert self._count > 0, "a row is taken out that was never put in"
        self._sum = (self._sum - _hash(row)) % _MODULUS
        self._count -= 1

    def hexdigest(self) -> str:
        """
        Return the hash as 32 hexadecimal digits.
        """
        return f"{self._sum:0{2 * _BYTES}x}"


def _hash(row: bytes) -> int:
    return int.from_bytes(blake2b(row, digest_size=_BYTES).digest(), "big")
