"""
The queue that stores share: one commit for all who wait, and to each its own answer.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event as Flag
from threading import Lock
from typing import Final

import pytest

from azoth.appending import AppendRequest, check_append
from azoth.errors import (
    OutcomeUnknown,
    StoreBusy,
    StoreClosed,
    StoreError,
    StoreFailed,
    StoreFull,
)
from azoth.events import APPEND_EVENTS_MAX, Appended, NewEvent, Write
from azoth.group_commit import COMMIT_APPENDS_MAX, GroupCommit, Outcome
from azoth.streams import ANY, Position, StaleWrite, WrongExpectedVersion

CONFLICT: Final = WrongExpectedVersion(failures=(StaleWrite(stream="s", expected=0, actual=1),))


class Engine:
    """
    Stand for a store: it remembers the size of each commit, and can be made to pause or to fail.
    """

    def __init__(self) -> None:
        self.commits: list[list[str]] = []
        self.queue = GroupCommit(self.commit)
        self.fail: Callable[[Sequence[AppendRequest]], None] = lambda _: None
        self.entered = Flag()
        self.go_on = Flag()
        self.go_on.set()
        self._threads = ThreadPoolExecutor(32)
        self._joined = Lock()

    def commit(self, requests: Sequence[AppendRequest]) -> Sequence[Outcome]:
        self.entered.set()
        self.go_on.wait()
        self.commits.append([request.writes[0].stream for request in requests])
        self.fail(requests)
        return [
            CONFLICT if request.writes[0].stream == "stale" else answer(request)
            for request in requests
        ]

    def begin(self, *streams: str, count: int = 1) -> list[Future[Appended]]:
        """
        Start one append and, once it is being committed, put the others into the queue.
        """
        self.go_on.clear()
        self.entered.clear()
        futures = [self._threads.submit(self.queue.append, request("first"))]
        self.entered.wait()
        for place, stream in enumerate(streams, 1):
            futures.append(self._threads.submit(self.queue.append, request(stream, count)))
            while len(self.queue._waiting) < place:
                pass
        return futures

    def end(self, futures: Sequence[Future[Appended]]) -> list[object]:
        """
        Let the engine go on, and return what each append got.
        """
        self.go_on.set()
        return [future.exception() or future.result() for future in futures]


@pytest.fixture
def engine() -> Engine:
    """
    Be an engine with an empty queue.
    """
    return Engine()


def request(stream: str = "s", count: int = 1) -> AppendRequest:
    """
    Return an append of so many events.
    """
    return check_append([Write(stream, [NewEvent("t", b"")] * count, ANY)], None, None)


def answer(to: AppendRequest) -> Appended:
    """
    Return an answer by which its append is known.
    """
    return Appended(first=Position(1), last=Position(1), versions={to.writes[0].stream: 1})


def test_those_who_wait_share_a_commit(engine: Engine) -> None:
    """
    While one commits, the others queue; the next commit takes them all, in their order.
    """
    outcomes = engine.end(engine.begin("a", "b", "c"))

    assert engine.commits == [["first"], ["a", "b", "c"]]
    assert outcomes == [answer(request(s)) for s in ("first", "a", "b", "c")]


def test_a_conflict_is_one_callers_own(engine: Engine) -> None:
    """
    It rejects its append, and not those beside it.
    """
    outcomes = engine.end(engine.begin("a", "stale", "b"))

    assert engine.commits == [["first"], ["a", "stale", "b"]]
    assert outcomes[2] == CONFLICT
    assert outcomes[1::2] == [answer(request("a")), answer(request("b"))]


def test_what_does_not_fit_together_is_tried_alone(engine: Engine) -> None:
    """
    A large append that finds no room does not fail the small ones that were with it.
    """

    def full(requests: Sequence[AppendRequest]) -> None:
        if any(each.writes[0].stream == "large" for each in requests):
            raise StoreFull(reason="no room")

    engine.fail = full
    outcomes = engine.end(engine.begin("a", "large", "b"))

    assert engine.commits == [["first"], ["a", "large", "b"], ["a"], ["large"], ["b"]]
    assert [type(outcome) for outcome in outcomes] == [Appended, Appended, StoreFull, Appended]


@pytest.mark.parametrize("error", [StoreBusy(seconds=5), StoreFailed(reason="sync")])
def test_an_error_of_the_commit_is_everybodys(engine: Engine, error: StoreError) -> None:
    """
    Each gets an error of its own, since raising one object in two threads would mix them up.
    """

    def fail(requests: Sequence[AppendRequest]) -> None:
        if len(requests) > 1:
            raise error

    engine.fail = fail
    outcomes = engine.end(engine.begin("a", "b"))

    assert [str(outcome) for outcome in outcomes[1:]] == [str(error)] * 2
    assert outcomes[1] is not outcomes[2]


def test_an_interrupted_leader_leaves_the_others_in_doubt(engine: Engine) -> None:
    """
    What is not known is said: they get `OutcomeUnknown`, and may retry with their key.
    """

    def interrupt(requests: Sequence[AppendRequest]) -> None:
        if len(requests) > 1:
            raise KeyboardInterrupt

    engine.fail = interrupt
    outcomes = engine.end(engine.begin("a", "b"))

    assert {type(outcome) for outcome in outcomes[1:]} == {KeyboardInterrupt, OutcomeUnknown}
    assert engine.queue.append(request("later")) == answer(request("later"))


def test_an_append_that_nobody_will_commit_does_not_wait_for_ever(engine: Engine) -> None:
    """
    Its leader took it out of the queue and was interrupted before the commit.
    """
    take, engine.queue._take = engine.queue._take, list  # type: ignore[method-assign]
    with pytest.raises(OutcomeUnknown):
        engine.queue.append(request())
    engine.queue._take = take  # type: ignore[method-assign]


def test_a_commit_is_bounded(engine: Engine) -> None:
    """
    Neither many callers nor large appends make one transaction without an end.
    """
    half = APPEND_EVENTS_MAX // 2
    outcomes = engine.end(engine.begin("a", "b", "c", count=half))

    assert engine.commits == [["first"], ["a", "b"], ["c"]]
    assert len(outcomes) == 4
    assert COMMIT_APPENDS_MAX == 1_000


def test_close_commits_what_is_in_the_queue_and_refuses_the_rest(engine: Engine) -> None:
    """
    Who came before is answered.
    """
    futures = engine.begin("a", "b")
    engine.go_on.set()
    engine.queue.close()

    assert [type(future.result()) for future in futures] == [Appended] * 3
    assert sorted(stream for commit in engine.commits for stream in commit) == ["a", "b", "first"]
    with pytest.raises(StoreClosed):
        engine.queue.append(request())
    with pytest.raises(StoreClosed), engine.queue.exclusive():
        pass


def test_close_itself_commits_for_those_whose_turn_never_comes(engine: Engine) -> None:
    """
    The lock has no order, so whoever closes may have it before those in the queue.
    """
    ticketed = ThreadPoolExecutor(1)
    with engine.queue.exclusive():
        waiting = ticketed.submit(engine.queue.append, request("a"))
        while not engine.queue._waiting:
            pass
        engine.queue._settle(engine.queue._take())
        engine.queue._closed = True

    assert waiting.result() == answer(request("a"))
