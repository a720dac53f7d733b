"""
Power cuts: what a writer did is recorded, and the disk is left as it may be at any moment of it.

Each state is opened by the store as a user would, on a real file system, and must keep what was
acknowledged by then. There are two recordings: the system calls of a child, for every store, and
the virtual file system under the SQLite store, which knows no thread and no system but its own.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from shutil import rmtree

from tests.stores.faults.checking import History, Verdict, examine
from tests.stores.faults.cut_file_system import recording_into
from tests.stores.faults.disks import Disk, Image
from tests.stores.faults.nursery import Nursery
from tests.stores.faults.recording import CALLS, DATA_MAX, Op, Said, recorded
from tests.stores.faults.subjects import Durability, Subject, subject
from tests.stores.faults.tracing import traced
from tests.stores.faults.transcripts import Transcript
from tests.stores.faults.trials import Trial
from tests.stores.faults.work import batch

__all__ = ["cut_power", "record", "record_inside"]

BATCHES = 12
"""Of one recording: enough for several checkpoints of the WAL."""


def record(
    nursery: Nursery,
    subject: Subject,
    durability: Durability,
    folder: Path,
    seed: int,
    *,
    mutant: str | None = None,
) -> list[Op]:
    """
    Return the system calls of a writer that makes a store in *folder*, appends and closes it.
    """
    output = folder / "trace"
    arguments = {"store": subject.name, "folder": str(folder / "store"), "durability": durability}
    (folder / "store").mkdir()
    with nursery.start("write", **arguments, seed=seed, number=BATCHES, mutant=mutant) as child:
        child.line()
        options = "-xx", "-y", "-s", str(DATA_MAX), "-e", f"trace={CALLS}"
        with traced(child, output, *options):
            child.go()
            said = Transcript.of(child.rest())
            child.wait()
    assert said.ended, said
    return recorded(output.read_text().splitlines(), folder / "store")


def record_inside(durability: Durability, folder: Path, seed: int) -> list[Op]:
    """
    Return what SQLite told its file system, while this process did the same.
    """
    ops: list[Op] = []
    (folder / "store").mkdir()
    with recording_into(ops), subject("sqlite").open(folder / "store", durability) as store:
        for number in range(1, BATCHES + 1):
            ops.append(Said(f"try {number}"))
            batch(seed, number).append_to(store)
            ops.append(Said(f"ack {number}"))
    return ops


def cut_power(
    subject: Subject,
    durability: Durability,
    folder: Path,
    ops: Sequence[Op],
    seed: int,
    *,
    kind: str = "power cut, recorded calls",
    times: int = 10,
) -> Iterator[Trial]:
    """
    Cut the power *times* times, each at another moment of a recording made in *folder*.
    """
    rng = Random(seed)
    for moment in sorted(rng.choices(range(len(ops) + 1), k=times)):
        disk = Disk()
        for op in ops[:moment]:
            disk.do(op)
        said = Transcript.of(op.line for op in ops[:moment] if isinstance(op, Said))
        image = disk.after_power_cut(rng)
        history = History(
            seed=seed,
            acknowledged=said.acknowledged,
            tried=said.tried,
            may_lose=durability == "normal",
        )
        verdict = _verdict(subject, durability, folder, image, history)
        in_flight = said.tried > said.acknowledged
        yield Trial.judged(kind, f"op {moment} of {len(ops)}", verdict, in_flight=in_flight)


def _verdict(
    subject: Subject, durability: Durability, folder: Path, image: Image, history: History
) -> Verdict:
    place = folder / "crashed"
    rmtree(place, ignore_errors=True)
    place.mkdir()
    for path, content in image.items():
        name = place / path.relative_to(folder / "store")
        if content is None:
            name.mkdir(exist_ok=True)
        else:
            name.write_bytes(content)
    return examine(subject, place, durability, history)
