"""
An expression said in words, from the sets of numbers that were read and not from the text.

So `*/20` and `0,20,40` read the same, and what a person is told is what the evaluator does.
"""

from collections.abc import Sequence
from itertools import product
from typing import Final

from azoth_scheduler._cron.days import Combination
from azoth_scheduler._cron.fields import CronFields
from azoth_scheduler._cron.vocabulary import HOUR, MINUTE, SECOND, FieldSpec

_TIMES_MAX: Final = 6  # more times of a day than these are said by their parts
_LIST_MAX: Final = 8  # longer lists are cut in the middle
_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July",
    "August", "September", "October", "November", "December",
)  # fmt: skip
_WEEKDAYS: Final = (
    "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"
)  # fmt: skip
_NTH: Final = ("first", "second", "third", "fourth", "fifth")
# A week is said from Monday on.
_WEEK: Final = (1, 2, 3, 4, 5, 6, 0)


def words(fields: CronFields, combine: Combination) -> str:
    """
    Return an expression as one sentence without its full stop.

    Args:
        fields: The expression as it was read.
        combine: How its two day fields make one answer.
    """
    parts = [_time(fields), _days(fields, combine), _months(fields.months)]
    sentence = " ".join(part for part in parts if part).rstrip(",")
    return sentence[0].upper() + sentence[1:]


def _time(fields: CronFields) -> str:
    seconds, minutes, hours = map(_numbers, (fields.seconds, fields.minutes, fields.hours))
    if len(seconds) * len(minutes) * len(hours) <= _TIMES_MAX:
        return "at " + _listed([_clock(*time) for time in product(hours, minutes, seconds)])
    parts: list[str] = []
    if seconds != [0]:
        parts.append(_part(seconds, SECOND))
    whole_hours = not parts and minutes == [0] and _is_even(hours, HOUR)
    every_minute = len(minutes) == 60 and _is_even(seconds, SECOND)
    if not whole_hours and not every_minute:
        parts.append(_part(minutes, MINUTE, inner=bool(parts)))
    if len(hours) < 24 or (len(minutes) < 60 and not _is_even(minutes, MINUTE)):
        parts.append(_part(hours, HOUR, inner=bool(parts)))
    said = " of ".join(parts)
    return said if said.startswith("every") else f"at {said}"


def _clock(hour: int, minute: int, second: int) -> str:
    return f"{hour:02}:{minute:02}" + (f":{second:02}" if second else "")


def _part(numbers: Sequence[int], spec: FieldSpec, *, inner: bool = False) -> str:
    """
    Return `every 5 minutes` (inside another part: `every 5th minute`), `minutes 0 to 29`, `hour 9`.
    """
    step = (spec.high + 1) // len(numbers)
    if _is_even(numbers, spec):
        if step == 1:
            return f"every {spec.name}"
        return f"every {_ordinal(step)} {spec.name}" if inner else f"every {step} {spec.name}s"
    plural = "" if len(numbers) == 1 else "s"
    return f"{spec.name}{plural} {_spans([str(number) for number in numbers], numbers)}"


def _is_even(numbers: Sequence[int], spec: FieldSpec) -> bool:
    size = spec.high + 1
    return len(numbers) > 1 and list(numbers) == list(range(0, size, size // len(numbers)))


def _ordinal(number: int) -> str:
    return f"{number}{ {2: 'nd', 3: 'rd'}.get(number, 'th') }"


def _days(fields: CronFields, combine: Combination) -> str:
    days = "" if fields.is_bare(3) or combine == "weekdays" else _days_of_month(fields)
    weekdays = "" if fields.is_bare(5) or combine == "days" else _weekdays(fields)
    if not days or not weekdays:
        only = days or weekdays
        return f"on {only}" if only else ""
    return f"on {days}" + (f" or on {weekdays}" if combine == "or" else f", if that is {weekdays},")


def _days_of_month(fields: CronFields) -> str:
    parts: list[str] = []
    days = _numbers(fields.days)
    if len(days) == 31:
        parts.append("any day of the month")
    elif days:
        plural = "" if len(days) == 1 else "s"
        parts.append(f"day{plural} {_spans([str(day) for day in days], days)} of the month")
    if fields.last_day:
        parts.append("the last day of the month")
    if fields.last_workday:
        parts.append("the last workday (Monday to Friday) of the month")
    return _listed(parts, "or")


def _weekdays(fields: CronFields) -> str:
    parts: list[str] = []
    days = [place for place, day in enumerate(_WEEK) if fields.weekdays >> day & 1]
    if len(days) == 7:
        parts.append("any weekday")
    elif days:
        parts.append(_spans([_WEEKDAYS[_WEEK[place]] for place in days], days))
    for nth, weekdays in enumerate(fields.nth_weekdays):
        parts += [f"the {_NTH[nth]} {name} of the month" for name in _names(weekdays)]
    parts += [f"the last {name} of the month" for name in _names(fields.last_weekdays)]
    return _listed(parts, "or")


def _months(months: int) -> str:
    numbers = _numbers(months)
    if len(numbers) == 12:
        return ""
    return "in " + _spans([_MONTHS[number - 1] for number in numbers], numbers)


def _names(weekdays: int) -> list[str]:
    return [_WEEKDAYS[day] for day in _WEEK if weekdays >> day & 1]


def _numbers(bits: int) -> list[int]:
    return [number for number in range(bits.bit_length()) if bits >> number & 1]


def _spans(names: Sequence[str], numbers: Sequence[int]) -> str:
    """
    Return a list in which runs of three and more are said as `a to b`.
    """
    parts: list[str] = []
    start = 0
    for end in range(1, len(numbers) + 1):
        if end < len(numbers) and numbers[end] == numbers[end - 1] + 1:
            continue
        run = names[start:end]
        parts += [f"{run[0]} to {run[-1]}"] if len(run) > 2 else run
        start = end
    return _listed(parts)


def _listed(parts: Sequence[str], last: str = "and") -> str:
    if len(parts) > _LIST_MAX:
        parts = [*parts[: _LIST_MAX - 2], "…", parts[-1]]
    if len(parts) < 2:
        return "".join(parts)
    return ", ".join(parts[:-1]) + f" {last} {parts[-1]}"
