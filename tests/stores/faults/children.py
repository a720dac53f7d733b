"""
What the children do.

A child says what happens, one line each: `ready` (it waits to be told to go), `try 3`, `ack 3`,
`err 3 StoreFull`, `probe read` or `probe append` with how they ended, `reopen`, `end`.
"""

import json
import os
from collections.abc import Callable, Iterator
from itertools import count, islice
from pathlib import Path
from typing import Final

from azoth.errors import StoreError
from azoth.store import EventStore
from tests.stores.faults.answers import all_answers
from tests.stores.faults.full_disk import fill
from tests.stores.faults.subjects import Durability, Subject, subject
from tests.stores.faults.work import Batch, batch

__all__ = ["PROGRAMS", "Say"]

ATTEMPTS_MAX: Final = 3
"""Of one batch: as it is, on a store that was reopened, and once more."""

LAST_BATCHES: Final = 3
"""Appended after the pause: one of three copies what waits in a log of its own into its place."""

PUBLIC: Final = {"azoth.errors", "azoth.streams"}

Say = Callable[..., None]
"""Sends one line to the parent."""


class Writer:
    """
    Append batches in order, and go on after errors as the contract allows.
    """

    def __init__(self, subject: Subject, folder: Path, durability: Durability, say: Say) -> None:
        self._subject = subject
        self._folder = folder
        self._durability: Durability = durability
        self._say = say
        self._store: EventStore | None = None

    def open(self) -> bool:
        """
        Open the store if it is not, and say with what error if that fails.
        """
        try:
            if self._store is None:
                self._store = self._subject.open(self._folder, self._durability)
        except StoreError as error:
            self._say("err", "open", public_name(error), error)
        return self._store is not None

    def append(self, batch: Batch) -> bool:
        """
        Append a batch, and try again with its key as long as that may help.
        """
        for _ in range(ATTEMPTS_MAX):
            if not self.open():
                continue
            self._say("try", batch.number)
            if self._appended(batch) or self._goes_on(batch):
                return True
            self.close()
            self._say("reopen")
        return False

    def close(self) -> None:
        """
        Close the store if it is open.
        """
        store, self._store = self._store, None
        if store is not None:
            store.close()

    def _appended(self, batch: Batch) -> bool:
        assert self._store is not None
        try:
            batch.append_to(self._store)
        except StoreError as error:
            self._say("err", batch.number, public_name(error), error)
            return False
        self._say("ack", batch.number)
        return True

    def _goes_on(self, batch: Batch) -> bool:
        """
        Use the store as it is after an error; it may refuse everything, and then always does.
        """
        assert self._store is not None
        try:
            self._store.read(limit=1)
        except StoreError as error:
            self._say("probe", "read", public_name(error))
        else:
            self._say("probe", "read", "ok")
        try:
            batch.append_to(self._store)
        except StoreError as error:
            self._say("probe", "append", public_name(error))
            return False
        self._say("probe", "append", "ok")
        self._say("ack", batch.number)
        return True


def public_name(error: StoreError) -> str:
    """
    Return the name that users know an error by: a store may raise a subclass of its own.
    """
    return next(kind.__name__ for kind in type(error).__mro__ if kind.__module__ in PUBLIC)


def write(
    say: Say,
    hear: Callable[[], object],
    *,
    store: str,
    folder: str,
    durability: Durability,
    seed: int,
    first: int = 1,
    number: int | None = None,
    wait: str = "open",
) -> None:
    """
    Append batches from *first* on, and close the store.

    Args:
        say: To the parent.
        hear: From the parent.
        store: The subject's name.
        folder: Where the store lies.
        durability: Of the store.
        seed: Of the batches.
        first: The first batch.
        number: How many batches; None to go on for ever.
        wait: What to wait before: to `open`, to append the `last` batches, to `close`.
    """
    writer = Writer(subject(store), Path(folder), durability, say)
    numbers: Iterator[int] = islice(count(first), number)
    pause = {"open": first, "last": first + (number or 0) - LAST_BATCHES}.get(wait)
    for each in numbers:
        if each == pause:
            hear()
        if not writer.append(batch(seed, each)):
            break
    if wait == "close":
        hear()
    writer.close()


def answer(
    say: Say, hear: Callable[[], object], *, store: str, folder: str, seed: int, number: int
) -> None:
    """
    Say all that a store answers that holds so many batches of a seed.
    """
    # An engine that gives up writes why before it ends the process, and it was asked for it.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    for line in all_answers(subject(store), Path(folder), seed, number):
        say(json.dumps(line))


PROGRAMS: Final[dict[str, Callable[..., None]]] = {"write": write, "answer": answer, "fill": fill}
