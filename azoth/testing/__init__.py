"""
What a user's own tests need: a clock that is moved by hand, and a suite for store authors.
"""

from azoth.testing.clock import ManualClock

__all__ = ["ManualClock"]
