"""
Ask how long it takes to parse a cron expression, and to find its next time.

Ours, croniter, cronsim and, where they are installed, APScheduler and croniter-rs, in one run.
Each is asked as a scheduler asks: from one instant, then from one some hours later, and so on.
Times are the best of several rounds: what was slower was disturbed. `-` means that it is refused.

    python benchmarks/cron.py [--rounds N]
"""

import argparse
import timeit
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from importlib import import_module
from importlib.util import find_spec
from itertools import cycle
from typing import Any, Final
from zoneinfo import ZoneInfo

from azoth_scheduler import cron
from azoth_scheduler._cron.fields import parse as parse_fields
from azoth_scheduler.schedules import Cron

STARTS: Final = [
    datetime(2026, 7, 14, 13, 7, 22, tzinfo=UTC) + number * timedelta(hours=5, minutes=7)
    for number in range(64)
]
ZONE: Final = "America/New_York"
EXPRESSIONS: Final = {
    "0 */5 * * * *": "every 5 minutes",
    "* * * * * *": "every second",
    "0 0 * * * *": "every hour",
    "0 30 9 * * 1-5": "weekdays at 09:30",
    "0 0 0 1 * *": "the first of the month",
    "0 0 0 1 1 *": "new year",
    "0 0 0 29 2 *": "29 February",
    "0 0 12 * * 5L": "the last Friday",
}
TARGETS: Final = {"parse": 60.0, "UTC": 5.0, ZONE: 12.0}
"""Microseconds that ours may take."""

Work = Callable[[], object]


def ours(expr: str, tz: str) -> tuple[Work, Work]:
    """
    Return what parses an expression and what finds its next time.
    """
    schedule = Cron(expr, tz=tz)
    starts = cycle(STARTS)

    def parse() -> object:
        cron.timetable.cache_clear()
        parse_fields.cache_clear()
        return Cron(expr, tz=tz)

    return parse, lambda: schedule.next_run_time(next(starts))


def croniter(expr: str, tz: str, module: str = "croniter") -> tuple[Work, Work]:
    """
    Return the same of croniter, or of another library with its interface.
    """
    peer = import_module(module).croniter
    starts = cycle(local_starts(tz))
    schedule = peer(expr, next(starts), second_at_beginning=True)
    return (
        lambda: peer(expr, STARTS[0], second_at_beginning=True),
        lambda: schedule.get_next(datetime, start_time=next(starts)),
    )


def croniter_rs(expr: str, tz: str) -> tuple[Work, Work]:
    """
    Return the same of croniter-rs, which is written in Rust.
    """
    return croniter(expr, tz, "croniter_rs")


def cronsim(expr: str, tz: str) -> tuple[Work, Work]:
    """
    Return the same of cronsim; its start is set again before each answer.
    """
    peer = import_module("cronsim").CronSim
    starts = cycle(local_starts(tz))
    schedule = peer(expr, next(starts))

    def following() -> object:
        # Made for one walk from one start, it is moved to the next one by hand.
        schedule.dt = next(starts)
        return next(schedule)

    return lambda: peer(expr, STARTS[0]), following


def apscheduler(expr: str, tz: str) -> tuple[Work, Work]:
    """
    Return the same of APScheduler 3, whose weekdays have other numbers.
    """
    peer = import_module("apscheduler.triggers.cron").CronTrigger
    names = ("second", "minute", "hour", "day", "month", "day_of_week")
    fields: dict[str, Any] = dict(zip(names, expr.replace("1-5", "mon-fri").split(), strict=True))
    if "L" in expr:
        fields |= {"day": "last fri", "day_of_week": "*"}
    starts = cycle(local_starts(tz))
    trigger = peer(timezone=tz, **fields)
    return (
        lambda: peer(timezone=tz, **fields),
        lambda: trigger.get_next_fire_time(None, next(starts)),
    )


def local_starts(tz: str) -> list[datetime]:
    """
    Return the instants to start from in a zone, which is where peers want them.
    """
    return STARTS if tz == "UTC" else [start.astimezone(ZoneInfo(tz)) for start in STARTS]


Peer = Callable[[str, str], tuple[Work, Work]]

PEERS: Final[dict[str, Peer]] = {
    "azoth": ours,
    "croniter": croniter,
    "cronsim": cronsim,
    "APScheduler": apscheduler,
    "croniter-rs": croniter_rs,
}
MODULES: Final = {"APScheduler": "apscheduler", "croniter-rs": "croniter_rs"}
"""What only some have installed."""


def microseconds(work: Work, rounds: int) -> float:
    """
    Return how long a piece of work takes at best.
    """
    work()
    timer = timeit.Timer(work)
    number = len(STARTS)
    while timer.timeit(number) < 0.001:
        number *= 2
    return min(timer.repeat(rounds, number)) / number * 1e6


def rows(peers: dict[str, Peer], rounds: int) -> Iterator[tuple[str, str, dict[str, float | None]]]:
    """
    Yield an expression, what was measured, and each peer's microseconds; None: it cannot.
    """
    for expr in EXPRESSIONS:
        for what in ("parse", "UTC", ZONE):
            figures: dict[str, float | None] = {}
            for name, peer in peers.items():
                try:
                    parse, following = peer(expr, ZONE if what == ZONE else "UTC")
                except Exception:  # noqa: BLE001 - a peer refuses in its own words
                    figures[name] = None
                    continue
                figures[name] = microseconds(parse if what == "parse" else following, rounds)
            yield expr, what, figures


def main() -> None:
    """
    Print a table, and where ours misses its targets.
    """
    parser = argparse.ArgumentParser(description=__doc__.strip().partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=50)
    rounds = parser.parse_args().rounds
    absent = [name for name, module in MODULES.items() if find_spec(module) is None]
    peers = {name: peer for name, peer in PEERS.items() if name not in absent}
    for name in absent:
        print(f"{name} is not installed, and so not asked.")
    print(f"Microseconds, the best of {rounds} rounds.")
    print(f"{'':24}{'':>18}" + "".join(f"{name:>13}" for name in peers))
    missed: list[str] = []
    for expr, what, figures in rows(peers, rounds):
        shown = "".join(f"{'-':>13}" if f is None else f"{f:13.2f}" for f in figures.values())
        print(f"{expr if what == 'parse' else '':24}{what:>18}{shown}")
        found = figures["azoth"]
        if found is not None and found > TARGETS[what]:
            missed.append(f"{expr} {what}: {found:.2f} µs, the target is {TARGETS[what]:g}")
    print("\n".join(missed) if missed else f"Within its targets: {TARGETS}")


if __name__ == "__main__":
    main()
