"""
Options of time that contradict each other, or their schedule: refused before anything is written.
"""

from typing import Any, Final, get_args

from azoth.clocks import datetime_of
from azoth.events import check_integer
from azoth_scheduler.events import CatchUp, Options, Overlap
from azoth_scheduler.schedules import Cron, Immediate, Schedule, is_fixed_delay, is_recurring

__all__ = ["check_times"]

_COUNT_MAX: Final = 1_000_000_000
_KEPT_MAX: Final = 10_000
# Of what is kept to be run later: it stands in the task's state, and each event copies that.

_UNSAID: Final = Options()
_OF_RECURRING: Final = ("start", "start_now", "end", "max_runs", "catch_up")


def check_times(schedule: Schedule, options: Options) -> None:
    """
    Refuse options of time that no schedule, or not this one, can have.

    Raises:
        TypeError: A number is no number.
        ValueError: A value is out of its range, or contradicts another one.
    """
    _check_word("catch_up", options.catch_up, get_args(CatchUp))
    _check_word("overlap", options.overlap, get_args(Overlap))
    check_integer(options.catch_up_limit, "catch_up_limit", low=1, high=_KEPT_MAX)
    check_integer(options.buffer_limit, "buffer_limit", low=1, high=_KEPT_MAX)
    if options.max_runs is not None:
        check_integer(options.max_runs, "max_runs", low=1, high=_COUNT_MAX)
    _check_bounds(options)
    _check_schedule(schedule, options)


def _check_bounds(options: Options) -> None:
    if options.start is not None and options.end is not None and options.end < options.start:
        raise ValueError(
            f"end {datetime_of(options.end)} lies before start {datetime_of(options.start)}; "
            "exchange them, or leave one out"
        )
    if options.expires_after == 0:
        raise ValueError("expires_after is 0, so nothing would run; give at least a microsecond")


def _check_schedule(schedule: Schedule, options: Options) -> None:
    if not is_recurring(schedule):
        for name in _OF_RECURRING:
            if getattr(options, name) != getattr(_UNSAID, name):
                said = name.removesuffix("_now")
                raise ValueError(
                    f"{said} is of schedules that repeat, and {_name(schedule)} fires once; leave "
                    "it out"
                )
    if isinstance(schedule, Immediate) and options.jitter:
        raise ValueError("jitter is of times to come, and Immediate has none; use OneTime")
    if is_fixed_delay(schedule) and options.catch_up != _UNSAID.catch_up:
        raise ValueError("a fixed delay misses nothing, so it has no catch_up; leave it out")
    if isinstance(schedule, Cron) and options.start_now:
        raise ValueError("start='now' is of intervals; a cron task is run at once by trigger_task")


def _check_word(name: str, value: Any, allowed: tuple[str, ...]) -> None:  # noqa: ANN401 - a caller's
    if value not in allowed:
        raise ValueError(f"{name} is {value!r}; give one of {', '.join(map(repr, allowed))}")


def _name(schedule: Schedule) -> str:
    return type(schedule).__name__
