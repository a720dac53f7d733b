"""
The events about dead letters, and what they keep of an error.
"""

import traceback
from typing import Final

from attrs import frozen

from azoth.codec import Registry
from azoth.events import NAME_BYTES_MAX, check_name
from azoth.handlers import SYSTEM

__all__ = [
    "DEAD",
    "DeadLetterDropped",
    "DeadLetterFailed",
    "DeadLetterSettled",
    "DeadLettered",
    "LetterError",
    "error_of",
    "letters",
    "stream_of",
]

DEAD: Final = f"{SYSTEM}dead"
"""The category of all dead letters."""

_TEXT_MAX: Final = 16 * 1024
"""Of an error's text and of its traceback, whose end is what tells."""

letters: Final = Registry()
"""The types of the events about dead letters."""


@frozen(kw_only=True)
class LetterError:
    """
    Keep what a handler raised.

    Attributes:
        type: The class of the error.
        text: Its message.
        traceback: The end of its traceback.
    """

    type: str
    text: str
    traceback: str = ""


@letters.event("DeadLettered")
@frozen(kw_only=True)
class DeadLettered:
    """
    Set an event aside for one handler.

    Attributes:
        handler: The handler's name.
        position: Where the event is.
        stream: Its stream.
        type: Its type.
        attempts: How often it was tried; 0 for one that waits behind another of its key.
        key: The key whose later events wait behind this one.
        error: What the last attempt raised.
    """

    handler: str
    position: int
    stream: str
    type: str
    attempts: int
    key: str | None = None
    error: LetterError | None = None


@letters.event("DeadLetterFailed")
@frozen(kw_only=True)
class DeadLetterFailed:
    """
    Record that somebody retried it and it failed again.
    """

    handler: str
    position: int
    error: LetterError


@letters.event("DeadLetterSettled")
@frozen(kw_only=True)
class DeadLetterSettled:
    """
    Record that a retry succeeded; what the handler wrote is in the same append.
    """

    handler: str
    position: int


@letters.event("DeadLetterDropped")
@frozen(kw_only=True)
class DeadLetterDropped:
    """
    Record that somebody gave it up.
    """

    handler: str
    position: int
    reason: str = ""


def stream_of(consumer: str) -> str:
    """
    Return the stream that keeps a consumer's dead letters.

    Raises:
        ValueError: The consumer's name is too long for the name of a stream.
    """
    stream = f"{DEAD}-{check_name(consumer, 'consumer')}"
    if len(stream.encode()) > NAME_BYTES_MAX:
        spare = NAME_BYTES_MAX - len(DEAD) - 1
        raise ValueError(f"a processor's name has at most {spare} bytes, not {consumer!r:.40}…")
    return stream


def error_of(error: BaseException) -> LetterError:
    """
    Return what is kept of an error; an error that cannot be shown is kept by its class.
    """
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - its own code runs
        text = "(its text could not be made)"
    trace = "".join(traceback.format_tb(error.__traceback__))
    name = f"{type(error).__module__}.{type(error).__qualname__}"
    return LetterError(
        type=_clean(name), text=_clean(text[:_TEXT_MAX]), traceback=_clean(trace[-_TEXT_MAX:])
    )


def _clean(text: str) -> str:
    # A lone surrogate, such as an undecodable file name has, cannot be written.
    return text.encode("utf-8", "backslashreplace").decode()
