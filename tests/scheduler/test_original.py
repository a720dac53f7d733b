"""
What the scheduler that ours is named after gets wrong: each row is a test somewhere that says so.
"""

import re
from typing import Final

from tests.house.sources import ROOT

ROWS: Final = (
    *(f"S-{number:02}" for number in range(1, 14)),
    *(f"S-{number}" for number in range(15, 48)),
    *("S-51", "S-52", "S-53", "S-55", "S-57", "S-59"),
)
"""The rows; S-14, S-48 to S-50, S-54, S-56 and S-58 were never given out."""

LATER: Final[dict[str, str]] = {}
"""Rows that nothing here can keep yet, and why; what a row asks for beyond that is listed below."""

REMAINS: Final = {
    "S-15": "jitter between retries: retries wait without it, by 1, 2, 4 … up to a day",
    "S-20": "policies for missed occurrences besides the latest, and their windows",
    "S-30": "if_exists: another definition always edits in place, its generation says so",
    "S-41": "limits by key: a task runs one attempt at a time, a scheduler its slots",
}
"""What a covered row leaves to later work."""

MARK: Final = re.compile(r'mark\.rule\("(S-\d+)"\)')


def test_each_row_is_a_test_or_says_why_not() -> None:
    """
    A row that is neither proved nor left out for a reason fails here.
    """
    texts = [path.read_text() for path in (ROOT / "tests").rglob("test_*.py")]
    proved = {row for text in texts for row in MARK.findall(text)}

    assert set(ROWS) - proved - LATER.keys() == set()


def test_each_row_that_a_test_names_exists() -> None:
    """
    A typing error proves nothing; a row that is proved is not left for later.
    """
    texts = [path.read_text() for path in (ROOT / "tests").rglob("test_*.py")]
    named = {row for text in texts for row in MARK.findall(text)}

    assert named - set(ROWS) == set()
    assert named & LATER.keys() == set()
    assert REMAINS.keys() - named == set()
