"""
The store that a command looks at, and errors that say what to do instead of showing a traceback.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from azoth.clocks import SystemClock
from azoth.errors import AzothError
from azoth.options import LOOKING
from azoth.store import EventStore, LeaseStore
from azoth.urls import STORES, open_store, parse_url

__all__ = [
    "NOT_SO",
    "UNUSABLE",
    "Commands",
    "StoreTrouble",
    "json_option",
    "looking_at",
    "named",
    "opened",
    "store_arguments",
    "target_at",
]

NOT_SO: Final = 1
"""The exit code of a question that is answered by no."""

UNUSABLE: Final = 3
"""The exit code where the store cannot be opened or used."""

_INTERRUPTED: Final = 130
_ON_DISK: Final = ("sqlite", "lmdb")

F = TypeVar("F", bound=Callable[..., Any])


class Commands(click.Group):
    """
    End with the exit code of what was interrupted, wherever that strikes.
    """

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - whatever a command returns
        """
        Run the command that was named.
        """
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise SystemExit(_INTERRUPTED) from None


class StoreTrouble(click.ClickException):
    """
    Say in one sentence why the store cannot be used.
    """

    exit_code = UNUSABLE


def store_arguments(command: F) -> F:
    """
    Give a command the store's URL: as its last argument, as `--store`, or as `AZOTH_STORE`.
    """
    option = click.option("--store", "-s", envvar="AZOTH_STORE", metavar="URL", show_envvar=True)
    return click.argument("url", required=False, metavar="[URL]")(option(command))


def json_option(command: F) -> F:
    """
    Give a command `--json`.
    """
    return click.option("--json", "as_lines", is_flag=True, help="Print JSON, for machines.")(
        command
    )


@contextmanager
def looking_at(url: str | None, store: str | None) -> Generator[EventStore, None, None]:
    """
    Open the store that the user named, to look at it: nothing is made there or brought up to date.

    What goes wrong inside ends the command with a sentence.

    Args:
        url: The argument, which wins.
        store: The option, or the variable.
    """
    where = named(url, store)
    with _troubles():
        _check_is_there(where)
        options: dict[str, Any] = {"mode": LOOKING} if _is_on_disk(where) else {}
        with open_store(where, **options) as found:
            yield found


@contextmanager
def opened(url: str | None, store: str | None) -> Generator[EventStore, None, None]:
    """
    Open the store that the user named, to change it too, and otherwise likewise.
    """
    where = named(url, store)
    with _troubles():
        _check_is_there(where)
        with open_store(where) as found:
            yield found


@contextmanager
def target_at(url: str) -> Generator[EventStore, None, None]:
    """
    Open the store at *url* to take over a log, or make it; nobody may be at work on it.
    """
    with _troubles(), open_store(url) as found:
        _check_is_idle(found, url)
        yield found


def named(url: str | None, store: str | None) -> str:
    """
    Return the URL that the user gave: the argument wins over the option, or the variable.

    Raises:
        click.UsageError: None is given.
    """
    where = url or store
    if not where:
        raise click.UsageError("name the store: --store sqlite:///data/azoth.db, or AZOTH_STORE")
    return where


@contextmanager
def _troubles() -> Generator[None, None, None]:
    try:
        yield
    except (AzothError, ValueError, OSError) as error:
        if isinstance(error, BrokenPipeError):
            raise
        raise StoreTrouble(str(error)) from error
    except KeyboardInterrupt:
        raise SystemExit(_INTERRUPTED) from None


def _check_is_idle(store: EventStore, url: str) -> None:
    # Whoever works on a log appends to it, and a log that is taken over has no place for that.
    leases = store.leases() if isinstance(store, LeaseStore) else ()
    now = SystemClock().now()
    at_work = [lease.worker for lease in leases if not lease.dead and lease.until > now]
    if at_work:
        raise StoreTrouble(
            f"{', '.join(at_work)} is at work on {url}; stop it, or take the log over elsewhere"
        )


def _check_is_there(url: str) -> None:
    # Opening would create it, and whoever mistypes a path wants to hear of it.
    path = parse_url(url)[0].path
    if _is_on_disk(url) and not Path(path).exists():
        raise FileNotFoundError(f"there is no store at {path!r}; check the path in {url!r}")


def _is_on_disk(url: str) -> bool:
    scheme = parse_url(url)[0].scheme
    return scheme in _ON_DISK and scheme in entry_points(group=STORES).names
