"""
Checks of what `Tasks` is called with.
"""

from typing import get_args

from azoth.events import check_integer
from azoth_scheduler.commands import IfExists
from azoth_scheduler.projection.base import TaskFilter
from azoth_scheduler.task import Status

__all__ = ["check_filter", "check_if_exists", "check_limit"]


def check_if_exists(if_exists: IfExists) -> IfExists:
    """
    Return *if_exists* if it is one of its words.

    Raises:
        ValueError: It is not.
    """
    if if_exists not in get_args(IfExists):
        given = ", ".join(get_args(IfExists))
        raise ValueError(f"if_exists is {if_exists!r}; give one of {given}")
    return if_exists


def check_limit(limit: int | None) -> None:
    """
    Refuse a limit that is none.

    Raises:
        TypeError: It is no number.
        ValueError: It is below 1.
    """
    if limit is not None:
        check_integer(limit, "limit", low=1)


def check_filter(chosen: TaskFilter) -> None:
    """
    Refuse what chooses no tasks.

    Raises:
        TypeError: It is no filter.
        ValueError: There is no such status.
    """
    if not isinstance(chosen, TaskFilter):
        raise TypeError(f"tasks are chosen by a TaskFilter, not by {chosen!r}")
    if chosen.status is not None and chosen.status not in get_args(Status):
        raise ValueError(f"status is {chosen.status!r}; give one of {', '.join(get_args(Status))}")
