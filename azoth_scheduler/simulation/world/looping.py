"""
Coroutine handlers in virtual time: an event loop that returns wherever nothing but a timer is left.
"""

import asyncio
from asyncio.events import (
    # Both are there for whoever makes loops.
    _get_running_loop,  # pyright: ignore[reportPrivateUsage]
    _set_running_loop,  # pyright: ignore[reportPrivateUsage]
)
from collections.abc import Coroutine, Generator
from contextlib import contextmanager, suppress
from selectors import SelectorKey, SelectSelector
from typing import Any, Final, Generic, Self, TypeVar

__all__ = ["Suspended"]

T = TypeVar("T")

_LAST_STEPS_MAX: Final = 100
"""Of a coroutine that waits again each time that it is cancelled: then it is left as it is."""


class Suspended(Generic[T]):
    """
    Hold a coroutine that goes on when it is told to, and waits meanwhile.

    It is a context manager: leaving the block cancels whatever still waits.

    Args:
        coroutine: What is to go on.
    """

    def __init__(self, coroutine: Coroutine[Any, Any, T]) -> None:
        self._loop = _Loop()
        self._task = self._loop.create_task(coroutine)
        self._task.add_done_callback(lambda _: self._loop.stop())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with _no_other_loop():
            self._cancel_all()
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    @property
    def result(self) -> T:
        """
        Return what it returned.
        """
        return self._task.result()

    def go_on(self) -> float | None:
        """
        Let it go on until it waits; return for how many seconds, or None if it has ended.

        Raises:
            RuntimeError: It waits for what no timer brings, such as a socket.
        """
        if self._task.done():
            return None
        with _no_other_loop():
            self._loop.run_forever()
        return None if self._task.done() else self._loop.waits

    def pass_time(self, seconds: float) -> None:
        """
        Let its time go on.
        """
        self._loop.elapsed += seconds

    def cancel(self) -> None:
        """
        Cancel it where it waits.
        """
        self._task.cancel()

    def _cancel_all(self) -> None:
        for _ in range(_LAST_STEPS_MAX):
            waiting = asyncio.all_tasks(self._loop)
            if not waiting:
                break
            for task in waiting:
                task.cancel()
            with suppress(RuntimeError):
                self._loop.run_forever()
            self.pass_time(self._loop.waits)


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.elapsed = 0.0
        self.waits = 0.0
        super().__init__(_Selector(self))

    def time(self) -> float:
        return self.elapsed


class _Selector(SelectSelector):
    def __init__(self, loop: _Loop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise RuntimeError(
                "it waits for what no timer brings: a simulation has no network and no threads; "
                "give it a double of what it waits for"
            )
        if not ready and timeout:
            self._loop.waits = timeout
            self._loop.stop()
        return ready


@contextmanager
def _no_other_loop() -> Generator[None, None, None]:
    # A test may be a coroutine itself; its loop waits until time has passed here.
    outer = _get_running_loop()
    _set_running_loop(None)
    try:
        yield
    finally:
        _set_running_loop(outer)
