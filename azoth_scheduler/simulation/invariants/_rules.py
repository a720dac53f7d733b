"""
A rule: an invariant that can be judged from one event and what was told of its task before it.
"""

from collections.abc import Callable, Iterable
from typing import TypeAlias

from attrs import frozen

from azoth_scheduler.events import SchedulerEvent
from azoth_scheduler.simulation.invariants._ledger import Ledger, Task
from azoth_scheduler.simulation.invariants.entries import Checker, Entry

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


class RuleChecker(Checker):
    """
    Check a rule by a ledger that somebody else keeps, and that is one event behind.
    """

    def __init__(self, rule: Rule, ledger: Ledger) -> None:
        self.invariant = rule.invariant
        self.kinds = rule.kinds
        self._judge = rule.judge
        self._ledger = ledger

    def see(self, entry: Entry) -> Iterable[str]:
        """
        Judge one more event.
        """
        assert entry.told is not None, "only the scheduler's events are of a kind"
        return self._judge(self._ledger.task(entry.told.task_id), entry)
