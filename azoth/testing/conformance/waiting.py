"""
Sentence 6: a wait misses nothing, hears of everybody, and ends.
"""

from collections.abc import Callable
from math import nan
from threading import Semaphore
from time import monotonic  # clock: real waiting

import pytest

from azoth.errors import StoreClosed
from azoth.store import EventStore
from azoth.streams import WrongExpectedVersion
from azoth.testing.conformance.children import Child
from azoth.testing.conformance.suite import StoreSuite, write

__all__ = ["WaitContract"]

_RACES = 300


class WaitContract(StoreSuite):
    """
    Prove what a wait promises.
    """

    def test_a_wait_for_what_is_there_returns_at_once(self, store: EventStore) -> None:
        """
        It is level-triggered: it asks where the head is, not whether it moves.
        """
        store.append(write("a", 3))

        waits = [self._woken(store, after) for after in (0, 1, 2)]
        assert self.together(*waits, lambda: store.wait(2)) == [3, 3, 3, 3]

    def test_a_wait_gives_up_with_the_head(self, store: EventStore) -> None:
        """
        At its timeout it returns the head; 0 looks once.
        """
        assert store.wait(0, 0) == 0
        store.append(write("a", 3))

        assert store.wait(3, 0) == 3
        assert store.wait(3, 0.01) == 3
        assert store.wait(7, 0.01) == 3

    def test_an_append_between_a_read_and_a_wait_is_not_missed(self, store: EventStore) -> None:
        """
        Whichever of an append and a wait comes first, the wait returns.
        """
        for after in range(_RACES):
            heads = self.together(lambda: store.append(write("a")).last, self._woken(store, after))

            assert heads == [after + 1, after + 1]

    def test_everybody_who_waits_is_woken(self, store: EventStore) -> None:
        """
        One append wakes all of them, also those that wait for different positions.
        """
        for after in range(0, 60, 3):
            heads = self.together(
                lambda: store.append(write("a", 3)).last,
                *[self._woken(store, after + place % 3) for place in range(5)],
            )

            assert set(heads) == {after + 3}

    def test_a_wait_hears_of_another_object(self, store: EventStore) -> None:
        """
        An append through a second object on the same data wakes it too.
        """
        if not self.can("shared"):
            return
        other = self.again(store)
        for after in range(10):
            waits = [self._woken(each, after) for each in (store, store, other)]
            heads = self.together(lambda: other.append(write("a")).last, *waits)

            assert set(heads) == {after + 1}

    def test_a_wait_hears_of_another_process(self, store: EventStore) -> None:
        """
        An append in one process wakes who waits in the other, both ways.
        """
        if not self.can("shared"):
            return
        with Child("wait", self.url(), 0) as waiting:
            assert waiting.line() == "ready"
            store.append(write("a"))
            assert waiting.rest() == ["1"]
        with Child("append", self.url(), "b", 1) as appending:
            assert appending.line() == "ready"
            appending.go()
            assert self._woken(store, 1)() == 2

    def test_a_refused_append_wakes_nobody(self, store: EventStore) -> None:
        """
        The head has not moved, so there is nothing to hear of.
        """
        with pytest.raises(WrongExpectedVersion):
            store.append(write("a", 1, 5))

        assert store.wait(0, 0.01) == 0

    def test_close_wakes_those_who_wait(self, store: EventStore) -> None:
        """
        They raise `StoreClosed`, whether they wait for ever or not.
        """
        begun = Semaphore(0)

        def waiting(timeout: float | None) -> Callable[[], None]:
            def run() -> None:
                begun.release()
                with pytest.raises(StoreClosed):
                    store.wait(0, timeout)

            return run

        def close() -> None:
            for _ in range(3):
                begun.acquire()
            # By the time that these are read, the others are asleep.
            for _ in range(100):
                store.read()
            store.close()

        self.together(waiting(None), waiting(self.patience_seconds), waiting(None), close)

    @pytest.mark.parametrize(
        ("error", "after", "timeout"),
        [
            (ValueError, -1, None),
            (ValueError, 0, -1.0),
            (ValueError, 0, nan),
            (TypeError, True, None),
            (TypeError, 0, "1"),
            (TypeError, 0, True),
        ],
    )
    def test_bad_arguments_are_refused(
        self, store: EventStore, error: type[Exception], after: int, timeout: float
    ) -> None:
        """
        A position is an integer from 0, a timeout a number of seconds from 0.
        """
        with pytest.raises(error):
            store.wait(after, timeout)

    def _woken(self, store: EventStore, after: int) -> Callable[[], int]:
        """
        Return a wait that fails if it ends by its timeout: then the head is right, and late.
        """

        def run() -> int:
            began = monotonic()  # clock: real waiting
            head = store.wait(after, self.patience_seconds)
            assert monotonic() - began < self.patience_seconds, (
                "nobody woke it"
            )  # clock: real waiting
            return head

        return run
