"""
Cron texts as a test draws them: what is valid, and what is refused for a reason that is known.
"""

from collections.abc import Mapping, Sequence
from enum import Enum
from functools import cache
from typing import Final

from attrs import frozen

from azoth.testing._hypothesis import st
from azoth_scheduler.cron import timetable
from azoth_scheduler.errors import InvalidSchedule

__all__ = ["CronFlaw", "InvalidCron", "cron_text", "invalid_cron_text", "joined", "numbers"]

MACROS: Final = (
    "@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually", "@Daily",
)  # fmt: skip


@st.composite
def _items(draw: st.DrawFn, low: int, high: int, end: int) -> str:
    first = draw(st.integers(low, high))
    last = draw(st.integers(first, high))
    step = draw(st.integers(1, (high - low) // 2 + 3))
    forms = [f"{first}", f"{first}-{last}", f"{first}-{last}/{step}", f"*/{step}"]
    if first <= end:
        forms.append(f"{first}/{step}")
    return draw(st.sampled_from(forms))


def numbers(low: int, high: int, end: int) -> st.SearchStrategy[str]:
    """
    Draw a field of numbers: a star, or a list of up to three numbers, ranges and steps.
    """
    listed = st.lists(_items(low, high, end), min_size=1, max_size=3).map(",".join)
    return st.sampled_from(["*", "?"]) | listed


def joined(*fields: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """
    Draw an expression from its fields.
    """
    return st.tuples(*fields).map(" ".join)


# A slow evaluator tries each second of an hour, so not every expression fires each second.
SECONDS: Final = st.sampled_from(["0", "0", "30", "*/20", "7-9", "59/15", "1,2,58-59", "*"])
MINUTES: Final = numbers(0, 59, 59)
# Readings that change with the clock lie around midnight and until four.
HOURS: Final = numbers(0, 23, 23) | st.sampled_from(["0", "1", "2", "3", "1-3", "23,0", "*"])
DAYS: Final = st.just("*") | numbers(1, 31, 31)
SPECIAL_DAYS: Final = DAYS | st.sampled_from(["L", "LW", "L,15", "LW,1"])
MONTHS: Final = st.just("*") | numbers(1, 12, 12) | st.sampled_from(["JAN-mar", "oct,NOV"])
WEEKDAYS: Final = st.just("*") | numbers(0, 7, 6) | st.sampled_from(["mon-FRI", "5-7", "*/7"])
SPECIAL_WEEKDAYS: Final = WEEKDAYS | st.sampled_from(
    ["5L", "0L,7", "1#2", "SUN#1", "3#5", "friL,1"]
)
# Hours that clocks leave out or repeat.
NIGHT_HOURS: Final = st.sampled_from(["0", "1", "2", "0-3", "22,23", "*", "*/2"])
NIGHT_MINUTES: Final = st.sampled_from(["0", "30", "59", "15,45", "*/30", "0,1"])
LAST_DAYS: Final = st.sampled_from(["L", "LW", "31", "29,30", "28-31", "1,L", "1"])
SIX: Final = joined(SECONDS, MINUTES, HOURS, SPECIAL_DAYS, MONTHS, SPECIAL_WEEKDAYS)
FIVE: Final = joined(MINUTES, HOURS, SPECIAL_DAYS, MONTHS, SPECIAL_WEEKDAYS)


@cache
def cron_text() -> st.SearchStrategy[str]:
    """
    Draw cron expressions that are valid: any, and often leap days, month ends, and hours of night.

    >>> from azoth_scheduler import Cron
    >>> from hypothesis import given
    >>> @given(cron_text())
    ... def accepted(text):
    ...     Cron(text)
    >>> accepted()
    """
    spaced = st.builds(str.replace, SIX, st.just(" "), st.sampled_from(["\t", "  ", " \t "]))
    anything = st.one_of(SIX, SIX, FIVE, spaced, st.sampled_from(MACROS)).filter(_fires)
    every, february = st.just("*"), st.sampled_from(["2", "FEB", "2,3"])
    nights = joined(SECONDS, NIGHT_MINUTES, NIGHT_HOURS, every, every, st.sampled_from(["*", "0"]))
    month_ends = joined(SECONDS, MINUTES, HOURS, LAST_DAYS, every, every)
    leap_days = joined(SECONDS, MINUTES, HOURS, st.sampled_from(["29", "28,29"]), february, every)
    return st.one_of(nights, month_ends, leap_days, anything)


def _fires(text: str) -> bool:
    try:
        timetable(text, "UTC", "cron", None)
    except InvalidSchedule:
        return False
    return True


class CronFlaw(Enum):
    """
    Name why a cron text is refused; the value is what the reason of the refusal says.
    """

    CHARACTER = "has no place in a cron expression"
    DIGIT = "is not an ASCII digit"
    LENGTH = "characters are too long"
    COUNT = "where six (seconds first) or five are meant"
    MACRO = "is not a macro"
    EMPTY = "a list has an empty item"
    FORM = "is not a number, a range, or one with a step"
    WORD = "is not a number"
    BOUNDS = "is not from"
    BACKWARDS = "runs backwards"
    STEP = "a step of 0 goes nowhere"
    RANDOM = "asks for a random or hashed time"
    QUESTION = "'?' stands for '*' and only alone"
    PLACE = "belongs in"
    NTH = "is not the first to the fifth of a month"
    NEVER = "no day of 400 years matches"


@frozen
class InvalidCron:
    """
    Hold a cron text that is refused, and why.
    """

    text: str
    flaw: CronFlaw


_BOUNDS: Final = ((0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_WHOLE: Final[Mapping[CronFlaw, st.SearchStrategy[str]]] = {
    CronFlaw.CHARACTER: st.builds(
        "0 0{}0 * * *".format, st.sampled_from("\n\r\0\u00a0\udc80\u3000")
    ),
    CronFlaw.DIGIT: st.builds("{} * * * * *".format, st.sampled_from("\u0661\u00b9\u0967\uff11")),
    CronFlaw.LENGTH: st.integers(501, 700).map(lambda count: "* " * count),
    CronFlaw.COUNT: st.sampled_from([0, 1, 2, 3, 4, 7, 8, 20]).flatmap(
        lambda count: st.lists(st.sampled_from("*01"), min_size=count, max_size=count).map(" ".join)
    ),
    CronFlaw.MACRO: st.sampled_from(["@", "@dayly", "@reboot", "@every 5m", "@hour", "@ daily"]),
    CronFlaw.NEVER: st.sampled_from(
        ["0 0 0 30 2 *", "0 0 0 31 2,4,6,9,11 *", "0 0 0 30,31 FEB *", "0 0 30 2 *"]
    ),
}
_ITEMS: Final[Mapping[CronFlaw, Sequence[tuple[int, str]]]] = {
    CronFlaw.EMPTY: [(field, item) for field in range(6) for item in ("1,,2", ",1", "1,")],
    CronFlaw.FORM: [
        (field, item)
        for field in range(6)
        for item in ("1-2-3", "**", "1.5", "-1", "+1", "1/", "/5", "1//2", "1-", "*/")
    ],
    CronFlaw.WORD: [(0, "MON"), (1, "0x1"), (2, "1_0"), (3, "FRI"), (4, "QQQ"), (5, "JAN")],
    CronFlaw.STEP: [(field, item) for field in range(6) for item in ("*/0", "1-5/0", "*/00")],
    CronFlaw.RANDOM: [
        (field, item) for field in range(6) for item in ("R", "H", "H/5", "~", "1~5")
    ],
    CronFlaw.QUESTION: [(field, item) for field in range(6) for item in ("?/5", "?,1", "?-3")],
    CronFlaw.PLACE: [(4, "L"), (5, "LW"), (0, "L"), (3, "5L"), (3, "1#2"), (2, "MON#1")],
    CronFlaw.NTH: [(5, "1#6"), (5, "MON#0"), (5, "7#9")],
}


@st.composite
def _out_of_bounds(draw: st.DrawFn) -> str:
    field = draw(st.integers(0, 5))
    low, high = _BOUNDS[field]
    above = st.integers(high + 1, high + 3) | st.integers(high + 1, 10**30)
    wrong = draw(above | st.just(low - 1) if low else above)
    return _put(field, draw(st.sampled_from([f"{wrong}", f"1-{wrong}", f"1,{wrong}"])))


@st.composite
def _backwards(draw: st.DrawFn) -> str:
    field = draw(st.integers(0, 5))
    low, high = _BOUNDS[field]
    first = draw(st.integers(low + 1, high))
    last = draw(st.integers(low, first - 1))
    return _put(field, f"{first}-{last}" + draw(st.sampled_from(["", "", "/2"])))


def _put(field: int, item: str) -> str:
    texts = ["0", "*", "*", "*", "*", "*"]
    texts[field] = item
    return " ".join(texts)


@cache
def invalid_cron_text() -> st.SearchStrategy[InvalidCron]:
    """
    Draw cron texts that are refused, each with its flaw.

    >>> from azoth_scheduler import Cron, InvalidSchedule
    >>> from hypothesis import given
    >>> @given(invalid_cron_text())
    ... def refused(wrong):
    ...     try:
    ...         Cron(wrong.text)
    ...     except InvalidSchedule as error:
    ...         assert wrong.flaw.value in error.reason
    ...     else:
    ...         raise AssertionError(wrong)
    >>> refused()
    """
    texts = dict(_WHOLE)
    for flaw, cases in _ITEMS.items():
        texts[flaw] = st.sampled_from([_put(*case) for case in cases])
    texts |= {CronFlaw.BOUNDS: _out_of_bounds(), CronFlaw.BACKWARDS: _backwards()}
    return st.one_of(
        [st.builds(InvalidCron, texts[flaw], st.just(flaw)) for flaw in CronFlaw if flaw in texts]
    )
