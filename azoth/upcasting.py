"""
Upcasting: bring the data of an old event to the shape that today's class has.

An upcaster takes the JSON object of one schema and returns that of a later one. It is a pure
function of that object: what it returns is never written, so it runs again at each read.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from attrs import field, frozen

__all__ = ["Step", "Upcaster", "Upcasters", "chains"]

Upcaster: TypeAlias = Callable[[dict[str, Any]], dict[str, Any]]
"""Take the data of one schema, return the data of a later one."""


@frozen
class Step:
    """
    Hold one upcaster and the schema that it leads to.
    """

    to_schema: int
    upcast: Upcaster


@frozen
class Upcasters:
    """
    Collect the upcasters of one event type by the schema that each starts from.
    """

    type: str
    steps: dict[int, Step] = field(factory=dict[int, Step])

    def add(self, from_schema: int, to_schema: int, upcast: Upcaster) -> None:
        """
        Add an upcaster.

        Raises:
            ValueError: Another one starts from the same schema, or it leads backwards (a cycle).
        """
        if from_schema in self.steps:
            raise ValueError(f"{self.type!r} has two upcasters from schema {from_schema}")
        if not 1 <= from_schema < to_schema:
            raise ValueError(
                f"the upcaster of {self.type!r} leads from schema {from_schema} to {to_schema}: "
                "a cycle; lead to a later schema"
            )
        self.steps[from_schema] = Step(to_schema, upcast)


def chains(upcasters: Upcasters, schema: int) -> Mapping[int, tuple[Upcaster, ...]]:
    """
    Return, for each schema older than *schema*, the upcasters that lead to it.

    Raises:
        ValueError: No upcaster starts from one of them (a hole), or one leads past *schema*.

    Example:
        >>> renamed = Upcasters("Renamed")
        >>> renamed.add(1, 2, lambda data: {"title": data["name"]})
        >>> [step({"name": "a"}) for step in chains(renamed, 2)[1]]
        [{'title': 'a'}]
    """
    found: dict[int, tuple[Upcaster, ...]] = {schema: ()}
    _check_bounds(upcasters, schema)
    for start in range(schema - 1, 0, -1):
        step = upcasters.steps.get(start)
        if step is None:
            raise ValueError(
                f"{upcasters.type!r} has schema {schema}, but no upcaster from schema {start}: "
                "a hole; register one"
            )
        found[start] = (step.upcast, *found[step.to_schema])
    del found[schema]
    return found


def _check_bounds(upcasters: Upcasters, schema: int) -> None:
    for start, step in upcasters.steps.items():
        if step.to_schema > schema:
            raise ValueError(
                f"the upcaster of {upcasters.type!r} from schema {start} leads to "
                f"{step.to_schema}, but its class has schema {schema}; raise the class's schema"
            )
