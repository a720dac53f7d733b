"""
The words of the cron dialect: its six fields, the names that stand for numbers, the macros.
"""

from collections.abc import Mapping
from typing import Final

from attrs import frozen

_MONTHS: Final = {
    "JAN": 1, "FEB": 2, "MAR": 3, "APR": 4, "MAY": 5, "JUN": 6,
    "JUL": 7, "AUG": 8, "SEP": 9, "OCT": 10, "NOV": 11, "DEC": 12,
}  # fmt: skip
_WEEKDAYS: Final = {"SUN": 0, "MON": 1, "TUE": 2, "WED": 3, "THU": 4, "FRI": 5, "SAT": 6}


@frozen
class FieldSpec:
    """
    Say what one field of an expression may hold.

    Attributes:
        name: What messages call it.
        low: Its smallest number.
        high: Its largest number.
        end: Where `*` and `a/n` end; day-of-week counts to 6, since 7 is 0 again.
        names: The words that stand for numbers.
    """

    name: str
    low: int
    high: int
    end: int
    names: Mapping[str, int]

    def number(self, word: str) -> int | None:
        """
        Return the number that a word stands for, or None if it is no number and no name.
        """
        return int(word) if word.isdigit() else self.names.get(word)


SECOND: Final = FieldSpec("second", 0, 59, 59, {})
MINUTE: Final = FieldSpec("minute", 0, 59, 59, {})
HOUR: Final = FieldSpec("hour", 0, 23, 23, {})
DAY: Final = FieldSpec("day-of-month", 1, 31, 31, {})
MONTH: Final = FieldSpec("month", 1, 12, 12, _MONTHS)
WEEKDAY: Final = FieldSpec("day-of-week", 0, 7, 6, _WEEKDAYS)

FIELDS: Final = (SECOND, MINUTE, HOUR, DAY, MONTH, WEEKDAY)
"""The six fields in the order in which they are written."""

MACROS: Final[Mapping[str, str]] = {
    "@hourly": "0 0 * * * *",
    "@daily": "0 0 0 * * *",
    "@midnight": "0 0 0 * * *",
    "@weekly": "0 0 0 * * 0",
    "@monthly": "0 0 0 1 * *",
    "@yearly": "0 0 0 1 1 *",
    "@annually": "0 0 0 1 1 *",
}
"""Each macro and the six fields that it stands for."""
