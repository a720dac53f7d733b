"""
A scenario, examined: played on any store, in a folder that is gone afterwards, and at times twice.

What happens must not depend on where the log is kept (R3), nor on anything but the scenario (R6):
every twentieth one is played a second time, and must be the same.
"""

from collections.abc import Callable
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Literal, TypeAlias

from attrs import evolve

from azoth.clocks import Clock
from azoth.store import EventStore
from azoth.urls import open_store
from azoth_scheduler.simulation.invariants import Breach
from azoth_scheduler.simulation.scenarios.playing import Played, open_memory, play
from azoth_scheduler.simulation.scenarios.scenario import Scenario

__all__ = ["TWICE_EVERY", "StoreName", "examine", "logs_in"]

StoreName: TypeAlias = Literal["memory", "sqlite", "lmdb"]
"""Where a log is kept while it is played."""

TWICE_EVERY: Final = 20
"""Of the seeds, so that the seed alone says whether it is played twice."""


def examine(
    scenario: Scenario, *, store: StoreName = "memory", keeps_trace: bool = False
) -> Played:
    """
    Play a scenario on a store, and every twentieth one twice.

    Args:
        scenario: What happens.
        store: Where the log is kept meanwhile.
        keeps_trace: Whether all that happens is told line by line.
    """
    if store == "memory":
        return _examined(scenario, open_memory, keeps_trace=keeps_trace)
    with TemporaryDirectory(prefix="azoth-") as folder:
        return _examined(scenario, logs_in(store, Path(folder)), keeps_trace=keeps_trace)


def logs_in(store: StoreName, folder: Path) -> Callable[[Clock], EventStore]:
    """
    Return what opens a new log in a folder, each time that it is asked to.

    Args:
        store: Keeps it there, save the one that keeps nothing.
        folder: Where to.
    """
    if store == "memory":
        return open_memory
    numbers = count(1)

    def open_log(clock: Clock) -> EventStore:
        # Nobody needs it after a power cut.
        url = f"{store}:///{folder}/log-{next(numbers)}?durability=normal"
        return open_store(url, clock=clock)

    return open_log


def _examined(
    scenario: Scenario, open_log: Callable[[Clock], EventStore], *, keeps_trace: bool
) -> Played:
    played = play(scenario, open_log=open_log, keeps_trace=keeps_trace)
    if played.breaches or scenario.seed % TWICE_EVERY:
        return played
    again = play(scenario, open_log=open_log)
    if (again.hash, again.digest) == (played.hash, played.digest):
        return played
    what = f"played again, its hash is {again.hash}; it was {played.hash}"
    return evolve(played, breaches=(Breach("R6", played.events, what),))
