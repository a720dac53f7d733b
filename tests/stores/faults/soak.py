"""
Faults for as long as one likes: `python -m tests.stores.faults.soak --seconds 600`.

It goes through every store, durability and kind of fault with one seed after the other, prints how
many it tried and what they did, and ends with 1 if a promise was broken. A broken one is printed at
once, with its seed and the command that repeats it.
"""

# ruff: noqa: T201 - it is a command

import argparse
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import count, islice, product
from time import monotonic

from attrs import frozen

from tests.stores.faults.campaigns import CAMPAIGNS, Stage, stages
from tests.stores.faults.nursery import Nursery
from tests.stores.faults.places import folder_in_memory
from tests.stores.faults.subjects import DURABILITIES, SUBJECTS, Durability, Subject
from tests.stores.faults.trials import Table, Trial

__all__ = ["main"]


@frozen(kw_only=True)
class Turn:
    """
    Hold one campaign on one store with one seed.
    """

    subject: Subject
    durability: Durability
    fault: str
    seed: int

    @property
    def command(self) -> str:
        """
        Return the command that repeats it.
        """
        return (
            f"python -m tests.stores.faults.soak --store {self.subject.name} "
            f"--durability {self.durability} --fault {self.fault} --seed {self.seed} --rounds 1"
        )

    def trials(self, nursery: Nursery) -> Iterator[Trial]:
        """
        Yield the trials.
        """
        with folder_in_memory() as folder:
            yield from CAMPAIGNS[self.fault](
                Stage(
                    nursery=nursery,
                    subject=self.subject,
                    durability=self.durability,
                    folder=folder,
                    seed=self.seed,
                )
            )


def main(arguments: Sequence[str]) -> int:
    """
    Play faults, print the table, and return what to exit with.
    """
    asked = _parser().parse_args(arguments)
    logging.getLogger("azoth").addHandler(logging.NullHandler())
    for each in SUBJECTS:
        each.hurry()
    end = monotonic() + asked.seconds
    table = Table()
    with Nursery() as nursery:
        for turn in _turns(asked):
            _play(turn, nursery, table, lambda: monotonic() > end)
            if monotonic() > end:
                break
    print(table)
    print(f"{table.violations} violations; seeds from {asked.seed} on")
    return 1 if table.violations else 0


def _play(turn: Turn, nursery: Nursery, table: Table, is_over: Callable[[], bool]) -> None:
    for trial in turn.trials(nursery):
        table.add(turn.subject.name, turn.durability, trial)
        if trial.wrong:
            print(
                f"BROKEN: {trial.kind}, {trial.where}, seed {turn.seed}", *trial.wrong, sep="\n  "
            )
            print(f"  repeat it with: {turn.command}")
        if is_over():
            return


def _turns(asked: argparse.Namespace) -> Iterator[Turn]:
    for seed in islice(count(asked.seed), asked.rounds):
        for fault, (subject, durability) in product(CAMPAIGNS, stages()):
            turn = Turn(subject=subject, durability=durability, fault=fault, seed=seed)
            if _is_asked(turn, asked):
                yield turn


def _is_asked(turn: Turn, asked: argparse.Namespace) -> bool:
    return (
        asked.store in {None, turn.subject.name}
        and asked.durability in {None, turn.durability}
        and asked.fault in {None, turn.fault}
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.stores.faults.soak")
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--rounds", type=int, help="how many seeds; no end if not given")
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--store", choices=[subject.name for subject in SUBJECTS])
    parser.add_argument("--durability", choices=DURABILITIES)
    parser.add_argument("--fault", choices=list(CAMPAIGNS))
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
