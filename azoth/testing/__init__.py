"""
What a user's own tests need.

A clock that is moved by hand, tests of deciders that read as sentences, a store that fails on
purpose, and for store authors a suite (`azoth.testing.conformance`) and a machine that compares two
stores (`azoth.testing.model`).
"""

from azoth.testing.clock import ManualClock
from azoth.testing.faulty import Fault, FaultyStore, SimulatedCrash
from azoth.testing.given import Given, When, given

__all__ = ["Fault", "FaultyStore", "Given", "ManualClock", "SimulatedCrash", "When", "given"]
