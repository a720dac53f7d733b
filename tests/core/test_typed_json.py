"""
One class as JSON: equal values have equal bytes, and what is wrong is named by its path.
"""

from datetime import UTC, datetime

import pytest
from attrs import frozen

from azoth import Registry, TypedJson
from azoth.json_format import FASTEST, STDLIB


@frozen
class Address:
    """
    Be a part of something.
    """

    zip: int
    city: str = ""


@frozen
class Letter:
    """
    Be something with parts.
    """

    to: str
    address: Address
    marks: dict[str, int] = {}  # noqa: RUF008 - nobody changes it
    sent: datetime | None = None


LETTERS = TypedJson(Letter)


def test_a_value_comes_back_equal() -> None:
    """
    With all that a field of an event may hold.
    """
    letter = Letter("ada", Address(7, "Bern"), {"b": 1, "a": 2}, datetime(2026, 1, 1, tzinfo=UTC))

    assert LETTERS.decode(LETTERS.encode(letter)) == letter


def test_equal_values_have_equal_bytes() -> None:
    """
    In whatever order a mapping was filled: the keys are sorted.
    """
    one = Letter("ada", Address(7), {"b": 1, "a": 2})
    other = Letter("ada", Address(7), {"a": 2, "b": 1})

    assert LETTERS.encode(one) == LETTERS.encode(other)
    assert LETTERS.encode(one) == b'{"address":{"zip":7},"marks":{"a":2,"b":1},"to":"ada"}'


def test_the_bytes_do_not_depend_on_the_json_library() -> None:
    """
    The standard library writes them, also where a faster one is installed; either reads them.
    """
    numbers = TypedJson(list[float])

    assert numbers.encode([1e16, 0.1]) == b"[1e+16,0.1]"
    assert FASTEST.loads(b"[1e+16,0.1]") == STDLIB.loads(b"[1e+16,0.1]")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b'{"to":"ada","address":{"zip":"x"}}', "data.address.zip"),
        (b'{"to":"ada","address":{}}', "'zip' is missing"),
        (b'{"to":7,"address":{"zip":"x"}}', "data.to"),
        (b"[]", r"no JSON object but \[\]"),
        (b"", "Expecting value"),
        (b"\xff", "can't decode"),
    ],
)
def test_what_does_not_fit_is_named_by_its_path(data: bytes, said: str) -> None:
    """
    However deep it is; all that is wrong is named at once.
    """
    with pytest.raises(ValueError, match=said):
        LETTERS.decode(data)


def test_an_event_that_does_not_fit_is_told_in_the_same_words() -> None:
    """
    One text for payloads and for events.
    """
    registry = Registry()
    registry.event("Letter")(Letter)
    letter = registry.encode(Letter("ada", Address(7)))
    broken = type(letter)("Letter", b'{"to":"ada","address":{"zip":"x"}}')

    with pytest.raises(ValueError, match=r"data\.address\.zip") as of_payload:
        LETTERS.decode(broken.data)
    with pytest.raises(Exception, match=r"data\.address\.zip") as of_event:
        registry.decode(broken)

    assert str(of_payload.value) in str(of_event.value)


def test_what_would_be_refused_when_it_is_read_is_refused_when_it_is_written() -> None:
    """
    Attrs checks no types by itself.
    """
    with pytest.raises(ValueError, match=r"data\.address\.zip"):
        LETTERS.encode(Letter("ada", Address("7")))  # type: ignore[arg-type] # what users do
    with pytest.raises(TypeError, match="is no Letter"):
        LETTERS.encode({"to": "ada"})  # type: ignore[arg-type] # likewise
    with pytest.raises(ValueError, match="cannot be encoded"):
        TypedJson(float).encode(float("nan"))
