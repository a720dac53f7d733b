"""
The checkpoint of one consumer, moved in the commit that appends what its handlers returned.
"""

from collections.abc import Sequence
from typing import Final

from azoth.errors import CheckpointConflict, OutcomeUnknown, StoreBusy
from azoth.events import Checkpoint, Write
from azoth.following import Stop
from azoth.store import EventStore
from azoth.streams import WrongExpectedVersion

__all__ = ["Commits"]

_ATTEMPTS: Final = 10
"""Of one commit, while the store is busy or its answers are lost."""

_BUSY_SECONDS: Final = 0.5
"""Between two of them; the store has waited for its lock before it said that it is busy."""


class Commits:
    """
    Know the position that a consumer saved, and move it.

    Args:
        store: The log.
        consumer: The consumer's name.
    """

    def __init__(self, store: EventStore, consumer: str) -> None:
        self._store = store
        self._consumer = consumer
        self.position = 0

    def load(self) -> int:
        """
        Read the position that is saved.
        """
        self.position = self._store.checkpoint(self._consumer)
        return self.position

    def save(self, writes: Sequence[Write], position: int, stop: Stop) -> None:
        """
        Append *writes* and move to *position*, both or neither.

        Raises:
            WrongExpectedVersion: A stream is not as one of the writes expects.
            CheckpointConflict: Another runner moved the checkpoint.
            StoreError: The store cannot.
        """
        lost = False
        for attempt in range(_ATTEMPTS):
            try:
                self._append(writes, position)
                break
            except CheckpointConflict as conflict:
                # The checkpoint moves with the writes, so it says whether they are there.
                if lost and conflict.actual == position:
                    break
                raise
            except WrongExpectedVersion:
                # What was written before the answer was lost may itself be in the way.
                if lost and self._store.checkpoint(self._consumer) == position:
                    break
                raise
            except (StoreBusy, OutcomeUnknown) as error:
                if attempt + 1 == _ATTEMPTS:
                    raise
                lost = lost or isinstance(error, OutcomeUnknown)
                stop.wait(_BUSY_SECONDS if isinstance(error, StoreBusy) else 0)
        self.position = position

    def _append(self, writes: Sequence[Write], position: int) -> None:
        moved = Checkpoint(consumer=self._consumer, position=position, previous=self.position)
        self._store.append(*writes, checkpoint=moved)
