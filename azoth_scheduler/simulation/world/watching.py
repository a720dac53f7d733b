"""
Handlers are watched while they run: who reads the real clock or sleeps makes no simulation.

Calls are seen by the interpreter's profile hook (`sys.setprofile`), whatever name they were
imported under. What a library written in C does inside is not seen, and what the standard library
does for itself, such as the time of a log record, is passed over. While a profiler is at work
that uses the same hook, nobody is watched.
"""

import gc
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from datetime import date
from functools import lru_cache
from pathlib import Path
from sysconfig import get_path
from types import FrameType
from typing import Any, Final

from attrs import define

from azoth_scheduler.errors import SchedulerError
from azoth_scheduler.handlers import TaskHandler

__all__ = ["RealTimeUsed", "name_of", "watched"]

_CLOCKS: Final = (
    time.time,  # clock: named to be watched for
    time.time_ns,  # clock: named to be watched for
    time.monotonic,  # clock: named to be watched for
    time.monotonic_ns,  # clock: named to be watched for
    time.perf_counter,  # clock: named to be watched for
    time.perf_counter_ns,  # clock: named to be watched for
    time.clock_gettime,  # clock: named to be watched for
    time.clock_gettime_ns,  # clock: named to be watched for
    time.sleep,  # clock: named to be watched for
)
_CLOCK_IDS: Final = frozenset(map(id, _CLOCKS))
_AZOTH: Final = ("azoth", "azoth_scheduler")
_STDLIB: Final = Path(get_path("stdlib"))
_READINGS: Final = ("now", "utcnow", "today")


@define(kw_only=True, slots=False)
class RealTimeUsed(SchedulerError, AssertionError):
    """
    Say that a handler has read the machine's clock, or slept; take the time from `ctx` instead.

    Attributes:
        handler: The handler's class, or its function.
        task_type: What it serves.
        call: What it called.
        place: The file and the line of the call.
    """

    handler: str
    task_type: str
    call: str
    place: str

    def __str__(self) -> str:
        return (
            f"handler {self.handler} of {self.task_type!r} calls {self.call} at {self.place}: in a "
            "simulation time is virtual. Take it from ctx.started_at and ctx.scheduled_at, wait by "
            "ctx.sleep(seconds), or say real_time=True if it does no harm"
        )


def name_of(handler: TaskHandler) -> str:
    """
    Return the name of a handler's class, or of its function.
    """
    name: str = getattr(handler, "__qualname__", type(handler).__qualname__)
    return name


@contextmanager
def watched(handler: TaskHandler) -> Generator[None, None, None]:
    """
    Watch what a handler calls.

    Raises:
        RealTimeUsed: It has read the machine's clock, or wanted to sleep; it did not.
    """
    used: list[RealTimeUsed] = []

    def look(frame: FrameType, event: str, called: Any) -> None:  # noqa: ANN401 - of any type
        if event == "c_call" and (name := _clock_read(called)) and _is_ours(frame):
            place = f"{frame.f_code.co_filename}:{frame.f_lineno}"
            used.append(
                RealTimeUsed(
                    handler=name_of(handler),
                    task_type=handler.task_type,
                    call=name,
                    place=place,
                )
            )
            # Raised before the call: nobody sleeps.
            raise used[-1]

    if sys.getprofile() is not None:
        # Somebody measures, and there is one hook.
        yield
        return
    # A collection calls whoever listens to it, and that is not the handler's doing.
    collects = gc.isenabled()
    gc.disable()
    sys.setprofile(look)
    try:
        yield
    finally:
        sys.setprofile(None)
        if collects:
            gc.enable()
    if used:
        raise used[0]


def _clock_read(called: Any) -> str | None:  # noqa: ANN401 - of any type
    # By identity: what is called may have any idea of being equal.
    if id(called) in _CLOCK_IDS:
        return f"time.{called.__name__}"
    owner = getattr(called, "__self__", None)
    if isinstance(owner, type) and issubclass(owner, date) and called.__name__ in _READINGS:
        return f"{owner.__name__}.{called.__name__}"
    return None


def _is_ours(frame: FrameType) -> bool:
    # The standard library reads clocks for its own ends, and we have injected ours.
    package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
    return package not in _AZOTH and not _is_standard(frame.f_code.co_filename)


@lru_cache(maxsize=1_000)
def _is_standard(filename: str) -> bool:
    # By place: a folder of a user's may have the name of a standard module, such as `test`.
    installed = Path(filename).is_relative_to(_STDLIB) and "site-packages" not in filename
    return installed or filename.startswith("<frozen")
