"""
Look for garbage seldom while a log is folded.

A fold makes many values and keeps them, and none of them in circles. Python looks through all that
is kept again and again for circles, which takes a seventh of the time of a long fold.
"""

import gc
from collections.abc import Generator
from contextlib import contextmanager
from threading import Lock
from typing import Final

__all__ = ["collecting_seldom"]

_SELDOM: Final = (100_000, 20, 100)
# New values between two looks at the youngest, and so on: a few for each page of a fold.

_lock: Final = Lock()
_before: Final[list[tuple[int, int, int]]] = []
# What each fold that goes on found; folds of several threads end in any order.


@contextmanager
def collecting_seldom() -> Generator[None, None, None]:
    """
    Let the collector run seldom, and as it did before once the last who asked for it is done.
    """
    with _lock:
        _before.append(_before[0] if _before else gc.get_threshold())
        gc.set_threshold(*_SELDOM)
    try:
        yield
    finally:
        with _lock:
            before = _before.pop()
            if not _before:
                gc.set_threshold(*before)
