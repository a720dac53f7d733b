"""
How times, spans and schedules are said to a person: short, in the local zone.
"""

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final, assert_never

from azoth import datetime_of
from azoth_scheduler import Cron, Immediate, Interval, OneTime, Schedule

__all__ = [
    "ago",
    "coming",
    "counted",
    "local",
    "moment",
    "schedule_in_words",
    "shortened",
    "span",
    "until",
]

_MICROSECOND: Final = timedelta(microseconds=1)
_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def span(duration: timedelta) -> str:
    """
    Return a span in the two units that matter.

    >>> [span(timedelta(seconds=seconds)) for seconds in (0.0004, 0.0123, 1.25, 59, 200, 90_000)]
    ['0 ms', '12 ms', '1.2 s', '59 s', '3 min 20 s', '1 d 1 h']
    """
    seconds = duration / timedelta(seconds=1)
    if seconds < 1:
        return f"{round(seconds * 1_000)} ms"
    if seconds < 10:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    whole = int(seconds)
    for (size, name), (below, name_below) in pairwise(_UNITS):
        if whole >= size:
            first, second = whole // size, whole % size // below
            return f"{first} {name} {second} {name_below}" if second else f"{first} {name}"
    return f"{whole} s"


def local(when: datetime, now: datetime) -> str:
    """
    Return a time by the local clock: without the date where that is today.
    """
    here, today = when.astimezone(), now.astimezone().date()
    return here.strftime("%H:%M:%S" if here.date() == today else "%Y-%m-%d %H:%M:%S")


def ago(when: datetime, now: datetime) -> str:
    """
    Return how far a time is from now.

    >>> from datetime import UTC
    >>> noon = datetime(2026, 5, 1, 12, tzinfo=UTC)
    >>> ago(noon, noon + timedelta(minutes=3)), ago(noon, noon - timedelta(days=2))
    ('3 min ago', 'in 2 d')
    """
    return f"in {span(when - now)}" if when > now else f"{span(now - when)} ago"


def until(when: datetime, now: datetime) -> str:
    """
    Return how far ahead a time is, or how late it is by now.
    """
    return f"in {span(when - now)}" if when > now else f"late by {span(now - when)}"


def coming(when: datetime | None, now: datetime) -> str:
    """
    Return a time that something is due at, and how far ahead it is; a dash for none.
    """
    return "-" if when is None else f"{local(when, now)} ({until(when, now)})"


def moment(when: datetime | None, now: datetime) -> str:
    """
    Return a time by the local clock and how far it is from now; a dash for none.
    """
    return "-" if when is None else f"{local(when, now)} ({ago(when, now)})"


def schedule_in_words(schedule: Schedule, now: datetime) -> str:
    """
    Return a schedule as short as it can be understood.
    """
    match schedule:
        case Cron(expr, tz, dst):
            zone = "" if tz == "UTC" else f" {tz}"
            return f"cron {expr}{zone}" + ("" if dst == "cron" else f" dst={dst}")
        case Interval(every, mode):
            said = span(timedelta(seconds=every))
            return f"every {said}" if mode == "fixed_rate" else f"{said} after each run"
        case OneTime(at):
            return f"once {local(datetime_of(at), now)}"
        case Immediate():
            return "at once"
        case _ as never:
            assert_never(never)


def counted(count: int, noun: str) -> str:
    """
    Return a number of things, and one of them in the singular.

    >>> counted(1, "attempt"), counted(2, "attempt")
    ('1 attempt', '2 attempts')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def shortened(text: str, width: int) -> str:
    """
    Return the first line of a text, cut to *width* characters.

    >>> shortened("one line of many", 6)
    'one l…'
    """
    line, _, rest = text.strip().partition("\n")
    return line if len(line) <= width and not rest else f"{line[: width - 1]}…"
