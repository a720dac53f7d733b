"""
System calls that fail, or in which the process dies: the first, the second, and so on to the last.

This is every crash point of an opening, of an append and of a closing, each exactly once.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from shutil import rmtree
from typing import Final

from attrs import field, frozen

from tests.stores.faults.checking import History, Verdict, examine
from tests.stores.faults.nursery import Nursery
from tests.stores.faults.subjects import Durability, Subject
from tests.stores.faults.tracing import traced
from tests.stores.faults.transcripts import Transcript
from tests.stores.faults.trials import Trial

__all__ = ["ERRORS", "STAGES", "SYNCS", "WRITES", "Point", "fail_each", "points"]

WRITES: Final = ("pwrite64", "pwritev", "write", "writev", "ftruncate", "fallocate")
SYNCS: Final = ("fsync", "fdatasync", "msync", "sync_file_range")
NAMES: Final = ("rename", "renameat", "renameat2", "mkdir", "unlink", "link")

ERRORS: Final = ("SIGKILL", "EIO", "ENOSPC")

STAGES: Final = {"open": 2, "last": 6, "close": 12}
"""What the faults meet, and how many batches the writer appends in all."""

_CALL: Final = re.compile(r"(\d+) +(\w+)\(")


@frozen
class Point:
    """
    Name one system call, and what happens at it.

    Attributes:
        stage: What the writer is doing.
        call: The system call.
        number: Its how manyth, counted in its thread from the beginning of the stage.
        error: What it fails with, or `SIGKILL`.
        for_good: Whether all that follow fail too.
    """

    stage: str
    call: str
    number: int
    error: str
    for_good: bool = field(default=False, kw_only=True)

    def __str__(self) -> str:
        more = " and all after it" if self.for_good else ""
        return f"{self.error} at {self.call} {self.number}{more} of {self.stage}"

    @property
    def injection(self) -> str:
        """
        Return the point in the words of strace.
        """
        what = "signal=SIGKILL" if self.error == "SIGKILL" else f"error={self.error}"
        return f"inject={self.call}:{what}:when={self.number}{'+' if self.for_good else ''}"


@frozen(kw_only=True)
class Sweep:
    """
    Hold what all runs of a sweep share.
    """

    nursery: Nursery
    subject: Subject
    durability: Durability
    folder: Path
    seed: int
    mutant: str | None = None

    def run(self, stage: str, *options: str) -> tuple[Transcript, list[str]]:
        """
        Let a writer run in an empty folder, and return what it and strace said.
        """
        folder, output = self.folder / "store", self.folder / "trace"
        rmtree(folder, ignore_errors=True)
        folder.mkdir()
        arguments = {"store": self.subject.name, "folder": str(folder), "seed": self.seed}
        with self.nursery.start(
            "write",
            **arguments,
            durability=self.durability,
            number=STAGES[stage],
            wait=stage,
            mutant=self.mutant,
        ) as child:
            before = child.until_ready()
            with traced(child, output, *options):
                child.go()
                said = Transcript.of(before, child.rest())
                child.wait()
        return said, output.read_text().splitlines()

    def verdict(self, said: Transcript) -> Verdict:
        """
        Judge what a run left behind.
        """
        history = History(seed=self.seed, acknowledged=said.acknowledged, tried=said.tried)
        return examine(self.subject, self.folder / "store", self.durability, history)


def points(sweep: Sweep, stage: str, error: str, *, for_good: bool = False) -> Iterator[Point]:
    """
    Yield every point of a stage: a run without faults tells which calls there are.
    """
    calls = WRITES + SYNCS if error != "SIGKILL" else WRITES + SYNCS + NAMES
    said, trace = sweep.run(stage, "-e", f"trace={','.join(calls)}")
    assert said.ended, said
    seen = Counter(match.groups() for match in map(_CALL.match, trace) if match)
    most = {call: max((n for (_, c), n in seen.items() if c == call), default=0) for call in calls}
    for call in calls:
        for number in range(1, most[call] + 1):
            yield Point(stage, call, number, error, for_good=for_good)


def fail_each(sweep: Sweep, chosen: Sequence[Point]) -> Iterator[Trial]:
    """
    Let each point fail in a run of its own.
    """
    for point in chosen:
        yield _failed(sweep, point)


def _is_in_flight(said: Transcript) -> bool:
    """
    Say whether a batch was not yet acknowledged when the fault hit.
    """
    if said.errors or said.ended:
        return bool(said.errors)
    return said.tried > said.acknowledged


def _broken_rules(point: Point, said: Transcript) -> Iterator[str]:
    """
    Yield what the store did that the contract forbids after such a fault.
    """
    if point.error == "SIGKILL":
        return
    if not said.ended:
        yield f"the writer ended without a word: {said.lines[-3:]}"
    if not point.for_good and said.tried > said.acknowledged:
        yield f"batch {said.tried} was never acknowledged: {said.lines[-6:]}"
    if point.call in SYNCS and any(how == "ok" for _, how in said.probes):
        yield f"a sync failed, and the store went on: {said.probes}"


def _failed(sweep: Sweep, point: Point) -> Trial:
    said, trace = sweep.run(point.stage, "-e", f"trace={point.call}", "-e", point.injection)
    hit = any("INJECTED" in line for line in trace) or not said.ended
    verdict = sweep.verdict(said)
    wrong = [
        *verdict.wrong,
        *said.untyped,
        *(_broken_rules(point, said) if hit else ["it hit nothing"]),
    ]
    return Trial(
        kind=f"{point.error} at a call",
        where=str(point),
        in_flight=_is_in_flight(said),
        lost=verdict.lost,
        errors=said.errors,
        wrong=wrong,
    )
