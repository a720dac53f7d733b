"""
Which executor carries out which handler: coroutine functions run on an event loop, always.
"""

from asyncio import AbstractEventLoop
from contextlib import AbstractContextManager
from typing import Protocol, runtime_checkable

from azoth.clocks import Clock
from azoth_scheduler.execution import Attempt, check_plain
from azoth_scheduler.executors.base import Executor, Report
from azoth_scheduler.executors.inline import InlineExecutor
from azoth_scheduler.executors.tasks import AsyncExecutor
from azoth_scheduler.handlers import Handlers, is_coroutine_handler

__all__ = ["ChoosyExecutor", "LoopExecutor", "fitted"]


@runtime_checkable
class ChoosyExecutor(Protocol):
    """
    Be an executor that cannot carry out just any handler.
    """

    def check_handlers(self, handlers: Handlers) -> None:
        """
        Refuse what it cannot carry out; called when a scheduler is built.

        Raises:
            InvalidTask: A handler is not for it.
        """
        ...


@runtime_checkable
class LoopExecutor(Protocol):
    """
    Be an executor that can use an application's event loop.
    """

    def on_loop(self, loop: AbstractEventLoop) -> AbstractContextManager[None]:
        """
        Carry out coroutines on *loop* meanwhile.
        """
        ...


def fitted(executor: Executor, handlers: Handlers) -> Executor:
    """
    Return *executor*, with an event loop at its side where a handler needs one.

    Raises:
        InvalidTask: A handler cannot be carried out by it.
    """
    plain = [one for one in handlers.values() if not is_coroutine_handler(one)]
    if isinstance(executor, ChoosyExecutor):
        executor.check_handlers(Handlers(plain, handlers.middleware))
    if isinstance(executor, InlineExecutor):
        check_plain(handlers.values())
    check_plain(plain)
    if len(plain) == len(handlers) or isinstance(executor, LoopExecutor):
        return executor
    return _Sides(executor, AsyncExecutor())


class _Sides:
    # Plain functions go where the user wants them, coroutine functions onto a loop.

    def __init__(self, plain: Executor, awaiting: AsyncExecutor) -> None:
        self._plain = plain
        self._awaiting = awaiting

    @property
    def slots(self) -> int | None:
        return self._plain.slots

    def submit(self, attempt: Attempt, clock: Clock, report: Report) -> None:
        side = self._awaiting if is_coroutine_handler(attempt.handler) else self._plain
        side.submit(attempt, clock, report)

    def on_loop(self, loop: AbstractEventLoop) -> AbstractContextManager[None]:
        return self._awaiting.on_loop(loop)

    def close(self) -> None:
        self._plain.close()
        self._awaiting.close()
