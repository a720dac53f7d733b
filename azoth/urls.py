"""
Opening a store by its URL: `scheme://authority/path?option=value`.

Three slashes begin a relative path, four an absolute one: `sqlite:///data/azoth.db` lies under the
working folder, `sqlite:////data/azoth.db` under the root. The path is taken as it stands, nothing
in it is decoded. Stores are found through the entry-point group `azoth.stores`, ours exactly as
those of others.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final, TypeVar, cast
from urllib.parse import parse_qsl

from attrs import AttrsInstance, fields, frozen

from azoth.clocks import Clock, SystemClock
from azoth.errors import StoreNotInstalled, UnknownStore
from azoth.store import EventStore

__all__ = ["STORES", "StoreUrl", "open_store", "options_of", "parse_url"]

STORES: Final = "azoth.stores"
"""The entry-point group: the scheme is the name, the factory is the object."""

_COMMANDS: Final = {
    "lmdb": "pip install 'azoth-scheduler[lmdb]'",
    "postgresql": "pip install 'azoth-scheduler[postgres]'",
}

Options = TypeVar("Options", bound=AttrsInstance)


@frozen
class StoreUrl:
    """
    Hold where a store is, without its options.

    Attributes:
        scheme: The name that its factory is registered under, in lower case.
        path: What follows the third slash, as it stands.
        authority: What stands between the second slash and the third.
    """

    scheme: str
    path: str = ""
    authority: str = ""

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}" + (f"/{self.path}" if self.path else "")


def open_store(url: str, *, clock: Clock | None = None, **options: object) -> EventStore:
    """
    Open the store at *url*; it is a context manager.

    Args:
        url: Such as `memory://` or `sqlite:///data/azoth.db?durability=normal`.
        clock: Gives events their time; the machine's clock unless given.
        **options: The store's own; they win over those in the URL.

    Raises:
        UnknownStore: No installed package serves the scheme.
        StoreNotInstalled: What the store needs is not installed; it names the command.
        TypeError: *url* is no text, or *clock* no clock.
        ValueError: *url* is none, or an option is unknown or has a value that is not allowed.
        StoreError: The store cannot be opened.
    """
    where, asked = parse_url(url)
    if clock is not None and not isinstance(clock, Clock):
        raise TypeError(f"a clock has now() and monotonic(), unlike {clock!r}")
    factory = _factory(where.scheme)
    return factory(where, clock=SystemClock() if clock is None else clock, **{**asked, **options})


def parse_url(url: str) -> tuple[StoreUrl, Mapping[str, str]]:
    """
    Return a URL in its parts, and the options in its query.

    Raises:
        ValueError: It is no URL, or an option stands twice.
    """
    if not isinstance(url, str):
        raise TypeError(f"a store's URL is text like sqlite:///data/azoth.db, not {url!r}")
    address, _, query = url.partition("?")
    scheme, separator, rest = address.partition("://")
    if not separator or not scheme:
        raise ValueError(f"{url!r} is no store URL; write one like sqlite:///data/azoth.db")
    authority, _, path = rest.partition("/")
    options: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query)):
        if name in options:
            raise ValueError(f"option {name!r} stands twice in {url!r}")
        options[name] = value
    return StoreUrl(scheme.lower(), path, authority), options


def options_of(kind: type[Options], url: StoreUrl, given: Mapping[str, object]) -> Options:
    """
    Return a store's options as a value of *kind*, an attrs class whose converters take text too.

    Raises:
        ValueError: An option is not a field of *kind*, or its value is not allowed.
    """
    known = [field.name for field in fields(kind)]
    for name in given:
        if name not in known:
            allowed = f"it has {', '.join(known)}" if known else "it has none"
            raise ValueError(f"a {url.scheme} store has no option {name!r}; {allowed}")
    return kind(**given)


@lru_cache
def _factory(scheme: str) -> Callable[..., EventStore]:
    # Asked once: to read what is installed takes far longer than to open a store in memory.
    found = {entry.name: entry for entry in entry_points(group=STORES)}
    if scheme in found:
        return _load(found[scheme])
    if scheme in _COMMANDS:
        raise StoreNotInstalled(scheme=scheme, command=_COMMANDS[scheme])
    raise UnknownStore(scheme=scheme, known=tuple(sorted(found)))


def _load(entry: EntryPoint) -> Callable[..., EventStore]:
    try:
        loaded: Any = entry.load()
    except ModuleNotFoundError as error:
        command = _COMMANDS.get(entry.name, f"pip install {error.name}")
        raise StoreNotInstalled(scheme=entry.name, command=command) from error
    return cast("Callable[..., EventStore]", loaded)
