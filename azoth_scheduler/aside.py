"""
A call in a thread beside an event loop, which awaits its end.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from threading import Thread

__all__ = ["aside"]


def aside(call: Callable[[], None]) -> "asyncio.Future[None]":
    """
    Make *call* in a thread of its own, and return its end as a future of the running loop.

    The thread is a daemon: a program whose loop was stopped need not wait for it.
    """
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()

    def run() -> None:
        error: BaseException | None = None
        try:
            call()
        except BaseException as raised:  # noqa: BLE001 - it is raised again where it is awaited
            error = raised
        # A loop that was closed meanwhile has nobody left who awaits this.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(_settle, ended, error)

    Thread(target=run, name="azoth-scheduler", daemon=True).start()
    return ended


def _settle(ended: "asyncio.Future[None]", error: BaseException | None) -> None:
    if ended.done():
        return
    if error is None:
        ended.set_result(None)
    else:
        ended.set_exception(error)
