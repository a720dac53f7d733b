"""
How a bug is planted: a function stands in for a sound one, which it is given first.
"""

from collections.abc import Callable, Iterable
from pkgutil import resolve_name
from typing import Any, Concatenate, Final, ParamSpec, TypeAlias, TypeVar

import pytest
from attrs import evolve, frozen

from azoth_scheduler import changes
from azoth_scheduler.events import SchedulerEvent, TaskChange
from azoth_scheduler.task import TaskState

__all__ = ["Change", "Events", "Mutant", "at", "harmless", "in_fold", "retold"]

P = ParamSpec("P")
T = TypeVar("T")
E = TypeVar("E", bound=TaskChange)

Events: TypeAlias = tuple[SchedulerEvent, ...]

Change: TypeAlias = dict[str, Any]
"""What an event changes in a task's state, by field."""

_Broken: TypeAlias = Callable[..., object]

_FOLD: Final = changes._CHANGES


@frozen
class Mutant:
    """
    Hold a bug, and what kills it.

    Attributes:
        name: In words.
        fault: What is broken.
        killer: The id of the invariant that has to break.
        since: The seed from which scenarios are played, to save time: a bug that few of them come
            to has one shortly before the first that does. The soak begins at 0.
        places: Where it is planted: names, or the events of a fold.
        broken: What stands in there; it is given what stood there, then the arguments.
    """

    name: str
    fault: str
    killer: str
    since: int
    places: tuple[str | type[TaskChange], ...]
    broken: _Broken

    def plant(self, patch: pytest.MonkeyPatch) -> None:
        """
        Plant it at all of its places.
        """
        for place in self.places:
            if isinstance(place, str):
                patch.setattr(place, _standing_in(self.broken, resolve_name(place)))
            else:
                patch.setitem(_FOLD, place, _standing_in(self.broken, _FOLD[place]))


def at(
    *places: str, killer: str, since: int = 0
) -> Callable[[Callable[Concatenate[Callable[..., T], P], T]], Mutant]:
    """
    Make a mutant of a function that stands in for those at *places*.
    """

    def decorate(broken: Callable[Concatenate[Callable[..., T], P], T]) -> Mutant:
        return Mutant(_name(broken), _fault(broken), killer, since, places, broken)

    return decorate


def in_fold(
    kind: type[E], *, killer: str, since: int = 0
) -> Callable[[Callable[[Change, TaskState, E], Change]], Mutant]:
    """
    Make a mutant of a function that is given what the sound fold changes for an event of a kind.
    """

    def decorate(broken: Callable[[Change, TaskState, E], Change]) -> Mutant:
        def folds(sound: Callable[[TaskState, E], Change], state: TaskState, event: E) -> Change:
            return broken(sound(state, event), state, event)

        return Mutant(_name(broken), _fault(broken), killer, since, (kind,), folds)

    return decorate


def harmless(mutant: Mutant) -> Mutant:
    """
    Return a mutant that is planted at the same places, and changes nothing.
    """

    def does_as_before(sound: Callable[..., object], *given: object, **named: object) -> object:
        return sound(*given, **named)

    return evolve(mutant, broken=does_as_before)


def retold(events: Iterable[SchedulerEvent], kind: type[TaskChange], **fields: Any) -> Events:  # noqa: ANN401 - of the kind's own types
    """
    Return events of which those of a kind have other fields.
    """
    return tuple(evolve(one, **fields) if isinstance(one, kind) else one for one in events)


def _standing_in(broken: _Broken, sound: object) -> _Broken:
    # A function, not a partial: one that stands in for a method is given its object.
    def stand_in(*given: object, **named: object) -> object:
        return broken(sound, *given, **named)

    return stand_in


def _name(broken: Callable[..., object]) -> str:
    return broken.__name__.replace("_", " ")


def _fault(broken: Callable[..., object]) -> str:
    return " ".join((broken.__doc__ or "").split())
