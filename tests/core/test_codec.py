"""
Events become bytes and come back as they were, by whichever JSON library, or not at all.
"""

import json
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from threading import Barrier, Thread
from typing import Any, Final, Literal, NewType
from uuid import UUID

import pytest
from attrs import evolve, field, frozen
from attrs.validators import instance_of
from hypothesis import given
from hypothesis import strategies as st

from azoth import Event, Instant, NewEvent, Position, Registry, Version, json_format
from azoth.codec import Registry as Codec
from azoth.errors import UndecodableEvent, UnknownEventType
from azoth.json_format import FASTEST, STDLIB, JsonFormat

Cents = NewType("Cents", int)
FORMATS: Final = (STDLIB, FASTEST)


class Colour(Enum):
    """
    A closed choice.
    """

    RED = "red"
    GREEN = "green"


@frozen
class Cron:
    """
    One kind of schedule.
    """

    expr: str
    tz: str = "UTC"


@frozen
class Interval:
    """
    Another, which looks like the first when its fields are left out.
    """

    every: int = 60


@frozen
class Free:
    """
    A class that takes whatever JSON holds.
    """

    anything: Any = None
    number: float | str | None = None
    schedules: tuple[Cron | Interval | None, ...] = ()


@frozen
class Tree:
    """
    A class that holds itself.
    """

    label: str
    children: tuple["Tree", ...] = ()
    favourite: "Tree | None" = None


@frozen
class Checked:
    """
    A class that runs code of its own when it is made.
    """

    size: int = field(validator=instance_of(int), converter=abs)


@frozen(kw_only=True)
class Everything:
    """
    A field of each kind.
    """

    text: str
    number: int
    cents: Cents
    real: float
    flag: bool
    blob: bytes
    maybe: str | None
    schedule: Cron | Interval
    next_schedule: Cron | Interval | None = None
    colour: Colour = Colour.RED
    word: Literal["a", "b"] = "a"
    items: list[int] = field(factory=list)
    pair: tuple[int, str] = (0, "")
    many: tuple[bytes, ...] = ()
    names: frozenset[str] = frozenset()
    by_name: dict[str, int | None] = field(factory=dict)
    by_number: dict[int, str] = field(factory=dict)
    mixed: str | int | float | None = None
    anything: Any = None
    when: datetime | None = None
    day: date | None = None
    hour: time | None = None
    span: timedelta | None = None
    price: Decimal | None = None
    id: UUID | None = None
    tree: Tree | None = None
    checked: Checked | None = None


def registry_of(library: JsonFormat = FASTEST) -> Codec:
    """
    The registry of a library that knows `Everything`; making it takes longer than using it.
    """
    return _registries[library.name]


def new_registry(library: JsonFormat = FASTEST) -> Codec:
    """
    A registry that knows `Everything` and was not used yet.
    """
    registry = Registry(library)
    registry.tagged({"cron": Cron, "interval": Interval})
    registry.event("Everything")(Everything)
    return registry


_registries: Final = {library.name: new_registry(library) for library in FORMATS}

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
integers = st.integers(-(2**63), 2**64 - 1)
reals = st.floats(allow_nan=False, allow_infinity=False)
schedules = st.builds(Cron, texts, texts) | st.builds(Interval, integers)
trees = st.recursive(
    st.builds(Tree, texts),
    lambda inner: st.builds(Tree, texts, st.lists(inner, max_size=2).map(tuple), st.none() | inner),
    max_leaves=4,
)
plain = st.recursive(
    st.none() | st.booleans() | integers | reals | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
everything = st.builds(
    Everything,
    text=texts,
    number=integers,
    cents=integers.map(Cents),
    real=reals,
    flag=st.booleans(),
    blob=st.binary(max_size=30),
    maybe=st.none() | texts,
    schedule=schedules,
    next_schedule=st.none() | schedules,
    colour=st.sampled_from(Colour),
    word=st.sampled_from(["a", "b"]),
    items=st.lists(integers, max_size=3),
    pair=st.tuples(integers, texts),
    many=st.lists(st.binary(max_size=5), max_size=3).map(tuple),
    names=st.frozensets(texts, max_size=3),
    by_name=st.dictionaries(texts, st.none() | integers, max_size=3),
    by_number=st.dictionaries(integers, texts, max_size=3),
    mixed=st.none() | texts | integers | reals,
    anything=plain,
    when=st.none() | st.datetimes(timezones=st.just(UTC)),
    day=st.none() | st.dates(),
    hour=st.none() | st.times(),
    span=st.none() | st.timedeltas(timedelta(days=-(10**6)), timedelta(days=10**6)),
    price=st.none() | st.decimals(allow_nan=False),
    id=st.none() | st.uuids(),
    tree=st.none() | trees,
    checked=st.none() | st.builds(Checked, st.integers(0, 9)),
)


@given(everything)
def test_what_one_library_writes_both_read_as_it_was(event: Everything) -> None:
    """
    A log outlives the choice of a JSON library.
    """
    registries = [registry_of(library) for library in FORMATS]

    for writer in registries:
        for reader in registries:
            assert reader.decode(writer.encode(event)) == event


@given(everything, st.integers(-(10**6), 10**6))
def test_the_bytes_do_not_depend_on_the_library(event: Everything, number: int) -> None:
    """
    They are compact UTF-8; only the exponents of very large and small floats are spelled apart.
    """
    event = evolve(event, real=number / 64, mixed=number, anything=None)

    written = [registry_of(library).encode(event).data for library in FORMATS]

    assert written[0] == written[1]


@given(st.binary(max_size=60) | plain.map(lambda tree: json.dumps(tree).encode()))
def test_foreign_bytes_are_decoded_or_refused_with_one_error(data: bytes) -> None:
    """
    Decoding raises `UndecodableEvent` and nothing else, whatever the bytes are.
    """
    for library in FORMATS:
        with suppress(UndecodableEvent):
            registry_of(library).decode(NewEvent("Everything", data))


def test_a_field_at_its_default_is_not_written() -> None:
    """
    So a new field with a default needs no new schema, and no bytes.
    """
    registry = Registry()
    registry.event("Cron")(Cron)

    assert registry.encode(Cron("* * * * *")).data == b'{"expr":"* * * * *"}'


def test_a_field_that_is_gone_is_ignored() -> None:
    """
    Old events may carry more than today's class has.
    """
    registry = Registry()
    registry.event("Cron")(Cron)

    assert registry.decode(NewEvent("Cron", b'{"expr":"x","seed":1}')) == Cron("x")


def test_sets_are_written_sorted() -> None:
    """
    What is written depends on the value alone, not on the hash seed.
    """
    event = made(names=frozenset("dbca"))

    assert b'"names":["a","b","c","d"]' in registry_of().encode(event).data


def test_a_type_is_named_by_the_registry_and_not_by_the_class() -> None:
    """
    The name, the schema and the metadata stand beside the bytes.
    """
    registry = Registry()
    registry.event("schedule.cron", schema=1)(Cron)

    event = registry.encode(Cron("x"), {"user": "ada"})

    assert event == NewEvent("schedule.cron", b'{"expr":"x"}', {"user": "ada"}, 1)


def test_an_alias_is_read_and_never_written() -> None:
    """
    A type may be renamed; its old events keep their name.
    """
    registry = Registry()
    registry.event("Cron", aliases=("CronV1", "OldCron"))(Cron)

    assert registry.decode(NewEvent("OldCron", b'{"expr":"x"}')) == Cron("x")
    assert registry.encode(Cron("x")).type == "Cron"
    assert registry.types_of(Cron) == ("Cron", "CronV1", "OldCron")
    assert "OldCron" in registry
    assert "Interval" not in registry


WRONG: Final[dict[str, tuple[dict[str, Any], str]]] = {
    "text for a number": ({"number": "5"}, "expected int, got '5' @ data.number"),
    "a bool for a number": ({"number": True}, "expected int, got True @ data.number"),
    "a float for an int": ({"number": 1.0}, "expected int, got 1.0 @ data.number"),
    "a number for text": ({"text": 5}, "expected str, got 5 @ data.text"),
    "null for text": ({"text": None}, "expected str, got None @ data.text"),
    "text for a float": ({"real": "1"}, "expected float, got '1' @ data.real"),
    "a number for a flag": ({"flag": 1}, "expected bool, got 1 @ data.flag"),
    "bytes that are no base64": ({"blob": "%"}, "@ data.blob"),
    "bytes that are no text": ({"blob": 1}, "expected bytes as str, got 1 @ data.blob"),
    "an unknown tag": (
        {"schedule": {"kind": "moon"}},
        "kind is 'moon', expected one of cron, interval @ data.schedule",
    ),
    "no tag": ({"schedule": 3}, "kind is None, expected one of cron, interval @ data.schedule"),
    "a wrong field further in": (
        {"schedule": {"kind": "cron", "expr": 1}},
        "expected str, got 1 @ data.schedule.expr",
    ),
    "a colour that is none": ({"colour": "blue"}, "@ data.colour"),
    "a word that is none": ({"word": "c"}, "@ data.word"),
    "text for a list": ({"items": "abc"}, "expected a list, got 'abc' @ data.items"),
    "a wrong item": ({"items": ["1"]}, "expected int, got '1' @ data.items"),
    "a pair of three": ({"pair": [1, "", 2]}, "expected 2 items, got [1, '', 2] @ data.pair"),
    "a list for a mapping": ({"by_name": []}, "expected an object, got [] @ data.by_name"),
    "a key that is no number": ({"by_number": {"x": "y"}}, "@ data.by_number"),
    "a list for a choice": ({"mixed": []}, "@ data.mixed"),
    "a time without a zone": ({"when": "2026-01-01T00:00:00"}, "has no time zone @ data.when"),
    "a span that is no number": ({"span": "1"}, "expected timedelta as int, got '1' @ data.span"),
    "a field that is missing": ({"text": ...}, "'text' is missing @ data.text"),
    "a long value": ({"number": "9" * 99}, "…"),
    "a class inside that is no object": ({"tree": 5}, "data.tree"),
    "a checked class that is wrong": ({"checked": {"size": "x"}}, "data.checked"),
}


@pytest.mark.parametrize("library", FORMATS, ids=lambda library: library.name)
@pytest.mark.parametrize(("change", "reason"), WRONG.values(), ids=list(WRONG))
def test_a_field_takes_what_was_written_for_it_and_nothing_else(
    library: JsonFormat, change: dict[str, Any], reason: str
) -> None:
    """
    A damaged event is an error that names the field, never a wrong value.
    """
    registry = registry_of(library)
    data = json.loads(registry.encode(made()).data) | change
    data = {name: value for name, value in data.items() if value is not ...}
    event = NewEvent("Everything", json.dumps(data).encode())

    with pytest.raises(UndecodableEvent) as raised:
        registry.decode(event)

    assert reason in raised.value.reason


@pytest.mark.parametrize("data", [b"", b"[]", b"null", b"{", b"\xff", b'{"text":NaN}'])
@pytest.mark.parametrize("library", FORMATS, ids=lambda library: library.name)
def test_bytes_that_are_no_object_are_refused(library: JsonFormat, data: bytes) -> None:
    """
    The error carries the position and the type.
    """
    event = Event(Position(7), "a", Version(1), "Everything", data, {}, 1, Instant(0))

    with pytest.raises(UndecodableEvent, match="at position 7") as raised:
        registry_of(library).decode(event)

    assert (raised.value.position, raised.value.type) == (7, "Everything")


@pytest.mark.parametrize("library", FORMATS, ids=lambda library: library.name)
@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_json_lacks_are_refused_when_read(library: JsonFormat, number: str) -> None:
    """
    One library would take them, the other not.
    """
    registry = Registry(library)
    registry.tagged({"cron": Cron, "interval": Interval})
    registry.event("Free")(Free)

    with pytest.raises(UndecodableEvent):
        registry.decode(NewEvent("Free", f'{{"anything":{number}}}'.encode()))


UNWRITABLE: Final[dict[str, Callable[[], Everything]]] = {
    "not a number": lambda: made(real=float("nan")),
    "infinity": lambda: made(anything=[float("inf")]),
    "more than 64 bits": lambda: made(number=2**64),
    "a lone surrogate": lambda: made(text="\ud800"),
    "a naive time": lambda: made(when=datetime(2026, 1, 1)),  # noqa: DTZ001 - the point
    "an object of no kind": lambda: made(anything=object()),
    "a key that is no text": lambda: made(anything={1: 2, (1,): 3}),
    "a member of no union": lambda: made(schedule=Tree("x")),
}


@pytest.mark.parametrize("library", FORMATS, ids=lambda library: library.name)
@pytest.mark.parametrize("event", UNWRITABLE.values(), ids=list(UNWRITABLE))
def test_a_value_that_json_cannot_hold_is_refused_when_written(
    library: JsonFormat, event: Callable[[], Everything]
) -> None:
    """
    Better no event than one that nobody can read.
    """
    with pytest.raises(ValueError, match="cannot be encoded"):
        registry_of(library).encode(event())


@pytest.mark.rule("S-35")
def test_an_unknown_type_is_an_error_with_its_position() -> None:
    """
    A reader that does not know a type says so, and may pass it over.
    """
    event = Event(Position(3), "a", Version(1), "Gone", b"{}", {}, 1, Instant(0))

    with pytest.raises(UnknownEventType, match=r"'Gone' at position 3"):
        registry_of().decode(event)
    with pytest.raises(UnknownEventType, match="'Gone' is not"):
        registry_of().decode(NewEvent("Gone", b"{}"))


def test_a_class_that_is_not_registered_cannot_be_written() -> None:
    """
    The error names the class and says how to register it; a value of a plain type is told so too.
    """
    with pytest.raises(UnknownEventType, match=r"class 'Interval' .* put @registry.event\("):
        registry_of().encode(Interval(5))
    with pytest.raises(UnknownEventType, match="class 'int' is not registered as an event"):
        registry_of().encode(5)
    with pytest.raises(UnknownEventType):
        registry_of().types_of(Interval)


@pytest.mark.rule("S-35")
def test_a_newer_schema_is_an_error() -> None:
    """
    An old program must not read half of what a newer one wrote.
    """
    with pytest.raises(UndecodableEvent, match="newer than 1"):
        registry_of().decode(NewEvent("Everything", b"{}", schema=2))


def test_one_name_or_class_cannot_be_registered_twice() -> None:
    """
    Neither can an alias that is another type's name.
    """
    registry = new_registry()

    with pytest.raises(ValueError, match="'Everything' is registered already"):
        registry.event("Everything")(Cron)
    with pytest.raises(ValueError, match="'Everything' is registered already"):
        registry.event("Cron", aliases=["Everything"])(Cron)
    with pytest.raises(ValueError, match="by another name"):
        registry.event("Everything2")(Everything)


def test_only_attrs_classes_can_be_registered() -> None:
    """
    The order of the decorators is the usual mistake, and the message says so.
    """

    class Bare:
        pass

    with pytest.raises(TypeError, match="put @frozen below"):
        Registry().event("Bare")(Bare)
    with pytest.raises(TypeError, match="put @frozen below"):
        Registry().event("Bare")(5)


@pytest.mark.parametrize(
    ("name", "schema", "error"), [("", 1, ValueError), ("a", 0, ValueError), ("a", True, TypeError)]
)
def test_a_name_and_a_schema_are_checked_where_they_are_given(
    name: str, schema: int, error: type[Exception]
) -> None:
    """
    As a store would, only earlier.
    """
    with pytest.raises(error):
        Registry().event(name, schema=schema)


def test_classes_that_json_does_not_tell_apart_need_a_tag() -> None:
    """
    They are refused when the functions are made, not when the first event is lost.
    """

    @frozen
    class Ambiguous:
        schedule: Cron | Interval

    registry = Registry()
    registry.event("Ambiguous")(Ambiguous)

    with pytest.raises(TypeError, match=r"registry\.tagged"):
        registry.freeze()


def test_a_tag_must_not_be_a_field() -> None:
    """
    One of the two would be lost.
    """
    with pytest.raises(ValueError, match="has a field 'expr'"):
        Registry().tagged({"cron": Cron}, tag="expr")


def test_members_of_a_union_may_be_none_and_integers_be_floats() -> None:
    """
    JSON writes the float 5.0 and the integer 5 apart, and a reader takes both.
    """
    registry = Registry()
    registry.tagged({"cron": Cron, "interval": Interval})
    registry.event("Free")(Free)
    event = Free(number=5.0, schedules=(Interval(), None, Cron("x")))

    assert registry.decode(registry.encode(event)) == event
    decoded = registry.decode(NewEvent("Free", b'{"number":5}'))
    assert (decoded, type(decoded.number)) == (Free(number=5.0), float)


def test_without_orjson_the_standard_library_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    It is an extra.
    """
    monkeypatch.setitem(sys.modules, "orjson", None)

    assert json_format._fastest() is STDLIB


def test_hooks_of_the_user_win() -> None:
    """
    `registry.converter` is cattrs's own, and knows what the user says.
    """
    registry = Registry()
    registry.event("Cron")(Cron)
    registry.converter.register_unstructure_hook(Cron, lambda cron: {"text": cron.expr})
    registry.converter.register_structure_hook(Cron, lambda data, _: Cron(data["text"]))

    event = registry.encode(Cron("x", "Europe/Berlin"))

    assert event.data == b'{"text":"x"}'
    assert registry.decode(event) == Cron("x")


def test_a_class_registered_after_the_first_event_is_known() -> None:
    """
    Modules are imported when they are needed.
    """
    registry = new_registry()
    registry.encode(made())

    registry.event("Cron")(Cron)

    assert registry.decode(registry.encode(Cron("x"))) == Cron("x")


def test_threads_that_use_a_registry_first_at_the_same_time_agree() -> None:
    """
    The functions are generated under a lock.
    """
    for _ in range(20):
        registry, barrier, answers = new_registry(), Barrier(4), list[Any]()
        event = registry_of().encode(made())

        def first_use(
            registry: Codec = registry, barrier: Barrier = barrier, answers: list[Any] = answers,
            event: NewEvent = event,
        ) -> None:  # fmt: skip
            barrier.wait()
            answers.append(registry.decode(event))

        threads = [Thread(target=first_use) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert answers == [made()] * 4


def made(**changes: Any) -> Everything:  # noqa: ANN401 - as many types as fields
    """
    An event with the fields that have no default, changed as asked.
    """
    fields: dict[str, Any] = {
        "text": "t",
        "number": 1,
        "cents": Cents(2),
        "real": 0.5,
        "flag": False,
        "blob": b"\0\xff",
        "maybe": None,
        "schedule": Cron("x"),
    }
    return Everything(**(fields | changes))
