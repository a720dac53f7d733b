"""
Cron where clocks change: gaps, repeated hours, missing days, in two dozen zones.
"""

import re
import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Final
from zoneinfo import TZPATH, ZoneInfo, available_timezones

import pytest

from azoth.clocks import instant_of
from azoth_scheduler import InvalidSchedule
from azoth_scheduler._cron.zones import SECOND_MAX, Zone
from azoth_scheduler.cron import DstPolicy
from azoth_scheduler.schedules import Cron
from azoth_scheduler.simulation.oracle.zones import clock_changes, local, offset_at

pytestmark = pytest.mark.uncovered

# A reading that clocks skip, and the first instant after the gap.
GAPS: Final = [
    ("Europe/Berlin", "2026-03-29T02:30:00", "2026-03-29T03:00:00+02:00"),
    ("Europe/Dublin", "2026-03-29T01:30:00", "2026-03-29T02:00:00+01:00"),
    ("America/New_York", "2026-03-08T02:30:00", "2026-03-08T03:00:00-04:00"),
    ("America/Havana", "2026-03-08T00:30:00", "2026-03-08T01:00:00-04:00"),
    ("America/Sao_Paulo", "2018-11-04T00:00:00", "2018-11-04T01:00:00-02:00"),
    ("America/Santiago", "2026-09-06T00:15:00", "2026-09-06T01:00:00-03:00"),
    ("America/St_Johns", "2010-03-14T00:30:00", "2010-03-14T01:01:00-02:30"),
    ("America/Asuncion", "2023-10-01T00:00:00", "2023-10-01T01:00:00-03:00"),
    ("America/Caracas", "2016-05-01T02:45:00", "2016-05-01T03:00:00-04:00"),
    ("Australia/Lord_Howe", "2026-10-04T02:15:00", "2026-10-04T02:30:00+11:00"),
    ("Australia/Sydney", "2026-10-04T02:00:00", "2026-10-04T03:00:00+11:00"),
    ("Pacific/Apia", "2011-12-30T12:00:00", "2011-12-31T00:00:00+14:00"),
    ("Pacific/Kwajalein", "1993-08-21T09:00:00", "1993-08-22T00:00:00+12:00"),
    ("Pacific/Chatham", "2026-09-27T03:00:00", "2026-09-27T03:45:00+13:45"),
    ("Pacific/Auckland", "2026-09-27T02:59:59", "2026-09-27T03:00:00+13:00"),
    ("Antarctica/Troll", "2026-03-29T01:30:00", "2026-03-29T03:00:00+02:00"),
    ("Africa/Casablanca", "2026-03-22T02:30:00", "2026-03-22T03:00:00+01:00"),
    ("Africa/Cairo", "2026-04-24T00:30:00", "2026-04-24T01:00:00+03:00"),
    ("Africa/Monrovia", "1972-01-07T00:20:00", "1972-01-07T00:44:30+00:00"),
    ("Asia/Beirut", "2026-03-29T00:00:00", "2026-03-29T01:00:00+03:00"),
    ("Asia/Hebron", "2026-03-28T02:30:00", "2026-03-28T03:00:00+03:00"),
    ("Asia/Tehran", "2021-03-22T00:30:00", "2021-03-22T01:00:00+04:30"),
    ("Asia/Kathmandu", "1986-01-01T00:10:00", "1986-01-01T00:15:00+05:45"),
    ("Asia/Pyongyang", "2018-05-04T23:45:00", "2018-05-05T00:00:00+09:00"),
    ("Atlantic/Azores", "2026-03-29T00:30:00", "2026-03-29T01:00:00+00:00"),
    # Beyond the tables, by the rule for all years to come.
    ("Europe/Berlin", "2222-03-31T02:30:00", "2222-03-31T03:00:00+02:00"),
]

# A reading that clocks show twice, and the offsets of both.
REPEATS: Final = [
    ("Europe/Berlin", "2026-10-25T02:30:00", "+02:00", "+01:00"),
    ("Europe/Dublin", "2026-10-25T01:30:00", "+01:00", "+00:00"),
    ("America/New_York", "2026-11-01T01:30:00", "-04:00", "-05:00"),
    ("America/Havana", "2026-11-01T00:30:00", "-04:00", "-05:00"),
    ("America/Sao_Paulo", "2018-02-17T23:30:00", "-02:00", "-03:00"),
    ("America/Santiago", "2026-04-04T23:30:00", "-03:00", "-04:00"),
    ("America/St_Johns", "2010-11-06T23:30:00", "-02:30", "-03:30"),
    ("America/Asuncion", "2023-03-25T23:30:00", "-03:00", "-04:00"),
    ("Australia/Lord_Howe", "2026-04-05T01:45:00", "+11:00", "+10:30"),
    ("Australia/Sydney", "2026-04-05T02:00:00", "+11:00", "+10:00"),
    ("Pacific/Apia", "2011-04-02T03:30:00", "-10:00", "-11:00"),
    ("Pacific/Chatham", "2026-04-05T03:00:00", "+13:45", "+12:45"),
    ("Pacific/Auckland", "2026-04-05T02:59:59", "+13:00", "+12:00"),
    ("Antarctica/Troll", "2026-10-25T01:30:00", "+02:00", "+00:00"),
    ("Antarctica/Casey", "2010-03-05T01:00:00", "+11:00", "+08:00"),
    ("Africa/Casablanca", "2026-02-15T02:30:00", "+01:00", "+00:00"),
    ("Africa/Cairo", "2026-10-29T23:30:00", "+03:00", "+02:00"),
    ("Asia/Beirut", "2026-10-24T23:30:00", "+03:00", "+02:00"),
    ("Asia/Hebron", "2026-10-24T01:30:00", "+03:00", "+02:00"),
    ("Asia/Tehran", "2021-09-21T23:30:00", "+04:30", "+03:30"),
    ("Atlantic/Azores", "2026-10-25T00:30:00", "+00:00", "-01:00"),
    ("Europe/Berlin", "2222-10-27T02:30:00", "+02:00", "+01:00"),
]


def yearly(tz: str, reading: str, dst: DstPolicy, *, every_hour: bool = False) -> Iterator[str]:
    """
    Yield when a schedule for one reading of the year fires, from 300 days before it on.
    """
    when: datetime | None = datetime.fromisoformat(reading).replace(tzinfo=UTC)
    assert when is not None
    hour = "*" if every_hour else when.hour
    expr = f"{when.second} {when.minute} {hour} {when.day} {when.month} *"
    schedule = Cron(expr, tz, dst)
    when -= timedelta(days=300)
    while (when := schedule.next_run_time(when)) is not None:
        yield when.isoformat()


@pytest.mark.parametrize(("tz", "reading", "after_gap"), GAPS)
def test_a_skipped_time(tz: str, reading: str, after_gap: str) -> None:
    """
    A fixed time inside a gap fires at the first instant after it, once; other policies skip it.
    """
    year = int(reading[:4])

    assert next(yearly(tz, reading, "cron")) == after_gap
    for dst in ("literal", "skip_once"):
        assert int(next(yearly(tz, reading, dst))[:4]) > year


@pytest.mark.parametrize(("tz", "reading", "after_gap"), GAPS)
def test_a_skipped_time_is_still_ahead_just_before_the_gap_ends(
    tz: str, reading: str, after_gap: str
) -> None:
    """
    Asked in the last second or microsecond before a gap, its times lie ahead; asked after, behind.
    """
    skipped = datetime.fromisoformat(reading)
    schedule = Cron(f"{skipped.second} {skipped.minute} {skipped.hour} * * *", tz)
    end = datetime.fromisoformat(after_gap)

    for before in (timedelta(microseconds=1), timedelta(seconds=1)):
        assert schedule.next_run_time(end - before) == end
    following = schedule.next_run_time(end)
    assert following is not None
    assert following > end


@pytest.mark.parametrize(
    ("tz", "year"), sorted({(row[0], int(row[1][:4])) for row in [*GAPS, *REPEATS]})
)
def test_the_seconds_beside_a_change_fire_as_ever(tz: str, year: int) -> None:
    """
    The last second before a change and the first after a gap exist, and fire when they are shown.
    """
    for change in clock_changes(tz, year, year):
        last = change - timedelta(seconds=1)
        back = offset_at(change, tz) < offset_at(last, tz)
        for instant in [last] if back else [last, change]:
            found = yearly(tz, local(instant, tz).isoformat(), "cron")
            assert datetime.fromisoformat(next(found)) == instant


@pytest.mark.parametrize(("tz", "reading", "first", "second"), REPEATS)
def test_a_repeated_time(tz: str, reading: str, first: str, second: str) -> None:
    """
    A fixed time that comes twice fires at its first copy; `literal` fires at both.
    """
    for dst in ("cron", "skip_once"):
        once = yearly(tz, reading, dst)
        assert next(once) == reading + first
        assert next(once)[:4] != reading[:4]

    both = yearly(tz, reading, "literal")
    assert [next(both), next(both)] == [reading + first, reading + second]


@pytest.mark.parametrize(("tz", "reading", "first", "second"), REPEATS)
def test_elapsed_time_repeats(tz: str, reading: str, first: str, second: str) -> None:
    """
    A schedule whose hour begins with `*` fires at both copies of a repeated time.
    """
    fired = yearly_of(tz, reading)

    assert reading + first in fired
    assert reading + second in fired


@pytest.mark.parametrize(("tz", "reading", "after_gap"), GAPS)
def test_elapsed_time_has_no_gap(tz: str, reading: str, after_gap: str) -> None:
    """
    A schedule whose hour begins with `*` does not fire for hours that do not exist.
    """
    same_day = after_gap[:10] == reading[:10]
    same_minute = after_gap[14:19] == reading[14:19]

    fired = yearly_of(tz, reading)

    assert [when for when in fired if when.startswith(reading)] == []
    assert (after_gap in fired) == (same_day and same_minute)


def yearly_of(tz: str, reading: str) -> list[str]:
    """
    Return all that an hourly schedule fires on the day of a reading.
    """
    found: list[str] = []
    for when in yearly(tz, reading, "cron", every_hour=True):
        if when[:4] > reading[:4]:
            break
        found.append(when)
    return found


def test_a_missing_day_fires_once_at_its_end() -> None:
    """
    All times of the day that Apia left out fire together, at the midnight after it.
    """
    schedule = Cron("0 0 6,12,18 * * *", tz="Pacific/Apia")
    when: datetime | None = datetime(2011, 12, 30, 0, tzinfo=UTC)
    fired: list[str] = []
    while when is not None and len(fired) < 5:
        when = schedule.next_run_time(when)
        fired += [when.isoformat()] if when else []

    assert fired == [
        "2011-12-29T18:00:00-10:00",
        "2011-12-31T00:00:00+14:00",
        "2011-12-31T06:00:00+14:00",
        "2011-12-31T12:00:00+14:00",
        "2011-12-31T18:00:00+14:00",
    ]


@pytest.mark.parametrize(
    ("expr", "fires"),
    [
        ("0 30 2 * * *", 1),
        ("* 30 2 * * *", 60),
        ("*/20 30 2 * * *", 3),
        ("0 */30 2 * * *", 4),
        ("0 30 */2 * * *", 2),
        ("0 ? 2 * * *", 120),
        ("0 0-59 2 * * *", 60),
        ("0 30,* 2 * * *", 60),
    ],
)
def test_only_minute_and_hour_say_that_time_elapses(expr: str, fires: int) -> None:
    """
    A star at the beginning of minute or hour follows elapsed time; the seconds field never does.
    """
    schedule = Cron(expr, tz="Europe/Berlin")
    end = instant_of(datetime(2026, 10, 25, 2, tzinfo=UTC))
    count = 0
    when = schedule.next_run_time(datetime(2026, 10, 24, 23, 59, 59, tzinfo=UTC))
    while when is not None and instant_of(when) < end:
        count += when.hour == 2
        when = schedule.next_run_time(when)

    assert count == fires


@pytest.mark.parametrize("tz", sorted({row[0] for row in [*GAPS, *REPEATS]}))
def test_a_zone_s_stretches_are_those_of_its_file(tz: str) -> None:
    """
    What is found by asking `zoneinfo` each third day is what the zone's data file says.
    """
    agree(tz)


@pytest.mark.soak
@pytest.mark.parametrize("tz", sorted(available_timezones() - {"localtime", "Factory"}))
def test_every_zone_s_stretches_are_those_of_its_file(tz: str) -> None:
    """
    The same for each zone there is.
    """
    agree(tz)


def test_no_zone_changes_twice_within_six_days() -> None:
    """
    So a look each third day finds every change.
    """
    for tz in sorted(available_timezones() - {"localtime", "Factory"}):
        for (first, _, _), (second, _, _) in pairwise(offset_changes(tz)):
            assert second - first > 6 * 86_400, tz


def test_a_block_that_begins_in_repeated_time_knows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Where blocks are cut changes no answer: here each takes 17 minutes.
    """
    zone = Zone(ZoneInfo("America/New_York"))
    back = int(datetime(2026, 11, 1, 6, tzinfo=UTC).timestamp())
    expected = [zone.stretch(second)[2:] for second in range(back - 7_200, back + 7_200, 60)]
    monkeypatch.setattr("azoth_scheduler._cron.zones._BLOCK_BITS", 10)

    cut = Zone(ZoneInfo("America/New_York"))

    for second, (offset, reached) in zip(
        range(back - 7_200, back + 7_200, 60), expected, strict=True
    ):
        stretch = cut.stretch(second)
        assert stretch.offset == offset
        assert max(stretch.reached, second + offset) == max(reached, second + offset)


def test_stretches_follow_each_other_to_the_end_of_time() -> None:
    """
    Also where a block of them ends within a repeated hour, and in the last days of 9999.
    """
    zone = Zone(ZoneInfo("America/New_York"))
    second = SECOND_MAX - 3 * 366 * 86_400
    while second <= SECOND_MAX:
        stretch = zone.stretch(second)

        assert stretch.start == second or second == SECOND_MAX - 3 * 366 * 86_400
        assert stretch.start < stretch.end
        second = stretch.end


def agree(tz: str) -> None:
    """
    Compare a zone's stretches with its data file around each change of the offset.
    """
    zone = Zone(ZoneInfo(tz))
    for second, before, after in offset_changes(tz):
        earlier, later = zone.stretch(second - 1), zone.stretch(second)

        assert (earlier.end, earlier.offset) == (second, before)
        assert (later.start, later.offset) == (second, after)
        assert later.reached == second + before


def offset_changes(tz: str) -> list[tuple[int, int, int]]:
    """
    Return the UTC seconds from 1970 on at which a zone's offset changes, and both offsets.
    """
    seconds, offsets = read_tzif(tz)
    changes = zip(seconds, offsets, offsets[1:], strict=False)
    return [change for change in changes if change[0] > 0 and change[1] != change[2]]


def read_tzif(tz: str) -> tuple[list[int], list[int]]:
    """
    Read the 64-bit part of a zone's data file: transitions, and the offset before and after each.
    """
    files = [Path(folder) / tz for folder in TZPATH]
    installed = [file for file in files if file.is_file()]
    packaged = resources.files("tzdata").joinpath("zoneinfo", tz)
    data = installed[0].read_bytes() if installed else packaged.read_bytes()
    start = 44 + body_size(data, 0, 4)
    _, _, _, times, types, _ = struct.unpack_from(">6l", data, start + 20)
    at = start + 44
    seconds = struct.unpack_from(f">{times}q", data, at)
    kinds = struct.unpack_from(f">{times}B", data, at + 8 * times)
    offsets = [
        struct.unpack_from(">l", data, at + 9 * times + 6 * kind)[0] for kind in range(types)
    ]
    return list(seconds), [offsets[0], *(offsets[kind] for kind in kinds)]


def body_size(data: bytes, header: int, width: int) -> int:
    """
    Return how long a TZif body is whose header stands at a place.
    """
    counts: tuple[int, ...] = struct.unpack_from(">6l", data, header + 20)
    isutc, isstd, leap, times, types, chars = counts
    return (width + 1) * times + 6 * types + chars + (width + 4) * leap + isstd + isutc


@pytest.mark.parametrize(
    ("given", "meant"), [("UTC+2", "Etc/GMT-2"), ("gmt-11", "Etc/GMT+11"), ("+01:00", "Etc/GMT-1")]
)
def test_an_offset_is_named_as_the_list_has_it(given: str, meant: str) -> None:
    """
    With its sign turned round: POSIX counts what lies west as positive.
    """
    with pytest.raises(InvalidSchedule, match=f"perhaps {re.escape(meant)}, whose sign"):
        Cron("0 0 * * * *", tz=given)
