"""
What `run` and `check` are given, `module:attribute`: found, imported, and made what they need.
"""

import sys
from collections.abc import Iterable, Sequence
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from traceback import extract_tb
from types import ModuleType
from typing import Any, Final, cast

import click

from azoth_scheduler import Scheduler

__all__ = ["requests_named", "scheduler_named"]

_OURS: Final = Path(__file__).parents[1]


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
    found = _attribute(_module(name), attribute, Scheduler)
    scheduler = found if isinstance(found, Scheduler) else _called(target, found)
    if not isinstance(scheduler, Scheduler):
        raise click.UsageError(
            f"{target} is {scheduler!r}; name a Scheduler, or a function that returns one"
        )
    return scheduler


def requests_named(target: str) -> list[object]:
    """
    Return what is at `module:attribute` or `file.py:attribute`, as a list of whatever it holds.

    The attribute is `requests` where none is named; a function is called.

    Raises:
        click.UsageError: There is no such thing; what an import raised is its cause.
    """
    name, _, attribute = target.partition(":")
    module = _file(Path(name)) if name.endswith(".py") else _module(name)
    found = _called(target, _attribute(module, attribute or "requests", Sequence))
    if isinstance(found, str | bytes) or not isinstance(found, Iterable):
        raise click.UsageError(f"{target} is {found!r}; name a list of requests, or a function")
    try:
        return list(cast("Iterable[object]", found))
    except Exception as error:
        raise click.UsageError(_said(f"reading {target}", error)) from error


def _file(path: Path) -> ModuleType:
    if not path.is_file():
        raise click.UsageError(f"there is no file {str(path)!r}")
    spec = spec_from_file_location(path.stem, path)
    assert spec is not None, "the name ends with .py"
    assert spec.loader is not None, "it is read from a file"
    module = module_from_spec(spec)
    _look_here()
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise click.UsageError(_said(f"running {path}", error)) from error
    return module


def _look_here() -> None:
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))


def _module(name: str) -> ModuleType:
    _look_here()
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


def _attribute(module: ModuleType, path: str, wanted: type) -> Any:  # noqa: ANN401 - it is what it is
    found: Any = module
    for part in path.split("."):
        if not hasattr(found, part):
            there = [key for key, value in vars(module).items() if _is_one(key, value, wanted)]
            hint = f"; there is {', '.join(there)}" if there else ""
            raise click.UsageError(f"{module.__name__} has no {path!r}{hint}")
        found = getattr(found, part)
    return found


def _is_one(name: str, value: object, wanted: type) -> bool:
    return isinstance(value, wanted) and not isinstance(value, str) and not name.startswith("_")


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
    # What this library refuses was given to it by somebody.
    files = [frame for frame in files if not Path(frame.filename).is_relative_to(_OURS)] or files
    where = f" ({files[-1].filename}, line {files[-1].lineno})" if files else ""
    return f"{doing} failed: {type(error).__name__}: {error}{where}"
