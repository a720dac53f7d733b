"""
What `run` is given, `module:attribute`: found, imported, and made a scheduler.
"""

import sys
from importlib import import_module
from pathlib import Path
from traceback import extract_tb
from types import ModuleType
from typing import Any

import click

from azoth_scheduler import Scheduler

__all__ = ["scheduler_named"]


def scheduler_named(target: str) -> Scheduler:
    """
    Return the scheduler at `module:attribute`, or the one that a function of that name returns.

    The current folder can be imported from, as with `python -m`.

    Raises:
        click.UsageError: There is none; it says what was found instead, or what went wrong.
    """
    name, _, attribute = target.partition(":")
    if not name or not attribute:
        raise click.UsageError(
            f"{target!r} names no scheduler; write module:attribute, such as myapp.tasks:scheduler"
        )
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    found = _attribute(_module(name), attribute)
    scheduler = found if isinstance(found, Scheduler) else _called(target, found)
    if not isinstance(scheduler, Scheduler):
        raise click.UsageError(
            f"{target} is {scheduler!r}; name a Scheduler, or a function that returns one"
        )
    return scheduler


def _module(name: str) -> ModuleType:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise click.UsageError(_said(f"importing {name}", error)) from error
        raise click.UsageError(
            f"there is no module {error.name!r}, neither in {Path.cwd()} nor installed"
        ) from error
    except Exception as error:
        raise click.UsageError(_said(f"importing {name}", error)) from error


def _attribute(module: ModuleType, path: str) -> Any:  # noqa: ANN401 - it is what it is
    found: Any = module
    for part in path.split("."):
        if not hasattr(found, part):
            there = [key for key, value in vars(module).items() if isinstance(value, Scheduler)]
            hint = f"; there is {', '.join(there)}" if there else ""
            raise click.UsageError(f"{module.__name__} has no {path!r}{hint}")
        found = getattr(found, part)
    return found


def _called(target: str, found: Any) -> object:  # noqa: ANN401 - whatever the module has there
    if not callable(found):
        return found
    try:
        return found()
    except Exception as error:
        raise click.UsageError(_said(f"calling {target}", error)) from error


def _said(doing: str, error: Exception) -> str:
    """
    Return what went wrong and where: the last place in a file, which is the user's or its cause.
    """
    frames = [frame for frame in extract_tb(error.__traceback__) if frame.filename != __file__]
    files = [frame for frame in frames if not frame.filename.startswith("<")]
    where = f" ({files[-1].filename}, line {files[-1].lineno})" if files else ""
    return f"{doing} failed: {type(error).__name__}: {error}{where}"
