"""
The open dead letters of a consumer: a fold of its stream.
"""

from attrs import evolve, frozen

from azoth._letters import DeadLettered, DeadLetterFailed, LetterError, letters, stream_of
from azoth.errors import CodecError
from azoth.events import Event, Query
from azoth.following import iterate
from azoth.store import EventStore

__all__ = ["Letter", "LetterBox"]


@frozen(kw_only=True)
class Letter:
    """
    Show an open dead letter.

    Attributes:
        handler: The handler that failed.
        position: Where the event is.
        stream: Its stream.
        type: Its type.
        key: The key whose later events wait behind this one.
        attempts: How often it was tried, retries included.
        errors: What each failure that was recorded raised, oldest first.
    """

    handler: str
    position: int
    stream: str
    type: str
    key: str | None
    attempts: int
    errors: tuple[LetterError, ...]

    @property
    def id(self) -> str:
        """
        Return what `retry` and `drop` know it by.
        """
        return _id(self.position, self.handler)


def _id(position: int, handler: str) -> str:
    return f"{position}/{handler}"


class LetterBox:
    """
    Fold a consumer's stream of dead letters.

    Attributes:
        stream: The stream's name.
        version: How many of its events were folded.
        open: The letters that are neither settled nor dropped, by id.
    """

    def __init__(self, consumer: str) -> None:
        self.stream = stream_of(consumer)
        self.version = 0
        self.open: dict[str, Letter] = {}
        self._position = 0
        self._waiting: dict[tuple[str, str], dict[str, None]] = {}

    def refresh(self, store: EventStore) -> None:
        """
        Fold what was appended since.
        """
        for event in iterate(store, Query(stream=self.stream), after=self._position):
            self._fold(event)

    def has_open(self, handler: str, key: str) -> bool:
        """
        Say whether a letter of *handler* with *key* is open.
        """
        return (handler, key) in self._waiting

    def first_of_key(self, letter: Letter) -> Letter:
        """
        Return the open letter of the same handler and key that stands first; itself without a key.
        """
        if letter.key is None:
            return letter
        # They were set aside in the order of the log, and a dict keeps that order.
        return self.open[next(iter(self._waiting[letter.handler, letter.key]))]

    def _fold(self, event: Event) -> None:
        self.version, self._position = event.version, event.position
        try:
            change = letters.decode(event)
        except CodecError:
            return
        match change:
            case DeadLettered():
                self._open(change)
            case DeadLetterFailed():
                self._add_error(change)
            case _:
                self._close(_id(change.position, change.handler))

    def _open(self, change: DeadLettered) -> None:
        letter = Letter(
            handler=change.handler,
            position=change.position,
            stream=change.stream,
            type=change.type,
            key=change.key,
            attempts=change.attempts,
            errors=() if change.error is None else (change.error,),
        )
        self.open[letter.id] = letter
        if letter.key is not None:
            self._waiting.setdefault((letter.handler, letter.key), {})[letter.id] = None

    def _add_error(self, change: DeadLetterFailed) -> None:
        letter_id = _id(change.position, change.handler)
        letter = self.open.get(letter_id)
        if letter is not None:
            errors = (*letter.errors, change.error)
            self.open[letter_id] = evolve(letter, attempts=letter.attempts + 1, errors=errors)

    def _close(self, letter_id: str) -> None:
        letter = self.open.pop(letter_id, None)
        if letter is None or letter.key is None:
            return
        waiting = self._waiting[letter.handler, letter.key]
        del waiting[letter_id]
        if not waiting:
            del self._waiting[letter.handler, letter.key]
