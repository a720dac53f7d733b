"""
What every store that stands before another one has: it passes on what it does not change.
"""

from types import TracebackType
from typing import Self

from azoth.store import EventStore

__all__ = ["StoreWrapper"]


class StoreWrapper:
    """
    Pass everything on to another store but `append` and `read`, which a subclass gives.

    What the other store offers beyond the port, such as leases, this one offers too.

    Args:
        store: Another store; it is closed with this one.
    """

    def __init__(self, store: EventStore) -> None:
        self._store = store

    def wait(self, after: int, timeout: float | None = None) -> int:
        """
        Wait as the other store does.
        """
        return self._store.wait(after, timeout)

    def checkpoint(self, consumer: str) -> int:
        """
        Return what the other store does.
        """
        return self._store.checkpoint(consumer)

    def close(self) -> None:
        """
        Close the other store.
        """
        self._store.close()

    def __getattr__(self, name: str) -> object:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._store, name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
