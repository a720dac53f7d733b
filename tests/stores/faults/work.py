"""
What the writers of the fault tests append: batches that a seed and a number tell in full.

Whoever checks a log makes the same batches again and compares every byte.
"""

from collections.abc import Iterator
from functools import lru_cache
from random import Random
from typing import Final, TypeAlias

from attrs import frozen

from azoth.events import Checkpoint, NewEvent, Write
from azoth.store import EventStore
from azoth.streams import ANY

__all__ = ["CONSUMER", "STREAMS", "TYPES", "Batch", "LogLine", "batch", "log_of"]

CONSUMER: Final = "reader"
STREAMS: Final = ("order-1", "order-2", "cart-1", "cart-2")
TYPES: Final = ("Opened", "Changed", "Closed")

LogLine: TypeAlias = tuple[int, str, int, str, bytes, dict[str, str]]
"""position, stream, version, type, data, metadata"""


@frozen
class Batch:
    """
    Hold one append: some events on some streams, a checkpoint, and the key.
    """

    number: int
    key: str
    writes: tuple[Write, ...]
    checkpoint: Checkpoint

    def append_to(self, store: EventStore) -> tuple[int, int, bool]:
        """
        Append the batch, and return its first and last position and whether the key was known.
        """
        answer = store.append(*self.writes, checkpoint=self.checkpoint, key=self.key)
        return answer.first, answer.last, answer.duplicate


@lru_cache(maxsize=10_000)
def batch(seed: int, number: int) -> Batch:
    """
    Return the batch of a number, from 1: it moves the checkpoint from *number* - 1 to *number*.
    """
    rng = Random(f"{seed}/{number}")
    streams = rng.sample(STREAMS, rng.randint(1, 3))
    writes = tuple(Write(stream, list(_events(rng, number, stream)), ANY) for stream in streams)
    moved = Checkpoint(consumer=CONSUMER, position=number, previous=number - 1)
    return Batch(number, f"{seed}-{number}", writes, moved)


def _events(rng: Random, number: int, stream: str) -> Iterator[NewEvent]:
    for place in range(rng.randint(1, 3)):
        # One in eight needs pages of its own.
        size = rng.choice((0, 20, 40, 80, 120, 200, 400, 6_000))
        data = f"{number}/{stream}/{place}:".encode() + rng.randbytes(size)
        metadata = {"place": str(place)} if rng.random() < 0.3 else {}
        yield NewEvent(rng.choice(TYPES), data, metadata, rng.randint(1, 3))


def log_of(seed: int, count: int) -> list[LogLine]:
    """
    Return the log that the first *count* batches make.
    """
    lines: list[LogLine] = []
    versions = dict.fromkeys(STREAMS, 0)
    for number in range(1, count + 1):
        for write in batch(seed, number).writes:
            for event in write.events:
                versions[write.stream] += 1
                place = len(lines) + 1, write.stream, versions[write.stream]
                lines.append((*place, event.type, event.data, dict(event.metadata)))
    return lines
