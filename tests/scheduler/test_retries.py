"""
The retry policy: how long to wait, how often, and what it refuses.
"""

import math
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azoth_scheduler.errors import InvalidTask
from azoth_scheduler.retries import ATTEMPTS_MAX, RetryPolicy, from_max_retries
from tests.support.task_story import MINUTE


@pytest.mark.rule("S-13")
def test_the_default_waits_one_two_and_four_minutes() -> None:
    """
    Seed: 1, 2, 4 … minutes.
    """
    policy = RetryPolicy()

    assert [policy.delay(failures) / MINUTE for failures in (1, 2, 3, 4)] == [1, 2, 4, 8]


@pytest.mark.rule("S-15")
def test_the_wait_saturates_at_the_cap() -> None:
    """
    A task that fails all night is tried again within a day, and no exponent overflows.
    """
    policy = RetryPolicy(max_attempts=ATTEMPTS_MAX)

    assert policy.delay(12) == 24 * 60 * MINUTE
    assert policy.delay(ATTEMPTS_MAX) == 24 * 60 * MINUTE
    assert RetryPolicy(factor=1000).delay(ATTEMPTS_MAX) == 24 * 60 * MINUTE


@given(
    st.floats(0, 1e6),
    st.floats(1, 1000),
    st.floats(0, 1e6),
    st.integers(1, ATTEMPTS_MAX - 1),
)
def test_waits_never_shrink_and_never_exceed_the_cap(
    base: float, factor: float, cap: float, failures: int
) -> None:
    """
    C6: `min(cap, base * factor ** (k - 1))` for every k.
    """
    policy = RetryPolicy(base=base, factor=factor, cap=cap)

    wait, longer = policy.delay(failures), policy.delay(failures + 1)

    assert 0 <= wait <= longer <= policy.cap // timedelta(microseconds=1)


def test_the_wait_is_exact_to_the_microsecond() -> None:
    """
    Whole factors of a whole base are whole.
    """
    policy = RetryPolicy(base=timedelta(microseconds=3), factor=3)

    assert [policy.delay(failures) for failures in (1, 2, 3, 20)] == [3, 9, 27, 3**20]


def test_seconds_and_timedeltas_say_the_same() -> None:
    """
    A plain number of seconds is accepted wherever a duration is.
    """
    assert RetryPolicy(base=60, cap=3600) == RetryPolicy(
        base=timedelta(minutes=1), cap=timedelta(hours=1)
    )


@pytest.mark.parametrize(("max_retries", "attempts"), [(0, 1), (1, 1), (2, 2), (3, 3)])
def test_max_retries_is_the_number_of_failures_that_exhaust(
    max_retries: int, attempts: int
) -> None:
    """
    `max_retries=3` means three attempts that fail; 0 and 1 both mean one.
    """
    policy = RetryPolicy(base=5, max_attempts=9)

    assert from_max_retries(max_retries, policy) == RetryPolicy(base=5, max_attempts=attempts)


@pytest.mark.rule("S-46")
@pytest.mark.parametrize(
    "wrong",
    [
        {"max_attempts": 0},
        {"max_attempts": -1},
        {"max_attempts": ATTEMPTS_MAX + 1},
        {"max_attempts": 1.5},
        {"max_attempts": True},
        {"base": -1},
        {"base": math.nan},
        {"base": math.inf},
        {"base": 1e30},
        {"base": "60"},
        {"cap": timedelta(days=-1)},
        {"cap": timedelta.max},
        {"factor": 0.5},
        {"factor": math.nan},
        {"factor": math.inf},
        {"factor": "two"},
        {"factor": None},
        {"factor": 10**400},
        {"on_exhausted": "explode"},
    ],
    ids=str,
)
def test_a_policy_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    """
    Bounds are checked before anything is written, and the message names the field.
    """
    (name,) = wrong

    with pytest.raises(InvalidTask) as caught:
        RetryPolicy(**wrong)
    assert name in str(caught.value) or "wait" in str(caught.value)
