"""
Coroutine handlers in virtual time: an event loop whose clock goes to the next timer at once.
"""

import asyncio
from collections.abc import Coroutine
from selectors import SelectorKey, SelectSelector
from typing import Any, TypeVar

__all__ = ["run_virtually"]

T = TypeVar("T")


def run_virtually(coroutine: Coroutine[Any, Any, T]) -> tuple[T, float]:
    """
    Run a coroutine to its end; return its result, and how many seconds of virtual time it took.

    Raises:
        RuntimeError: It waits for what no timer brings, such as a socket.
    """
    loop = _Loop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        result = runner.run(coroutine)
    return result, loop.time()


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._elapsed = 0.0
        super().__init__(_Selector(self))

    def time(self) -> float:
        return self._elapsed

    def pass_time(self, seconds: float) -> None:
        self._elapsed += seconds


class _Selector(SelectSelector):
    def __init__(self, loop: _Loop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise RuntimeError(
                "a coroutine handler waits for what no timer brings: a simulation has no network "
                "and no threads; give the handler a double of what it waits for"
            )
        if not ready and timeout:
            self._loop.pass_time(timeout)
        return ready
