"""
A line of bars, one for each value.
"""

from collections.abc import Sequence
from typing import Final

__all__ = ["sparkline"]

_BARS: Final = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float]) -> str:
    """
    Return one or more values as bars between the least and the most of them.

    >>> sparkline([1, 2, 3, 8]), sparkline([5, 5])
    ('▁▂▃█', '▄▄')
    """
    least, most = min(values), max(values)
    if least == most:
        return _BARS[3] * len(values)
    steps = (len(_BARS) - 1) / (most - least)
    return "".join(_BARS[round((value - least) * steps)] for value in values)
