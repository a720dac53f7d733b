"""
All invariants at once: fed by a log, they keep a list of what it breaks.
"""

from collections.abc import Iterable, Mapping
from typing import Final, get_args

from azoth.events import Event
from azoth.store import EventStore
from azoth_scheduler.events import SchedulerEvent
from azoth_scheduler.retries import RetryPolicy
from azoth_scheduler.simulation.invariants._accounts import ACCOUNTS, Accounts
from azoth_scheduler.simulation.invariants._claims import CLAIMS, Slots
from azoth_scheduler.simulation.invariants._holding import HOLDING
from azoth_scheduler.simulation.invariants._ledger import NO_POLICIES, Ledger
from azoth_scheduler.simulation.invariants._occurrences import OCCURRENCES
from azoth_scheduler.simulation.invariants._order import ORDER, Density, RecordedTime
from azoth_scheduler.simulation.invariants._outcomes import OUTCOMES, Disabling, Output
from azoth_scheduler.simulation.invariants._rules import Rule
from azoth_scheduler.simulation.invariants.entries import (
    Breach,
    Checker,
    Entry,
    entry_of,
    read_log,
)

__all__ = ["Invariants", "assert_sound", "breaches_of"]

_RULES: Final = (*ORDER, *CLAIMS, *OUTCOMES, *OCCURRENCES, *ACCOUNTS, *HOLDING)
_RULES_BY_KIND: Final[Mapping[type, tuple[Rule, ...]]] = {
    kind: tuple(rule for rule in _RULES if kind in rule.kinds) for kind in get_args(SchedulerEvent)
}
_NO_SLOTS: Final[Mapping[str, int]] = {}
_SHOWN_MAX: Final = 10


class Invariants:
    """
    Check S1 and C1 to C14 on each event of a log, and whatever other checkers check.

    Args:
        policies: Of handlers, by their types: they are not in the log.
        slots: Of workers, by their names: limits that must hold.
        checkers: More of them, such as `Fairness` and `Liveness`, or yours.

    Attributes:
        breaches: What does not hold, in the order in which it was found.
    """

    def __init__(
        self,
        *,
        policies: Mapping[str, RetryPolicy] = NO_POLICIES,
        slots: Mapping[str, int] = _NO_SLOTS,
        checkers: Iterable[Checker] = (),
    ) -> None:
        self.breaches: list[Breach] = []
        self._ledger = ledger = Ledger(policies)
        self._position = 0
        self._checkers: list[Checker] = [
            Density(),
            RecordedTime(),
            *((Slots(slots),) if slots else ()),
            Disabling(ledger),
            Accounts(ledger),
            Output(),
            *checkers,
        ]
        self._by_kind: dict[type, tuple[Checker, ...]] = {}

    @property
    def checked(self) -> frozenset[str]:
        """
        Return the ids of the invariants that are checked.
        """
        rules = {rule.invariant for rule in _RULES}
        return frozenset(rules | {checker.invariant for checker in self._checkers})

    def add(self, checker: Checker) -> None:
        """
        Check one more invariant from the next event on.
        """
        self._checkers.append(checker)
        self._by_kind.clear()

    def see(self, event: Event, told: SchedulerEvent | None = None) -> None:
        """
        Check one more event.

        Args:
            event: The next one of the log.
            told: What it says, if that is known; else it is decoded here.
        """
        self.see_entry(entry_of(event) if told is None else Entry(event, told))

    def see_entry(self, entry: Entry) -> None:
        """
        Check one more event that is decoded, where it can be.
        """
        told, self._position = entry.told, entry.event.position
        kind = type(told)
        checkers = self._by_kind.get(kind)
        if checkers is None:
            checkers = self._by_kind[kind] = self._caring_for(kind)
        for checker in checkers:
            try:
                for what in checker.see(entry):
                    self._note(checker.invariant, what)
            except Exception as error:  # noqa: BLE001 - a user's checker may raise anything
                self._put_out(checker, error)
        if told is not None:
            task = self._ledger.task(told.task_id)
            for rule in _RULES_BY_KIND[kind]:
                try:
                    for what in rule.judge(task, entry):
                        self._note(rule.invariant, what)
                except Exception as error:  # noqa: BLE001 - an event may say what no time can be
                    self._note(rule.invariant, f"it cannot be judged: {error!r}")
            # Checkers and rules go by what was told before this event.
            self._ledger.see(entry)

    def end(self) -> None:
        """
        Check what only the end of the log shows; call it once, behind the last event.
        """
        for checker in tuple(self._checkers):
            try:
                for position, what in checker.end():
                    self.breaches.append(Breach(checker.invariant, position, what))
            except Exception as error:  # noqa: BLE001 - as above
                self._put_out(checker, error)

    def _caring_for(self, kind: type) -> tuple[Checker, ...]:
        return tuple(
            checker for checker in self._checkers if kind in getattr(checker, "kinds", (kind,))
        )

    def _put_out(self, checker: Checker, error: Exception) -> None:
        # What it has seen may be half of what it wants, so it is not asked again.
        self._note(checker.invariant, f"its checker raised {type(error).__name__}: {error}")
        self._checkers.remove(checker)
        self._by_kind.clear()

    def _note(self, invariant: str, what: str) -> None:
        self.breaches.append(Breach(invariant, self._position, what))


def breaches_of(
    log: EventStore | Iterable[Event | Entry],
    policies: Mapping[str, RetryPolicy] = NO_POLICIES,
    /,
    **slots: int,
) -> list[Breach]:
    """
    Return every breach in a log.

    Args:
        log: A store, or the whole of its events, decoded or not.
        policies: Of handlers, by their types: they are not in the log.
        slots: Of workers, by their names: limits that must hold.
    """
    invariants = Invariants(policies=policies, slots=slots)
    for one in log if isinstance(log, Iterable) else read_log(log):
        invariants.see_entry(one if isinstance(one, Entry) else entry_of(one))
    invariants.end()
    return invariants.breaches


def assert_sound(
    log: EventStore | Iterable[Event | Entry],
    policies: Mapping[str, RetryPolicy] = NO_POLICIES,
    /,
    **slots: int,
) -> None:
    """
    Fail with the first breaches of a log.

    Args:
        log: As `breaches_of` takes it.
        policies: Likewise.
        slots: Likewise.

    Raises:
        AssertionError: An invariant does not hold.
    """
    found = breaches_of(log, policies, **slots)
    if found:
        raise AssertionError("\n".join(map(str, found[:_SHOWN_MAX])))
