"""
Files that changed behind the store's back: a bit, a byte or a stretch, or their end is missing.

A store may answer as before or say that it is damaged. It may not answer something else: an answer
that differs must be an error, or `verify` must tell of it.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from random import Random
from shutil import copytree, rmtree
from typing import Final

from attrs import frozen

from tests.stores.faults.answers import UNTYPED, Answer
from tests.stores.faults.checking import History, examine
from tests.stores.faults.nursery import Nursery
from tests.stores.faults.subjects import Subject
from tests.stores.faults.trials import Trial
from tests.stores.faults.work import batch

__all__ = ["KINDS", "damage", "damage_tail", "keep_whole"]

BATCHES: Final = 12
"""In the log that is damaged."""

REPORTS: Final = {"StoreCorrupt", "StoreFailed"}
"""What damage may raise: the second where the file is not known for a store any more."""

CONFLICTS: Final = {"CheckpointConflict", "IdempotencyConflict", "WrongExpectedVersion"}
"""What an append is told whose key or stream cannot be reached any more; `verify` has to know."""


@frozen
class Harm:
    """
    Hold what is done to a file: its new content, and the event whose data it hit.
    """

    what: str
    content: bytes
    position: int | None = None


def _flip_bit(rng: Random, content: bytes, seed: int) -> Harm:
    place, bit = rng.randrange(len(content)), rng.randrange(8)
    return Harm(f"bit {bit} of byte {place}", _with(content, place, content[place] ^ 1 << bit))


def _change_byte(rng: Random, content: bytes, seed: int) -> Harm:
    place = rng.choice([place for place, byte in enumerate(content) if byte])
    change = rng.randrange(1, 256)
    return Harm(f"byte {place} by {change}", _with(content, place, content[place] ^ change))


def _change_event(rng: Random, content: bytes, seed: int) -> Harm:
    """
    Change a byte of an event's data, as far as it lies in one piece.
    """
    events = [e for n in range(1, BATCHES + 1) for w in batch(seed, n).writes for e in w.events]
    position = rng.randint(1, len(events))
    data = events[position - 1].data[:64]
    assert data in content, f"event {position} is not in the file"
    place = rng.randrange(len(data))
    changed = _with(data, place, data[place] ^ rng.randrange(1, 256))
    # An older copy may lie in a page that is free now, and nobody would notice a change there.
    return Harm(f"event {position} at its byte {place}", content.replace(data, changed), position)


def _wipe(rng: Random, content: bytes, seed: int) -> Harm:
    start, size = rng.randrange(len(content)), rng.choice((16, 512, 4_096))
    wiped = content[:start] + bytes(size) + content[start + size :]
    return Harm(f"{size} zeros at byte {start}", wiped[: len(content)])


def _truncate(rng: Random, content: bytes, seed: int) -> Harm:
    anywhere = rng.randrange(len(content))
    size = rng.choice((0, anywhere, anywhere // 4_096 * 4_096))
    return Harm(f"cut to {size} bytes", content[:size])


KINDS: Final[dict[str, Callable[[Random, bytes, int], Harm]]] = {
    "bit flipped": _flip_bit,
    "byte changed": _change_byte,
    "byte of an event changed": _change_event,
    "stretch wiped": _wipe,
    "file cut": _truncate,
}


def _with(content: bytes, place: int, byte: int) -> bytes:
    return content[:place] + bytes([byte]) + content[place + 1 :]


def keep_whole(subject: Subject, folder: Path, seed: int) -> None:
    """
    Make the store that is damaged later, in *folder*, and close it.
    """
    with subject.open(folder) as store:
        for number in range(1, BATCHES + 1):
            batch(seed, number).append_to(store)


def damage(
    nursery: Nursery,
    subject: Subject,
    whole: Path,
    seed: int,
    *,
    kind: str,
    times: int = 10,
    mutant: str | None = None,
) -> Iterator[Trial]:
    """
    Damage a copy of the store in *whole* in one way, *times* times, and ask for everything.
    """
    rng = Random(f"{seed}/{kind}")
    good = _answers(nursery, subject, _copy(whole), seed, mutant)
    assert good is not None
    for _ in range(times):
        name = rng.choice(subject.data)
        harm = KINDS[kind](rng, (whole / name).read_bytes(), seed)
        copy = _copy(whole)
        (copy / name).write_bytes(harm.content)
        answers = _answers(nursery, subject, copy, seed, mutant)
        yield _judged(subject, kind, harm, good, answers)


def damage_tail(
    nursery: Nursery, subject: Subject, whole: Path, seed: int, *, times: int = 10
) -> Iterator[Trial]:
    """
    Change a byte of the file in which the last commits wait, as a killed writer leaves it.

    The engine ends the log at the first commit that is damaged there, as after a power cut: what
    is left may be shorter, yet it is whole.
    """
    arguments = {"store": subject.name, "folder": str(whole), "durability": "full", "seed": seed}
    with nursery.start("write", **arguments, number=BATCHES, wait="close") as child:
        child.until_ready()
        child.kill()
        child.wait()
    rng = Random(f"{seed}/tail")
    history = History(seed=seed, acknowledged=BATCHES, tried=BATCHES, may_lose=True)
    for name in subject.tail:
        for _ in range(times):
            copy = _copy(whole)
            harm = _change_byte(rng, (whole / name).read_bytes(), seed)
            (copy / name).write_bytes(harm.content)
            yield _judged_tail(nursery, subject, copy, harm, history)


def _judged_tail(
    nursery: Nursery, subject: Subject, copy: Path, harm: Harm, history: History
) -> Trial:
    kind = "byte of the WAL changed"
    shown = copy.parent / "shown"
    rmtree(shown, ignore_errors=True)
    copytree(copy, shown)
    answers = _answers(nursery, subject, shown, history.seed, None)
    if answers is None:
        return Trial(kind=kind, where=harm.what, in_flight=False, wrong=["the process crashed"])
    if "open" in answers or answers["verify"][1] != "[]":
        return Trial(kind=kind, where=harm.what, in_flight=False, errors=["reported"])
    verdict = examine(subject, copy, "full", history)
    how = "shorter" if verdict.lost else "harmless"
    return Trial.judged(kind, harm.what, verdict, in_flight=False, errors=[how])


def _copy(whole: Path) -> Path:
    copy = whole.parent / "damaged"
    rmtree(copy, ignore_errors=True)
    copytree(whole, copy)
    return copy


def _answers(
    nursery: Nursery, subject: Subject, folder: Path, seed: int, mutant: str | None
) -> Mapping[str, Answer] | None:
    arguments = {"store": subject.name, "folder": str(folder), "number": BATCHES, "seed": seed}
    with nursery.start("answer", **arguments, mutant=mutant) as child:
        lines = child.rest()
        if child.wait() != 0:
            return None
    assert lines[-1] == "end", lines[-1]
    answers: list[Answer] = [json.loads(line) for line in lines[:-1]]
    return {answer[0]: answer for answer in answers}


def _judged(
    subject: Subject,
    kind: str,
    harm: Harm,
    good: Mapping[str, Answer],
    answers: Mapping[str, Answer] | None,
) -> Trial:
    if answers is None:
        wrong = [] if subject.may_crash else ["the process crashed"]
        return Trial(kind=kind, where=harm.what, in_flight=False, errors=["crash"], wrong=wrong)
    changed = [
        answer
        for name, answer in answers.items()
        if name != "verify" and (name not in good or answer[:2] != good[name][:2])
    ]
    return Trial(
        kind=kind,
        where=harm.what,
        in_flight=False,
        errors=[_how(changed, answers)],
        wrong=list(_broken_rules(harm, changed, answers)),
    )


def _how(changed: list[Answer], answers: Mapping[str, Answer]) -> str:
    if "open" in answers:
        return "refused at open"
    raised = any(answer[2].partition(":")[0] in REPORTS for answer in changed)
    if not changed:
        return "harmless"
    return "reported" if raised else "found by verify"


def _broken_rules(
    harm: Harm, changed: list[Answer], answers: Mapping[str, Answer]
) -> Iterator[str]:
    found = "open" in answers or answers["verify"][1] != "[]"
    for name, said, words, position in changed:
        kind = words.partition(":")[0]
        if said == UNTYPED or (said == "error" and kind not in REPORTS | CONFLICTS):
            yield f"{name!r} raised {words}"
        elif said == "error" and name == f"event {position}" == f"event {harm.position}":
            continue
        elif name == f"event {harm.position}":
            yield f"{name!r} raised {words or 'nothing'} with position {position}"
        elif position is not None and position < 1:
            yield f"{name!r} names position {position}"
    if "verify" in answers and answers["verify"][1] in {"error", UNTYPED}:
        yield f"verify raised {answers['verify'][2]}"
    if changed and not found:
        yield f"verify finds nothing, and answers differ: {[answer[:3] for answer in changed][:3]}"
