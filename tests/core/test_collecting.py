"""
How often Python looks for garbage while a log is folded.
"""

import gc
from contextlib import ExitStack

import pytest

from azoth import Event, MemoryProjection, NewEvent, Projector, Write, open_store, replay
from azoth._collecting import collecting_seldom


class Thresholds(MemoryProjection[int]):
    """
    What the collector waited for at each event.
    """

    name = "thresholds"

    def fold(self, event: Event) -> None:
        """
        Keep it by position.
        """
        self.put(str(event.position), gc.get_threshold()[0])


def test_the_collector_is_as_before_once_the_last_fold_is_done() -> None:
    """
    Folds of several threads end in any order.
    """
    before = gc.get_threshold()
    first, second = ExitStack(), ExitStack()
    first.enter_context(collecting_seldom())
    second.enter_context(collecting_seldom())
    during = gc.get_threshold()

    first.close()
    still = gc.get_threshold()
    second.close()

    assert during == still != before
    assert gc.get_threshold() == before


def test_the_collector_is_as_before_after_a_fold_that_failed() -> None:
    """
    Whoever set it keeps what he set.
    """
    before = gc.get_threshold()

    with pytest.raises(KeyboardInterrupt), collecting_seldom():
        raise KeyboardInterrupt

    assert gc.get_threshold() == before


def test_a_replay_and_a_rebuild_collect_seldom() -> None:
    """
    A projector that only catches up is a part of a program that lives on.
    """
    usual = gc.get_threshold()[0]
    with open_store("memory://") as store:
        store.append(Write("a-1", [NewEvent("A", b"")], 0))
        caught_up, rebuilt = Thresholds(), Thresholds()
        projector = Projector(store, caught_up)
        projector.catch_up()
        projector.rebuild(rebuilt)
        replayed = replay(store, Thresholds())

    assert caught_up.rows == {"1": usual}
    assert rebuilt.rows == replayed.rows
    assert rebuilt.rows["1"] > usual
