"""
What is probably not meant: warnings about expressions that are allowed.
"""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from attrs import frozen

from azoth_scheduler._cron.days import DayMatch
from azoth_scheduler._cron.fields import CronFields
from azoth_scheduler._cron.local import DAY_SECONDS, LocalTimes
from azoth_scheduler._cron.vocabulary import FIELDS, WEEKDAY
from azoth_scheduler._cron.zones import Stretch, Zone

# Clocks change on the same weekdays each year: after 28 years every date has had its turn.
_CYCLE_SECONDS: Final = 28 * 366 * DAY_SECONDS
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - a reading has no zone


@frozen(kw_only=True)
class ClockPolicy:
    """
    Say what becomes of times that are skipped and of times that are repeated.
    """

    skipped: str
    repeated: str


def of_weekdays(fields: CronFields) -> Iterator[str]:
    """
    Warn of weekdays as numbers: Quartz and others count from Sunday = 1.
    """
    text = fields.texts[5]
    numbers = [part for part in text.split(",") if part[0].isdigit()]
    if numbers:
        yield (
            f"weekday {numbers[0]} counts from Sunday = 0 here, from Sunday = 1 in some other "
            f"schedulers; {_named(numbers[0])} cannot be misread"
        )


def _named(item: str) -> str:
    if "-7" in item:
        # A range that ends with Sunday can only be written in numbers.
        return "a list of names"
    names = {number: name for name, number in WEEKDAY.names.items()}
    return re.sub(r"(?<![#/])[0-7]", lambda digit: names[int(digit[0]) % 7], item)


def of_day_fields(fields: CronFields, day_match: DayMatch | None) -> Iterator[str]:
    """
    Warn of two day fields whose rule of combination is left to Vixie cron.
    """
    if day_match is not None or fields.is_bare(3) or fields.is_bare(5):
        return
    both = fields.begins_with_star(3) or fields.begins_with_star(5)
    rule = "both must match, for one begins with *" if both else "either may match"
    yield f"day-of-month and day-of-week are both set: {rule}; day_match='and' or 'or' says it"


def of_steps(fields: CronFields) -> Iterator[str]:
    """
    Warn of steps that do not divide their field: the last stretch is shorter.
    """
    for spec, text in zip(FIELDS[:3], fields.texts, strict=False):
        step = text.rpartition("*/")[2]
        if text == f"*/{step}" and (spec.high + 1) % int(step):
            last = spec.high // int(step) * int(step)
            yield (
                f"*/{step} in {spec.name} starts again at 0, {spec.high + 1 - last} after {last}; "
                "an Interval keeps its distance"
            )


def of_clock_changes(
    local: LocalTimes, zone: Zone, policy: ClockPolicy, since: int
) -> Iterator[str]:
    """
    Warn of times that a change of the clock skips and of times that it repeats, once each.

    Args:
        local: The times.
        zone: The zone whose clocks change.
        policy: What then happens.
        since: The UTC second from which on changes are looked at.
    """
    for begins, result in ((_gap, policy.skipped), (_repeat, policy.repeated)):
        for stretch in _stretches(zone, since):
            begin, end = begins(stretch)
            found = local.first(begin) if begin < end else None
            if found is not None and found < end:
                yield (
                    f"clocks in {zone.tzinfo.key} {'skip' if begins is _gap else 'repeat'} "
                    f"{_reading(begin)} to {_reading(end)[11:]}: {result}"
                )
                break


def _stretches(zone: Zone, since: int) -> Iterator[Stretch]:
    second = since
    while second < since + _CYCLE_SECONDS:
        stretch = zone.stretch(second)
        if stretch.start > since:
            yield stretch
        second = stretch.end


def _gap(stretch: Stretch) -> tuple[int, int]:
    return stretch.reached, stretch.start + stretch.offset


def _repeat(stretch: Stretch) -> tuple[int, int]:
    return stretch.start + stretch.offset, stretch.reached


def _reading(local: int) -> str:
    return (_EPOCH + timedelta(seconds=local)).isoformat(" ", "minutes")
