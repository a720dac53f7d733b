"""
Many schedulers on one log, and everything goes wrong at times: whatever a seed thinks of.

A seed that fails is repeated by its name: `pytest tests/scheduler/test_scheduler_chaos.py -k 17`.
"""

import pytest

from tests.support.chaos import play

pytestmark = pytest.mark.uncovered


@pytest.mark.parametrize("seed", range(10))
def test_every_invariant_holds_whatever_goes_wrong(seed: int) -> None:
    """
    Crashes, lost answers, full disks, lost races, clocks set back: and then all comes to rest.
    """
    play(seed)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(1_000, 4_000))
def test_every_invariant_holds_whatever_goes_wrong_for_hours(seed: int) -> None:
    """
    The same, for as long as somebody cares to wait.
    """
    play(seed)
