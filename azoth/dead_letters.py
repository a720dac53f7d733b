"""
Dead letters: events that a handler could not handle, set aside to be retried or dropped.

They are events themselves, in the stream `$dead-<consumer>`, so nothing about them is lost: who
failed at what, each error that was recorded, and how it was settled.
"""

from collections.abc import Sequence
from typing import Final

from azoth._letter_box import Letter, LetterBox
from azoth._letters import (
    DEAD,
    DeadLetterDropped,
    DeadLettered,
    DeadLetterFailed,
    DeadLetterSettled,
    LetterError,
    error_of,
    letters,
    stream_of,
)
from azoth._outbox import Outbox
from azoth.events import NewEvent, Write
from azoth.handlers import EventHandler, react
from azoth.store import EventStore
from azoth.streams import EXISTS, WrongExpectedVersion

__all__ = [
    "DEAD",
    "DeadLetterDropped",
    "DeadLetterFailed",
    "DeadLetterSettled",
    "DeadLettered",
    "DeadLetters",
    "Letter",
    "LetterError",
]

_ATTEMPTS: Final = 10
"""Of one retry, while others write to the same streams."""


class DeadLetters:
    """
    List, retry and drop the dead letters of one consumer.

    Args:
        store: The log.
        consumer: The name of the processor.
        handlers: Its handlers; without them, nothing can be retried.
    """

    def __init__(
        self, store: EventStore, consumer: str, handlers: Sequence[EventHandler] = ()
    ) -> None:
        self._store = store
        self._consumer = consumer
        self._handlers = {handler.name: handler for handler in handlers}

    def list(self) -> Sequence[Letter]:
        """
        Return the open letters, by position.
        """
        return self._listed(self._load())

    def retry(self, letter_id: str) -> bool:
        """
        Run the handler again and say whether it succeeded; both outcomes are recorded.

        What the handler returns is appended in the commit that settles the letter, once, also if
        two retry at the same time.

        Raises:
            LookupError: There is no such open letter, or its handler is not there.
            ValueError: An earlier letter of the same key is open; retry that one first.
        """
        return self._retry(LetterBox(self._consumer), letter_id)

    def retry_all(self) -> int:
        """
        Retry each open letter, by position, and return how many succeeded.

        Those that wait behind one that fails are left as they are.
        """
        settled, box = 0, self._load()
        for letter in self._listed(box):
            box.refresh(self._store)
            if letter.id in box.open and box.first_of_key(letter).id == letter.id:
                settled += self._retry_if_open(box, letter.id)
        return settled

    def drop(self, letter_id: str, reason: str = "") -> None:
        """
        Give a letter up; those that wait behind it no longer do.

        Raises:
            LookupError: There is no such open letter.
        """
        letter = _find(self._load(), letter_id)
        change = DeadLetterDropped(handler=letter.handler, position=letter.position, reason=reason)
        self._store.append(Write(stream_of(self._consumer), [letters.encode(change)], EXISTS))

    def _load(self) -> LetterBox:
        box = LetterBox(self._consumer)
        box.refresh(self._store)
        return box

    def _retry_if_open(self, box: LetterBox, letter_id: str) -> bool:
        try:
            return self._retry(box, letter_id)
        except LookupError:
            # Somebody else settled it; but a handler that is missing is worth an error.
            if letter_id in box.open:
                raise
            return False

    def _listed(self, box: LetterBox) -> Sequence[Letter]:
        return sorted(box.open.values(), key=lambda letter: letter.position)

    def _retry(self, box: LetterBox, letter_id: str) -> bool:
        is_settled = False
        for attempt in range(_ATTEMPTS):
            box.refresh(self._store)
            letter = _find(box, letter_id)
            first = box.first_of_key(letter)
            if first is not letter:
                raise ValueError(f"dead letter {letter_id!r} waits behind {first.id!r}; retry that")
            writes, change = self._react(letter)
            is_settled = change.type == letters.type_of(DeadLetterSettled)
            try:
                self._store.append(*writes, Write(box.stream, [change], box.version))
                break
            except WrongExpectedVersion:
                if attempt + 1 == _ATTEMPTS:
                    raise
        return is_settled

    def _react(self, letter: Letter) -> tuple[Sequence[Write], NewEvent]:
        handler, position = self._handlers.get(letter.handler), letter.position
        if handler is None:
            raise LookupError(f"there is no handler {letter.handler!r} to retry {letter.id!r} with")
        (event,) = self._store.read(after=position - 1, until=position, limit=1).events
        outbox = Outbox()
        try:
            outbox.add(react(handler, event))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a handler raises
            failed = DeadLetterFailed(
                handler=handler.name, position=position, error=error_of(error)
            )
            return (), letters.encode(failed)
        settled = DeadLetterSettled(handler=handler.name, position=position)
        return outbox.writes, letters.encode(settled)


def _find(box: LetterBox, letter_id: str) -> Letter:
    letter = box.open.get(letter_id)
    if letter is None:
        raise LookupError(f"there is no open dead letter {letter_id!r}; list them")
    return letter
