"""
The store that does nothing: a suite that it passes proves nothing.
"""

from types import TracebackType
from typing import Self

from azoth.clocks import Clock
from azoth.errors import StoreClosed
from azoth.events import ALL, Appended, Checkpoint, Page, Query, Write
from azoth.streams import Position

__all__ = ["DoesNothing"]


class DoesNothing:
    """
    Every call succeeds at once, and nothing comes of it.

    Only once it is closed it refuses, so that no thread of a failed test reads on for ever.
    """

    def __init__(self, clock: Clock) -> None:
        self._closed = False

    def append(
        self, *writes: Write, checkpoint: Checkpoint | None = None, key: str | None = None
    ) -> Appended:
        self._check_open()
        return Appended(first=Position(1), last=Position(0), versions={})

    def read(
        self,
        query: Query = ALL,
        *,
        after: int = 0,
        until: int | None = None,
        limit: int = 500,
        backwards: bool = False,
    ) -> Page:
        self._check_open()
        return Page(events=(), head=Position(0), next_after=Position(after), more=False)

    def wait(self, after: int, timeout: float | None = None) -> int:
        self._check_open()
        return 0

    def checkpoint(self, consumer: str) -> int:
        return 0

    def close(self) -> None:
        self._closed = True

    def _check_open(self) -> None:
        if self._closed:
            raise StoreClosed

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        pass
