"""
Names and events as a test draws them.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any, Final

from azoth.events import NAME_BYTES_MAX, SCHEMA_MAX, NewEvent
from azoth.testing._hypothesis import st

__all__ = ["invalid_names", "names", "new_events", "streams"]

_NEAR: Final = ("a", "A", "a-1", "a-2", "a-", "-1", "ab", "b-1")
# Few, and close to each other, so that what is done meets what was done before.

_AWKWARD_NAMES: Final = (
    "x" * NAME_BYTES_MAX,
    "\u00fc" * (NAME_BYTES_MAX // 2) + "x",
    "\U0001f600" * (NAME_BYTES_MAX // 4) + "abc",
    "\u00fc-1",
    "u\u0308-1",
    "$a-1",
    " ",
    "\n",
    "\ufeffa",
    "a\u200b",
    "%",
    "'",
    "../a",
)
_NO_NAMES: Final[Sequence[Any]] = (
    "",
    "x" * (NAME_BYTES_MAX + 1),
    "\u00fc" * (NAME_BYTES_MAX // 2 + 1),
    "\0",
    "a\0b",
    "\udc80",
    "a\ud800",
    b"a",
    5,
    ["a"],
)


@cache
def names() -> st.SearchStrategy[str]:
    """
    Draw what may name a stream, type, consumer or key: near ones, the longest, and any other.
    """
    letters = st.characters(codec="utf-8", exclude_characters="\0")
    anything = st.text(letters, min_size=1, max_size=NAME_BYTES_MAX // 4)
    return st.sampled_from(_NEAR) | st.sampled_from(_AWKWARD_NAMES) | anything


@cache
def invalid_names() -> st.SearchStrategy[Any]:
    """
    Draw what may name nothing: too long, empty, with a NUL, a lone surrogate, or no text.

    >>> from azoth.events import check_name
    >>> from hypothesis import given
    >>> @given(invalid_names())
    ... def refused(name):
    ...     try:
    ...         check_name(name, "stream")
    ...     except (TypeError, ValueError):
    ...         return
    ...     raise AssertionError(name)
    >>> refused()
    """
    parts = st.text(st.characters(codec="utf-8"), max_size=9)
    broken = st.builds("{}{}{}".format, parts, st.sampled_from("\0\ud800\udfff"), parts)
    return st.sampled_from(_NO_NAMES) | broken


@cache
def streams() -> st.SearchStrategy[str]:
    """
    Draw names of streams, most of them few, so that streams and categories have several events.
    """
    return st.one_of(st.sampled_from(_NEAR), st.sampled_from(_NEAR), names())


def new_events(types: st.SearchStrategy[str] | None = None) -> st.SearchStrategy[NewEvent]:
    """
    Draw events: bytes that are text or not, metadata of any text, schemas to the largest.

    Args:
        types: Their types; any names unless given.
    """
    texts = st.text(st.characters(codec="utf-8"), max_size=5)
    return st.builds(
        NewEvent,
        names() if types is None else types,
        st.binary(max_size=20) | st.sampled_from([b"", b"{}", b"null", b"\xff", bytes(range(256))]),
        st.dictionaries(texts, texts, max_size=2),
        st.sampled_from([1, 1, SCHEMA_MAX]) | st.integers(1, SCHEMA_MAX),
    )
