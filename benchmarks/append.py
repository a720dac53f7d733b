"""
Ask how many events a second an append writes, beside the raw `sqlite3` driver in the same run.

The raw driver inserts the same fields, under the same two keys, with the same sync; it checks
nothing. Rounds alternate, so that a busy machine slows both, and the medians are compared.

    python benchmarks/append.py [ROUNDS]
"""

import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from statistics import median
from threading import Barrier, Thread
from time import perf_counter
from typing import Final

from azoth.events import NewEvent, Write
from azoth.store import EventStore
from azoth.streams import ANY
from azoth.urls import open_store

STREAMS: Final = 1_000
DATA: Final = b"x" * 200
ROUND_SECONDS: Final = 0.5

RAW_TABLE: Final = """
CREATE TABLE events (
    position INTEGER NOT NULL PRIMARY KEY, stream_id INTEGER NOT NULL, version INTEGER NOT NULL,
    type TEXT NOT NULL, schema INTEGER NOT NULL, recorded_at INTEGER NOT NULL,
    metadata BLOB NOT NULL, data BLOB NOT NULL, UNIQUE (stream_id, version)
)
"""
RAW_INSERT: Final = "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?)"

THREADS: Final = (1, 4, 16)

Step = Callable[[], int]
"""Appends once, and says how many events."""


def raw_appends(path: Path, per_commit: int, *, spread: bool) -> Step:
    """
    Return what commits so many events with the driver alone, and says how many.
    """
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(RAW_TABLE)
    positions = count(1)

    def rows() -> Iterator[tuple[int | str | bytes, ...]]:
        for position in positions:
            place = position if spread else position // per_commit
            version = position if not spread else position // STREAMS
            yield position, place % STREAMS, version, "TaskScheduled", 1, 1, b"", DATA

    source = rows()

    def commit() -> int:
        connection.execute("BEGIN IMMEDIATE")
        if per_commit == 1:
            connection.execute(RAW_INSERT, next(source))
        else:
            connection.executemany(RAW_INSERT, [next(source) for _ in range(per_commit)])
        connection.execute("COMMIT")
        return per_commit

    return commit


def our_appends(store: EventStore, per_commit: int, *, spread: bool) -> Step:
    """
    Return what appends so many events, and says how many.
    """
    positions = count()

    def append() -> int:
        if spread or per_commit == 1:
            store.append(*(one_write(next(positions), 1) for _ in range(per_commit)))
        else:
            store.append(one_write(next(positions), per_commit))
        return per_commit

    return append


def one_write(stream: int, size: int) -> Write:
    """
    Return a write of so many events to one of the streams.
    """
    events = [NewEvent("TaskScheduled", DATA) for _ in range(size)]
    return Write(f"task-{stream % STREAMS}", events, ANY)


def rate(step: Step) -> float:
    """
    Return how many events a second *step* writes.
    """
    written, began = 0, perf_counter()
    while (took := perf_counter() - began) < ROUND_SECONDS:
        written += step()
    return written / took


def threaded_rate(step: Step, threads: int) -> float:
    """
    Return how many events a second so many threads write together.
    """
    ready, rates = Barrier(threads), list[float]()

    def work() -> None:
        ready.wait()
        rates.append(rate(step))

    workers = [Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(rates)


def compare(ours: Step, raw: Step, per_commit: int, rounds: int, *, spread: bool) -> None:
    """
    Print one line: ours, raw, and their ratio.
    """
    pairs = [(rate(ours), rate(raw)) for _ in range(rounds)]
    our_rate, raw_rate = (median(side) for side in zip(*pairs, strict=True))
    where = "over 1,000 streams" if spread else "to one stream at a time"
    ratio = median(ours / raw for ours, raw in pairs)
    print(
        f"{per_commit:>4} per commit, {where:<24}"
        f"{our_rate:>10,.0f}/s   raw {raw_rate:>10,.0f}/s   ratio {ratio:.2f}"
    )


def compare_threads(store: EventStore, rounds: int) -> None:
    """
    Print how many single appends a second come from several threads.
    """
    step = our_appends(store, 1, spread=True)
    for threads in THREADS:
        ours = median(threaded_rate(step, threads) for _ in range(rounds))
        print(f"   1 per append, {threads:>2} threads {ours:>24,.0f}/s")


def ask(engine: str, urls: Callable[[str], str], raw: Callable[..., Step], place: Path) -> None:
    """
    Print all lines of one engine.

    Args:
        engine: What is measured, for the headline.
        urls: From the name of a log to its URL.
        raw: Makes the raw appends: `raw(path, per_commit, spread=...)`.
        place: An empty folder.
    """
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    print(f"{engine}, 200 bytes an event")
    for per_commit, spread in ((1, True), (100, True), (100, False)):
        name = f"{per_commit}-{spread}"
        theirs = raw(place / f"raw-{name}", per_commit, spread=spread)
        with open_store(urls(f"ours-{name}")) as store:
            ours = our_appends(store, per_commit, spread=spread)
            compare(ours, theirs, per_commit, rounds, spread=spread)
    with open_store(urls("threads")) as store:
        compare_threads(store, rounds)


def folder() -> "tempfile.TemporaryDirectory[str]":
    """
    Return an empty folder, where the command line says or here.
    """
    return tempfile.TemporaryDirectory(dir=sys.argv[2] if len(sys.argv) > 2 else ".")


def main() -> None:
    """
    Ask the question.
    """
    with folder() as made:
        place = Path(made).resolve()
        ask(
            "SQLite, synchronous=FULL",
            lambda name: f"sqlite:///{place}/{name}.db",
            raw_appends,
            place,
        )
    memory = open_store("memory://")
    print(f"memory, 1 per append {rate(our_appends(memory, 1, spread=True)):>21,.0f}/s")


if __name__ == "__main__":
    main()
