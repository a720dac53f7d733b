"""
The bell that stores share: who waits hears of every commit, and waiting costs next to nothing.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event as Flag
from threading import Thread
from time import thread_time

import pytest

from azoth import waiting
from azoth.errors import StoreClosed
from azoth.waiting import Bell


class Log:
    """
    Stand for a log whose head others move.
    """

    def __init__(self) -> None:
        self.head = 0
        self.looks = 0
        self.on_look: Callable[[], None] = lambda: None

    def look(self) -> int:
        self.looks += 1
        self.on_look()
        return self.head


@pytest.fixture
def log() -> Log:
    """
    Be an empty log.
    """
    return Log()


def test_the_bell_wakes_without_a_look(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A commit of the same object is heard at once, not at the next look.
    """
    monkeypatch.setattr(waiting, "LOOK_SECONDS", 3_600.0)
    bell = Bell(log.look, foreign=True)
    with ThreadPoolExecutor(3) as threads:
        heads = [threads.submit(bell.wait, 0, None) for _ in range(3)]
        while bell._waiters < 3:
            pass
        bell.ring(1)

        assert [head.result() for head in heads] == [1, 1, 1]


def test_others_are_found_by_looking(log: Log) -> None:
    """
    One of those who wait looks, and tells the others, whoever of them it is.
    """
    bell = Bell(log.look, foreign=True)
    with ThreadPoolExecutor(4) as threads:
        for after in range(3):
            heads = [threads.submit(bell.wait, after, None) for _ in range(4)]
            while bell._waiters < 4:
                pass
            log.head = after + 1

            assert {head.result() for head in heads} == {after + 1}


def test_when_the_lookout_leaves_another_takes_over(log: Log) -> None:
    """
    A waiter that gives up does not leave the others deaf.
    """
    bell = Bell(log.look, foreign=True)
    with ThreadPoolExecutor(2) as threads:
        short = threads.submit(bell.wait, 0, 0.05)
        while not bell._has_lookout:
            pass
        long = threads.submit(bell.wait, 0, None)
        assert short.result() == 0
        log.head = 1

        assert long.result() == 1


def test_a_bell_of_ones_own_is_never_looked_at_twice(log: Log) -> None:
    """
    Where nobody else can move the head, one look at the beginning is enough.
    """
    bell = Bell(log.look, foreign=False)

    assert bell.wait(0, 0.1) == 0
    assert log.looks == 1


def test_waiting_costs_next_to_nothing(log: Log) -> None:
    """
    Looks are paced: in half a second there are some twenty, not thousands.
    """
    bell = Bell(log.look, foreign=True)
    began = thread_time()

    bell.wait(0, 0.5)

    assert 2 <= log.looks <= 0.5 / waiting.LOOK_SECONDS + 2
    assert thread_time() - began < 0.25


def test_what_looking_raises_reaches_who_waits(log: Log) -> None:
    """
    A store that failed meanwhile says so, and the others hear it too.
    """
    bell = Bell(log.look, foreign=True)
    failed = Flag()

    def fail() -> None:
        if failed.is_set():
            raise OSError("gone")

    log.on_look = fail
    with ThreadPoolExecutor(2) as threads:
        heads = [threads.submit(bell.wait, 0, None) for _ in range(2)]
        while bell._waiters < 2:
            pass
        failed.set()

        assert [type(head.exception()) for head in heads] == [OSError, OSError]


def test_close_wakes_and_refuses(log: Log) -> None:
    """
    Who waits and who comes later raise `StoreClosed`.
    """
    bell = Bell(log.look, foreign=True)
    Thread(target=bell.close).start()

    with pytest.raises(StoreClosed):
        bell.wait(0, None)
    with pytest.raises(StoreClosed):
        bell.wait(0, 0)
