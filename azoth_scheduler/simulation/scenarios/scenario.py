"""
What a seed writes: how many schedulers there are, what may go wrong, and what is done when.

A scenario is a value. The same seed writes the same one, as long as the version is the same; one
that is kept in a file is played as it stands, also by later versions.
"""

from collections.abc import Mapping
from typing import Final

from attrs import field, frozen

from azoth.clocks import Instant, Microseconds
from azoth_scheduler.simulation.scenarios.acts import Act

__all__ = ["START", "VERSION", "Scenario", "Seats"]

VERSION: Final = 1
"""Of what seeds mean; it changes whenever a seed writes another scenario than before."""

START: Final = Instant(1_767_268_800_000_000)
"""2026-01-01T12:00 UTC, when each scenario begins."""

_SECOND: Final = 1_000_000


@frozen(kw_only=True)
class Seats:
    """
    Say how the schedulers of a run are set up.

    Attributes:
        schedulers: How many there are at first.
        slots: How many attempts each runs at a time.
        poll_seconds: How often each looks even if nothing woke it.
        lease_seconds: How long a claim holds without being renewed.
        timeout_seconds: How long an attempt may take where its task does not say.
        max_lost: How many losses in a row exhaust a run.
        restart_seconds: How long it takes until a process that has died is started again.
        drifts: Of the clock of each, in a million.
        tables: Of each, whether its schedule table is in SQLite.
        one_machine: Whether the death of a scheduler is seen at once.
        both_types: Of each, whether it serves both types of tasks.
    """

    schedulers: int = 1
    slots: int = 2
    poll_seconds: int = 5
    lease_seconds: int = 30
    timeout_seconds: int = 60
    max_lost: int = 3
    restart_seconds: int = 5
    drifts: tuple[int, ...] = (0,)
    tables: tuple[bool, ...] = (False,)
    both_types: tuple[bool, ...] = (True,)
    one_machine: bool = False


@frozen(kw_only=True)
class Scenario:
    """
    Hold all that a run depends on.

    Attributes:
        seed: What is drawn while it runs: which fault strikes, how long an attempt takes.
        span: How long the faults last.
        failing: How many attempts in a thousand do not succeed.
        faults: How often each kind strikes, in thousandths, by the names in `FAULTS`.
        acts: What is done, in order.
        without: Faults that do not strike, by the names that they have in the report of a run.
    """

    version: int
    seed: int
    span: Microseconds
    seats: Seats = Seats()
    failing: int = 0
    faults: Mapping[str, int] = field(factory=dict[str, int])
    acts: tuple[Act, ...] = ()
    without: tuple[str, ...] = ()

    def __str__(self) -> str:
        seats = self.seats
        faults = ", ".join(f"{name} {chance}" for name, chance in self.faults.items()) or "none"
        return (
            f"seed {self.seed}@{self.version}: {seats.schedulers} schedulers with {seats.slots} "
            f"slots for {self.span / _SECOND:.15g} s, poll {seats.poll_seconds} s, lease "
            f"{seats.lease_seconds} s; {len(self.acts)} acts; {self.failing}‰ of attempts fail; "
            f"faults in ‰: {faults}"
        )
