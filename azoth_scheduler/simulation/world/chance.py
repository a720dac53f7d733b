"""
What a seed draws: one sequence of numbers for each site, so that no site shifts another.

A site is a place where something is drawn: the appends of one scheduler, the order of what happens
at one moment, the length of one attempt. A fault that is taken out of a run leaves all other draws
as they were, and so a failing run can be shrunk. The numbers come from a hash of seed, site and
count: they are the same on every machine and in every version of Python, which those of the
standard library's `random` need not be.
"""

from collections.abc import Sequence
from hashlib import blake2b
from struct import Struct
from typing import Final, TypeVar

__all__ = ["PER_MILLE", "Dice"]

PER_MILLE: Final = 1_000
"""Chances are given in thousandths."""

_NUMBERS: Final = Struct(">8Q")
"""A hash of 64 bytes, in the same order on every machine."""

T = TypeVar("T")


class Dice:
    """
    Draw the numbers of one site.

    Args:
        seed: Of the run.
        site: Where they are drawn; another site has other numbers.

    Example:
        >>> [Dice(17, "order").below(6) for _ in range(3)]
        [3, 3, 3]
        >>> dice = Dice(17, "order")
        >>> [dice.below(6) for _ in range(5)]
        [3, 3, 1, 0, 1]
    """

    __slots__ = ("_count", "_name", "_numbers")

    def __init__(self, seed: int, site: str) -> None:
        self._name = f"{seed}/{site}/"
        self._count = 0
        self._numbers: list[int] = []

    def number(self) -> int:
        """
        Return the next number, from 0 to 2**64 - 1.
        """
        if not self._numbers:
            text = f"{self._name}{self._count}".encode()
            self._count += 1
            self._numbers = list(_NUMBERS.unpack(blake2b(text).digest()))
        return self._numbers.pop()

    def below(self, limit: int) -> int:
        """
        Return a number from 0 up to *limit*, without it.
        """
        return self.number() % limit

    def between(self, low: int, high: int) -> int:
        """
        Return a number from *low* to *high*, both included.
        """
        return low + self.number() % (high - low + 1)

    def strikes(self, per_mille: int) -> bool:
        """
        Say whether it happens, which it does so many times in a thousand.
        """
        return self.number() % PER_MILLE < per_mille

    def choice(self, options: Sequence[T]) -> T:
        """
        Return one of *options*.
        """
        return options[self.number() % len(options)]

    def weighted(self, options: Sequence[tuple[T, int]]) -> T:
        """
        Return one of *options*, each as often as its weight says.
        """
        left = self.number() % sum(weight for _, weight in options)
        for option, weight in options:
            left -= weight
            if left < 0:
                return option
        raise AssertionError("a number below the sum lies in one of them")
