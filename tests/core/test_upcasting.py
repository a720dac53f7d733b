"""
Old events are brought to today's shape when they are read; a gap in the chain is found at once.
"""

import pytest
from attrs import frozen

from azoth import NewEvent, Registry, UndecodableEvent
from azoth.upcasting import Upcasters, chains


@frozen
class Renamed:
    """
    The shape of today, the third.
    """

    title: str
    words: int


def renamed() -> Registry:
    """
    A registry with the whole chain.
    """
    registry = Registry()
    registry.event("Renamed", schema=3, aliases=("Retitled",))(Renamed)

    @registry.upcast("Renamed", from_schema=1)
    def name_to_title(data: dict[str, object]) -> dict[str, object]:
        return {"title": data["name"]}

    @registry.upcast("Renamed", from_schema=2)
    def count(data: dict[str, object]) -> dict[str, object]:
        return data | {"words": len(str(data["title"]).split())}

    return registry


@pytest.mark.rule("S-35")
@pytest.mark.parametrize("type", ["Renamed", "Retitled"])
@pytest.mark.parametrize(
    ("schema", "data"),
    [(1, b'{"name":"a b"}'), (2, b'{"title":"a b"}'), (3, b'{"title":"a b","words":2}')],
)
def test_an_event_of_any_schema_is_read_as_the_class_of_today(
    type: str, schema: int, data: bytes
) -> None:
    """
    Each upcaster of the chain runs once, in order; what is in the log stays as it is.
    """
    assert renamed().decode(NewEvent(type, data, schema=schema)) == Renamed("a b", 2)


def test_events_are_written_with_the_schema_of_the_class() -> None:
    """
    Upcasters never run on what is written today.
    """
    assert renamed().encode(Renamed("a", 1)).schema == 3


def test_an_upcaster_may_jump() -> None:
    """
    A chain may be shortened, as long as no schema is left without a way.
    """
    upcasters = Upcasters("T")
    upcasters.add(1, 3, lambda data: data | {"way": "direct"})
    upcasters.add(2, 3, lambda data: data | {"way": "second"})

    chain = chains(upcasters, 3)

    assert [step({}) for step in chain[1]] == [{"way": "direct"}]
    assert [len(chain[schema]) for schema in (1, 2)] == [1, 1]


def test_a_hole_in_the_chain_is_found_before_the_first_event() -> None:
    """
    An event of that schema could not be read.
    """
    registry = Registry()
    registry.event("Renamed", schema=3)(Renamed)
    registry.upcast("Renamed", from_schema=1)(lambda data: data)

    with pytest.raises(ValueError, match="no upcaster from schema 2: a hole"):
        registry.freeze()


def test_a_cycle_is_refused() -> None:
    """
    An upcaster leads to a later schema.
    """
    registry = Registry()

    with pytest.raises(ValueError, match="a cycle"):
        registry.upcast("Renamed", from_schema=2, to_schema=1)(lambda data: data)


def test_two_upcasters_from_one_schema_are_refused() -> None:
    """
    Which of the two would run is nobody's guess.
    """
    registry = renamed()

    with pytest.raises(ValueError, match="two upcasters from schema 1"):
        registry.upcast("Renamed", from_schema=1)(lambda data: data)


def test_an_upcaster_that_leads_past_the_class_is_refused() -> None:
    """
    The class's schema was forgotten.
    """
    registry = Registry()
    registry.event("Renamed")(Renamed)
    registry.upcast("Renamed", from_schema=1)(lambda data: data)

    with pytest.raises(ValueError, match="raise the class's schema"):
        registry.freeze()


def test_upcasters_of_no_class_are_refused() -> None:
    """
    The name is misspelt.
    """
    registry = Registry()
    registry.upcast("Renamd", from_schema=1)(lambda data: data)

    with pytest.raises(ValueError, match="no class is"):
        registry.freeze()


def test_an_upcaster_that_comes_too_late_is_refused() -> None:
    """
    Events were read without it.
    """
    registry = renamed()
    registry.freeze()

    with pytest.raises(ValueError, match="is in use"):
        registry.upcast("Renamed", from_schema=3)(lambda data: data)


def test_an_upcaster_that_fails_makes_the_event_undecodable() -> None:
    """
    The error names the schema and what was raised.
    """
    with pytest.raises(UndecodableEvent, match=r"from schema 1 on failed: KeyError\('name'\)"):
        renamed().decode(NewEvent("Renamed", b"{}", schema=1))
