"""
Sentence 4: an idempotency key makes an append happen once; and checkpoints move with their append.
"""

from collections.abc import Callable
from typing import Final

import pytest

from azoth.errors import CheckpointConflict, IdempotencyConflict
from azoth.events import INTEGER_MAX, Checkpoint, NewEvent, Write
from azoth.store import EventStore
from azoth.streams import ANY, EXISTS, WrongExpectedVersion
from azoth.testing.conformance.suite import StoreSuite, answer, everything, new, write

__all__ = ["CheckpointContract", "KeyContract"]

_ROUNDS: Final = 20


class KeyContract(StoreSuite):
    """
    Prove what a key promises.
    """

    def test_the_same_append_with_its_key_happens_once(self, store: EventStore) -> None:
        """
        It gets the first answer before any other check, whatever came in between.
        """
        first = store.append(write("a", 2, 0), write("b", 1), key="k")
        store.append(write("a", 1, 2))

        again = store.append(write("a", 2, 0), write("b", 1), key="k")

        assert again == answer(first.first, first.last, first.versions, duplicate=True)
        assert not first.duplicate
        assert store.read().head == 4

    @pytest.mark.parametrize(
        "other",
        [
            (Write("a", [new("other", b"x")], 0), None),
            (Write("a", [new("first", b"y")], 0), None),
            (Write("a", [NewEvent("first", b"x", {"k": "v"})], 0), None),
            (Write("a", [NewEvent("first", b"x", {}, 2)], 0), None),
            (Write("a", [new("first", b"x"), new("first", b"x")], 0), None),
            (Write("b", [new("first", b"x")], 0), None),
            (Write("a", [new("first", b"x")], ANY), None),
            (Write("a", [new("first", b"x")], EXISTS), None),
            (Write("a", [new("first", b"x")], 0), Checkpoint(consumer="c", position=1, previous=0)),
        ],
    )
    def test_other_content_under_a_known_key_is_a_conflict(
        self, store: EventStore, other: tuple[Write, Checkpoint | None]
    ) -> None:
        """
        Every field of the writes and of the checkpoint is content.
        """
        store.append(Write("a", [new("first", b"x")], 0), key="k")

        with pytest.raises(IdempotencyConflict) as refused:
            store.append(other[0], checkpoint=other[1], key="k")

        assert refused.value.key == "k"
        assert len(everything(store)) == 1

    def test_equal_metadata_is_the_same_content(self, store: EventStore) -> None:
        """
        The order of metadata does not count, as it does not for a mapping.
        """
        one = Write("a", [NewEvent("t", b"", {"x": "1", "y": "2"})], ANY)
        other = Write("a", [NewEvent("t", b"", {"y": "2", "x": "1"})], ANY)
        store.append(one, key="k")

        assert store.append(other, key="k").duplicate

    def test_fields_do_not_run_into_each_other(self, store: EventStore) -> None:
        """
        Two appends whose fields are the same text when joined have other content.
        """
        store.append(Write("ab", [new("c")], ANY), key="k")

        with pytest.raises(IdempotencyConflict):
            store.append(Write("a", [new("bc")], ANY), key="k")

    def test_a_key_raced_by_several_threads_is_taken_once(self, store: EventStore) -> None:
        """
        One appends, the others get its answer.
        """
        for place in range(_ROUNDS):
            call = lambda key=f"k-{place}": store.append(write("a", 2), key=key)  # noqa: E731
            answers = self.together(*[call] * 4)

            assert sorted(answer.duplicate for answer in answers) == [False, True, True, True]
            assert len({(answer.first, answer.last) for answer in answers}) == 1
        assert store.read().head == 2 * _ROUNDS

    def test_a_key_without_events_is_kept_too(self, store: EventStore) -> None:
        """
        A check or a checkpoint alone can have a key.
        """
        moved = Checkpoint(consumer="c", position=3, previous=0)
        store.append(checkpoint=moved, key="k")

        assert store.append(checkpoint=moved, key="k").duplicate
        assert store.checkpoint("c") == 3

    def test_keys_outlive_the_object(self, store: EventStore) -> None:
        """
        After reopening, the key still gives the first answer.
        """
        first = store.append(write("a", 2), key="k")
        reopened = self.reopen(store)

        again = reopened.append(write("a", 2), key="k")
        assert again.duplicate == self.can("durable")
        assert again.versions == first.versions

    def test_an_answer_belongs_to_its_caller(self, store: EventStore) -> None:
        """
        What one caller does to its answer does not change the next one's.
        """
        first = store.append(write("a", 1), key="k")
        if isinstance(first.versions, dict):
            first.versions["a"] = 99

        assert store.append(write("a", 1), key="k").versions == {"a": 1}


class CheckpointContract(StoreSuite):
    """
    Prove what a checkpoint promises.
    """

    def test_a_consumer_that_never_saved_stands_at_0(self, store: EventStore) -> None:
        """
        A checkpoint need not be made.
        """
        assert store.checkpoint("c") == 0

    def test_a_checkpoint_moves_from_where_it_stood(self, store: EventStore) -> None:
        """
        It is compare-and-set; its position may belong to another log and be of any size.
        """
        for previous, position in ((0, 0), (0, 5), (5, 5), (5, INTEGER_MAX)):
            moved = Checkpoint(consumer="c", position=position, previous=previous)
            store.append(checkpoint=moved)
            assert store.checkpoint("c") == position

        assert store.checkpoint("C") == 0

    def test_a_checkpoint_and_its_events_are_one_append(self, store: EventStore) -> None:
        """
        A runner that was overtaken writes nothing at all.
        """
        store.append(write("a", 1), checkpoint=Checkpoint(consumer="c", position=7, previous=0))
        with pytest.raises(CheckpointConflict) as refused:
            store.append(write("a", 1), checkpoint=Checkpoint(consumer="c", position=8, previous=0))

        error = refused.value
        assert (error.consumer, error.expected, error.actual) == ("c", 0, 7)
        assert store.checkpoint("c") == 7
        assert len(everything(store)) == 1

    def test_writes_are_checked_before_the_checkpoint(self, store: EventStore) -> None:
        """
        Where both are stale, the writes are what is told.
        """
        with pytest.raises(WrongExpectedVersion):
            store.append(
                write("a", 1, 4), checkpoint=Checkpoint(consumer="c", position=8, previous=3)
            )

    def test_of_two_runners_of_a_consumer_one_is_fenced(self, store: EventStore) -> None:
        """
        Both write from the same place, and one wins.
        """
        for position in range(_ROUNDS):
            moved = Checkpoint(consumer="c", position=position + 1, previous=position)
            won = self.together(*[_moves(store, moved)] * 2)

            assert sorted(won) == [False, True]
        assert len(everything(store)) == _ROUNDS

    def test_checkpoints_outlive_the_object(self, store: EventStore) -> None:
        """
        After reopening, the consumer stands where it stood.
        """
        store.append(checkpoint=Checkpoint(consumer="c", position=7, previous=0))
        reopened = self.reopen(store)

        assert reopened.checkpoint("c") == (7 if self.can("durable") else 0)

    @pytest.mark.parametrize("consumer", ["", "\0", "c" * 256, "\ud800"])
    def test_a_bad_consumer_is_refused(self, store: EventStore, consumer: str) -> None:
        """
        A consumer's name has the limits of every name.
        """
        with pytest.raises(ValueError, match="consumer"):
            store.checkpoint(consumer)


def _moves(store: EventStore, checkpoint: Checkpoint) -> Callable[[], bool]:
    def run() -> bool:
        try:
            store.append(write("out", 1), checkpoint=checkpoint)
        except CheckpointConflict:
            return False
        return True

    return run
