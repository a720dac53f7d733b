"""
A rule: an invariant that can be judged from one event and what was told of its task before it.
"""

from collections.abc import Callable, Iterable
from typing import TypeAlias

from attrs import frozen

from azoth_scheduler.events import SchedulerEvent
from azoth_scheduler.simulation.invariants._ledger import Task
from azoth_scheduler.simulation.invariants.entries import Entry

Kinds: TypeAlias = tuple[type[SchedulerEvent], ...]
Judge: TypeAlias = Callable[[Task, Entry], Iterable[str]]


@frozen
class Rule:
    """
    Name an invariant, what says whether it holds, and the events that may break it.
    """

    invariant: str
    judge: Judge
    kinds: Kinds
