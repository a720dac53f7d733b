"""
Processes that are killed while they append, at moments that a seed chooses.

This shows recovery, lock files and whole batches. It is blind to a missing sync: what a killed
process has written stays in the memory of the system.
"""

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Final

from tests.stores.faults.checking import History, examine
from tests.stores.faults.nursery import Nursery
from tests.stores.faults.subjects import Durability, Subject
from tests.stores.faults.transcripts import Transcript
from tests.stores.faults.trials import Trial

__all__ = ["kill_often"]

LINES_MAX: Final = 24
"""Said before a kill: three lines for each batch, and none while the store is opened."""

TURNS_MAX: Final = 60_000
"""Of an empty loop, about a millisecond: the time of an append."""


def kill_often(
    nursery: Nursery,
    subject: Subject,
    durability: Durability,
    folder: Path,
    seed: int,
    *,
    times: int = 10,
    mutant: str | None = None,
) -> Iterator[Trial]:
    """
    Kill one writer after the other, each of which goes on with the log of those before.
    """
    rng = Random(seed)
    count = 0
    for time in range(times):
        said = _killed(
            nursery,
            rng,
            store=subject.name,
            folder=str(folder),
            durability=durability,
            seed=seed,
            first=count + 1,
            mutant=mutant,
        )
        history = History(
            seed=seed,
            acknowledged=max(count, said.acknowledged),
            tried=max(count, said.tried),
        )
        verdict = examine(subject, folder, durability, history)
        yield Trial.judged(
            "SIGKILL at random",
            f"kill {time + 1}",
            verdict,
            in_flight=said.tried > said.acknowledged,
            errors=said.errors,
        )
        count = verdict.count


def _killed(nursery: Nursery, rng: Random, **arguments: object) -> Transcript:
    with nursery.start("write", **arguments) as child:
        child.line()
        child.go()
        said = [child.line() or "" for _ in range(rng.randint(0, LINES_MAX))]
        for _ in range(rng.randint(0, TURNS_MAX)):
            pass
        child.kill()
        child.wait()
        return Transcript.of(filter(None, said), child.rest())
