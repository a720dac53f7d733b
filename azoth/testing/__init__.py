"""
What a user's own tests need.

A clock that is moved by hand, tests of deciders that read as sentences, a store that fails on
purpose, and logs that were recorded once and are folded by today's code. For authors of stores a
suite (`azoth.testing.conformance`) and a machine that compares two stores (`azoth.testing.model`);
for authors of projections a machine that compares one with its log (`azoth.testing.projecting`).
Strategies of Hypothesis for all that goes into a log are in `azoth.testing.strategies`.
"""

from azoth.testing.clock import ManualClock
from azoth.testing.faulty import Fault, FaultyStore, SimulatedCrash
from azoth.testing.given import Given, When, given
from azoth.testing.golden import GoldenMismatch, check_golden, record_golden

__all__ = [
    "Fault",
    "FaultyStore",
    "Given",
    "GoldenMismatch",
    "ManualClock",
    "SimulatedCrash",
    "When",
    "check_golden",
    "given",
    "record_golden",
]
