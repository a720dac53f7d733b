"""
All bugs that are planted in the scheduler, each with the invariant that kills it.
"""

from typing import Final

from tests.simulation.mutants import claiming, deciding, ending, folding, running
from tests.simulation.mutants.planting import Mutant

__all__ = ["MUTANTS"]

MUTANTS: Final = tuple(
    one
    for module in (claiming, ending, deciding, folding, running)
    for one in vars(module).values()
    if isinstance(one, Mutant)
)
