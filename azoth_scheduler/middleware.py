"""
What stands around each attempt: tracing, metrics, a connection that is opened and given back.
"""

from collections.abc import Sequence
from logging import getLogger
from threading import current_thread, main_thread
from typing import Final

from azoth_scheduler.context import TaskContext

__all__ = ["Around", "Middleware", "check_middleware", "is_the_operators"]

_logger: Final = getLogger("azoth_scheduler")


class Middleware:
    """
    Stand around each attempt; subclass it and override what you need.

    Of several, the first is the outermost: `before` is called in order, the others in reverse. They
    are called where the handler runs: in its thread, in its process, or on the event loop, which
    none of them may hold up.
    """

    def before(self, ctx: TaskContext) -> None:
        """
        Be called before the handler; whatever it raises is the failure of this attempt alone.
        """

    def after(self, ctx: TaskContext, result: object) -> None:
        """
        Be called with what the handler returned; whatever it raises is logged, and no more.
        """

    def on_error(self, ctx: TaskContext, error: BaseException) -> None:
        """
        Be called with what the handler raised, or why its result was refused; likewise.
        """


class Around:
    """
    Lead one attempt through its middleware: whichever was entered is left, and no other.
    """

    def __init__(self, middleware: Sequence[Middleware], context: TaskContext) -> None:
        self._middleware = middleware
        self._context = context
        self._entered: list[Middleware] = []

    def enter(self) -> None:
        """
        Call each `before`, in order.
        """
        for one in self._middleware:
            one.before(self._context)
            self._entered.append(one)

    def leave(self, result: object) -> None:
        """
        Call each `after`, in reverse.
        """
        while self._entered:
            one = self._entered.pop()
            try:
                one.after(self._context, result)
            except BaseException as error:  # noqa: BLE001 - it is logged
                self._log(one, error)

    def fail(self, error: BaseException) -> None:
        """
        Call each `on_error`, in reverse.
        """
        while self._entered:
            one = self._entered.pop()
            try:
                one.on_error(self._context, error)
            except BaseException as second:  # noqa: BLE001 - likewise
                self._log(one, second)

    def _log(self, one: Middleware, error: BaseException) -> None:
        # The attempt has its outcome already.
        if is_the_operators(error):
            raise error
        said = {"execution_id": self._context.execution_id, "middleware": type(one).__name__}
        _logger.error("middleware failed", exc_info=error, extra=said)


def check_middleware(middleware: Sequence[Middleware]) -> tuple[Middleware, ...]:
    """
    Return *middleware* if each is one.

    Raises:
        TypeError: One is not, or is a class.
    """
    for one in middleware:
        if not isinstance(one, Middleware):
            raise TypeError(f"{one!r} is no middleware; give instances of a subclass of Middleware")
    return tuple(middleware)


def is_the_operators(error: BaseException) -> bool:
    """
    Say whether *error* is Ctrl-C, pressed by whoever runs the program.
    """
    return isinstance(error, KeyboardInterrupt) and current_thread() is main_thread()
