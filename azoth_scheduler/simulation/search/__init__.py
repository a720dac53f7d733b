"""
Search every path of a small world: the real plan, all that may go wrong, the shortest way to it.
"""

from azoth_scheduler.simulation.search.found import Counterexample, Found
from azoth_scheduler.simulation.search.named import SCOPES
from azoth_scheduler.simulation.search.scopes import Fault, Scope
from azoth_scheduler.simulation.search.searching import search

__all__ = [
    "SCOPES",
    "Counterexample",
    "Fault",
    "Found",
    "Scope",
    "search",
]
