"""
The cron dialect: text in, sets of numbers out, and a reason with a guess for what is refused.

Six fields, seconds first; five mean second 0. Sunday is 0 and 7. Nothing here knows a calendar or
a time zone: `days` turns day fields into days, `zones` local times into instants.
"""

import re
from functools import lru_cache
from typing import Final

from attrs import frozen

from azoth_scheduler._cron.refusals import (
    Refusal,
    refuse_count,
    refuse_item,
    refuse_macro,
    refuse_text,
)
from azoth_scheduler._cron.vocabulary import FIELDS, MACROS, WEEKDAY
from azoth_scheduler.errors import InvalidSchedule

EXPR_LENGTH_MAX: Final = 1_000
"""Characters: every second, minute, hour and day in lists takes 500; more is a mistake."""


@frozen(kw_only=True)
class CronFields:
    """
    Hold an expression as sets of numbers; a set is an int whose bit *n* says that *n* is in it.

    Attributes:
        texts: The six fields as they were read, macros and five fields filled in, upper case.
        seconds: Bits 0 to 59.
        minutes: Bits 0 to 59.
        hours: Bits 0 to 23.
        days: Bits 1 to 31, of the day-of-month field's numbers.
        last_day: Whether the day-of-month field has `L`.
        last_workday: Whether the day-of-month field has `LW`.
        months: Bits 1 to 12.
        weekdays: Bits 0 (Sunday) to 6, of the day-of-week field's numbers.
        last_weekdays: Bits 0 to 6, of `5L` and its like.
        nth_weekdays: For the first to the fifth of a month, bits 0 to 6, of `1#2` and its like.
    """

    texts: tuple[str, ...]
    seconds: int
    minutes: int
    hours: int
    days: int
    last_day: bool
    last_workday: bool
    months: int
    weekdays: int
    last_weekdays: int
    nth_weekdays: tuple[int, ...]

    def begins_with_star(self, field: int) -> bool:
        """
        Return whether a field is `*`, `?`, or begins with `*`.
        """
        return self.texts[field][0] in "*?"

    def is_bare(self, field: int) -> bool:
        """
        Return whether a field is `*` or `?` and nothing else.
        """
        return self.texts[field] in {"*", "?"}


@lru_cache(maxsize=4_096)
def parse(expr: str) -> CronFields:
    """
    Read an expression.

    Args:
        expr: Six fields, seconds first; five fields, which start at second 0; or a macro.

    Raises:
        InvalidSchedule: The text is not in the dialect; the error says why and what to write.
    """
    try:
        texts = _split(expr)
        return _read(texts)
    except Refusal as refusal:
        raise InvalidSchedule(
            given=_shown(expr), reason=refusal.reason, hint=refusal.hint
        ) from None


def _shown(expr: str) -> str:
    return repr(expr) if len(expr) <= 120 else f"{expr[:100]!r}… ({len(expr)} characters)"


def _split(expr: str) -> tuple[str, ...]:
    if len(expr) > EXPR_LENGTH_MAX:
        raise Refusal(
            f"{len(expr):,} characters are too long; {EXPR_LENGTH_MAX:,} are allowed",
            "write ranges and steps instead of long lists",
        )
    text = expr.replace("\t", " ")
    if not text.isascii() or not text.isprintable():
        refuse_text(expr)
    words = text.upper().split()
    if words and words[0].startswith("@"):
        macro = MACROS.get(text.strip().lower())
        if macro is None:
            refuse_macro(expr)
        words = macro.split()
    if len(words) == 5:
        words = ["0", *words]
    if len(words) != 6:
        refuse_count(words)
    return tuple(words)


def _read(texts: tuple[str, ...]) -> CronFields:
    second, minute, hour, day, month, weekday = texts
    days, last_day, last_workday = _day_of_month(day, texts)
    weekdays, last_weekdays, nth_weekdays = _day_of_week(weekday, texts)
    return CronFields(
        texts=texts,
        seconds=_numbers(second, 0, texts),
        minutes=_numbers(minute, 1, texts),
        hours=_numbers(hour, 2, texts),
        days=days,
        last_day=last_day,
        last_workday=last_workday,
        months=_numbers(month, 4, texts),
        weekdays=weekdays,
        last_weekdays=last_weekdays,
        nth_weekdays=nth_weekdays,
    )


def _numbers(text: str, field: int, texts: tuple[str, ...]) -> int:
    if text in {"*", "?"}:
        return _EVERY[field]
    spec = FIELDS[field]
    # Most fields are one number, and that needs no regular expression.
    if len(text) <= 2 and text.isdigit() and spec.low <= int(text) <= spec.high:
        return 1 << int(text)
    found = 0
    for item in text.split(","):
        found |= _item(item, field, texts)
    return found


def _day_of_month(text: str, texts: tuple[str, ...]) -> tuple[int, bool, bool]:
    if "L" not in text:
        return _numbers(text, 3, texts), False, False
    items = text.split(",")
    plain = [item for item in items if item not in {"L", "LW"}]
    days = _numbers(",".join(plain), 3, texts) if plain else 0
    return days, "L" in items, "LW" in items


_SPECIAL_WEEKDAY: Final = re.compile(r"(?P<day>[0-7]|[A-Z]{3})(?:(?P<last>L)|#(?P<nth>[1-5]))")


def _day_of_week(text: str, texts: tuple[str, ...]) -> tuple[int, int, tuple[int, ...]]:
    last = 0
    nth = [0, 0, 0, 0, 0]
    plain: list[str] = []
    for item in text.split(","):
        special = _SPECIAL_WEEKDAY.fullmatch(item) if len(item) > 1 else None
        day = WEEKDAY.number(special["day"]) if special else None
        if special is None or day is None:
            plain.append(item)
        elif special["last"]:
            last |= 1 << day % 7
        else:
            nth[int(special["nth"]) - 1] |= 1 << day % 7
    numbers = _numbers(",".join(plain), 5, texts) if plain else 0
    return numbers & 0x7F | numbers >> 7, last, tuple(nth)


_ITEM: Final = re.compile(
    r"(?:(?P<star>\*)|(?P<first>[0-9]+|[A-Z]{3})(?:-(?P<last>[0-9]+|[A-Z]{3}))?)(?:/(?P<step>[0-9]+))?"
)


def _item(item: str, field: int, texts: tuple[str, ...]) -> int:
    spec = FIELDS[field]
    match = _ITEM.fullmatch(item)
    if match is None:
        refuse_item(item, field, texts)
    star, first_word, last_word, step_word = match.groups()
    first = spec.low if star else spec.number(first_word)
    end = spec.end if star or step_word else first
    last = spec.number(last_word) if last_word else end
    step = int(step_word) if step_word else 1
    if first is None or last is None or not spec.low <= first <= last <= spec.high or step < 1:
        refuse_item(item, field, texts)
    return _span(first, last, step)


def _span(first: int, last: int, step: int) -> int:
    if step == 1:
        return (2 << last) - (1 << first)
    return sum(1 << number for number in range(first, last + 1, step))


_EVERY: Final = tuple(_span(spec.low, spec.end, 1) for spec in FIELDS)
