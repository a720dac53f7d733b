"""
What must hold of every log that schedulers write, as checkers that are fed one event at a time.

Each has the id that the rules give it, S1 or C1 to C15, L1, L2. None of them calls a decision of
the scheduler, so that what they prove is not what they are proved by: times come from the oracle,
and what was told of a task before is kept in a ledger of their own.

>>> from azoth import open_store
>>> with open_store("memory://") as store:
...     breaches_of(store)
[]
"""

from azoth_scheduler.simulation.invariants.entries import Breach, Checker, Entry, read_log
from azoth_scheduler.simulation.invariants.panel import Invariants, assert_sound, breaches_of
from azoth_scheduler.simulation.invariants.waiting import Ending, Fairness, Liveness

__all__ = [
    "Breach",
    "Checker",
    "Ending",
    "Entry",
    "Fairness",
    "Invariants",
    "Liveness",
    "assert_sound",
    "breaches_of",
    "read_log",
]
