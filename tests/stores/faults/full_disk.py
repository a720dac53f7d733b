"""
A disk without room: the error has its type, nothing remains, and with room the store goes on.
"""

import json
import resource
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from random import Random
from typing import Final

from attrs import asdict, frozen

from azoth.errors import StoreError, StoreFull
from azoth.store import EventStore
from tests.stores.faults.checking import History, Verdict, examine
from tests.stores.faults.nursery import Nursery
from tests.stores.faults.private_mounts import mount_small
from tests.stores.faults.subjects import Durability, Subject, subject
from tests.stores.faults.transcripts import Transcript
from tests.stores.faults.trials import Trial
from tests.stores.faults.work import CONSUMER, batch

__all__ = ["LIMITS", "fill", "fill_disk"]

Say = Callable[..., None]

BALLAST_BYTES: Final = 512 * 1024
"""Freed when the disk is full: room for the batch that had none, and for what is opened anew."""

BATCHES_MAX: Final = 1_000
"""Appended in vain if the disk never fills."""


@frozen
class Room:
    """
    Hold how the room is limited, and how more is made.
    """

    limit: Callable[[Path, int], None]
    enlarge: Callable[[Path], None]


def _mount(folder: Path, size: int) -> None:
    mount_small(folder, size + BALLAST_BYTES)
    (folder / "ballast").write_bytes(bytes(BALLAST_BYTES))


def _limit_files(folder: Path, size: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))


def _free_files(folder: Path) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))


LIMITS: Final = {
    "full tmpfs": Room(_mount, lambda folder: (folder / "ballast").unlink()),
    "RLIMIT_FSIZE": Room(_limit_files, _free_files),
}


def fill_disk(
    nursery: Nursery,
    subject: Subject,
    durability: Durability,
    folder: Path,
    seed: int,
    *,
    limit: str,
    mutant: str | None = None,
) -> Trial:
    """
    Let a child fill what room there is, and return what became of it.
    """
    arguments = {"store": subject.name, "folder": str(folder), "durability": durability}
    with nursery.start("fill", **arguments, seed=seed, limit=limit, mutant=mutant) as child:
        said = Transcript.of(child.rest())
        child.wait()
    verdicts = [line.removeprefix("verdict ") for line in said.lines if line.startswith("verdict")]
    verdict = Verdict(**json.loads(verdicts[-1])) if verdicts else Verdict()
    wrong = [*verdict.wrong, *said.untyped, *(line for line in said.lines if "wrong" in line[:5])]
    if not said.ended or not verdicts:
        wrong.append(f"the writer did not come to its end: {said.lines[-3:]}")
    return Trial(
        kind=limit, where=f"seed {seed}", lost=verdict.lost, errors=said.errors, wrong=wrong
    )


def fill(
    say: Say,
    hear: Callable[[], object],
    *,
    store: str,
    folder: str,
    durability: Durability,
    seed: int,
    limit: str,
) -> None:
    """
    Fill the room there is, look at the store, make room, go on, and look again.
    """
    which, place, rng = subject(store), Path(folder), Random(seed)
    room = LIMITS[limit]
    room.limit(place, rng.randrange(300_000, 1_000_000, 1_000))
    opened = which.open(place, durability)
    last = _append_until_full(opened, seed, say)
    for sentence in _wrong_when_full(opened, last - 1):
        say("wrong:", sentence)
    if rng.random() < 0.5:
        # Closing wants room too, and so may opening.
        opened.close()
        room.enlarge(place)
        opened = which.open(place, durability)
    else:
        room.enlarge(place)
    batch(seed, last).append_to(opened)
    say("ack", last)
    opened.close()
    verdict = examine(which, place, durability, History(seed=seed, acknowledged=last, tried=last))
    say("verdict", json.dumps(asdict(verdict)))


def _append_until_full(store: EventStore, seed: int, say: Say) -> int:
    for number in count(1):
        say("try", number)
        try:
            batch(seed, number).append_to(store)
        except StoreError as error:
            say("err", number, type(error).__name__)
            if not isinstance(error, StoreFull):
                say("wrong:", "a full disk raised", type(error).__name__, error)
            return number
        say("ack", number)
        if number == BATCHES_MAX:
            raise RuntimeError("the disk is never full")
    raise AssertionError


def _wrong_when_full(store: EventStore, acknowledged: int) -> Iterator[str]:
    try:
        page = store.read(backwards=True, limit=1)
        saved = store.checkpoint(CONSUMER)
    except StoreError as error:
        yield f"a full store cannot be read: {error}"
        return
    if saved != acknowledged:
        yield f"{acknowledged} batches were acknowledged, and {saved} remain"
    if page.events and page.events[0].position != page.head:
        yield "the last event is not at the head"
