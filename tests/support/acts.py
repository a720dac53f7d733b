"""
Handlers of executors' tests: what they do is a value, so that it crosses into a process.
"""

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from inspect import isawaitable
from pathlib import Path
from threading import Event
from typing import Any, Final, TypeAlias

from attrs import field, frozen

from azoth_scheduler import Middleware, TaskContext, TaskEvent, TaskHandler
from azoth_scheduler.aside import aside

__all__ = [
    "Act",
    "Awaiting",
    "Checks",
    "Dies",
    "Door",
    "Hangs",
    "HangsAwaiting",
    "Marks",
    "Plain",
    "Raises",
    "Returns",
    "Tells",
    "Waits",
    "WaitsAwaiting",
]

Act: TypeAlias = Callable[[TaskContext, bytes], Any]

Said: TypeAlias = Any
"""Whatever the executor looks at."""

FOREVER: Final = 3_600.0


class Plain(TaskHandler):
    """
    Do an act in a plain function.
    """

    task_type = "work"

    def __init__(self, act: Act) -> None:
        self.act = act

    def execute(self, ctx: TaskContext, payload: bytes) -> Said:
        return self.act(ctx, payload)


class Awaiting(TaskHandler):
    """
    Do an act in a coroutine function, and await it if it says so.
    """

    task_type = "work"

    def __init__(self, act: Act) -> None:
        self.act = act

    async def execute(self, ctx: TaskContext, payload: bytes) -> Said:
        done = self.act(ctx, payload)
        return await done if isawaitable(done) else done


@frozen
class Returns:
    """
    Return a value.
    """

    value: object = None

    def __call__(self, ctx: TaskContext, payload: bytes) -> object:
        return self.value


@frozen
class Raises:
    """
    Raise an error.
    """

    error: BaseException

    def __call__(self, ctx: TaskContext, payload: bytes) -> object:
        raise self.error


class Tells:
    """
    Return events that tell what the handler was given, and in which process.
    """

    def __call__(self, ctx: TaskContext, payload: bytes) -> list[TaskEvent]:
        told = (ctx.execution_id.encode(), str(ctx.deadline).encode(), payload)
        return [TaskEvent("told", one) for one in (*told, str(os.getpid()).encode())]


class Checks:
    """
    Leave if a stop was asked for.
    """

    def __call__(self, ctx: TaskContext, payload: bytes) -> None:
        ctx.check_cancelled()


@frozen
class Door:
    """
    Let a test see, through any wall, that a handler is inside, and open it to let it go on.
    """

    folder: Path = field()

    @classmethod
    def make(cls, folder: Path) -> "Door":
        """
        Return a new one.
        """
        folder.mkdir()
        os.mkfifo(folder / "in")
        os.mkfifo(folder / "out")
        return cls(folder)

    def enter(self) -> None:
        """
        Say that a handler is inside; a test that waits for it goes on.
        """
        (self.folder / "in").write_bytes(b"in")

    def wait_inside(self) -> None:
        """
        Wait until a handler is inside.
        """
        assert (self.folder / "in").read_bytes() == b"in"

    def wait_open(self) -> None:
        """
        Wait, inside, until the test opens it.
        """
        (self.folder / "out").read_bytes()

    def open(self) -> None:
        """
        Let the handler go on.
        """
        (self.folder / "out").write_bytes(b"out")


@frozen
class Waits:
    """
    Go in, wait until the door is open, whatever is asked for, and return an event.
    """

    door: Door

    def __call__(self, ctx: TaskContext, payload: bytes) -> object:
        self.door.enter()
        self.door.wait_open()
        return TaskEvent("passed")


@frozen
class WaitsAwaiting:
    """
    Do the same, and hold up no loop.
    """

    door: Door

    async def __call__(self, ctx: TaskContext, payload: bytes) -> object:
        self.door.enter()
        opened = aside(self.door.wait_open)
        while not opened.done():
            with suppress(asyncio.CancelledError):
                await asyncio.shield(opened)
        return TaskEvent("passed")


@frozen
class Hangs:
    """
    Go in, and leave only if asked to where *kind*, else never.
    """

    door: Door
    kind: bool = False

    def __call__(self, ctx: TaskContext, payload: bytes) -> object:
        self.door.enter()
        if self.kind:
            ctx.sleep(FOREVER)
        Event().wait()
        return None


@frozen
class HangsAwaiting:
    """
    Go in, and await what never comes; say so when it is cancelled.
    """

    door: Door
    kind: bool = False

    async def __call__(self, ctx: TaskContext, payload: bytes) -> object:
        self.door.enter()
        await asyncio.Event().wait()
        return None


@frozen
class Dies:
    """
    Take the process along.
    """

    signal: int = 0

    def __call__(self, ctx: TaskContext, payload: bytes) -> object:
        if self.signal:
            os.kill(os.getpid(), signal.Signals(self.signal))
            Event().wait()
        os._exit(3)


class Marks(Middleware):
    """
    Write down when it is called, in a file that any process reaches; fail where a test says so.
    """

    def __init__(self, file: Path, name: str, fails_in: str = "") -> None:
        self._file = file
        self._name = name
        self._fails_in = fails_in

    def before(self, ctx: TaskContext) -> None:
        self._mark("before")

    def after(self, ctx: TaskContext, result: object) -> None:
        self._mark("after")

    def on_error(self, ctx: TaskContext, error: BaseException) -> None:
        self._mark(f"error {type(error).__name__}")

    def _mark(self, what: str) -> None:
        with self._file.open("a") as file:
            file.write(f"{self._name} {what}\n")
        if self._fails_in and what.startswith(self._fails_in):
            raise ValueError(self._fails_in)
