"""
Projections and deciders by name, so that a program can ask about logs that it does not know.

They are found through two entry-point groups. `azoth.projections` has factories: a call without
arguments gives an empty projection. `azoth.deciders` has objects that keep to `Rules`.
"""

from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import entry_points
from typing import Any, Final, Generic, Protocol, TypeAlias, TypeVar, cast, runtime_checkable

from azoth.clocks import Instant
from azoth.codec import Registry
from azoth.decider import Decider
from azoth.projections import Projection
from azoth.replay.errors import UnknownPlugin

__all__ = ["DECIDERS", "PROJECTIONS", "Factory", "Plugins", "Rules", "deciders", "projections"]

PROJECTIONS: Final = "azoth.projections"
"""The entry-point group of projections: the name, and the factory."""

DECIDERS: Final = "azoth.deciders"
"""The entry-point group of deciders: the name, and an object that keeps to `Rules`."""

Factory: TypeAlias = Callable[[], Projection]
"""Makes an empty projection."""

V_co = TypeVar("V_co", covariant=True)


@runtime_checkable
class Rules(Protocol):
    """
    Be what a program needs in order to decide a command that somebody wrote as JSON.
    """

    @property
    def registry(self) -> Registry:
        """
        Return the types of its events.
        """
        ...

    @property
    def decider(self) -> Decider[Any, Any, Any]:
        """
        Return the three functions.
        """
        ...

    def stream_of(self, key: str) -> str:
        """
        Return the stream that belongs to *key*, such as the id of a task.
        """
        ...

    def parse(self, key: str, command: bytes, now: Instant) -> object:
        """
        Return a command to the stream of *key* that is decided at *now*.

        Raises:
            ValueError: *command* is no JSON, or none of its commands; the message says what fits.
        """
        ...


class Plugins(Mapping[str, V_co], Generic[V_co]):
    """
    Look names up in an entry-point group; each is imported when it is asked for.

    Raises:
        UnknownPlugin: From the look-up: nobody registers the name.
    """

    def __init__(self, group: str) -> None:
        self._group = group
        self._entries = {entry.name: entry for entry in entry_points(group=group)}

    def __repr__(self) -> str:
        return f"Plugins({self._group!r})"

    def __getitem__(self, name: str) -> V_co:
        entry = self._entries.get(name)
        if entry is None:
            raise UnknownPlugin(group=self._group, name=name, known=tuple(self))
        return cast("V_co", entry.load())

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._entries))

    def __len__(self) -> int:
        return len(self._entries)


def projections() -> Mapping[str, Factory]:
    """
    Return the projections that installed packages offer.

    Example:
        >>> from azoth.replay import projections
        >>> projections()["nonsense"]
        Traceback (most recent call last):
        azoth.replay.errors.UnknownPlugin: azoth.projections has no 'nonsense'; ...
    """
    return Plugins[Factory](PROJECTIONS)


def deciders() -> Mapping[str, Rules]:
    """
    Return the deciders that installed packages offer.
    """
    return Plugins[Rules](DECIDERS)
