"""
The machine that drives a projection: what is sound passes, and each fault is named.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test

from azoth import Event, Mark, MemoryProjection, NewEvent, Projection, Query
from azoth.marks import START
from azoth.projections import bytes_of_row
from azoth.testing.projecting import ProjectionMachine, with_unknown_events
from azoth.testing.strategies import logs
from tests.core.bank import Balances

pytestmark = pytest.mark.uncovered

IN_MEMORY = Path("/dev/shm") if Path("/dev/shm").is_dir() else None


SMALL_LOGS = logs(
    stream_names=st.sampled_from(["a-1", "a-2", "b-1"]),
    events=st.builds(NewEvent, st.sampled_from("tu"), st.just(b"")),
)
FOUND = settings(
    derandomize=True,
    database=None,
    max_examples=300,
    stateful_step_count=15,
    phases=[Phase.generate],
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow],
)


class Sizes(MemoryProjection[int]):
    """
    How many events each stream has: two batches that overlap, or a lost one, change it.
    """

    name = "sizes"
    query = Query(category="a")

    def fold(self, event: Event) -> None:
        self.put(event.stream, self.get(event.stream, 0) + 1)


class SizesInAFile(Sizes):
    """
    The same, in a file that is replaced as a whole.
    """

    def __init__(self, file: Path) -> None:
        super().__init__()
        self._file = file
        self.mark = START
        if file.exists():
            rows, position, crc = json.loads(file.read_text())
            for key, row in rows.items():
                self._write(key, row, bytes_of_row(key, row))
            self.mark, self.position = Mark(position=position, crc=crc), position

    def save(self, events: Sequence[Event], mark: Mark) -> None:
        self.apply(events, mark.position)
        beside = self._file.with_suffix(".new")
        beside.write_text(json.dumps([self._rows, mark.position, mark.crc]))
        beside.replace(self._file)
        self.mark = mark


class Small(ProjectionMachine):
    """
    Logs of a few streams: what these projections look at.
    """

    def logs(self) -> st.SearchStrategy[Sequence[Event]]:
        return SMALL_LOGS


class SizesAndTheLog(Small):
    """
    A projection in memory.
    """

    def make(self, folder: Path) -> Projection:
        return Sizes()


class FileAndTheLog(Small):
    """
    A projection whose rows outlive its process.
    """

    durable = True
    parent = IN_MEMORY

    def make(self, folder: Path) -> Projection:
        return SizesInAFile(folder / "rows.json")

    def make_model(self, folder: Path) -> Projection:
        return Sizes()


TestSizesAndTheLog = SizesAndTheLog.TestCase
TestFileAndTheLog = FileAndTheLog.TestCase
TestSizesAndTheLog.settings = TestFileAndTheLog.settings = settings(
    max_examples=20, stateful_step_count=20
)


class MovesWithItsEvents(Sizes):
    """
    It saves no position that it only looked at.
    """

    def apply(self, events: Sequence[Event], position: int) -> None:
        super().apply(events, events[-1].position if events else self.position)


class KeepsHalfABatch(Sizes):
    """
    It writes each row at once, so a batch that fails leaves some of them behind.
    """

    def apply(self, events: Sequence[Event], position: int) -> None:
        for event in events:
            super().apply([event], self.position)
        self.position = position


class LooksOnlyAtTheLast(Sizes):
    """
    Its rows depend on how the log was cut.
    """

    def apply(self, events: Sequence[Event], position: int) -> None:
        super().apply([*events][-1:], position)


class KnowsAllTypes(Sizes):
    """
    It raises where it should pass over.
    """

    def fold(self, event: Event) -> None:
        super().fold(event)
        if event.type == "NobodyKnows":
            raise ValueError("what is this?")


class RowsThenMark(SizesInAFile):
    """
    It saves its rows and, a little later, its mark.
    """

    def save(self, events: Sequence[Event], mark: Mark) -> None:
        self.apply(events, mark.position)
        before = self.mark
        self._file.write_text(json.dumps([self._rows, before.position, before.crc]))
        super().save((), mark)


class ForgetsItsMark(SizesInAFile):
    """
    It keeps the mark of the batch before.
    """

    def save(self, events: Sequence[Event], mark: Mark) -> None:
        before = self.mark
        super().save(events, mark)
        self.mark = before


def in_memory(kind: Callable[[], Projection]) -> type[ProjectionMachine]:
    """
    Return the machine of a projection that is compared with the sound one.
    """

    class Mutant(SizesAndTheLog):
        def make(self, folder: Path) -> Projection:
            return kind()

        def make_model(self, folder: Path) -> Projection:
            return Sizes()

    return Mutant


def in_a_file(kind: Callable[[Path], Projection]) -> type[ProjectionMachine]:
    """
    Return the machine of a projection in a file.
    """

    class Mutant(FileAndTheLog):
        def make(self, folder: Path) -> Projection:
            return kind(folder / "rows.json")

    return Mutant


class Twice(SizesAndTheLog):
    """
    A projection that is told to pass over what it was given before, and does not.
    """

    passes_over = True


@pytest.mark.parametrize(
    ("machine", "said"),
    [
        (in_memory(MovesWithItsEvents), "stands at"),
        (in_memory(KeepsHalfABatch), "R1: at"),
        (in_memory(LooksOnlyAtTheLast), "R1: at"),
        (in_memory(KnowsAllTypes), "what is this"),
        (in_a_file(RowsThenMark), "R1: at"),
        (in_a_file(ForgetsItsMark), "the mark is another's"),
        (Twice, "R4: a second delivery|R1: at"),
    ],
    ids=[
        "position", "half a batch", "cut", "not total", "rows then mark", "mark", "delivered twice"
    ],
)  # fmt: skip
def test_a_projection_that_is_not_the_fold_of_its_log_fails(
    machine: type[ProjectionMachine], said: str
) -> None:
    """
    Each way in which a projection goes wrong is found, and named by its rule.
    """
    with pytest.raises((AssertionError, ValueError), match=said):
        run_state_machine_as_test(machine, settings=FOUND)


def test_unknown_events_leave_a_log_in_order() -> None:
    """
    Positions stay dense, and what was there is there in its order.
    """
    assert [event.position for event in with_unknown_events((), [0, 0])] == [1, 2]


def test_a_projection_without_a_digest_is_told_to_have_one() -> None:
    """
    Whoever cannot be compared would pass every test.
    """

    class Bare:
        name, version, query, position = "bare", 1, Balances.query, 0

        def apply(self, events: Any, position: int) -> None: ...  # noqa: ANN401 - a port's

    class BareAndTheLog(ProjectionMachine):
        def make(self, folder: Path) -> Projection:
            return Bare()

    with pytest.raises(AssertionError, match="give the projection a digest"):
        run_state_machine_as_test(BareAndTheLog, settings=FOUND)
