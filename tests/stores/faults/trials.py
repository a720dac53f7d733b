"""
What a fault did, and the table that counts it.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from attrs import define, field, frozen

from tests.stores.faults.checking import Verdict

__all__ = ["Table", "Trial"]


@frozen(kw_only=True)
class Trial:
    """
    Hold one fault and what came of it.

    Attributes:
        kind: The kind of fault, the row of the table.
        where: Which one, such as `fdatasync 3`.
        in_flight: Whether it hit while an append waited for its answer.
        lost: How many acknowledged events are gone.
        errors: The names of the errors that were raised.
        wrong: Every promise that was not kept.
    """

    kind: str
    where: str
    in_flight: bool = True
    lost: int = 0
    errors: Sequence[str] = ()
    wrong: Sequence[str] = ()

    @classmethod
    def judged(
        cls, kind: str, where: str, verdict: Verdict, *, in_flight: bool, errors: Sequence[str] = ()
    ) -> "Trial":
        """
        Return the trial that a verdict belongs to.
        """
        return cls(
            kind=kind,
            where=where,
            in_flight=in_flight,
            lost=verdict.lost,
            errors=errors,
            wrong=verdict.wrong,
        )


@define
class _Row:
    tried: int = 0
    in_flight: int = 0
    lost: int = 0
    broken: int = 0
    errors: Counter[str] = field(factory=Counter)

    def add(self, trial: Trial) -> None:
        self.tried += 1
        self.in_flight += trial.in_flight
        self.lost += trial.lost
        self.broken += bool(trial.wrong)
        self.errors.update(trial.errors)

    def cells(self) -> Iterator[str]:
        numbers = self.tried, self.in_flight, self.tried - self.in_flight, self.lost, self.broken
        yield from map(str, numbers)
        yield ", ".join(f"{name} {count}" for name, count in sorted(self.errors.items())) or "-"


_HEADINGS: Final = (
    "store",
    "durability",
    "fault",
    "tried",
    "before ack",
    "after ack",
    "events lost",
    "violations",
    "errors",
)


class Table:
    """
    Count trials by store, durability and kind.
    """

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str, str], _Row] = {}

    @property
    def violations(self) -> int:
        """
        Return how many trials broke a promise.
        """
        return sum(row.broken for row in self._rows.values())

    def add(self, store: str, durability: str, trial: Trial) -> None:
        """
        Count a trial.
        """
        self._rows.setdefault((store, durability, trial.kind), _Row()).add(trial)

    def __str__(self) -> str:
        lines = [_HEADINGS, *((*key, *row.cells()) for key, row in sorted(self._rows.items()))]
        return "\n".join(_aligned(lines))


def _aligned(lines: Iterable[Sequence[str]]) -> Iterator[str]:
    lines = list(lines)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = zip(line, widths, strict=True)
        # Numbers stand to the right, so that their digits meet.
        yield "  ".join(
            cell.rjust(width) if re.fullmatch(r"\d+", cell) else cell.ljust(width)
            for cell, width in cells
        ).rstrip()
