"""
The limits of an append: what is over one is refused before any I/O, with the way out.
"""

from collections.abc import Sequence

import pytest

from azoth import (
    ANY,
    APPEND_BYTES_MAX,
    APPEND_EVENTS_MAX,
    APPEND_WRITES_MAX,
    DATA_BYTES_MAX,
    METADATA_BYTES_MAX,
    EventStore,
    NewEvent,
    Write,
)

SMALL = NewEvent("T", b"")
LARGE = NewEvent("T", b"x" * DATA_BYTES_MAX)


@pytest.mark.parametrize(
    ("writes", "limit"),
    [
        ([Write("a", [SMALL] * (APPEND_EVENTS_MAX + 1), ANY)], APPEND_EVENTS_MAX),
        ([Write("a", [LARGE] * 5, ANY)], APPEND_BYTES_MAX),
        ([Write(f"a-{n}", [], 0) for n in range(APPEND_WRITES_MAX + 1)], APPEND_WRITES_MAX),
    ],
    ids=["events", "bytes", "writes"],
)
def test_an_append_that_is_too_large_is_to_be_split(
    store: EventStore, writes: Sequence[Write], limit: int
) -> None:
    """
    The error has the size, the limit, and what to do; nothing was written.
    """
    with pytest.raises(ValueError, match=f"the limit is {limit}: split it into several appends"):
        store.append(*writes)

    assert store.wait(0, 0) == 0


def test_metadata_that_is_too_large_belongs_into_the_data() -> None:
    """
    Metadata is read with every event.
    """
    with pytest.raises(ValueError, match=f"{METADATA_BYTES_MAX} an event: put what is large into"):
        NewEvent("T", b"", {"note": "x" * METADATA_BYTES_MAX})
