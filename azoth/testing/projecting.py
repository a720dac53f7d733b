"""
A projection and the log: however it is fed, stopped and opened again, its rows are the fold of it.

A machine of Hypothesis cuts a log that could have been written into batches of any size, lets
batches fail half-way, ends the process at any call inside the projection, and opens what was saved.
After each step the rows are compared with those of a second projection that was given the events
one by one. It needs Hypothesis, which `azoth-scheduler[testing]` installs.
"""

import gc
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from inspect import CO_GENERATOR
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any, ClassVar, Final, cast, overload
from warnings import catch_warnings, simplefilter

from attrs import evolve

from azoth.clocks import Instant
from azoth.events import NO_METADATA, Event, category_of
from azoth.marks import START, Mark, mark_of
from azoth.projections import Digestible, DurableProjection, Projection
from azoth.streams import Position, Version
from azoth.testing._hypothesis import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    st,
)
from azoth.testing.faulty import SimulatedCrash
from azoth.testing.strategies import logs

__all__ = ["ProjectionMachine", "with_unknown_events"]

_REACH: Final = st.integers(1, 12)
# Few batches take in the whole log, and most end in the middle of an append.

_CALLS: Final = st.integers(1, 60) | st.integers(1, 2_000)
# How many calls a projection makes before the process ends: a batch of a table takes some hundreds.


class ProjectionMachine(RuleBasedStateMachine):
    """
    Be subclassed by the tests of a projection, which make it; Hypothesis makes the test of it.

    ```python
    class MyTableAndTheLog(ProjectionMachine):
        durable = True

        def make(self, folder: Path) -> MyTable:
            return MyTable(folder / "table.db")


    TestMyTableAndTheLog = MyTableAndTheLog.TestCase
    ```

    It checks that the live rows are the fold of the log at every prefix (R1), that rows that were
    saved go on as if nothing had happened (R2), that a batch that fails, an end of the process
    anywhere in it, and a second delivery change nothing (R4), and that no event of the log makes
    `apply` raise, an unknown one neither (R5).

    Attributes:
        durable: Whether rows are there again when it is made a second time in the same folder.
        passes_over: Whether `apply` passes over events that it was given before, as a projection
            must whose rows several processes share.
        parent: Where folders are made; None for the system's place. In memory it saves much time.
        folder: The folder of the projection that is checked.
        log: The events that are folded.
        subject: The projection that is checked.
    """

    durable: ClassVar[bool] = False
    passes_over: ClassVar[bool] = False
    parent: ClassVar[Path | None] = None

    def __init__(self) -> None:
        super().__init__()
        self._place = TemporaryDirectory(prefix="azoth-projection-", dir=self.parent)
        self._folders = 0
        self.folder = self._new_folder()
        self.log: Sequence[Event] = ()
        self.subject: Any = self.make(self.folder)
        self._model: Any = self.make_model(self._new_folder())
        self._rows: list[object] = []

    def make(self, folder: Path) -> Projection:
        """
        Return the projection with what it saved in *folder*: nothing at first.
        """
        raise NotImplementedError("make the projection, in a folder of its own")

    def make_model(self, folder: Path) -> Projection:
        """
        Return the one that it is compared with, empty: another of its kind, unless overridden.
        """
        return self.make(folder)

    def logs(self) -> st.SearchStrategy[Sequence[Event]]:
        """
        Return what draws the log; any that a store takes, unless overridden.
        """
        return logs()

    def rows_of(self, projection: Any) -> object:  # noqa: ANN401 - whatever `make` returns
        """
        Return what is compared of a projection: its digest, unless overridden.
        """
        assert isinstance(projection, Digestible), "give the projection a digest, or override this"
        return projection.digest()

    def reopen(self) -> None:
        """
        Leave the projection as a process does that ends, and make it again.
        """
        _close(self.subject)
        self.subject = self.make(self.folder if self.durable else self._new_folder())

    @property
    def position(self) -> int:
        """
        Return how far the projection has come.
        """
        return cast("int", self.subject.position)

    @initialize(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        """
        Draw the log, with events in it that nobody knows.
        """
        log = data.draw(self.logs(), label="log")
        places = data.draw(st.lists(st.integers(0, len(log)), max_size=3), label="unknown at")
        self.log = with_unknown_events(log, places)
        self._rows = [self.rows_of(self._model)]

    @rule(reach=_REACH)
    def deliver(self, reach: int) -> None:
        """
        Hand over what matches of the next *reach* positions, be it nothing.
        """
        before, end = self.position, self._end(reach)
        _deliver(self.subject, self._between(before, end), self.log[:end])

        assert self.position == end, f"it was brought to {end} and stands at {self.position}"

    @rule(reach=_REACH, good=st.integers(0, 11))
    def fail_in_a_batch(self, reach: int, good: int) -> None:
        """
        Let a batch fail after a few of its events; the same object goes on.
        """
        before, end = self.position, self._end(reach)
        events = self._between(before, end)
        try:
            _deliver(self.subject, _Failing(events, min(good, len(events))), self.log[:end])
        except SimulatedCrash:
            assert self.position == before, "R4: a batch that failed has moved it"

    @precondition(lambda self: self.durable)
    @rule(reach=_REACH, calls=_CALLS)
    def crash_in_a_batch(self, reach: int, calls: int) -> None:
        """
        End the process at any call that a batch makes, and open what was saved.
        """
        before, end = self.position, self._end(reach)
        events = self._between(before, end)
        with catch_warnings():
            # What a process leaves open its end closes.
            simplefilter("ignore", ResourceWarning)
            with suppress(SimulatedCrash), _ending_after(calls):
                _deliver(self.subject, events, self.log[:end])
        self.reopen()

        assert self.position in (before, end), "R4: a batch was saved in part"

    @rule()
    def stop_and_go_on(self) -> None:
        """
        Open it again: what was saved is there, and what was not begins anew.
        """
        saved = self.position if self.durable else 0
        self.reopen()

        assert self.position == saved, f"R2: it was left at {saved} and opens at {self.position}"

    @precondition(lambda self: self.passes_over)
    @rule(back=st.integers(1, 12), size=st.integers(0, 24))
    def deliver_again(self, back: int, size: int) -> None:
        """
        Hand over what it was given before, alone or with new events behind it.
        """
        before = self.position
        begin = max(0, before - back)
        end = min(begin + size, len(self.log))
        _deliver(self.subject, self._between(begin, end), self.log[:end])

        assert self.position == max(before, end), "R4: a second delivery has moved it back"

    @invariant()
    def the_rows_are_the_fold_of_the_log(self) -> None:
        """
        R1: whatever was done, they are those of the events one by one up to its position.
        """
        found, due = self.rows_of(self.subject), self._due(self.position)
        assert found == due, f"R1: at {self.position} the rows are {found}, the fold {due}"
        if self.durable and isinstance(self.subject, DurableProjection):
            assert self.subject.mark == _mark(self.log[: self.position]), "the mark is another's"

    def teardown(self) -> None:
        """
        Fold the rest, and the whole log at once.
        """
        try:
            if sys.exception() is None:
                self._finish()
        finally:
            _close(self.subject)
            _close(self._model)
            self._place.cleanup()

    def _finish(self) -> None:
        self.deliver(len(self.log))
        self.the_rows_are_the_fold_of_the_log()
        _close(self.subject)
        self.subject = self.make(self._new_folder())
        self.deliver(len(self.log))
        self.the_rows_are_the_fold_of_the_log()

    def _new_folder(self) -> Path:
        self._folders += 1
        folder = Path(self._place.name) / str(self._folders)
        folder.mkdir()
        return folder

    def _end(self, reach: int) -> int:
        return min(self.position + reach, len(self.log))

    def _between(self, after: int, end: int) -> Sequence[Event]:
        return [event for event in self.log[after:end] if self._model.query.matches(event)]

    def _due(self, position: int) -> object:
        for end in range(len(self._rows), position + 1):
            _deliver(self._model, self._between(end - 1, end), self.log[:end])
            self._rows.append(self.rows_of(self._model))
        return self._rows[position]


def with_unknown_events(log: Sequence[Event], places: Sequence[int]) -> Sequence[Event]:
    """
    Return *log* with events put in that no projection can read, each in its neighbour's category.

    One has a type that nobody knows, the next its neighbour's type and bytes that are no value.

    Args:
        log: Events at the positions 1, 2, 3 ….
        places: After how many of its events one is put in.
    """
    found: list[Event] = []
    unknown = 0
    for place in range(len(log) + 1):
        for _ in range(places.count(place)):
            unknown += 1
            found.append(_unknown(log[max(0, place - 1)] if log else None, unknown))
        found += log[place : place + 1]
    return [evolve(event, position=Position(position)) for position, event in enumerate(found, 1)]


def _unknown(neighbour: Event | None, number: int) -> Event:
    category = "a" if neighbour is None else category_of(neighbour.stream)
    return Event(
        position=Position(0),
        stream=f"{category}-nobody knows",
        version=Version(number),
        type=neighbour.type if neighbour and number % 2 else "NobodyKnows",
        data=b"\xff",
        metadata=NO_METADATA,
        schema=1,
        recorded_at=neighbour.recorded_at if neighbour else Instant(0),
    )


class _Failing(Sequence[Event]):
    # Events that end with a crash instead of their end.
    def __init__(self, events: Sequence[Event], good: int) -> None:
        self._events = events
        self._good = good

    def __len__(self) -> int:
        return len(self._events)

    @overload
    def __getitem__(self, index: int) -> Event: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Event]: ...
    def __getitem__(self, index: int | slice) -> Event | Sequence[Event]:
        return self._events[index]

    def __iter__(self) -> Iterator[Event]:
        yield from self._events[: self._good]
        raise SimulatedCrash(f"the batch fails after {self._good} events")


@contextmanager
def _ending_after(calls: int) -> Generator[None, None, None]:
    """
    Raise `SimulatedCrash` before so many calls were made, of functions in Python or in C.
    """
    left = calls

    def count(frame: FrameType, what: str, _argument: object) -> None:
        nonlocal left
        if what in ("call", "c_call"):
            left -= 1
            # A generator may be called by whoever throws it away, where nobody hears of a crash.
            if left <= 0 and not (what == "call" and frame.f_code.co_flags & CO_GENERATOR):
                sys.setprofile(before)
                raise SimulatedCrash(f"the process ends before call {calls}")

    before = sys.getprofile()
    # A collection would call whatever listens to it, and what is raised there nobody hears.
    collects = gc.isenabled()
    gc.disable()
    sys.setprofile(count)
    try:
        yield
    finally:
        sys.setprofile(before)
        if collects:
            gc.enable()


def _deliver(projection: Any, events: Sequence[Event], log: Sequence[Event]) -> None:  # noqa: ANN401
    if isinstance(projection, DurableProjection):
        projection.save(events, _mark(log))
    else:
        projection.apply(events, len(log))


def _mark(log: Sequence[Event]) -> Mark:
    return mark_of(log[-1]) if log else START


def _close(projection: object) -> None:
    close: Callable[[], object] | None = getattr(projection, "close", None)
    if close is not None:
        close()
