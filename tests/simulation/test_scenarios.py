"""
Two thousand scenarios in which much goes wrong: every invariant holds, and each is the same again.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from itertools import count
from pathlib import Path
from typing import Final, get_args

import pytest
from attrs import evolve

from azoth.clocks import Microseconds
from azoth_scheduler.simulation import Played, Scenario, examine, play, scenario_of
from azoth_scheduler.simulation.scenarios import acting
from azoth_scheduler.simulation.scenarios.examining import StoreName, logs_in
from azoth_scheduler.simulation.scenarios.reproducing import seed_text
from azoth_scheduler.simulation.world.chance import Dice
from tests.house.sources import ROOT

pytestmark = pytest.mark.uncovered

PARTS: Final = 40
"""So that several workers share the work."""

SEEDS_OF_A_PART: Final = 50
SAMPLE: Final = range(100, 112)
FEW: Final = SAMPLE[:6]

PROGRAM: Final = """
import json, sys
from azoth_scheduler.simulation import play, scenario_of
played = [play(scenario_of(seed)) for seed in map(int, sys.argv[1:])]
print(json.dumps([[one.hash, one.digest] for one in played]))
"""


@pytest.mark.parametrize("part", range(PARTS))
def test_every_invariant_holds_whatever_goes_wrong(part: int) -> None:
    """
    Crashes, lost answers, full disks, lost races, clocks set back: and then all comes to rest.
    """
    first = part * SEEDS_OF_A_PART
    examined = map(examine, map(scenario_of, range(first, first + SEEDS_OF_A_PART)))
    failed = [said_of(played) for played in examined if played.breaches]

    assert failed == []


def said_of(played: Played) -> str:
    """
    Return what is to be known of a scenario that failed.
    """
    seed = seed_text(played.scenario.seed)
    return f"{played.breaches[0]}; repeat it with: azoth-scheduler simulate --seed {seed}"


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONHASHSEED": "1", "TZ": "Asia/Kathmandu", "LC_ALL": "C"},
        {"PYTHONHASHSEED": "2", "TZ": "America/St_Johns", "LC_ALL": "tr_TR.UTF-8"},
    ],
    ids=["Kathmandu", "St. John's"],
)
def test_a_scenario_is_the_same_in_all_surroundings(environment: dict[str, str]) -> None:
    """
    R6: another process, hash seed, time zone and locale play it to the same hash and digest.
    """
    told = subprocess.run(
        [sys.executable, "-c", PROGRAM, *map(str, FEW)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'stores'}", **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    here = map(played_here, FEW)

    assert json.loads(told.stdout) == [[one.hash, one.digest] for one in here]


@cache
def played_here(seed: int) -> Played:
    """
    Play what a seed writes, in memory.
    """
    return play(scenario_of(seed))


@pytest.mark.parametrize("store", get_args(StoreName)[1:])
def test_a_scenario_is_the_same_on_every_store(store: StoreName, tmp_path: Path) -> None:
    """
    R3: the same inputs give the same events and the same digest, whatever strikes.
    """
    open_log = logs_in(store, tmp_path)
    struck = 0
    for seed in SAMPLE:
        there, here = play(scenario_of(seed), open_log=open_log), played_here(seed)
        struck += len(here.struck)

        assert (there.hash, there.digest) == (here.hash, here.digest), seed
    assert struck > len(SAMPLE), "they are scenarios in which something strikes"


CHANGES: Final[dict[str, Callable[[Scenario, Played], Scenario]]] = {
    "seed": lambda scenario, _: evolve(scenario, seed=scenario.seed + 1),
    "span": lambda scenario, _: evolve(scenario, span=Microseconds(scenario.span - 1)),
    "seats": lambda scenario, _: evolve(
        scenario, seats=evolve(scenario.seats, schedulers=scenario.seats.schedulers + 1)
    ),
    "acts": lambda scenario, _: evolve(scenario, acts=scenario.acts[1:]),
    "moment": lambda scenario, _: evolve(
        scenario,
        acts=(
            evolve(scenario.acts[0], after=Microseconds(scenario.acts[0].after + 1)),
            *scenario.acts[1:],
        ),
    ),
    "fault": lambda scenario, played: evolve(scenario, without=played.struck[:1]),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_hash_tells_any_two_scenarios_apart(
    change: Callable[[Scenario, Played], Scenario],
) -> None:
    """
    Whatever is another thing in a scenario, its hash is another one.
    """
    played = next(one for one in map(played_here, SAMPLE) if one.struck)
    other = play(change(played.scenario, played))

    assert other.scenario != played.scenario
    assert other.hash != played.hash


def test_a_scenario_that_is_another_one_the_second_time_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    R6: every twentieth scenario is played twice, and something that it does not depend on shows.
    """
    draws = count()
    # Handlers that depend on how often they were called in this process.
    monkeypatch.setattr(acting, "Dice", lambda seed, site: Dice(seed + next(draws), site))

    assert [breach.invariant for breach in examine(scenario_of(120)).breaches] == ["R6"]
