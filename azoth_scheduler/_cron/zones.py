"""
From local time to instants: the stretches of constant offset that a time zone is made of.

Aware datetimes are slow, and their `<` ignores the fold. So a zone's offsets are read once from
`zoneinfo`, through its public answers alone, and kept as stretches of whole UTC seconds.
"""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from functools import lru_cache
from re import compile as compile_pattern
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from azoth_scheduler._cron.local import DAY_SECONDS
from azoth_scheduler.errors import InvalidSchedule

SECOND_MAX: Final = 253_402_300_799
"""The last second of the year 9999, since the epoch."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# A block is 2**25 seconds, 388 days: long enough to be few, short enough to be read in 0.1 ms.
_BLOCK_BITS: Final = 25
_BLOCKS_MAX: Final = 1_000
# No zone's offset has changed twice within six days since 1970, so a look each third day finds all.
_LOOK_SECONDS: Final = 3 * DAY_SECONDS
# Local time cannot be told close to the last day of the year 9999.
_LOOK_LAST: Final = SECOND_MAX - 2 * DAY_SECONDS
# Not zones of the IANA list: leap seconds counted, old copies, or whatever this machine is set to.
_NOT_IANA: Final = ("right/", "posix/", "localtime", "posixrules", "Factory")


class Stretch(NamedTuple):
    """
    Hold UTC seconds from *start* up to *end* during which the offset does not change.

    Attributes:
        start: The first second.
        end: The first second after it.
        offset: Seconds to add for local time.
        reached: The local time that clocks had reached just before *start*, itself excluded:
            below `start + offset` after a gap, above it where a stretch of local time is repeated.
    """

    start: int
    end: int
    offset: int
    reached: int


class Zone:
    """
    Tell the offset of a time zone by UTC second.
    """

    __slots__ = ("_blocks", "tzinfo")

    def __init__(self, tzinfo: ZoneInfo) -> None:
        self.tzinfo = tzinfo
        self._blocks: dict[int, tuple[Stretch, ...]] = {}

    def stretch(self, second: int) -> Stretch:
        """
        Return the stretch that a UTC second lies in; long ones are cut where blocks meet.
        """
        block = self._blocks.get(second >> _BLOCK_BITS) or self._load(second >> _BLOCK_BITS)
        for stretch in block:
            if second < stretch.end:
                return stretch
        raise AssertionError("a block's last stretch ends with the block")

    def _load(self, number: int) -> tuple[Stretch, ...]:
        if len(self._blocks) >= _BLOCKS_MAX:
            self._blocks.clear()
        begin, end = number << _BLOCK_BITS, number + 1 << _BLOCK_BITS
        # A repeated hour that began before the block may reach into it.
        cuts = self._changes(begin - 2 * DAY_SECONDS, end)
        reached = begin - 2 * DAY_SECONDS + cuts[0][1]
        block: list[Stretch] = []
        for (start, offset), (after, _) in zip(cuts, [*cuts[1:], (end, 0)], strict=True):
            if start < begin < after:
                reached = max(reached, begin + offset)
            if after > begin:
                block.append(Stretch(max(start, begin), after, offset, reached))
            reached = max(reached, after + offset)
        self._blocks[number] = tuple(block)
        return self._blocks[number]

    def _changes(self, begin: int, end: int) -> list[tuple[int, int]]:
        changes = [(begin, self._offset(begin))]
        for look in range(begin + _LOOK_SECONDS, end + _LOOK_SECONDS, _LOOK_SECONDS):
            offset = self._offset(look)
            if offset != changes[-1][1]:
                changes.append((self._change(look - _LOOK_SECONDS, look, offset), offset))
        return [change for change in changes if change[0] < end]

    def _change(self, before: int, after: int, offset: int) -> int:
        while after - before > 1:
            middle = (before + after) // 2
            if self._offset(middle) == offset:
                after = middle
            else:
                before = middle
        return after

    def _offset(self, second: int) -> int:
        when = _EPOCH + timedelta(seconds=min(second, _LOOK_LAST))
        offset = when.astimezone(self.tzinfo).utcoffset()
        assert offset is not None, "every zone of zoneinfo has an offset"
        return offset.days * DAY_SECONDS + offset.seconds


@lru_cache(maxsize=1_024)
def zone_named(name: str) -> Zone | None:
    """
    Return the zone with an IANA name; None for UTC, which needs no data.

    Raises:
        InvalidSchedule: There is no such zone; the error names the closest ones.
    """
    if name == "UTC":
        return None
    if not name.startswith(_NOT_IANA):
        # A folder, a path that leads outside, a NUL, a surrogate: each has its own exception.
        with suppress(ZoneInfoNotFoundError, ValueError, OSError):
            return Zone(ZoneInfo(name))
    raise InvalidSchedule(
        given=f"tz={name[:100]!r}",
        reason="the IANA list has no time zone of that name",
        hint=_closest(name),
    )


_OFFSET: Final = compile_pattern(r"(?:utc|gmt|etc/utc)?([+-])0?(\d{1,2})(?::?00)?")


def _closest(name: str) -> str:
    by_lower = {zone.lower(): zone for zone in sorted(available_timezones())}
    by_city = {lower.rpartition("/")[2]: zone for lower, zone in by_lower.items()}
    wanted = name[:100].lower().replace(" ", "_")
    if offset := _OFFSET.fullmatch(wanted):
        # POSIX counts what lies west of Greenwich as positive, and IANA kept its names.
        sign, hours = "-" if offset[1] == "+" else "+", int(offset[2])
        return f"perhaps Etc/GMT{sign}{hours}, whose sign is turned round; or a region's name"
    city = wanted.rpartition("/")[2]
    if city in by_city:
        return f"perhaps {by_city[city]}"
    close = [by_lower[lower] for lower in get_close_matches(wanted, by_lower, 2)]
    close += [by_city[near] for near in get_close_matches(city, by_city, 2)]
    names = list(dict.fromkeys(close))[:3]
    return f"perhaps {' or '.join(names)}" if names else "write one such as 'Europe/Berlin'"
