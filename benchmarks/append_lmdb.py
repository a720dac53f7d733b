"""
Ask how many events a second an append to LMDB writes, beside the raw binding in the same run.

The raw binding writes the same fields and one index, positions by stream, with the same sync; it
checks nothing. Rounds alternate, so that a busy machine slows both, and the medians are compared.

    python benchmarks/append_lmdb.py [ROUNDS]
"""

import struct
import sys
import tempfile
from collections.abc import Callable
from itertools import count
from pathlib import Path
from statistics import median
from typing import Final

import lmdb
from append import DATA, STREAMS, our_appends, rate, threaded_rate

from azoth.urls import open_store

MAP_BYTES: Final = 1 << 30
FIELDS: Final = struct.Struct(">QQqIBB")


def raw_appends(path: Path, per_commit: int, *, spread: bool) -> Callable[[], int]:
    """
    Return what commits so many events with the binding alone, and says how many.
    """
    path.mkdir()
    environment = lmdb.open(str(path), map_size=MAP_BYTES, max_dbs=2)
    events = environment.open_db(b"events")
    index = environment.open_db(b"by_stream", dupsort=True, dupfixed=True)
    positions = count(1)

    def commit() -> int:
        records, places = [], []
        for position in [next(positions) for _ in range(per_commit)]:
            stream = (position if spread else position // per_commit) % STREAMS
            key = position.to_bytes(8)
            fields = FIELDS.pack(stream, position // STREAMS, 1, 1, 13, 0)
            records.append((key, b"".join((fields, b"TaskScheduled", b"", DATA))))
            places.append((stream.to_bytes(8), key))
        with environment.begin(write=True) as transaction:
            transaction.cursor(events).putmulti(records, append=True)
            transaction.cursor(index).putmulti(places)
        return per_commit

    return commit


def compare(folder: Path, per_commit: int, rounds: int, *, spread: bool) -> None:
    """
    Print one line: ours, raw, and their ratio.
    """
    name = f"{per_commit}-{spread}"
    raw = raw_appends(folder / f"raw-{name}", per_commit, spread=spread)
    with open_store(f"lmdb:///{folder}/ours-{name}", map_size=MAP_BYTES) as store:
        ours = our_appends(store, per_commit, spread=spread)
        pairs = [(rate(ours), rate(raw)) for _ in range(rounds)]
    our_rate, raw_rate = (median(side) for side in zip(*pairs, strict=True))
    where = "over 1,000 streams" if spread else "to one stream at a time"
    ratio = median(ours / raw for ours, raw in pairs)
    print(
        f"{per_commit:>4} per commit, {where:<24}"
        f"{our_rate:>10,.0f}/s   raw {raw_rate:>10,.0f}/s   ratio {ratio:.2f}"
    )


def main() -> None:
    """
    Ask the question.
    """
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with tempfile.TemporaryDirectory(dir=sys.argv[2] if len(sys.argv) > 2 else ".") as folder:
        place = Path(folder).resolve()
        print("LMDB, every commit synced, 200 bytes an event")
        compare(place, 1, rounds, spread=True)
        compare(place, 100, rounds, spread=True)
        compare(place, 100, rounds, spread=False)
        with open_store(f"lmdb:///{place}/threads") as store:
            step = our_appends(store, 1, spread=True)
            for threads in (1, 4, 16):
                ours = median(threaded_rate(step, threads) for _ in range(rounds))
                print(f"   1 per append, {threads:>2} threads {ours:>24,.0f}/s")


if __name__ == "__main__":
    main()
