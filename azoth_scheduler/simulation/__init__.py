"""
The scheduler in a simulated world: virtual time, faults at every seam, and one seed for a run.

`SimulatedScheduler` runs a user's own handlers there. `play` plays what a seed writes, in which
everything goes wrong at times, and checks that what must hold does.
"""

from azoth_scheduler.simulation.asserting import InvariantBroken
from azoth_scheduler.simulation.scenarios.examining import examine
from azoth_scheduler.simulation.scenarios.playing import Played, play
from azoth_scheduler.simulation.scenarios.reproducing import SeedOfAnotherVersion, read_scenario
from azoth_scheduler.simulation.scenarios.scenario import Scenario
from azoth_scheduler.simulation.scenarios.writing import scenario_of
from azoth_scheduler.simulation.simulated import SimulatedScheduler
from azoth_scheduler.simulation.world.faults import FAULTS
from azoth_scheduler.simulation.world.watching import RealTimeUsed

__all__ = [
    "FAULTS",
    "InvariantBroken",
    "Played",
    "RealTimeUsed",
    "Scenario",
    "SeedOfAnotherVersion",
    "SimulatedScheduler",
    "examine",
    "play",
    "read_scenario",
    "scenario_of",
]
